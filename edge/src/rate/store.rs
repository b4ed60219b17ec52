//! Where a rate keeps its state: a bounded number of keys.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use governor::{
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};

/// Locks, so that requests on different cores seldom meet.
const SHARDS: usize = 16;

/// Buckets for keys that find no room: many strangers share one, and the memory stays what it is.
const SHARED: usize = 1024;

/// Keeps up to a number of keys apart; further ones share buckets by their hash. A key that is
/// known keeps its own state.
pub(super) struct BoundedStore<K> {
    hasher: RandomState,
    shards: Vec<Mutex<Shard<K>>>,
    per_shard: usize,
}

struct Shard<K> {
    own: HashMap<K, Nanos>,
    shared: HashMap<u64, Nanos>,
}

impl<K> Default for Shard<K> {
    fn default() -> Self {
        Self {
            own: HashMap::new(),
            shared: HashMap::new(),
        }
    }
}

impl<K> BoundedStore<K> {
    pub(super) fn new(keys: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            per_shard: keys.div_ceil(SHARDS),
        }
    }

    fn shard(&self, hash: u64) -> Option<MutexGuard<'_, Shard<K>>> {
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        let shard = self.shards.get(index)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Shard<K>>> {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Clone + Eq + Hash> StateStore for BoundedStore<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let hash = self.hasher.hash_one(key);
        let Some(mut shard) = self.shard(hash) else {
            return f(None).map(|(outcome, _)| outcome);
        };
        let shard = &mut *shard;
        if let Some(state) = shard.own.get_mut(key) {
            let (outcome, new) = f(Some(*state))?;
            *state = new;
            return Ok(outcome);
        }
        if shard.own.len() < self.per_shard {
            let (outcome, new) = f(None)?;
            shard.own.insert(key.clone(), new);
            return Ok(outcome);
        }
        let bucket = (hash / SHARDS as u64) % (SHARED / SHARDS) as u64;
        let state = shard.shared.get(&bucket).copied();
        let (outcome, new) = f(state)?;
        shard.shared.insert(bucket, new);
        Ok(outcome)
    }
}

impl<K: Clone + Eq + Hash> ShrinkableKeyedStateStore<K> for BoundedStore<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        for mut shard in self.all() {
            shard.own.retain(|_, state| *state > drop_below);
            shard.shared.retain(|_, state| *state > drop_below);
        }
    }

    fn shrink_to_fit(&self) {
        for mut shard in self.all() {
            shard.own.shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.all()
            .map(|shard| shard.own.len() + shard.shared.len())
            .sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
