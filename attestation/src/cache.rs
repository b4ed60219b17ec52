//! Chains that were verified before.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::chain::Chain;
use crate::limits::DEFAULT_CACHED_CHAINS;

/// Chains that a verifier has verified, so that the next document by the same leaf key costs one
/// signature check instead of five.
///
/// An entry is named by the SHA-256 of the whole bundle and leaf, and answers only while *every*
/// certificate of it is valid at the time in question. The number of entries is bounded: the one
/// that was used longest ago goes first. A cache belongs to one verifier and with it to one set of
/// roots; nothing is shared between verifiers.
#[derive(Debug)]
pub struct ChainCache {
    capacity: NonZeroUsize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    chains: HashMap<Name, Entry>,
    /// Counts uses, so that they can be ordered.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    chain: Chain,
    used: u64,
}

/// SHA-256 of a leaf and its bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name([u8; 32]);

impl Name {
    /// The name of the chain of these certificates. Lengths are hashed too, so that bytes cannot
    /// move from one certificate to the next.
    pub(crate) fn of(leaf: &[u8], bundle: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for der in core::iter::once(&leaf).chain(bundle) {
            hash.update((der.len() as u64).to_be_bytes());
            hash.update(der);
        }
        Self(hash.finalize().into())
    }
}

impl Default for ChainCache {
    fn default() -> Self {
        const DEFAULT: NonZeroUsize = match NonZeroUsize::new(DEFAULT_CACHED_CHAINS) {
            Some(capacity) => capacity,
            None => NonZeroUsize::MIN,
        };
        Self::with_capacity(DEFAULT)
    }
}

impl ChainCache {
    /// A cache of at most so many chains, each some 300 bytes.
    pub fn with_capacity(capacity: NonZeroUsize) -> Self {
        Self {
            capacity,
            entries: Mutex::default(),
        }
    }

    /// How many chains it holds.
    pub fn len(&self) -> usize {
        self.lock().chains.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// No step below leaves an entry half-made, so a panic elsewhere spoils nothing.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chain of this name, if all of it is valid at this second.
    pub(crate) fn get(&self, name: &Name, at: u64) -> Option<Chain> {
        let mut entries = self.lock();
        entries.clock += 1;
        let now = entries.clock;
        let entry = entries.chains.get_mut(name)?;
        if !entry.chain.is_valid(at) {
            return None;
        }
        entry.used = now;
        Some(entry.chain.clone())
    }

    /// Keeps a chain that was verified at this second.
    pub(crate) fn put(&self, name: Name, chain: Chain, at: u64) {
        let mut entries = self.lock();
        if entries.chains.len() >= self.capacity.get() && !entries.chains.contains_key(&name) {
            entries
                .chains
                .retain(|_, entry| entry.chain.not_after >= at);
        }
        if entries.chains.len() >= self.capacity.get() && !entries.chains.contains_key(&name) {
            let oldest = entries.chains.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(oldest) = oldest.map(|(name, _)| *name) {
                entries.chains.remove(&oldest);
            }
        }
        entries.clock += 1;
        let used = entries.clock;
        entries.chains.insert(name, Entry { chain, used });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(not_before: u64, not_after: u64) -> Chain {
        Chain {
            key: [4; 97],
            name: String::new(),
            not_before,
            not_after,
            root_sha256: [0; 32],
        }
    }

    fn name(byte: u8) -> Name {
        Name([byte; 32])
    }

    #[test]
    fn an_entry_answers_while_it_is_valid() {
        let cache = ChainCache::default();
        assert!(cache.is_empty());
        cache.put(name(1), chain(100, 200), 150);
        assert_eq!(cache.get(&name(2), 150), None);
        for (at, answers) in [(99, false), (100, true), (200, true), (201, false)] {
            assert_eq!(cache.get(&name(1), at).is_some(), answers, "{at}");
        }
    }

    #[test]
    fn it_is_bounded_and_forgets_the_expired_then_the_unused() {
        let cache = ChainCache::with_capacity(NonZeroUsize::new(3).unwrap());
        cache.put(name(1), chain(0, 200), 100);
        cache.put(name(2), chain(0, 110), 100);
        cache.put(name(3), chain(0, 200), 100);
        // Full: the second has expired and goes first.
        cache.put(name(4), chain(0, 200), 150);
        assert_eq!(cache.len(), 3);
        assert_eq!(cache.get(&name(2), 105), None);
        // Full of valid ones: the first was used just now, the third longest ago.
        assert!(cache.get(&name(1), 150).is_some());
        cache.put(name(5), chain(0, 200), 150);
        assert_eq!(cache.len(), 3);
        assert_eq!(cache.get(&name(3), 150), None);
        for kept in [1, 4, 5] {
            assert!(cache.get(&name(kept), 150).is_some(), "{kept}");
        }
        // The same again replaces itself.
        cache.put(name(5), chain(0, 300), 150);
        assert_eq!(cache.len(), 3);
        assert!(cache.get(&name(5), 300).is_some());
    }

    #[test]
    fn a_name_tells_certificates_apart() {
        let a: &[u8] = b"ab";
        let b: &[u8] = b"c";
        assert_ne!(Name::of(a, &[b]), Name::of(b"a", &[b"bc"]));
        assert_ne!(Name::of(a, &[b]), Name::of(b, &[a]));
        assert_ne!(Name::of(a, &[b]), Name::of(a, &[b, b]));
        assert_eq!(Name::of(a, &[b]), Name::of(a, &[b]));
    }
}
