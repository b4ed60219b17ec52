//! Decisions on an account as entries of its history.

use openkey_protocol::message::{
    ApprovedBy, Bytes, ConcernedKey, Error, Excerpt, Hash32, HistoryEntry, PromptKind,
};

use super::Account;
use crate::chain::{Entry, Link};

/// A decision that is about to become history.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    /// SHA-256 of the sealed record it was decided on.
    pub(crate) record: Hash32,
    pub(crate) kind: PromptKind,
    pub(crate) title: String,
    pub(crate) told: Excerpt,
    pub(crate) origin: String,
    pub(crate) passkey: ApprovedBy,
    pub(crate) digest: Hash32,
    pub(crate) key: Option<ConcernedKey>,
    pub(crate) signature: Option<Bytes>,
}

impl Entry for HistoryEntry {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn previous(&self) -> Hash32 {
        self.previous
    }

    fn record(&self) -> Hash32 {
        self.record
    }

    fn at(&self) -> u64 {
        self.at
    }
}

impl Account {
    /// Adds a decision to the history and returns its link.
    pub(crate) fn record(
        &mut self,
        decision: Decision,
        now: u64,
    ) -> Result<Link<HistoryEntry>, Error> {
        self.history
            .append(now, |sequence, previous, at| HistoryEntry {
                sequence,
                previous,
                record: decision.record,
                at,
                kind: decision.kind,
                title: decision.title,
                told: decision.told,
                origin: decision.origin,
                passkey: decision.passkey,
                digest: decision.digest,
                key: decision.key,
                signature: decision.signature,
            })
    }
}
