//! What a running enclave remembers of every account it has seen, so that the store cannot answer
//! with an older record. Of fixed size: what does not fit is refused, never forgotten.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use openkey_protocol::message::{Hash32, RecordId};

/// The first bytes of a record id, which is a keyed hash already: two accounts never share them.
type Key = [u8; 16];

/// Record id → newest version seen, and its hash.
pub(crate) struct Versions {
    capacity: usize,
    newest: Mutex<HashMap<Key, (u64, Hash32)>>,
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
        Self {
            capacity,
            newest: Mutex::new(HashMap::with_capacity(capacity)),
        }
    }

    /// The newest version of a record that was seen, and its hash.
    pub(crate) fn newest(&self, id: &RecordId) -> Option<(u64, Hash32)> {
        let newest = self.lock();
        newest
            .get(&key(id))
            .copied()
            .filter(|(version, _)| *version > 0)
    }

    /// Keeps room for an account that is about to be made, so that one that was stored can always be
    /// remembered. The room is given back if it is not used.
    pub(crate) fn reserve(&self, id: &RecordId) -> Result<Reservation<'_>, VersionError> {
        self.observe(id, 0, Hash32([0; 32]))?;
        Ok(Reservation {
            versions: self,
            key: key(id),
        })
    }

    /// Whether there is no room for another account.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().len() >= self.capacity
    }

    /// Remembers a record that is not older than what was seen. That a newer one continues what was
    /// seen is for the caller to check.
    pub(crate) fn observe(
        &self,
        id: &RecordId,
        version: u64,
        hash: Hash32,
    ) -> Result<(), VersionError> {
        let mut newest = self.lock();
        let full = newest.len() >= self.capacity;
        match newest.get_mut(&key(id)) {
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
                newest.insert(key(id), (version, hash));
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (u64, Hash32)>> {
        // No write leaves the map half-done.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one account. See [`Versions::reserve`].
pub(crate) struct Reservation<'a> {
    versions: &'a Versions,
    key: Key,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut newest = self.versions.lock();
        if newest
            .get(&self.key)
            .is_some_and(|(version, _)| *version == 0)
        {
            newest.remove(&self.key);
        }
    }
}

fn key(id: &RecordId) -> Key {
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
    fn a_reservation_keeps_room_and_gives_it_back() {
        let versions = Versions::new(1);
        let reserved = versions.reserve(&id(1)).unwrap();
        assert_eq!(versions.newest(&id(1)), None);
        assert_eq!(versions.observe(&id(2), 1, ONE), Err(VersionError::Full));
        drop(reserved);
        let reserved = versions.reserve(&id(2)).unwrap();
        assert_eq!(versions.observe(&id(2), 1, ONE), Ok(()));
        drop(reserved);
        assert_eq!(versions.newest(&id(2)), Some((1, ONE)));
        assert_eq!(versions.reserve(&id(1)).err(), Some(VersionError::Full));
    }

    #[test]
    fn e2_full_refuses_new_accounts_and_forgets_none() {
        let versions = Versions::new(2);
        assert_eq!(versions.observe(&id(1), 1, ONE), Ok(()));
        assert_eq!(versions.observe(&id(2), 1, ONE), Ok(()));
        assert!(versions.is_full());
        assert_eq!(versions.observe(&id(3), 1, ONE), Err(VersionError::Full));
        assert_eq!(versions.observe(&id(1), 2, TWO), Ok(()));
        assert_eq!(
            versions.observe(&id(1), 1, ONE),
            Err(VersionError::RolledBack)
        );
    }
}
