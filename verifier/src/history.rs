//! Pages of an account's history: every entry names the hash of the one before it.

use openkey_protocol::{
    cbor,
    message::{Hash32, HistoryEntry, HistoryPage, Query},
};
use sha2::{Digest, Sha256};

/// What the next newer entry names as `previous`: SHA-256 of the entry's deterministic CBOR.
///
/// # Errors
///
/// [`HistoryError::Entry`] if the entry has no encoding, which tests exclude.
pub fn entry_hash(entry: &HistoryEntry) -> Result<Hash32, HistoryError> {
    let bytes = cbor::encode(entry).map_err(|_| HistoryError::Entry)?;
    Ok(Hash32(Sha256::digest(bytes).into()))
}

/// Checks that a page is an unbroken stretch of one chain and begins where it was asked to. The newest
/// page begins with the entry that the account's head names.
///
/// `above` is what the last entry of the page before named as `previous`, where there was one: the
/// first entry of this page must be that one.
///
/// # Errors
///
/// [`HistoryError`].
pub fn check(page: &HistoryPage, query: &Query, above: Option<Hash32>) -> Result<(), HistoryError> {
    let Query::History { before, limit } = query else {
        return Err(HistoryError::Range);
    };
    if page.entries.len() > usize::try_from(*limit).unwrap_or(usize::MAX) {
        return Err(HistoryError::Range);
    }
    let above = match (before, above) {
        // What this client asked for first, unless somebody goes on from elsewhere.
        (None, None) => Some(page.head.entry),
        (_, above) => above,
    };
    let Some(first) = page.entries.first() else {
        // Nothing to show is right only at the end of the chain.
        return match (page.next, above) {
            (None, None) => Ok(()),
            (None, Some(above)) if above.0 == [0; 32] => Ok(()),
            _ => Err(HistoryError::Chain),
        };
    };
    if before.is_some_and(|before| first.sequence >= before) {
        return Err(HistoryError::Range);
    }
    let mut expected = match above {
        Some(above) => above,
        None => entry_hash(first)?,
    };
    let mut sequence = first.sequence;
    for entry in &page.entries {
        if entry.sequence != sequence || sequence == 0 || entry_hash(entry)? != expected {
            return Err(HistoryError::Chain);
        }
        expected = entry.previous;
        sequence -= 1;
    }
    // The chain ends at entry 1, and a page that is not the last says where the next one begins.
    let told = match page.next {
        None => sequence == 0 && expected.0 == [0; 32],
        Some(next) => sequence > 0 && next == sequence + 1,
    };
    if told {
        Ok(())
    } else {
        Err(HistoryError::Chain)
    }
}

/// Why a page is no stretch of the account's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// An entry cannot be encoded.
    #[error("a history entry has no encoding")]
    Entry,
    /// Other entries than asked for.
    #[error("the history page holds other entries than were asked for")]
    Range,
    /// An entry is missing, changed or of another chain.
    #[error("the history page is not an unbroken chain: an entry is missing or changed")]
    Chain,
}

impl HistoryError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Entry => "history_entry",
            Self::Range => "history_range",
            Self::Chain => "history_chain",
        }
    }
}
