//! What a running enclave remembers of the accounts it has seen, so that the store cannot answer with
//! an older record. Of fixed size.
//!
//! A record that its owner showed (by an approval or a read token) is *kept*: it is never forgotten, and
//! where there is no place for it the caller must remember it elsewhere (`service/buckets.rs`). A record that
//! anybody can show, by a proposal or by a sign-up that nobody has confirmed, is *passing*: it has a few
//! places of its own, in which the oldest makes room, so that strangers cannot take the places of owners.
//!
//! Beside each stands the newest time at which it was shown as current: a decision that is dated earlier
//! cannot appear later (`service/history.rs`).

use std::{
    collections::{BTreeMap, HashMap, VecDeque, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use openkey_protocol::message::{Hash32, RecordId};

/// The first bytes of a record id, which is a keyed hash already: two accounts never share them.
pub(crate) type Key = [u8; 16];

/// A state of a record that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// From 1; 0 if there was no record.
    pub(crate) version: u64,
    /// SHA-256 of the sealed record.
    pub(crate) hash: Hash32,
    /// When it was shown as current last, by this enclave's clock in milliseconds since 1970; 0 if never.
    pub(crate) shown_at: u64,
}

/// What stands in a place that is only reserved.
const RESERVED: Seen = Seen {
    version: 0,
    hash: Hash32([0; 32]),
    shown_at: 0,
};

impl Seen {
    fn is_same_state(&self, other: &Self) -> bool {
        self.version == other.version && self.hash == other.hash
    }

    /// Takes over what is newer in `other`: a later state, or a later time of the same.
    fn advance(&mut self, other: &Self) {
        if self.is_same_state(other) {
            self.shown_at = self.shown_at.max(other.shown_at);
        } else if other.version > self.version {
            *self = *other;
        }
    }
}

/// Passing records have this part of the places that kept ones have, beside them.
const PASSING_PART: usize = 16;

/// Record id → newest state seen.
pub(crate) struct Versions {
    capacity: usize,
    known: Mutex<Known>,
}

struct Known {
    kept: HashMap<Key, Seen>,
    passing: HashMap<Key, Seen>,
    /// The passing ones, oldest first. One that became a kept one stays listed until its turn comes.
    order: VecDeque<Key>,
}

/// Why a record is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionError {
    /// Older than one that was seen.
    RolledBack,
    /// Another one of the version that was seen.
    Forked,
    /// Never seen, and there is no room to remember it.
    Full,
}

impl Versions {
    /// Takes all its memory at once.
    pub(crate) fn new(capacity: usize) -> Self {
        let passing = passing(capacity);
        Self {
            capacity,
            known: Mutex::new(Known {
                kept: HashMap::with_capacity(capacity),
                passing: HashMap::with_capacity(passing),
                order: VecDeque::with_capacity(passing),
            }),
        }
    }

    /// The newest state of a record that was seen.
    pub(crate) fn newest(&self, id: &RecordId) -> Option<Seen> {
        let known = self.lock();
        // A record whose place is only reserved may be a passing one.
        let kept = known.kept.get(&key(id)).filter(|kept| **kept != RESERVED);
        kept.or_else(|| known.passing.get(&key(id))).copied()
    }

