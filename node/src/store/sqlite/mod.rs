//! The store on one SQLite file.

mod ahead;
mod base;
mod check;
mod columns;
mod databases;
mod delegations;
mod garbage;
mod kept;
mod reading;
mod schema;
mod spaces;
mod tickets;
mod times;
mod unread;
mod uses;
mod values;

use std::sync::Arc;

use async_trait::async_trait;
use openkey_capability::{cid::Cid, did::Did, resource::SpaceId};
use openkey_edge::sqlite::Database;
use rusqlite::Connection;

use self::columns::{bytes, damaged, integer, length};
use super::types::{
    Accepted, Admission, Ahead, Begin, DelegationRow, DelegationsOf, DelegationsPage, Keys,
    NewDelegation, NewRevocation, Outcome, Page, Reservation, RevocationAhead, Revoked, Room,
    Space, Statement, StoredValue, Ticket, ValueWrite,
};
use super::usage::{Entered, Entry, Usage};
use super::{Extent, Store, StoreError};
use crate::allowance::{Allowance, Read};
use crate::clock::Clock as _;
use crate::disk::Disk;
use crate::kept_time::KeptTime;
use crate::standing::Standing;

/// The store on one SQLite file. Clones share it.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
    clock: Arc<KeptTime>,
    disk: Option<Arc<Disk>>,
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
        let room = self.room(0);
        self.write_synced(move |c| {
            room()?;
            uses::admit(c, &admission, clock.now_ms())?;
            spaces::host(c, &id, now_ms)
        })
        .await
    }

    async fn tokens(
        &self,
        cids: &[Cid],
        allowed: Allowance,
    ) -> Result<Read<Vec<Option<Vec<u8>>>>, StoreError> {
        let cids = cids.to_vec();
        self.read(move |c| delegations::tokens(c, &cids, allowed))
            .await
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
        let room = self.room(delegation.token.len() as u64);
        self.write_synced(move |c| {
            room()?;
            delegations::accept(c, &delegation)
        })
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

    async fn delegations_of(
        &self,
        query: DelegationsOf,
        allowed: Allowance,
    ) -> Result<Read<DelegationsPage>, StoreError> {
        self.read(move |c| delegations::of_principal(c, &query, allowed))
            .await
    }

    async fn delegations_in(
        &self,
        space: &SpaceId,
        page: Page<(i64, i64)>,
        allowed: Allowance,
    ) -> Result<Read<Vec<DelegationRow>>, StoreError> {
        let space = space.to_string();
        self.read(move |c| delegations::in_space(c, &space, &page, allowed))
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
        let is_durable = entry.is_durable;
        let enter = move |c: &Connection| databases::enter(c, &entry, clock.now_ms());
        if is_durable {
            self.write_synced(enter).await?
        } else {
            self.write_soon(enter).await?
        }
    }

    async fn stands(&self, admission: &Admission, space: &SpaceId) -> Result<(), StoreError> {
        let (admission, space) = (admission.clone(), space.to_string());
        let clock = Arc::clone(&self.clock);
        self.read(move |c| {
            let moment = c.unchecked_transaction()?;
            uses::check_chain(&moment, &admission, clock.now_ms())?;
            spaces::id(&moment, &space).map(drop)
        })
        .await
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
        contents: bool,
        allowed: Allowance,
    ) -> Result<Read<Vec<Option<StoredValue>>, Extent>, StoreError> {
        let (space, keys) = (space.to_string(), keys.to_vec());
        self.read(move |c| {
            let moment = c.unchecked_transaction()?;
            let space = spaces::id(&moment, &space)?;
            values::several(&moment, space, &keys, contents, allowed)
        })
        .await
    }

    async fn keys(
        &self,
        space: &SpaceId,
        which: &Keys,
        page: Page<String>,
        allowed: Allowance,
    ) -> Result<Read<Vec<String>>, StoreError> {
        let (space, which) = (space.to_string(), which.clone());
        self.read(move |c| {
            let space = spaces::id(c, &space)?;
            values::keys(c, space, &which, &page, allowed)
        })
        .await
    }

    async fn begin(&self, begin: Begin) -> Result<Option<Room>, StoreError> {
        let clock = Arc::clone(&self.clock);
        let room = self.room(begin.announced);
        let begun = self.write_synced(move |c| {
            uses::admit(c, &begin.admission, clock.now_ms())?;
            if let Err(full) = room() {
                return Ok(Err(full));
            }
            values::begin_or_refuse(c, &begin)
        });
        begun.await?
    }

    async fn write(&self, write: ValueWrite) -> Result<Vec<Outcome>, StoreError> {
        let clock = Arc::clone(&self.clock);
        let bytes = write.inline_bytes();
        let room = self.room(bytes.unwrap_or(0));
        let written = self.write_synced(move |c| {
            let now_ms = clock.now_ms();
            if write.begun {
                uses::check_chain(c, &write.admission, now_ms)?;
            } else {
                uses::admit(c, &write.admission, now_ms)?;
            }
            if bytes.is_some()
                && let Err(full) = room()
            {
                return Ok(Err(full));
            }
            values::write_or_refuse(c, &write, now_ms)
        });
        written.await?
    }

    async fn reserve(&self, reservation: Reservation) -> Result<(), StoreError> {
        let clock = Arc::clone(&self.clock);
        let room = self.room(if reservation.first {
            reservation.bytes
        } else {
            0
        });
        self.write_soon(move |c| {
            room()?;
            garbage::reserve(c, &reservation, clock.now_ms())
        })
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

    async fn issue(&self, ticket: Ticket, standing: Standing) -> Result<(), StoreError> {
        let (clock, room) = (Arc::clone(&self.clock), self.room(0));
        self.write_synced(move |c| {
            room()?;
            tickets::issue(c, &ticket, standing, clock.now_ms())
        })
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
        let time = self.time();
        self.write_soon(move |c| {
            times::keep(c, &time)?;
            let sure = |sure_ms: Option<i64>| sure_ms.map_or(now_ms, |sure_ms| sure_ms.min(now_ms));
            let (soon_ms, late_ms) = (sure(time.soon_ms()), sure(time.late_ms()));
            databases::tidy(c, soon_ms)?;
            let more = [
                unread::read(c)?,
                tickets::tidy(c, soon_ms)?,
                uses::tidy(c, soon_ms)?,
                ahead::tidy(c, late_ms)?,
                kept::tidy(c, late_ms)?,
            ];
            Ok(more.contains(&true))
        })
        .await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.done(async { Ok(self.database.probe().await?) })
            .await?;
        self.read(|c| Ok(c.query_row("SELECT one FROM tally", [], |_| Ok(()))?))
            .await
    }

    async fn spare(&self, is_low: bool) -> Result<(), StoreError> {
        let pages = self.disk.as_ref().map_or(1000, |disk| disk.log_pages());
        Ok(self.database.spare(is_low, pages).await?)
    }

    async fn close(&self) {
        self.database.close().await;
    }
}
