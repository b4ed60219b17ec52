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

/// When there is no room, so many of a lock's keys are forgotten at once: the search for them costs
/// each newcomer a few steps only.
const FORGOTTEN: usize = 8;

/// A key, and whether it is only looked at: whether there is room is asked before any is taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked<K> {
    pub(super) key: K,
    pub(super) looks: bool,
}

/// Keeps up to a number of keys apart. When there are more, those are forgotten that have most of
/// their quota again: forgetting refuses nobody, and gives whoever is forgotten the least. What is
/// refused takes no place.
pub(super) struct BoundedStore<K> {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<K, Nanos>>>,
    per_shard: usize,
}

impl<K> BoundedStore<K> {
    pub(super) fn new(keys: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            per_shard: keys.div_ceil(SHARDS),
        }
    }

    fn shard(&self, hash: u64) -> Option<MutexGuard<'_, HashMap<K, Nanos>>> {
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        let shard = self.shards.get(index)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn all(&self) -> impl Iterator<Item = MutexGuard<'_, HashMap<K, Nanos>>> {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Forgets those keys whose whole quota is theirs again the soonest.
fn make_room<K>(shard: &mut HashMap<K, Nanos>) {
    let mut states: Vec<Nanos> = shard.values().copied().collect();
    let mut left = states.len().div_ceil(FORGOTTEN);
    let Some(last) = left.checked_sub(1).filter(|last| *last < states.len()) else {
        return;
    };
    let highest = *states.select_nth_unstable(last).1;
    shard.retain(|_, state| {
        let forgotten = left > 0 && *state <= highest;
        left -= usize::from(forgotten);
        !forgotten
    });
}

impl<K: Clone + Eq + Hash> StateStore for BoundedStore<K> {
    type Key = Asked<K>;

    fn measure_and_replace<T, F, E>(&self, asked: &Asked<K>, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let Asked { key, looks } = asked;
        let Some(mut shard) = self.shard(self.hasher.hash_one(key)) else {
            return f(None).map(|(outcome, _)| outcome);
        };
        let (outcome, new) = f(shard.get(key).copied())?;
        if *looks {
            return Ok(outcome);
        }
        if let Some(state) = shard.get_mut(key) {
            *state = new;
        } else {
            if shard.len() >= self.per_shard {
                make_room(&mut shard);
            }
            shard.insert(key.clone(), new);
        }
        Ok(outcome)
    }
}

impl<K: Clone + Eq + Hash> ShrinkableKeyedStateStore<Asked<K>> for BoundedStore<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        for mut shard in self.all() {
            shard.retain(|_, state| *state > drop_below);
        }
    }

    fn shrink_to_fit(&self) {
        for mut shard in self.all() {
            shard.shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.all().map(|shard| shard.len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
