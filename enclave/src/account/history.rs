//! The account's audit chain: one entry for each decision, each naming the hash of the one before.
//!
//! So that an old page can be checked without reading everything newer, each entry is stored with
//! the hash of one further back, as in E. W. Myers, "An applicative random-access stack" (1983), and
//! the account keeps the hashes along that way from the newest entry. Any entry is then a few links
//! away from the account's own record: at most three times the binary digits of the history's
//! length.

use openkey_protocol::{
    cbor,
    message::{Bytes, Error, ErrorCode, Hash32, HistoryEntry, KeyId, PromptKind},
};
use serde::{Deserialize, Serialize};
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

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    pub(crate) entry: HistoryEntry,
    /// The hash of the entry at [`skip`], zeros if there is none. An entry's hash covers all that
    /// came before it, so this needs no hash of its own.
    pub(crate) skip: Hash32,
}

impl Link {
    /// The hash that this link names for an earlier entry.
    pub(crate) fn names(&self, sequence: u64) -> Option<Hash32> {
        match self.entry.sequence.checked_sub(1) {
            Some(previous) if previous == sequence => Some(self.entry.previous),
            _ if skip(self.entry.sequence) == sequence => Some(self.skip),
            _ => None,
        }
    }
}

/// What the next entry names as `previous`.
pub(crate) fn entry_hash(entry: &HistoryEntry) -> Result<Hash32, Error> {
    let bytes = cbor::encode(entry).map_err(|_| refuse(ErrorCode::Internal))?;
    Ok(Hash32(Sha256::digest(bytes).into()))
}

/// Where an entry's second link leads; 0 is before the first. With the number written as a sum of
/// terms 2ᵏ−1, each the largest that fits, the link leads over the smallest term.
const fn skip(sequence: u64) -> u64 {
    let mut rest = sequence;
    let mut term = 0;
    while rest > 0 {
        term = (1 << rest.saturating_add(1).ilog2()) - 1;
        rest -= term;
    }
    sequence - term
}

/// The entries to read from the account's record to `target`: the first is one of the account's
/// landmarks, each other is named by the one before, the last is `target`.
pub(crate) fn path(newest: u64, target: u64) -> Vec<u64> {
    let mut at = newest;
    while skip(at) >= target && at > target {
        at = skip(at);
    }
    let mut path = vec![at];
    while at > target {
        at = if skip(at) >= target { skip(at) } else { at - 1 };
        path.push(at);
    }
    path
}

impl Account {
    /// The hash of an entry that the account itself names.
    pub(crate) fn landmark(&self, sequence: u64) -> Option<Hash32> {
        let mut at = self.history;
        for hash in &self.landmarks {
            if at == sequence {
                return Some(*hash);
            }
            at = skip(at);
        }
        None
    }

    /// Adds a decision to the chain and returns its link.
    pub(crate) fn record(&mut self, decision: Decision, now: u64) -> Result<Link, Error> {
        let none = Hash32([0; 32]);
        let sequence = self.history.saturating_add(1);
        let entry = HistoryEntry {
            sequence,
            previous: self.landmark(self.history).unwrap_or(none),
            at: now,
            kind: decision.kind,
            title: decision.title,
            origin: decision.origin,
            passkey: decision.passkey,
            digest: decision.digest,
            key: decision.key,
            signature: decision.signature,
        };
        // What is behind the new entry's second link is behind some landmark of the old ones.
        let mut at = self.history;
        let mut landmarks = vec![entry_hash(&entry)?];
        for hash in &self.landmarks {
            if at <= skip(sequence) {
                landmarks.push(*hash);
            }
            at = skip(at);
        }
        let link = Link {
            entry,
            skip: landmarks.get(1).copied().unwrap_or(none),
        };
        self.history = sequence;
        self.landmarks = landmarks;
        Ok(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{account, decision};

    #[test]
    fn every_entry_is_a_few_links_away_from_the_account() {
        let mut account = account();
        let mut links = vec![];
        for newest in 1..=300u64 {
            links.push(account.record(decision(), newest).unwrap());
            assert!(account.landmarks.len() <= 9);
            for target in 1..=newest {
                let path = path(newest, target);
                assert!(path.len() <= 24, "{newest} to {target}: {path:?}");
                let link = |sequence: u64| &links[usize::try_from(sequence).unwrap() - 1];
                let mut expected = account.landmark(path[0]).unwrap();
                for (at, sequence) in path.iter().enumerate() {
                    assert_eq!(entry_hash(&link(*sequence).entry).unwrap(), expected);
                    if let Some(next) = path.get(at + 1) {
                        expected = link(*sequence).names(*next).unwrap();
                    }
                }
                assert_eq!(path.last(), Some(&target));
            }
        }
    }

    #[test]
    fn paths_stay_short_in_long_histories() {
        for newest in [1, 1_000_000, 1 << 40, u64::MAX >> 1] {
            let most = 3 * usize::try_from(newest.ilog2() + 1).unwrap();
            for target in [1, 2, newest / 2, newest - newest / 3, newest] {
                let target = target.max(1);
                assert!(path(newest, target).len() <= most);
            }
        }
    }

    #[test]
    fn a_link_names_two_entries_and_no_other() {
        let mut account = account();
        let links: Vec<_> = (0..12)
            .map(|at| account.record(decision(), at).unwrap())
            .collect();
        let twelfth = &links[11];
        assert_eq!(
            twelfth.names(11),
            Some(entry_hash(&links[10].entry).unwrap())
        );
        // 12 is 7 + 3 + 1 + 1, and 10 is 7 + 3.
        assert_eq!(twelfth.names(10), None);
        let tenth = &links[9];
        assert_eq!(tenth.names(7), Some(entry_hash(&links[6].entry).unwrap()));
        assert_eq!(tenth.names(8), None);
        assert_eq!(links[0].names(0), Some(Hash32([0; 32])));
    }
}
