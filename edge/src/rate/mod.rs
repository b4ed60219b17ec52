//! Who may ask how often.

mod quota;
mod store;

use std::{fmt, hash::Hash, time::Duration};

use governor::{
    RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
};
pub use quota::{Quota, QuotaError};
use store::BoundedStore;

use crate::client::ClientKey;

type Limiter<K, C> = RateLimiter<K, BoundedStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// One quota for each key: so many requests of each client, say. Its memory is bounded, however
/// many keys there are.
pub struct Rate<K: Clone + Eq + Hash = ClientKey, C: Clock + Clone = DefaultClock>(
    /// `None`: unlimited.
    Option<Limiter<K, C>>,
);

impl<K: Clone + Eq + Hash> Rate<K> {
    /// A rate by the system's clock, which keeps this many keys apart; further ones share.
    #[must_use]
    pub fn new(quota: Quota, keys: usize) -> Self {
        Self::with_clock(quota, keys, &DefaultClock::default())
    }
}

impl<K: Clone + Eq + Hash, C: Clock + Clone> Rate<K, C> {
    /// A rate by a clock of one's own, to move it in tests.
    pub fn with_clock(quota: Quota, keys: usize, clock: &C) -> Self {
        Self(
            quota
                .governed()
                .map(|quota| RateLimiter::new(quota, BoundedStore::new(keys), C::clone(clock))),
        )
    }

    /// Counts one request.
    ///
    /// # Errors
    ///
    /// How long until the next is welcome; this one is not, and is not counted.
    pub fn check(&self, key: &K) -> Result<(), Duration> {
        let Some(limiter) = &self.0 else {
            return Ok(());
        };
        limiter
            .check_key(key)
            .map_err(|until| until.wait_time_from(limiter.clock().now()))
    }

    /// Forgets keys that have their whole quota again; to be called every few seconds.
    pub fn tidy(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.0.as_ref().map_or(0, RateLimiter::len)
    }
}

impl<K: Clone + Eq + Hash, C: Clock + Clone> fmt::Debug for Rate<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rate({} keys)", self.keys())
    }
}

#[cfg(test)]
mod tests;
