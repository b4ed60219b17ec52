//! The account's audit chain: one entry for each decision, each naming the hash of the one before.

use openkey_protocol::{
    cbor,
    message::{Bytes, Error, ErrorCode, Hash32, HistoryEntry, KeyId, PromptKind},
};
use sha2::{Digest, Sha256};

use super::Account;
use crate::errors::refuse;

/// A decision that is about to become history.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) kind: PromptKind,
    pub(crate) title: String,
    pub(crate) origin: String,
    pub(crate) passkey: Bytes,
    pub(crate) digest: Hash32,
    pub(crate) key: Option<KeyId>,
    pub(crate) signature: Option<Bytes>,
}

/// What the next entry names as `previous`.
pub(crate) fn entry_hash(entry: &HistoryEntry) -> Result<Hash32, Error> {
    let bytes = cbor::encode(entry).map_err(|_| refuse(ErrorCode::Internal))?;
    Ok(Hash32(Sha256::digest(bytes).into()))
}

impl Account {
    /// Adds a decision to the chain and returns its entry.
    pub(crate) fn record(&mut self, decision: Decision, now: u64) -> Result<HistoryEntry, Error> {
        let entry = HistoryEntry {
            sequence: self.history.saturating_add(1),
            previous: self.history_head,
            at: now,
            kind: decision.kind,
            title: decision.title,
            origin: decision.origin,
            passkey: decision.passkey,
            digest: decision.digest,
            key: decision.key,
            signature: decision.signature,
        };
        self.history = entry.sequence;
        self.history_head = entry_hash(&entry)?;
        Ok(entry)
    }
}
