//! A store that stands before another, so that a test knows and chooses what happens in it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use openkey_capability::{cid::Cid, did::Did, resource::SpaceId};
use openkey_node::allowance::{Allowance, Read};
use openkey_node::authority::Authority;
use openkey_node::node::Node;
use openkey_node::standing::Standing;
use openkey_node::store::{
    Accepted, Admission, Ahead, Begin, DelegationRow, DelegationsOf, DelegationsPage, Entered,
    Entry, Extent, Keys, NewDelegation, NewRevocation, Outcome, Page, Reservation, RevocationAhead,
    Revoked, Room, Space, Statement, Store, StoreError, StoredValue, Ticket, Usage, ValueWrite,
};
use tokio::sync::Semaphore;
use tokio::sync::oneshot::{Receiver, Sender, channel};

/// A store that stands before another.
pub(crate) struct Interposed {
    behind: Arc<dyn Store>,
    /// How often somebody asked what was revoked.
    asked: AtomicUsize,
    /// What somebody else revokes just before the next transaction about a delegation.
    before: Mutex<Option<NewRevocation>>,
    /// Writes that go on or went on, and for whom they all wait.
    writes: AtomicUsize,
    writing: Mutex<Option<Arc<Semaphore>>>,
    /// Whom the next one who enters tells so, and for whom they wait then.
    entry: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Interposed {
    /// Puts one before the store of a node, which then remembers no link.
    pub(crate) fn before(node: &mut Node) -> Arc<Self> {
        let store = Arc::new(Self {
            behind: Arc::clone(&node.store),
            asked: AtomicUsize::new(0),
            before: Mutex::default(),
            writes: AtomicUsize::new(0),
            writing: Mutex::default(),
            entry: Mutex::default(),
        });
        node.store = Arc::<Self>::clone(&store);
        node.authority = Authority::new(Arc::<Self>::clone(&store));
        store
    }

    /// How often somebody has asked what was revoked, since this was asked last.
    pub(crate) fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }

    /// Lets a revocation land after the next request has checked what it rests on, and before the
    /// transaction that it ends in.
    pub(crate) fn revoke_between(&self, revocation: NewRevocation) {
        *self.before.lock().unwrap() = Some(revocation);
    }

    /// Lets something happen after the next request has entered for a database, and before it goes on:
    /// what is received says that it entered, and what is sent, or dropped, that it may go on.
    pub(crate) fn stop_entry(&self) -> (Receiver<()>, Sender<()>) {
        let ((entered, told), (go, wait)) = (channel(), channel());
        *self.entry.lock().unwrap() = Some((entered, wait));
        (told, go)
    }

    /// Lets no write end before this has a permit.
    pub(crate) fn stop_writes(&self) -> Arc<Semaphore> {
        let stopped = Arc::new(Semaphore::new(0));
        *self.writing.lock().unwrap() = Some(Arc::clone(&stopped));
        stopped
    }

    /// How many writes of values have begun.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    async fn interrupt(&self) {
        let revocation = self.before.lock().unwrap().take();
        if let Some(revocation) = revocation {
            self.behind.revoke(revocation).await.unwrap();
        }
    }
}

