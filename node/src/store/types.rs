//! What crosses the boundary of a store.

use std::sync::Arc;

use bytes::Bytes;
use openkey_capability::{cid::Cid, did::Did, resource::SpaceId};

use super::usage::DefaultBounds;

/// What was signed, as a hash: the same for every token that says it.
pub type Statement = [u8; 32];

/// An invocation that is to be used up.
#[derive(Clone, Debug)]
pub struct Admission {
    /// What was signed.
    pub statement: Statement,
    /// The last moment of the invocation, in milliseconds of Unix time.
    pub expires_ms: i64,
    /// The last moment of the delegation in its chain that ends first, in milliseconds of Unix time.
    pub chain_expires_ms: Option<i64>,
    /// Until when it must be remembered, in milliseconds of Unix time.
    pub until_ms: i64,
    /// Everything that it rests on.
    pub chain: Vec<Statement>,
}

impl Admission {
    /// The last moment at which the invocation and everything that it rests on holds, in milliseconds of
    /// Unix time.
    #[must_use]
    pub fn last_ms(&self) -> i64 {
        self.chain_expires_ms
            .map_or(self.expires_ms, |end| end.min(self.expires_ms))
    }
}

/// A hosted space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Since when, in milliseconds of Unix time.
    pub created_ms: i64,
}

/// A part of a sorted list: behind `after`, at most `limit`.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The last of the part before.
    pub after: Option<T>,
    /// At most so many.
    pub limit: u32,
}

/// Which keys of a space are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Those that begin with this.
    With(String),
    /// This one, and those below it: that go on with a `/`.
    AtOrBelow(String),
    /// This one.
    Only(String),
}

/// A delegation that was checked.
#[derive(Clone, Debug)]
pub struct NewDelegation {
    /// Its name.
    pub cid: Cid,
    /// The names of other tokens that say the same: under each of them it may have been revoked.
    pub names: Vec<Cid>,
    /// What was signed.
    pub statement: Statement,
    /// As it was received.
    pub token: Vec<u8>,
    /// Who grants.
    pub delegator: Did,
    /// Who may.
    pub delegatee: Did,
    /// As it says itself, in milliseconds of Unix time.
    pub issued_ms: Option<i64>,
    /// The last moment of it, in milliseconds of Unix time; `None`: it has no end.
    pub expires_ms: Option<i64>,
    /// Until when what was signed could pass for an invocation, in milliseconds of Unix time; `None` if
    /// it never could.
    pub passes_until_ms: Option<i64>,
    /// The same, of an invocation that is made now and lives as long as any may.
    pub longest_until_ms: i64,
    /// Everything that it rests on.
    pub chain: Vec<Statement>,
    /// Who delegated what it rests on.
    pub delegators: Vec<Did>,
    /// Whose it is about: owners of its spaces and networks.
    pub owners: Vec<Did>,
    /// Owners of its encryption networks.
    pub networks: Vec<Did>,
    /// Delegations that it is about, by their names.
    pub about: Vec<Cid>,
    /// Spaces that it names, each once.
    pub spaces: Vec<SpaceId>,
    /// Those that it hosts.
    pub hosts: Vec<SpaceId>,
    /// The bounds of spaces' bytes where nobody set others.
    pub default_bounds: DefaultBounds,
    /// Now, in milliseconds of Unix time.
    pub now_ms: i64,
}

/// What became of a delegation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Whether it is kept. What concerns nothing that is here is not.
    pub kept: bool,
    /// Spaces it names that are hosted here.
    pub activated: Vec<SpaceId>,
    /// Those that are not.
    pub skipped: Vec<SpaceId>,
}

/// A revocation that was checked.
#[derive(Clone, Debug)]
pub struct NewRevocation {
    /// What was signed in that which is revoked.
    pub target: Statement,
    /// The revocation, as it was received.
    pub token: Vec<u8>,
    /// Who revokes.
    pub revoker: Did,
    /// The last moment of what is revoked, in milliseconds of Unix time; `None`: it has no end.
    pub expires_ms: Option<i64>,
    /// What the revocation itself rests on.
    pub chain: Vec<Statement>,
    /// Now, in milliseconds of Unix time.
    pub now_ms: i64,
}

/// A revocation of what is not here.
#[derive(Clone, Debug)]
pub struct RevocationAhead {
    /// The name of what is revoked.
    pub target: Cid,
    /// The revocation, as it was received.
    pub token: Vec<u8>,
    /// Who signed it.
    pub revoker: Did,
    /// In whose name: theirs, or that of who let them.
    pub principal: Did,
    /// What the revocation itself rests on.
    pub chain: Vec<Statement>,
    /// Now, in milliseconds of Unix time.
    pub now_ms: i64,
}

/// What became of a revocation of what was not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// It is kept, and holds when its target comes.
    Kept,
    /// Its target is kept as another token, which is revoked.
    Revoked(Statement),
    /// Its target has come meanwhile.
    Here,
    /// Nobody here knows who revokes: it is not kept.
    Stranger,
}

/// That something was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// When, in milliseconds of Unix time.
    pub at_ms: i64,
    /// By whom.
    pub by: Did,
}

/// Which side of a delegation somebody is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It is theirs: they signed it, or it is about a space or network of theirs.
    Granted,
    /// It is for them.
    Received,
}