    /// Keeps a place for a record that is about to be written, so that it can be remembered when it is
    /// stored; `None` if there is none. The place is given back if it is not used.
    pub(crate) fn reserve(&self, id: &RecordId) -> Option<Reservation<'_>> {
        let mut known = self.lock();
        let full = known.kept.len() >= self.capacity;
        match known.kept.entry(key(id)) {
            Entry::Occupied(_) => {}
            Entry::Vacant(_) if full => return None,
            Entry::Vacant(place) => {
                place.insert(RESERVED);
            }
        }
        Some(Reservation {
            versions: self,
            key: key(id),
        })
    }

    /// Remembers a record for as long as there are places for it, as one that a stranger may have shown.
    /// That a newer one continues what was seen is for the caller to check.
    pub(crate) fn pass(&self, id: &RecordId, new: Seen) {
        let mut known = self.lock();
        let key = key(id);
        let (known, most) = (&mut *known, passing(self.capacity));
        let kept = known.kept.get_mut(&key);
        let kept = kept.filter(|kept| **kept != RESERVED);
        let seen = match kept {
            Some(kept) => Some(kept),
            None => known.passing.get_mut(&key),
        };
        if let Some(seen) = seen {
            seen.advance(&new);
            return;
        }
        while known.passing.len() >= most {
            match known.order.pop_front() {
                Some(oldest) => known.passing.remove(&oldest),
                None => return,
            };
        }
        known.passing.insert(key, new);
        known.order.push_back(key);
        if known.order.len() > most.saturating_mul(2) {
            known.order.retain(|key| known.passing.contains_key(key));
        }
    }

    /// Remembers a record that is not older than what was seen. That a newer one continues what was
    /// seen is for the caller to check.
    pub(crate) fn observe(&self, id: &RecordId, new: Seen) -> Result<(), VersionError> {
        let mut known = self.lock();
        let known = &mut *known;
        let full = known.kept.len() >= self.capacity;
        match known.kept.get_mut(&key(id)) {
            Some(seen) => {
                if new.version < seen.version {
                    return Err(VersionError::RolledBack);
                }
                if new.version == seen.version && new.hash != seen.hash {
                    return Err(VersionError::Forked);
                }
                seen.advance(&new);
            }
            None if full => return Err(VersionError::Full),
            None => {
                known.kept.insert(key(id), new);
            }
        }
        known.passing.remove(&key(id));
        Ok(())
    }

    /// Notes that a state was shown as current, if it is the one that is remembered. Says whether it is kept
    /// here.
    pub(crate) fn shown(&self, id: &RecordId, seen: Seen) -> bool {
        let mut known = self.lock();
        let known = &mut *known;
        let key = key(id);
        for map in [&mut known.kept, &mut known.passing] {
            let same = map.get_mut(&key).filter(|known| known.is_same_state(&seen));
            if let Some(known) = same {
                known.advance(&seen);
            }
        }
        known.kept.contains_key(&key)
    }

    /// Brings the times of states that are remembered elsewhere up to what passing ones have.
    pub(crate) fn refresh(&self, elsewhere: &mut BTreeMap<Key, Seen>) {
        let known = self.lock();
        for (key, seen) in elsewhere {
            let passing = known.passing.get(key);
            if let Some(passing) = passing.filter(|passing| passing.is_same_state(seen)) {
                seen.advance(passing);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // No write leaves the maps half-done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one account. See [`Versions::reserve`].
pub(crate) struct Reservation<'a> {
    versions: &'a Versions,
    key: Key,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut known = self.versions.lock();
        if known
            .kept
            .get(&self.key)
            .is_some_and(|seen| *seen == RESERVED)
        {
            known.kept.remove(&self.key);
        }
    }
}

/// How many passing records there are at most.
fn passing(capacity: usize) -> usize {
    (capacity / PASSING_PART).max(1)
}

pub(crate) fn key(id: &RecordId) -> Key {
    id.0.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> RecordId {
        RecordId([byte; 32])
    }

    const ONE: Hash32 = Hash32([1; 32]);
    const TWO: Hash32 = Hash32([2; 32]);

    fn seen(version: u64, hash: Hash32) -> Seen {
        shown(version, hash, 0)
    }

    fn shown(version: u64, hash: Hash32, shown_at: u64) -> Seen {
        Seen {
            version,
            hash,
            shown_at,
        }
    }

    #[test]
    fn e2_the_time_of_the_last_showing_belongs_to_one_state_and_only_goes_up() {
        let versions = Versions::new(1);
        assert_eq!(versions.observe(&id(1), shown(1, ONE, 50)), Ok(()));
        assert_eq!(versions.observe(&id(1), shown(1, ONE, 40)), Ok(()));
        assert_eq!(versions.newest(&id(1)), Some(shown(1, ONE, 50)));
        versions.shown(&id(1), shown(1, TWO, 60));
        versions.shown(&id(1), shown(2, ONE, 60));
        versions.shown(&id(2), shown(1, ONE, 60));
        assert_eq!(versions.newest(&id(1)), Some(shown(1, ONE, 50)));
        assert_eq!(versions.newest(&id(2)), None);
        versions.shown(&id(1), shown(1, ONE, 60));
        versions.pass(&id(1), seen(1, ONE));
        assert_eq!(versions.newest(&id(1)), Some(shown(1, ONE, 60)));
        // A later state was not shown because an earlier one was.
        versions.pass(&id(1), seen(2, TWO));
        assert_eq!(versions.newest(&id(1)), Some(seen(2, TWO)));
        // Passing states have a time as well, which what is kept elsewhere takes over.
        versions.pass(&id(3), seen(1, ONE));
        versions.shown(&id(3), shown(1, ONE, 70));
        assert_eq!(versions.newest(&id(3)), Some(shown(1, ONE, 70)));
        let mut elsewhere = BTreeMap::from([
            (key(&id(3)), shown(1, ONE, 10)),
            (key(&id(4)), shown(1, ONE, 10)),
        ]);
        versions.refresh(&mut elsewhere);
        let times: Vec<_> = elsewhere.values().map(|seen| seen.shown_at).collect();
        assert_eq!(times, [70, 10]);
    }

    #[test]
    fn e2_that_there_was_no_record_is_remembered_like_a_state() {
        let versions = Versions::new(1);
        let absent = shown(0, Hash32([0; 32]), 50);
        assert_eq!(versions.observe(&id(1), absent), Ok(()));
        assert_eq!(versions.newest(&id(1)), Some(absent));
        assert_eq!(versions.observe(&id(1), seen(1, ONE)), Ok(()));
        assert_eq!(versions.newest(&id(1)), Some(seen(1, ONE)));
        assert_eq!(
            versions.observe(&id(1), absent),
            Err(VersionError::RolledBack)
        );
    }

    #[test]
    fn e2_versions_only_go_up() {
        let versions = Versions::new(4);
        assert_eq!(versions.newest(&id(1)), None);
        assert_eq!(versions.observe(&id(1), seen(5, ONE)), Ok(()));
        assert_eq!(versions.observe(&id(1), seen(5, ONE)), Ok(()));
        let rolled_back = Err(VersionError::RolledBack);
        assert_eq!(versions.observe(&id(1), seen(4, TWO)), rolled_back);
        assert_eq!(
            versions.observe(&id(1), seen(5, TWO)),
            Err(VersionError::Forked)
        );
        assert_eq!(versions.observe(&id(1), seen(6, TWO)), Ok(()));
        assert_eq!(versions.observe(&id(1), seen(5, ONE)), rolled_back);
        assert_eq!(versions.newest(&id(1)), Some(seen(6, TWO)));
    }

    #[test]
    fn a_reservation_keeps_a_place_and_gives_it_back() {
        let versions = Versions::new(1);
        let reserved = versions.reserve(&id(1)).unwrap();
        assert_eq!(versions.newest(&id(1)), None);
        assert_eq!(
            versions.observe(&id(2), seen(1, ONE)),
            Err(VersionError::Full)
        );
        drop(reserved);
        let reserved = versions.reserve(&id(2)).unwrap();
        assert_eq!(versions.observe(&id(2), seen(1, ONE)), Ok(()));
        drop(reserved);
        assert_eq!(versions.newest(&id(2)), Some(seen(1, ONE)));
        assert!(versions.reserve(&id(1)).is_none());
        assert!(
            versions.reserve(&id(2)).is_some(),
            "a kept record has its place"
        );
        assert_eq!(versions.newest(&id(2)), Some(seen(1, ONE)));
    }

    #[test]
    fn e2_what_owners_showed_is_never_forgotten() {
        let versions = Versions::new(2);
        assert_eq!(versions.observe(&id(1), seen(1, ONE)), Ok(()));
        assert_eq!(versions.observe(&id(2), seen(1, ONE)), Ok(()));
        assert_eq!(
            versions.observe(&id(3), seen(1, ONE)),
            Err(VersionError::Full)
        );
        assert_eq!(versions.observe(&id(1), seen(2, TWO)), Ok(()));
        assert_eq!(
            versions.observe(&id(1), seen(1, ONE)),
            Err(VersionError::RolledBack)
        );
    }

    #[test]
    fn e17_what_strangers_showed_makes_room_and_takes_no_owners_place() {
        let versions = Versions::new(32);
        assert_eq!(versions.observe(&id(0), seen(3, ONE)), Ok(()));
        for stranger in 1..=200 {
            versions.pass(&id(stranger), seen(1, ONE));
            versions.pass(&id(stranger), seen(2, TWO));
            versions.pass(&id(stranger), seen(1, ONE));
            assert_eq!(versions.newest(&id(stranger)), Some(seen(2, TWO)));
        }
        assert_eq!(versions.newest(&id(198)), None);
        assert_eq!(versions.newest(&id(199)), Some(seen(2, TWO)));
        {
            let known = versions.lock();
            assert_eq!((known.kept.len(), known.passing.len()), (1, 2));
            assert!(known.order.len() <= 4);
        }
        for owner in 1..32 {
            assert_eq!(versions.observe(&id(owner), seen(1, ONE)), Ok(()));
        }
        assert_eq!(versions.newest(&id(0)), Some(seen(3, ONE)));
        // A stranger may show an owner's newer record, and takes nothing with it.
        versions.pass(&id(0), seen(4, TWO));
        assert_eq!(versions.newest(&id(0)), Some(seen(4, TWO)));
        assert_eq!(versions.lock().passing.len(), 2);
    }
}