#[async_trait]
impl Store for Interposed {
    async fn revocations(
        &self,
        statements: &[Statement],
    ) -> Result<Vec<Option<Revoked>>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.behind.revocations(statements).await
    }

    async fn accept(&self, delegation: NewDelegation) -> Result<Accepted, StoreError> {
        self.interrupt().await;
        self.behind.accept(delegation).await
    }

    async fn revoke(&self, revocation: NewRevocation) -> Result<(), StoreError> {
        self.interrupt().await;
        self.behind.revoke(revocation).await
    }

    async fn revoke_ahead(&self, revocation: RevocationAhead) -> Result<Ahead, StoreError> {
        self.behind.revoke_ahead(revocation).await
    }

    async fn space(&self, id: &SpaceId) -> Result<Option<Space>, StoreError> {
        self.behind.space(id).await
    }

    async fn spaces_of(
        &self,
        owner: &Did,
        page: Page<String>,
    ) -> Result<Vec<(SpaceId, Space)>, StoreError> {
        self.behind.spaces_of(owner, page).await
    }

    async fn host(
        &self,
        admission: Admission,
        id: &SpaceId,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        self.behind.host(admission, id, now_ms).await
    }

    async fn tokens(
        &self,
        cids: &[Cid],
        allowed: Allowance,
    ) -> Result<Read<Vec<Option<Vec<u8>>>>, StoreError> {
        self.behind.tokens(cids, allowed).await
    }

    async fn delegations_of(
        &self,
        query: DelegationsOf,
        allowed: Allowance,
    ) -> Result<Read<DelegationsPage>, StoreError> {
        self.behind.delegations_of(query, allowed).await
    }

    async fn delegations_in(
        &self,
        space: &SpaceId,
        page: Page<(i64, i64)>,
        allowed: Allowance,
    ) -> Result<Read<Vec<DelegationRow>>, StoreError> {
        self.behind.delegations_in(space, page, allowed).await
    }

    async fn is_used(&self, statement: &Statement) -> Result<bool, StoreError> {
        self.behind.is_used(statement).await
    }

    async fn admit(&self, admission: Admission) -> Result<(), StoreError> {
        self.behind.admit(admission).await
    }

    async fn enter(&self, entry: Entry) -> Result<Entered, StoreError> {
        let stop = self.entry.lock().unwrap().take();
        let entered = self.behind.enter(entry).await;
        if let Some((told, wait)) = stop {
            let _ = (told.send(()), wait.await);
        }
        entered
    }

    async fn stands(&self, admission: &Admission, space: &SpaceId) -> Result<(), StoreError> {
        self.behind.stands(admission, space).await
    }

    async fn enlarge(
        &self,
        space: &SpaceId,
        database: &str,
        reservation: Option<i64>,
        default_bound: Option<u64>,
    ) -> Result<Entered, StoreError> {
        self.behind
            .enlarge(space, database, reservation, default_bound)
            .await
    }

    async fn settle(
        &self,
        space: &SpaceId,
        database: &str,
        reservation: i64,
        bytes: Option<u64>,
    ) -> Result<(), StoreError> {
        self.behind
            .settle(space, database, reservation, bytes)
            .await
    }

    async fn renew(&self, reservation: i64) -> Result<(), StoreError> {
        self.behind.renew(reservation).await
    }

    async fn take(
        &self,
        admission: Admission,
        space: &SpaceId,
        key: &str,
    ) -> Result<Option<StoredValue>, StoreError> {
        self.behind.take(admission, space, key).await
    }

    async fn value(&self, space: &SpaceId, key: &str) -> Result<Option<StoredValue>, StoreError> {
        self.behind.value(space, key).await
    }

    async fn values(
        &self,
        space: &SpaceId,
        keys: &[String],
        contents: bool,
        allowed: Allowance,
    ) -> Result<Read<Vec<Option<StoredValue>>, Extent>, StoreError> {
        self.behind.values(space, keys, contents, allowed).await
    }

    async fn keys(
        &self,
        space: &SpaceId,
        which: &Keys,
        page: Page<String>,
        allowed: Allowance,
    ) -> Result<Read<Vec<String>>, StoreError> {
        self.behind.keys(space, which, page, allowed).await
    }

    async fn write(&self, write: ValueWrite) -> Result<Vec<Outcome>, StoreError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let stopped = self.writing.lock().unwrap().clone();
        if let Some(stopped) = stopped {
            stopped.acquire().await.unwrap().forget();
        }
        self.behind.write(write).await
    }

    async fn begin(&self, begin: Begin) -> Result<Option<Room>, StoreError> {
        self.behind.begin(begin).await
    }

    async fn reserve(&self, reservation: Reservation) -> Result<(), StoreError> {
        self.behind.reserve(reservation).await
    }

    async fn discard(&self, blobs: Vec<String>) -> Result<Vec<String>, StoreError> {
        self.behind.discard(blobs).await
    }

    async fn claim_garbage(
        &self,
        staged_before_ms: i64,
        replaced_before_ms: i64,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        self.behind
            .claim_garbage(staged_before_ms, replaced_before_ms, limit)
            .await
    }

    async fn removed(&self, blobs: Vec<String>) -> Result<(), StoreError> {
        self.behind.removed(blobs).await
    }

    async fn issue(&self, ticket: Ticket, standing: Standing) -> Result<(), StoreError> {
        self.behind.issue(ticket, standing).await
    }

    async fn ticket(&self, id: &[u8; 32]) -> Result<Option<Ticket>, StoreError> {
        self.behind.ticket(id).await
    }

    async fn sized(&self, space: &SpaceId, database: &str, bytes: u64) -> Result<(), StoreError> {
        self.behind.sized(space, database, bytes).await
    }

    async fn usage(&self, space: &SpaceId) -> Result<Usage, StoreError> {
        self.behind.usage(space).await
    }

    async fn usages(&self, page: Page<String>) -> Result<Vec<(String, Usage)>, StoreError> {
        self.behind.usages(page).await
    }

    async fn bound(&self, space: &SpaceId, bytes: Option<u64>) -> Result<(), StoreError> {
        self.behind.bound(space, bytes).await
    }

    async fn tidy(&self, now_ms: i64) -> Result<bool, StoreError> {
        self.behind.tidy(now_ms).await
    }

    async fn spare(&self, is_low: bool) -> Result<(), StoreError> {
        self.behind.spare(is_low).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.behind.probe().await
    }

    async fn close(&self) {
        self.behind.close().await;
    }
}