/// Which delegations of somebody.
#[derive(Clone, Debug)]
pub struct DelegationsOf {
    /// The principal whose delegations these are.
    pub principal: Did,
    /// On which side; `None`: on either.
    pub direction: Option<Direction>,
    /// Only those that name this space.
    pub space: Option<SpaceId>,
    /// Behind this one.
    pub after: Option<Cid>,
    /// At most so many.
    pub limit: u32,
}

/// A part of somebody's delegations, of which a bounded number was looked at.
#[derive(Clone, Debug, Default)]
pub struct DelegationsPage {
    /// Those that are wanted.
    pub rows: Vec<DelegationRow>,
    /// How many were looked at.
    pub looked: usize,
    /// Behind which one it goes on; `None`: there are no more.
    pub next: Option<Cid>,
}

/// A stored delegation.
#[derive(Clone, Debug)]
pub struct DelegationRow {
    /// Its place: those that rest on nothing come first, then those that rest on them, and so on, each in
    /// the order of acceptance.
    pub place: (i64, i64),
    /// Its name.
    pub cid: Cid,
    /// As it was received.
    pub token: Vec<u8>,
    /// On which side the one who asked is.
    pub direction: Direction,
    /// When it was accepted, in milliseconds of Unix time, if that is known.
    pub accepted_ms: Option<i64>,
}

/// A value as it is stored.
#[derive(Clone, Debug)]
pub struct StoredValue {
    /// BLAKE3 of it.
    pub hash: [u8; 32],
    /// Its length in bytes.
    pub size: u64,
    /// Headers that were stored with it, as JSON.
    pub headers: String,
    /// Where it is.
    pub content: Content,
}

/// How large values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of the values, those in blobs included; none where their contents are not read.
    pub values: u64,
    /// Bytes of what is stored with them.
    pub headers: u64,
}

/// Where a value is.
#[derive(Clone, Debug)]
pub enum Content {
    /// Here.
    Inline(Bytes),
    /// In a blob of this name.
    Blob(String),
    /// It was not asked for.
    Unread,
}

/// What must be true of a key for a change to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Any,
    /// It has no value.
    Absent,
    /// Its value has this hash.
    Match([u8; 32]),
}

/// One change of one key.
#[derive(Clone, Debug)]
pub enum Change {
    /// It gets a value.
    Put(StoredValue),
    /// It has none any more.
    Delete,
}

/// What became of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The hash of the value that was written, or deleted.
    pub hash: [u8; 32],
}

/// Changes that belong together.
#[derive(Clone, Debug)]
pub struct ValueWrite {
    /// What is used up by it.
    pub admission: Admission,
    /// Whether [`Store::begin`](super::Store::begin) used the invocation up already. Its chain is checked
    /// again; its own end no longer matters.
    pub begun: bool,
    /// The space that holds the values.
    pub space: SpaceId,
    /// Which keys, each once, and what happens to them.
    pub changes: Vec<(String, Condition, Change)>,
    /// The bound of bytes where nobody set another.
    pub default_bound: Option<u64>,
}

impl ValueWrite {
    /// How many bytes of values the store itself takes; `None`: it writes no value.
    #[must_use]
    pub fn inline_bytes(&self) -> Option<u64> {
        let mut written: Option<u64> = None;
        for (_, _, change) in &self.changes {
            if let Change::Put(value) = change {
                let inline = match value.content {
                    Content::Inline(_) => value.size,
                    Content::Blob(_) | Content::Unread => 0,
                };
                written = Some(written.unwrap_or(0).saturating_add(inline));
            }
        }
        written
    }
}

/// A write whose values are too large to be received before the store has agreed to it.
#[derive(Clone, Debug)]
pub struct Begin {
    /// What is used up by it.
    pub admission: Admission,
    /// The space that holds the values.
    pub space: SpaceId,
    /// Which keys, each once, and what must be true of them.
    pub keys: Vec<(String, Condition)>,
    /// Bytes that the values have at least; 0: unknown.
    pub announced: u64,
    /// The bound of bytes where nobody set another.
    pub default_bound: Option<u64>,
}

/// How much a write may add to a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes of the new values, all together.
    pub bytes: u64,
    /// Bytes that the space holds now.
    pub used: u64,
    /// Bytes that the space may hold.
    pub limit: u64,
}

/// Bytes of a blob that are reserved before they are written.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The blob's name.
    pub blob: String,
    /// Whether it is the first one of this blob. A later one is [`StoreError::Late`](super::StoreError::Late)
    /// if the blob was claimed meanwhile.
    pub first: bool,
    /// Bytes of the blob, with what was reserved before.
    pub bytes: u64,
    /// The space that the blob counts for.
    pub space: SpaceId,
    /// Keys whose present values it replaces.
    pub keys: Arc<[String]>,
    /// The bound of the space's bytes where nobody set another.
    pub default_bound: Option<u64>,
    /// The bound of all blobs that are being received.
    pub staged_bound: u64,
}

/// The right to read one value for some time, for whoever has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The hash of what the holder shows.
    pub id: [u8; 32],
    /// The space that holds the values.
    pub space: SpaceId,
    /// Which value.
    pub key: String,
    /// Only while it has this hash.
    pub hash: [u8; 32],
    /// Until then, in milliseconds of Unix time.
    pub until_ms: i64,
    /// Everything that it rests on.
    pub chain: Vec<Statement>,
}
