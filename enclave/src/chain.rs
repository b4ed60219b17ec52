//! Histories: chains of entries in which each names the hash of the one before and of the record it
//! was decided on. Accounts have one, and so has each record that a deployment keeps once.
//!
//! Version `n + 1` of a record is version `n` with entry `n` decided on it, so a record of version `v`
//! has `v − 1` entries and its newest entry commits to every earlier record. Whoever knows an earlier
//! state can check that a later one continues it. Times never go down along a chain: an entry is dated by
//! the clock of the enclave that decides, and not before the entry that it follows.
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
    /// When it was decided. Milliseconds since 1970.
    fn at(&self) -> u64;
}

/// What a record keeps of its history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chain {
    /// How many entries there are.
    length: u64,
    /// SHA-256 of the newest entry, of the one that its second link leads to, and so on.
    landmarks: Vec<Hash32>,
    /// When the newest entry was decided; before the first, when the record was made. Milliseconds since
    /// 1970.
    at: u64,
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
    /// The chain of a record that is made now.
    pub(crate) const fn new(now: u64) -> Self {
        Self {
            length: 0,
            landmarks: Vec::new(),
            at: now,
        }
    }

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

    /// Whether a link is the one that the chain names, or that the link before it on the way names, and
    /// is not dated later than what came after it.
    pub(crate) fn leads_to<E: Entry>(
        &self,
        before: Option<&Link<E>>,
        link: &Link<E>,
    ) -> Result<bool, Error> {
        let sequence = link.entry.sequence();
        let (named, latest) = match before {
            Some(before) => (before.names(sequence), before.entry.at()),
            None => (self.landmark(sequence), self.at),
        };
        Ok(Some(entry_hash(&link.entry)?) == named && link.entry.at() <= latest)
    }

    /// Adds an entry, which `make` builds from its sequence number, the hash of the entry before and its
    /// time. The time is `now`, or that of the entry before if this enclave's clock is behind it.
    pub(crate) fn append<E: Entry>(
        &mut self,
        now: u64,
        make: impl FnOnce(u64, Hash32, u64) -> E,
    ) -> Result<Link<E>, Error> {
        let sequence = self.length.saturating_add(1);
        let decided_at = now.max(self.at);
        let entry = make(sequence, self.newest(), decided_at);
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
        self.at = decided_at;
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
        at: u64,
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

        fn at(&self) -> u64 {
            self.at
        }
    }

    fn append_at(chain: &mut Chain, now: u64) -> Link<Plain> {
        chain
            .append(now, |sequence, previous, at| Plain {
                sequence,
                previous,
                record: Hash32([9; 32]),
                at,
            })
            .unwrap()
    }

    fn append(chain: &mut Chain) -> Link<Plain> {
        append_at(chain, 0)
    }

    #[test]
    fn e2_times_never_go_down_along_a_chain() {
        let mut chain = Chain::new(1_000);
        let clocks = [900, 2_000, 1_500, 2_001];
        let links: Vec<_> = clocks.map(|now| append_at(&mut chain, now)).into();
        let times: Vec<_> = links.iter().map(|link| link.entry.at).collect();
        assert_eq!(times, [1_000, 2_000, 2_000, 2_001]);
        // Whoever reads a chain refuses one whose times go down, whoever wrote it.
        let newest = &links[3];
        assert!(chain.leads_to(None, newest).unwrap());
        assert!(chain.leads_to(Some(newest), &links[2]).unwrap());
        let mut early = chain.clone();
        early.at = 2_000;
        assert!(!early.leads_to(None, newest).unwrap());
        let mut younger = newest.clone();
        younger.entry.at = 1_999;
        assert!(!chain.leads_to(Some(&younger), &links[2]).unwrap());
        // Nor does a chain lead to an entry that nothing names.
        assert!(!chain.leads_to(Some(newest), &links[0]).unwrap());
    }

    #[test]
    fn every_entry_is_a_few_links_away_from_the_record() {
        let mut chain = Chain::new(0);
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
                ..Chain::new(0)
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
        let mut chain = Chain::new(0);
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
