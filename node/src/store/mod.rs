//! What a node remembers: spaces, delegations, revocations, invocations that were used, values.
//!
//! [`Store`] says what every store must do, in terms that a database of any kind can keep: each
//! method is one transaction, and what it acknowledges is durable. Several processes may use one
//! store at once; nothing that decides anything is kept in their memory.

mod error;
pub mod sqlite;
mod types;
mod usage;

use async_trait::async_trait;
use openkey_capability::{cid::Cid, did::Did, resource::SpaceId};

use crate::allowance::{Allowance, Read};
use crate::standing::Standing;

pub use self::error::StoreError;
pub use self::types::{
    Accepted, Admission, Ahead, Begin, Change, Condition, Content, DelegationRow, DelegationsOf,
    DelegationsPage, Direction, Extent, Keys, NewDelegation, NewRevocation, Outcome, Page,
    Reservation, RevocationAhead, Revoked, Room, Space, Statement, StoredValue, Ticket, ValueWrite,
};
pub use self::usage::{DefaultBounds, Entered, Entry, Usage, Wants};

/// What a node remembers.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// A hosted space; `None`: it is not hosted here.
    async fn space(&self, id: &SpaceId) -> Result<Option<Space>, StoreError>;

    /// Hosted spaces of an owner, by name.
    async fn spaces_of(
        &self,
        owner: &Did,
        page: Page<String>,
    ) -> Result<Vec<(SpaceId, Space)>, StoreError>;

    /// Hosts a space and uses up an invocation. False: it was hosted before.
    async fn host(
        &self,
        admission: Admission,
        id: &SpaceId,
        now_ms: i64,
    ) -> Result<bool, StoreError>;

    /// The tokens of delegations that were accepted, as they were received.
    async fn tokens(
        &self,
        cids: &[Cid],
        allowed: Allowance,
    ) -> Result<Read<Vec<Option<Vec<u8>>>>, StoreError>;

    /// Whether and how each of these was revoked.
    async fn revocations(
        &self,
        statements: &[Statement],
    ) -> Result<Vec<Option<Revoked>>, StoreError>;

    /// Keeps a delegation that was checked, and hosts the spaces that it says. It is kept where it concerns
    /// a hosted space, a network whose owner has a space here, or a delegation that is kept; another is
    /// forgotten at once. Nothing changes if one of its ancestors was revoked, or what it says itself under
    /// another name, or by its name before it came ([`StoreError::Revoked`]); what is there already stays as it
    /// is, revoked or not, and under another name is only another spelling of it. [`StoreError::Crowded`] if
    /// too much hangs under what it rests on, or it has too many spellings. From then on what it says is
    /// used up as an invocation.
    async fn accept(&self, delegation: NewDelegation) -> Result<Accepted, StoreError>;

    /// Keeps a revocation that was checked. Revoking twice changes nothing.
    async fn revoke(&self, revocation: NewRevocation) -> Result<(), StoreError>;

    /// Keeps a revocation of what is not here, if who revokes has a space here or is a party to a delegation
    /// that is. It holds when its target comes, if that is by who revokes, about something of theirs, for
    /// them, or rests on what they delegated. [`StoreError::Crowded`] if there are too many of them.
    async fn revoke_ahead(&self, revocation: RevocationAhead) -> Result<Ahead, StoreError>;

    /// Delegations that somebody granted or received, newest first. A page ends early where it has many bytes,
    /// or many were looked at.
    async fn delegations_of(
        &self,
        query: DelegationsOf,
        allowed: Allowance,
    ) -> Result<Read<DelegationsPage>, StoreError>;

    /// Delegations that concern a space, those nearest to its owner first, behind a place. A page ends early
    /// where it has many bytes; one without rows is the end.
    async fn delegations_in(
        &self,
        space: &SpaceId,
        page: Page<(i64, i64)>,
        allowed: Allowance,
    ) -> Result<Read<Vec<DelegationRow>>, StoreError>;

    /// Uses up an invocation that only reads.
    ///
    /// [`StoreError::Duplicate`] if it was used before, [`StoreError::Revoked`] if what it rests on was
    /// revoked, [`StoreError::Ended`] or [`StoreError::ChainEnded`] if it or a delegation of its chain
    /// has ended by the store's clock, read inside the transaction: a mark that was forgotten is never
    /// made anew. So it is for every other use of an [`Admission`]. It survives the process at once, and a power cut with the next write: a reading that
    /// is repeated after one shows nothing that was not shown before.
    async fn admit(&self, admission: Admission) -> Result<(), StoreError>;

    /// Whether an invocation was used up, by itself or as a delegation.
    async fn is_used(&self, statement: &Statement) -> Result<bool, StoreError>;

    /// Uses up an invocation of a space's database, durably if the entry says so, and reserves what it may
    /// use: of a space with a bound, a part of the room that is left. [`StoreError::Full`] if there is none, and [`StoreError::Exports`]
    /// if as many exports as may be are under way: these use it up as well.
    async fn enter(&self, entry: Entry) -> Result<Entered, StoreError>;

    /// Asks again, when all is done and before it becomes durable, what was asked when an invocation of a space's
    /// database was used up: whether its chain and the space still stand.
    async fn stands(&self, admission: &Admission, space: &SpaceId) -> Result<(), StoreError>;

    /// Reserves all the room that is left, for a request that needs more than it was given, or needs some.
    async fn enlarge(
        &self,
        space: &SpaceId,
        database: &str,
        reservation: Option<i64>,
        default_bound: Option<u64>,
    ) -> Result<Entered, StoreError>;

    /// Ends a reservation, and says how large the database is now, if that may have changed.
    async fn settle(
        &self,
        space: &SpaceId,
        database: &str,
        reservation: i64,
        bytes: Option<u64>,
    ) -> Result<(), StoreError>;

    /// Reserves an export for ten minutes more.
    async fn renew(&self, reservation: i64) -> Result<(), StoreError>;

    /// Uses up an invocation that reads one value, and reads it: `None` if there is none. A space that is
    /// not hosted is [`StoreError::NoSpace`], and uses it up as well.
    async fn take(
        &self,
        admission: Admission,
        space: &SpaceId,
        key: &str,
    ) -> Result<Option<StoredValue>, StoreError>;

    /// One value.
    async fn value(&self, space: &SpaceId, key: &str) -> Result<Option<StoredValue>, StoreError>;

    /// Several values as of one moment; of those in blobs only the names. Whether their contents are read, is said:
    /// otherwise none of them has any.
    async fn values(
        &self,
        space: &SpaceId,
        keys: &[String],
        contents: bool,
        allowed: Allowance,
    ) -> Result<Read<Vec<Option<StoredValue>>, Extent>, StoreError>;

    /// Keys, bytewise ascending.
    async fn keys(
        &self,
        space: &SpaceId,
        which: &Keys,
        page: Page<String>,
        allowed: Allowance,
    ) -> Result<Read<Vec<String>>, StoreError>;

    /// Uses up an invocation that writes values, before their bytes are received: they then take effect
    /// by [`Self::write`] with [`ValueWrite::begun`]. Answers how many bytes they may have; `None`: any
    /// number. What could not be carried out now is refused, and uses the invocation up as well.
    async fn begin(&self, begin: Begin) -> Result<Option<Room>, StoreError>;

    /// Writes values, all or none, and uses up the invocation in the same transaction. What is refused
    /// (a condition that does not hold, no room, no such key) uses it up as well: it must not be done
    /// later, when somebody else repeats it.
    async fn write(&self, write: ValueWrite) -> Result<Vec<Outcome>, StoreError>;

    /// Reserves room for a blob before it is written, or more of it, and renews its time: a blob that is
    /// not part of a value is given out by [`Self::claim_garbage`] when it was not renewed for long.
    ///
    /// [`StoreError::Full`] or [`StoreError::Room`] if the space holds too much with it,
    /// [`StoreError::Busy`] if all blobs that are being received do.
    async fn reserve(&self, reservation: Reservation) -> Result<(), StoreError>;

    /// Takes those of these blobs that were reserved and are part of no value: they never will be, and
    /// whoever called removes them and says so by [`Self::removed`].
    async fn discard(&self, blobs: Vec<String>) -> Result<Vec<String>, StoreError>;

    /// Takes blobs that were reserved and not renewed since before `staged_before_ms`, and those whose
    /// values were replaced before `replaced_before_ms`: they will be part of no value, and whoever
    /// called removes them. What nobody then says is [`Self::removed`] is given out again.
    async fn claim_garbage(
        &self,
        staged_before_ms: i64,
        replaced_before_ms: i64,
        limit: u32,
    ) -> Result<Vec<String>, StoreError>;

    /// These blobs are gone.
    async fn removed(&self, blobs: Vec<String>) -> Result<(), StoreError>;

    /// Keeps a ticket and uses up nothing. [`StoreError::Crowded`] if there are too many in that name, of all
    /// to whom something was shared, or of the space.
    async fn issue(&self, ticket: Ticket, standing: Standing) -> Result<(), StoreError>;

    /// The ticket with this hash.
    async fn ticket(&self, id: &[u8; 32]) -> Result<Option<Ticket>, StoreError>;

    /// How large a database of a space is now.
    async fn sized(&self, space: &SpaceId, database: &str, bytes: u64) -> Result<(), StoreError>;

    /// What a space holds, and the bound that somebody set for it.
    async fn usage(&self, space: &SpaceId) -> Result<Usage, StoreError>;

    /// All hosted spaces, and all bounds that were set, by name.
    async fn usages(&self, page: Page<String>) -> Result<Vec<(String, Usage)>, StoreError>;

    /// Sets the bound of a space, or removes it.
    async fn bound(&self, space: &SpaceId, bytes: Option<u64>) -> Result<(), StoreError>;

    /// Forgets some of what is of no use any more: invocations, tickets and delegations past their time, and what
    /// revoked them; by no time that a machine's clock has said for a short time only. True: there is more.
    async fn tidy(&self, now_ms: i64) -> Result<bool, StoreError>;

    /// Writes something of no meaning, and reads, to learn whether both work.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Is told whether the disk has little room: then it takes no more than it must.
    async fn spare(&self, is_low: bool) -> Result<(), StoreError>;

    /// Ends after what is under way.
    async fn close(&self);
}
