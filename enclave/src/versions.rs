//! What a running enclave remembers of the accounts it has seen, so that the store cannot answer with
//! an older record. Of fixed size.
//!
//! A record that its owner showed (by an approval or a read token) is *kept*: it is never forgotten, and
//! where there is no place for it the caller must remember it elsewhere (`service/buckets.rs`). A record that
//! anybody can show, by a proposal or by a sign-up that nobody has confirmed, is *passing*: it has a few
//! places of its own, in which the oldest makes room, so that strangers cannot take the places of owners.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use openkey_protocol::message::{Hash32, RecordId};

/// The first bytes of a record id, which is a keyed hash already: two accounts never share them.
pub(crate) type Key = [u8; 16];

/// A version, and the hash of its sealed record.
pub(crate) type Seen = (u64, Hash32);

/// Passing records have this part of the places that kept ones have, beside them.
const PASSING_PART: usize = 16;

/// Record id → newest version seen, and its hash.
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

    /// The newest version of a record that was seen, and its hash.
    pub(crate) fn newest(&self, id: &RecordId) -> Option<Seen> {
        let known = self.lock();
        // A record whose place is only reserved has version 0 there, and may be a passing one.
        let kept = known.kept.get(&key(id)).filter(|kept| kept.0 > 0);
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
                place.insert((0, Hash32([0; 32])));
            }
        }
        Some(Reservation {
            versions: self,
            key: key(id),
        })
    }

    /// Remembers a record for as long as there are places for it, as one that a stranger may have shown.
    /// That a newer one continues what was seen is for the caller to check.
    pub(crate) fn pass(&self, id: &RecordId, version: u64, hash: Hash32) {
        let mut known = self.lock();
        let key = key(id);
        let (known, most) = (&mut *known, passing(self.capacity));
        let kept = known.kept.get_mut(&key).filter(|kept| kept.0 > 0);
        let seen = match kept {
            Some(kept) => Some(kept),
            None => known.passing.get_mut(&key),
        };
        if let Some(seen) = seen {
            if version > seen.0 {
                *seen = (version, hash);
            }
            return;
        }
        while known.passing.len() >= most {
            match known.order.pop_front() {
                Some(oldest) => known.passing.remove(&oldest),
                None => return,
            };
        }
        known.passing.insert(key, (version, hash));
        known.order.push_back(key);
        if known.order.len() > most.saturating_mul(2) {
            known.order.retain(|key| known.passing.contains_key(key));
        }
    }

    /// Remembers a record that is not older than what was seen. That a newer one continues what was
    /// seen is for the caller to check.
    pub(crate) fn observe(
        &self,
        id: &RecordId,
        version: u64,
        hash: Hash32,
    ) -> Result<(), VersionError> {
        let mut known = self.lock();
        let known = &mut *known;
        let full = known.kept.len() >= self.capacity;
        match known.kept.get_mut(&key(id)) {
            Some((known, known_hash)) => {
                if version < *known {
                    return Err(VersionError::RolledBack);
                }
                if version == *known && hash != *known_hash {
                    return Err(VersionError::Forked);
                }
                (*known, *known_hash) = (version, hash);
            }
            None if full => return Err(VersionError::Full),
            None => {
                known.kept.insert(key(id), (version, hash));
            }
        }
        known.passing.remove(&key(id));
        Ok(())
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
            .is_some_and(|(version, _)| *version == 0)
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

    #[test]
    fn e2_versions_only_go_up() {
        let versions = Versions::new(4);
        assert_eq!(versions.newest(&id(1)), None);
        assert_eq!(versions.observe(&id(1), 5, ONE), Ok(()));
        assert_eq!(versions.observe(&id(1), 5, ONE), Ok(()));
        let rolled_back = Err(VersionError::RolledBack);
        assert_eq!(versions.observe(&id(1), 4, TWO), rolled_back);
        assert_eq!(versions.observe(&id(1), 5, TWO), Err(VersionError::Forked));
        assert_eq!(versions.observe(&id(1), 6, TWO), Ok(()));
        assert_eq!(versions.observe(&id(1), 5, ONE), rolled_back);
        assert_eq!(versions.newest(&id(1)), Some((6, TWO)));
    }

    #[test]
    fn a_reservation_keeps_a_place_and_gives_it_back() {
        let versions = Versions::new(1);
        let reserved = versions.reserve(&id(1)).unwrap();
        assert_eq!(versions.newest(&id(1)), None);
        assert_eq!(versions.observe(&id(2), 1, ONE), Err(VersionError::Full));
        drop(reserved);
        let reserved = versions.reserve(&id(2)).unwrap();
        assert_eq!(versions.observe(&id(2), 1, ONE), Ok(()));
        drop(reserved);
        assert_eq!(versions.newest(&id(2)), Some((1, ONE)));
        assert!(versions.reserve(&id(1)).is_none());
        assert!(
            versions.reserve(&id(2)).is_some(),
            "a kept record has its place"
        );
        assert_eq!(versions.newest(&id(2)), Some((1, ONE)));
    }

    #[test]
    fn e2_what_owners_showed_is_never_forgotten() {
        let versions = Versions::new(2);
        assert_eq!(versions.observe(&id(1), 1, ONE), Ok(()));
        assert_eq!(versions.observe(&id(2), 1, ONE), Ok(()));
        assert_eq!(versions.observe(&id(3), 1, ONE), Err(VersionError::Full));
        assert_eq!(versions.observe(&id(1), 2, TWO), Ok(()));
        assert_eq!(
            versions.observe(&id(1), 1, ONE),
            Err(VersionError::RolledBack)
        );
    }

    #[test]
    fn e17_what_strangers_showed_makes_room_and_takes_no_owners_place() {
        let versions = Versions::new(32);
        assert_eq!(versions.observe(&id(0), 3, ONE), Ok(()));
        for stranger in 1..=200 {
            versions.pass(&id(stranger), 1, ONE);
            versions.pass(&id(stranger), 2, TWO);
            versions.pass(&id(stranger), 1, ONE);
            assert_eq!(versions.newest(&id(stranger)), Some((2, TWO)));
        }
        assert_eq!(versions.newest(&id(198)), None);
        assert_eq!(versions.newest(&id(199)), Some((2, TWO)));
        {
            let known = versions.lock();
            assert_eq!((known.kept.len(), known.passing.len()), (1, 2));
            assert!(known.order.len() <= 4);
        }
        for owner in 1..32 {
            assert_eq!(versions.observe(&id(owner), 1, ONE), Ok(()));
        }
        assert_eq!(versions.newest(&id(0)), Some((3, ONE)));
        // A stranger may show an owner's newer record, and takes nothing with it.
        versions.pass(&id(0), 4, TWO);
        assert_eq!(versions.newest(&id(0)), Some((4, TWO)));
        assert_eq!(versions.lock().passing.len(), 2);
    }
}
