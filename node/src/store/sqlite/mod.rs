//! The store on one SQLite file.

mod ahead;
mod check;
mod databases;
mod delegations;
mod garbage;
mod kept;
mod reading;
mod schema;
mod spaces;
mod tickets;
mod uses;
mod values;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use openkey_capability::{cid::Cid, did::Did, resource::SpaceId};
use openkey_edge::sqlite::{Database, DatabaseError, Durability, OpenError, Options};
use rusqlite::Connection;

use super::types::{
    Accepted, Admission, Ahead, Begin, DelegationRow, DelegationsOf, Keys, NewDelegation,
    NewRevocation, Outcome, Page, Reservation, RevocationAhead, Revoked, Room, Space, Statement,
    StoredValue, Ticket, ValueWrite,
};
use super::usage::{Entered, Entry, Usage};
use super::{Store, StoreError};
use crate::clock::Clock;

/// The store on one SQLite file. Clones share it.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// Opens the store in `dir`, making both if they are missing. The clock says what has ended.
    ///
    /// # Errors
    ///
    /// [`OpenError`], saying what to do.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, options: Options) -> Result<Self, OpenError> {
        Ok(Self {
            clock,
            database: Database::open(dir, &schema::LAYOUT, options)?,
        })
    }

    /// Whether there is a store in `dir`, of whatever shape.
    #[must_use]
    pub fn is_in(dir: &Path) -> bool {
        dir.join(schema::LAYOUT.file_name).exists()
    }

    /// Checks the whole file, also while somebody serves it.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`] and others.
    pub fn check(dir: &Path) -> Result<(), OpenError> {
        Database::check(dir, &schema::LAYOUT)
    }

    /// Copies the store, as of one moment and while it is in use, into a new directory's file.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]; an existing file is not overwritten.
    pub async fn backup(&self, to: PathBuf) -> Result<(), DatabaseError> {
        self.database
            .backup(to.join(schema::LAYOUT.file_name))
            .await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.database.read(work).await
    }

    async fn write_synced<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.database.write(Durability::Synced, work).await
    }

    async fn write_soon<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.database.write(Durability::Process, work).await
    }
}

