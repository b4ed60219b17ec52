//! Short names for what the parts of the suite have in common.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use openkey_capability::{cid::Cid, did::Did, key::PublicKey, resource::SpaceId};
use openkey_edge::sqlite::Options;
use openkey_node::clock::Clock;
use openkey_node::store::sqlite::SqliteStore;
use openkey_node::store::{
    Admission, Change, Condition, Content, DefaultBounds, Entered, Entry, NewDelegation,
    NewRevocation, Outcome, Page, Reservation, Statement, Store, StoreError, StoredValue,
    ValueWrite, Wants,
};

/// When everything happens, unless a test says otherwise.
pub(crate) const NOW: i64 = 1_800_000_000_000;
/// Behind everything that happens.
pub(crate) const LATER: i64 = NOW + 1_000_000;

/// A clock that a test sets, in milliseconds.
pub(crate) struct Fixed(AtomicI64);

impl Fixed {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(NOW)))
    }

    pub(crate) fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

impl Clock for Fixed {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn open(dir: &Path) -> SqliteStore {
    open_at(dir, &Fixed::new())
}

pub(crate) fn open_at(dir: &Path, clock: &Arc<Fixed>) -> SqliteStore {
    let clock = Arc::<Fixed>::clone(clock);
    SqliteStore::open(dir, clock, Options::default()).unwrap()
}

/// A statement that no other is.
pub(crate) fn statement() -> Statement {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    *blake3::hash(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()).as_bytes()
}

pub(crate) fn did(seed: u8) -> Did {
    let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
    Did::from_key(&PublicKey::Ed25519(key.to_bytes()))
}

pub(crate) fn space_of(owner: &Did, name: &str) -> SpaceId {
    SpaceId::new(owner, name).unwrap()
}

pub(crate) fn space(name: &str) -> SpaceId {
    space_of(&did(1), name)
}

/// An admission that was never used, and rests on these.
pub(crate) fn resting(chain: &[Statement]) -> Admission {
    Admission {
        statement: statement(),
        expires_ms: NOW + 50_000,
        chain_expires_ms: None,
        until_ms: NOW + 60_000,
        chain: chain.to_vec(),
    }
}

pub(crate) fn fresh() -> Admission {
    resting(&[])
}

/// A space that is hosted.
pub(crate) async fn hosted(store: &dyn Store, name: &str) -> SpaceId {
    let id = space(name);
    assert!(store.host(fresh(), &id, NOW).await.unwrap());
    id
}

pub(crate) fn value(bytes: &[u8]) -> StoredValue {
    StoredValue {
        hash: *blake3::hash(bytes).as_bytes(),
        size: bytes.len() as u64,
        headers: "[]".to_owned(),
        content: Content::Inline(Bytes::copy_from_slice(bytes)),
    }
}

pub(crate) fn in_blob(name: &str, size: u64) -> StoredValue {
    StoredValue {
        hash: *blake3::hash(name.as_bytes()).as_bytes(),
        size,
        headers: "[]".to_owned(),
        content: Content::Blob(name.to_owned()),
    }
}

/// The first reservation of a blob, without a bound.
pub(crate) fn reservation(space: &SpaceId, blob: &str, bytes: u64) -> Reservation {
    Reservation {
        blob: blob.to_owned(),
        first: true,
        bytes,
        space: space.clone(),
        keys: [].into(),
        default_bound: None,
        staged_bound: u64::MAX,
    }
}

/// Reserves a blob without a bound.
pub(crate) async fn stage(store: &dyn Store, space: &SpaceId, blob: &str, bytes: u64) {
    store
        .reserve(reservation(space, blob, bytes))
        .await
        .unwrap();
}

/// Claims what was not renewed, or replaced, before this time.
pub(crate) async fn claim(store: &dyn Store, before_ms: i64, limit: u32) -> Vec<String> {
    store
        .claim_garbage(before_ms, before_ms, limit)
        .await
        .unwrap()
}

pub(crate) type Changes = Vec<(String, Condition, Change)>;

pub(crate) fn put(key: &str, value: StoredValue) -> (String, Condition, Change) {
    (key.to_owned(), Condition::Any, Change::Put(value))
}

pub(crate) fn delete(key: &str) -> (String, Condition, Change) {
    (key.to_owned(), Condition::Any, Change::Delete)
}

pub(crate) fn writing(space: &SpaceId, changes: Changes) -> ValueWrite {
    ValueWrite {
        admission: fresh(),
        begun: false,
        space: space.clone(),
        changes,
        default_bound: None,
    }
}

/// Writes without a bound.
pub(crate) async fn write(
    store: &dyn Store,
    space: &SpaceId,
    changes: Changes,
) -> Result<Vec<Outcome>, StoreError> {
    store.write(writing(space, changes)).await
}

/// What is under a key, if it is in the store itself.
pub(crate) async fn get(store: &dyn Store, space: &SpaceId, key: &str) -> Option<Vec<u8>> {
    store
        .value(space, key)
        .await
        .unwrap()
        .map(|value| match value.content {
            Content::Inline(bytes) => bytes.to_vec(),
            Content::Blob(name) => panic!("{key} is in blob {name}"),
            Content::Unread => panic!("{key} was not read"),
        })
}

pub(crate) const fn first<T>(limit: u32) -> Page<T> {
    Page { after: None, limit }
}

/// A delegation from `did(1)` to `did(2)` of one space, that nobody accepted before.
pub(crate) fn delegation(space: &SpaceId) -> NewDelegation {
    let statement = statement();
    NewDelegation {
        cid: Cid::of(&statement),
        names: Vec::new(),
        statement,
        token: statement.to_vec(),
        delegator: did(1),
        delegatee: did(2),
        issued_ms: Some(NOW),
        expires_ms: None,
        passes_until_ms: None,
        longest_until_ms: NOW + 360_000,
        chain: Vec::new(),
        delegators: Vec::new(),
        networks: Vec::new(),
        about: Vec::new(),
        owners: vec![space.owner().clone()],
        spaces: vec![space.clone()],
        hosts: Vec::new(),
        default_bounds: DefaultBounds::default(),
        now_ms: NOW,
    }
}

pub(crate) fn revocation(target: Statement) -> NewRevocation {
    NewRevocation {
        target,
        token: b"revocation".to_vec(),
        revoker: did(1),
        expires_ms: None,
        chain: Vec::new(),
        now_ms: NOW,
    }
}

/// Enters for a database, under this bound if nobody set another.
pub(crate) async fn enter(
    store: &dyn Store,
    admission: Admission,
    space: &SpaceId,
    database: &str,
    (wants, default_bound): (Wants, Option<u64>),
) -> Result<Entered, StoreError> {
    let entry = Entry {
        admission,
        space: space.clone(),
        database: database.to_owned(),
        wants,
        is_durable: false,
        default_bound,
    };
    store.enter(entry).await
}
