//! Histories: chains of entries in which each names the hash of the one before and of the record it
//! was decided on. Accounts have one, and so has each record that a deployment keeps once.
//!
//! Version `n + 1` of a record is version `n` with entry `n` decided on it, so a record of version `v`
//! has `v − 1` entries and its newest entry commits to every earlier record. Whoever knows an earlier
//! state can check that a later one continues it.
//!
//! So that this costs little, each entry is stored with the hash of one further back, as in
//! E. W. Myers, "An applicative random-access stack" (1983), and the record keeps the hashes along that
//! way from the newest entry. Any entry is then a few links away from the record: at most three times
//! the binary digits of the history's length.

use openkey_protocol::{
    cbor,
    message::{Error, ErrorCode, Hash32},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::errors::refuse;

/// Before the first entry, and instead of a second link that leads nowhere.
pub(crate) const NONE: Hash32 = Hash32([0; 32]);

/// What any entry of a history says.
pub(crate) trait Entry: Serialize {
    /// Its place, from 1.
    fn sequence(&self) -> u64;
    /// SHA-256 of the entry before it, [`NONE`] for the first.
    fn previous(&self) -> Hash32;
    /// SHA-256 of the sealed record it was decided on.
    fn record(&self) -> Hash32;
}

/// What a record keeps of its history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chain {
    /// How many entries there are.
    length: u64,
    /// SHA-256 of the newest entry, of the one that its second link leads to, and so on.
    landmarks: Vec<Hash32>,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link<E> {
    pub(crate) entry: E,
    /// The hash of the entry at [`skip`], zeros if there is none. An entry's hash covers all that
    /// came before it, so this needs no hash of its own.
    skip: Hash32,
}

impl<E: Entry> Link<E> {
    /// The hash that this link names for an earlier entry.
    pub(crate) fn names(&self, sequence: u64) -> Option<Hash32> {
        match self.entry.sequence().checked_sub(1) {
            Some(previous) if previous == sequence => Some(self.entry.previous()),
            _ if skip(self.entry.sequence()) == sequence => Some(self.skip),
            _ => None,
        }
    }
}

/// What the next entry names as `previous`.
pub(crate) fn entry_hash<E: Serialize>(entry: &E) -> Result<Hash32, Error> {
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

impl Chain {
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// The hash of the newest entry, [`NONE`] before the first.
    pub(crate) fn newest(&self) -> Hash32 {
        self.landmark(self.length).unwrap_or(NONE)
    }

    /// The entries to read from the record to `target`: the first is one of the record's landmarks,
    /// each other is named by the one before, the last is `target`.
    pub(crate) fn path(&self, target: u64) -> Vec<u64> {
        let mut at = self.length;
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

    /// The hash of an entry that the record itself names.
    pub(crate) fn landmark(&self, sequence: u64) -> Option<Hash32> {
        let mut at = self.length;
        for hash in &self.landmarks {
            if at == sequence {
                return Some(*hash);
            }
            at = skip(at);
        }
        None
    }

    /// Adds an entry, which `make` builds from its sequence number and the hash of the entry before.
    pub(crate) fn append<E: Entry>(
        &mut self,
        make: impl FnOnce(u64, Hash32) -> E,
    ) -> Result<Link<E>, Error> {
        let sequence = self.length.saturating_add(1);
        let entry = make(sequence, self.newest());
        // What is behind the new entry's second link is behind some landmark of the old ones.
        let mut at = self.length;
        let mut landmarks = vec![entry_hash(&entry)?];
        for hash in &self.landmarks {
            if at <= skip(sequence) {
                landmarks.push(*hash);
            }
            at = skip(at);
        }
        let link = Link {
            entry,
            skip: landmarks.get(1).copied().unwrap_or(NONE),
        };
        self.length = sequence;
        self.landmarks = landmarks;
        Ok(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Serialize)]
    struct Plain {
        sequence: u64,
        previous: Hash32,
        record: Hash32,
    }

    impl Entry for Plain {
        fn sequence(&self) -> u64 {
            self.sequence
        }

        fn previous(&self) -> Hash32 {
            self.previous
        }

        fn record(&self) -> Hash32 {
            self.record
        }
    }

    fn append(chain: &mut Chain) -> Link<Plain> {
        chain
            .append(|sequence, previous| Plain {
                sequence,
                previous,
                record: Hash32([9; 32]),
            })
            .unwrap()
    }

    #[test]
    fn every_entry_is_a_few_links_away_from_the_record() {
        let mut chain = Chain::default();
        let mut links = vec![];
        for newest in 1..=300u64 {
            links.push(append(&mut chain));
            assert!(chain.landmarks.len() <= 9);
            for target in 1..=newest {
                let path = chain.path(target);
                assert!(path.len() <= 24, "{newest} to {target}: {path:?}");
                let link = |sequence: u64| &links[usize::try_from(sequence).unwrap() - 1];
                let mut expected = chain.landmark(path[0]).unwrap();
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
            let chain = Chain {
                length: newest,
                landmarks: vec![],
            };
            let most = 3 * usize::try_from(newest.ilog2() + 1).unwrap();
            for target in [1, 2, newest / 2, newest - newest / 3, newest] {
                let target = target.max(1);
                assert!(chain.path(target).len() <= most);
            }
        }
    }

    #[test]
    fn a_link_names_two_entries_and_no_other() {
        let mut chain = Chain::default();
        let links: Vec<_> = (0..12).map(|_| append(&mut chain)).collect();
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
        assert_eq!(links[0].names(0), Some(NONE));
    }
}