pub use self::check::{
    DatabaseRow, DelegationFound, Held, Listing, Miscount, RevocationFound, ValueRow,
};

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.database.fmt(f)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn space(&self, id: &SpaceId) -> Result<Option<Space>, StoreError> {
        let id = id.to_string();
        self.read(move |c| spaces::get(c, &id)).await
    }

    async fn spaces_of(
        &self,
        owner: &Did,
        page: Page<String>,
    ) -> Result<Vec<(SpaceId, Space)>, StoreError> {
        let owner = owner.to_string();
        self.read(move |c| spaces::of_owner(c, &owner, &page)).await
    }

    async fn host(
        &self,
        admission: Admission,
        id: &SpaceId,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let (id, clock) = (id.clone(), Arc::clone(&self.clock));
        self.write_synced(move |c| {
            uses::admit(c, &admission, clock.now_ms())?;
            spaces::host(c, &id, now_ms)
        })
        .await
    }

    async fn tokens(&self, cids: &[Cid]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let cids = cids.to_vec();
        self.read(move |c| delegations::tokens(c, &cids)).await
    }

    async fn revocations(
        &self,
        statements: &[Statement],
    ) -> Result<Vec<Option<Revoked>>, StoreError> {
        let statements = statements.to_vec();
        self.read(move |c| delegations::revocations(c, &statements))
            .await
    }

    async fn accept(&self, delegation: NewDelegation) -> Result<Accepted, StoreError> {
        self.write_synced(move |c| delegations::accept(c, &delegation))
            .await
    }

    async fn revoke(&self, revocation: NewRevocation) -> Result<(), StoreError> {
        self.write_synced(move |c| delegations::revoke(c, &revocation))
            .await
    }

    async fn revoke_ahead(&self, revocation: RevocationAhead) -> Result<Ahead, StoreError> {
        self.write_synced(move |c| ahead::revoke(c, &revocation))
            .await
    }

    async fn delegations_of(&self, query: DelegationsOf) -> Result<Vec<DelegationRow>, StoreError> {
        self.read(move |c| delegations::of_principal(c, &query))
            .await
    }

    async fn delegations_in(
        &self,
        space: &SpaceId,
        page: Page<(i64, i64)>,
    ) -> Result<Vec<DelegationRow>, StoreError> {
        let space = space.to_string();
        self.read(move |c| delegations::in_space(c, &space, &page))
            .await
    }

    async fn is_used(&self, statement: &Statement) -> Result<bool, StoreError> {
        let statement = *statement;
        self.read(move |c| uses::is_used(c, &statement)).await
    }

    async fn admit(&self, admission: Admission) -> Result<(), StoreError> {
        let clock = Arc::clone(&self.clock);
        self.write_soon(move |c| uses::admit(c, &admission, clock.now_ms()))
            .await
    }

    async fn enter(&self, entry: Entry) -> Result<Entered, StoreError> {
        let clock = Arc::clone(&self.clock);
        let entered = self.write_soon(move |c| databases::enter(c, &entry, clock.now_ms()));
        entered.await?
    }

    async fn enlarge(
        &self,
        space: &SpaceId,
        database: &str,
        reservation: Option<i64>,
        default_bound: Option<u64>,
    ) -> Result<Entered, StoreError> {
        let (space, database) = (space.to_string(), database.to_owned());
        let clock = Arc::clone(&self.clock);
        self.write_soon(move |c| {
            let now_ms = clock.now_ms();
            databases::enlarge(c, &space, &database, reservation, default_bound, now_ms)
        })
        .await
    }

    async fn settle(
        &self,
        space: &SpaceId,
        database: &str,
        reservation: i64,
        bytes: Option<u64>,
    ) -> Result<(), StoreError> {
        let (space, database) = (space.to_string(), database.to_owned());
        self.write_soon(move |c| databases::settle(c, &space, &database, reservation, bytes))
            .await
    }

    async fn renew(&self, reservation: i64) -> Result<(), StoreError> {
        let clock = Arc::clone(&self.clock);
        self.write_soon(move |c| databases::renew(c, reservation, clock.now_ms()))
            .await
    }

    async fn take(
        &self,
        admission: Admission,
        space: &SpaceId,
        key: &str,
    ) -> Result<Option<StoredValue>, StoreError> {
        let (space, key) = (space.to_string(), key.to_owned());
        let clock = Arc::clone(&self.clock);
        let taken = self.write_soon(move |c| {
            uses::admit(c, &admission, clock.now_ms())?;
            match spaces::id(c, &space) {
                Err(StoreError::NoSpace) => Ok(Err(StoreError::NoSpace)),
                space => values::get(c, space?, &key).map(Ok),
            }
        });
        taken.await?
    }

    async fn value(&self, space: &SpaceId, key: &str) -> Result<Option<StoredValue>, StoreError> {
        let (space, key) = (space.to_string(), key.to_owned());
        self.read(move |c| {
            let space = spaces::id(c, &space)?;
            values::get(c, space, &key)
        })
        .await
    }

    async fn values(
        &self,
        space: &SpaceId,
        keys: &[String],
    ) -> Result<Vec<Option<StoredValue>>, StoreError> {
        let (space, keys) = (space.to_string(), keys.to_vec());
        self.read(move |c| {
            let moment = c.unchecked_transaction()?;
            let space = spaces::id(&moment, &space)?;
            let all = keys.iter().map(|key| values::get(&moment, space, key));
            all.collect()
        })
        .await
    }

    async fn keys(
        &self,
        space: &SpaceId,
        which: &Keys,
        page: Page<String>,
    ) -> Result<Vec<String>, StoreError> {
        let (space, which) = (space.to_string(), which.clone());
        self.read(move |c| {
            let space = spaces::id(c, &space)?;
            values::keys(c, space, &which, &page)
        })
        .await
    }

    async fn begin(&self, begin: Begin) -> Result<Option<Room>, StoreError> {
        let clock = Arc::clone(&self.clock);
        let begun = self.write_synced(move |c| {
            uses::admit(c, &begin.admission, clock.now_ms())?;
            values::begin_or_refuse(c, &begin)
        });
        begun.await?
    }

    async fn write(&self, write: ValueWrite) -> Result<Vec<Outcome>, StoreError> {
        let clock = Arc::clone(&self.clock);
        let written = self.write_synced(move |c| {
            let now_ms = clock.now_ms();
            if write.begun {
                uses::check_chain(c, &write.admission, now_ms)?;
            } else {
                uses::admit(c, &write.admission, now_ms)?;
            }
            values::write_or_refuse(c, &write, now_ms)
        });
        written.await?
    }

    async fn reserve(&self, reservation: Reservation) -> Result<(), StoreError> {
        let clock = Arc::clone(&self.clock);
        self.write_soon(move |c| garbage::reserve(c, &reservation, clock.now_ms()))
            .await
    }

    async fn discard(&self, blobs: Vec<String>) -> Result<Vec<String>, StoreError> {
        self.write_soon(move |c| garbage::discard(c, &blobs)).await
    }

    async fn claim_garbage(
        &self,
        staged_before_ms: i64,
        replaced_before_ms: i64,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        self.write_synced(move |c| garbage::claim(c, staged_before_ms, replaced_before_ms, limit))
            .await
    }

    async fn removed(&self, blobs: Vec<String>) -> Result<(), StoreError> {
        self.write_soon(move |c| garbage::removed(c, &blobs)).await
    }

    async fn issue(&self, ticket: Ticket) -> Result<(), StoreError> {
        let clock = Arc::clone(&self.clock);
        self.write_synced(move |c| tickets::issue(c, &ticket, clock.now_ms()))
            .await
    }

    async fn ticket(&self, id: &[u8; 32]) -> Result<Option<Ticket>, StoreError> {
        let id = *id;
        self.read(move |c| tickets::get(c, &id)).await
    }

    async fn sized(&self, space: &SpaceId, database: &str, bytes: u64) -> Result<(), StoreError> {
        let (space, database) = (space.to_string(), database.to_owned());
        self.write_soon(move |c| databases::sized(c, &space, &database, bytes))
            .await
    }

    async fn usage(&self, space: &SpaceId) -> Result<Usage, StoreError> {
        let space = space.to_string();
        self.read(move |c| spaces::usage(c, &space)).await
    }

    async fn usages(&self, page: Page<String>) -> Result<Vec<(String, Usage)>, StoreError> {
        self.read(move |c| spaces::usages(c, &page)).await
    }

    async fn bound(&self, space: &SpaceId, bytes: Option<u64>) -> Result<(), StoreError> {
        let space = space.to_string();
        self.write_synced(move |c| spaces::bound(c, &space, bytes))
            .await
    }

    async fn tidy(&self, now_ms: i64) -> Result<bool, StoreError> {
        self.write_soon(move |c| {
            tickets::tidy(c, now_ms)?;
            ahead::tidy(c, now_ms)?;
            databases::tidy(c, now_ms)?;
            let delegations = kept::tidy(c, now_ms)?;
            Ok(uses::tidy(c, now_ms)? || delegations)
        })
        .await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.database.probe().await.map_err(StoreError::from)
    }

    async fn close(&self) {
        self.database.close().await;
    }
}

/// What a column that must hold something of a fixed shape holds instead.
fn damaged(what: &str) -> StoreError {
    StoreError::Failed {
        reason: format!("the store is damaged: {what}; run `openkey-node check`"),
    }
}

/// A length that fits SQLite's integers.
fn integer(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn bytes(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}
