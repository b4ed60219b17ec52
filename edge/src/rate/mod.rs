//! Who may ask how often.

mod client;
mod quota;
mod store;

use std::{fmt, hash::Hash, num::NonZeroU32, time::Duration};

pub use client::ClientRate;

use governor::{
    RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
};
pub use quota::{Quota, QuotaError};
use store::{Asked, BoundedStore};

type Limiter<K, C> =
    RateLimiter<Asked<K>, BoundedStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// One quota for each key, whatever that is; for clients there is [`ClientRate`]. Its memory is bounded, however
/// many keys there are.
pub struct Rate<K: Clone + Eq + Hash, C: Clock + Clone = DefaultClock>(
    /// With as many as there may be at once. `None`: unlimited.
    Option<(Limiter<K, C>, NonZeroU32)>,
);

impl<K: Clone + Eq + Hash> Rate<K> {
    /// A rate by the system's clock, which remembers this many keys. When there are more, those are
    /// forgotten that have most of their quota again.
    #[must_use]
    pub fn new(quota: Quota, keys: usize) -> Self {
        Self::with_clock(quota, keys, &DefaultClock::default())
    }
}

impl<K: Clone + Eq + Hash, C: Clock + Clone> Rate<K, C> {
    /// A rate by a clock of one's own, to move it in tests.
    pub fn with_clock(quota: Quota, keys: usize, clock: &C) -> Self {
        Self(quota.governed().map(|quota| {
            let limiter = RateLimiter::new(quota, BoundedStore::new(keys), C::clone(clock));
            (limiter, quota.burst_size())
        }))
    }

    /// Counts one request.
    ///
    /// # Errors
    ///
    /// How long until the next is welcome; this one is not, and is not counted.
    pub fn check(&self, key: &K) -> Result<(), Duration> {
        self.check_many(key, NonZeroU32::MIN)
    }

    /// Counts so many at once. More than there may ever be at once are as many as there may be.
    ///
    /// # Errors
    ///
    /// How long until they are welcome; now they are not, and are not counted.
    pub fn check_many(&self, key: &K, count: NonZeroU32) -> Result<(), Duration> {
        self.ask(key, count, false)
    }

    /// Whether so many would be welcome now. Counts nothing.
    pub(super) fn look(&self, key: &K, count: NonZeroU32) -> Result<(), Duration> {
        self.ask(key, count, true)
    }

    fn ask(&self, key: &K, count: NonZeroU32, looks: bool) -> Result<(), Duration> {
        let Some((limiter, most)) = &self.0 else {
            return Ok(());
        };
        let key = key.clone();
        match limiter.check_key_n(&Asked { key, looks }, count.min(*most)) {
            Ok(checked) => checked.map_err(|until| until.wait_time_from(limiter.clock().now())),
            // there are never more than that
            Err(_) => Ok(()),
        }
    }

    /// Forgets keys that have their whole quota again; to be called every few seconds.
    pub fn tidy(&self) {
        if let Some((limiter, _)) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.0.as_ref().map_or(0, |(limiter, _)| limiter.len())
    }
}

impl<K: Clone + Eq + Hash, C: Clock + Clone> fmt::Debug for Rate<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rate({} keys)", self.keys())
    }
}

#[cfg(test)]
mod tests;
