//! Who may ask how often.

mod address;
mod store;

use std::time::Duration;

pub(crate) use address::{ClientKey, client_address};
use governor::{
    RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
};
use openkey_protocol::message::Class;
use store::BoundedStore;

use crate::config::{Limits, Quota};

type Limiter<C> = RateLimiter<ClientKey, BoundedStore, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Rates of one class; `None`: unlimited.
struct Rate<C: Clock + Clone>(Option<Limiter<C>>);

impl<C: Clock + Clone> Rate<C> {
    fn new(quota: Quota, addresses: usize, clock: &C) -> Self {
        Self(
            quota.governed().map(|quota| {
                RateLimiter::new(quota, BoundedStore::new(addresses), C::clone(clock))
            }),
        )
    }

    fn check(&self, client: ClientKey) -> Result<(), Duration> {
        let Some(limiter) = &self.0 else {
            return Ok(());
        };
        limiter
            .check_key(&client)
            .map_err(|until| until.wait_time_from(limiter.clock().now()))
    }
}

/// Rates per client address and class.
pub(crate) struct Rates<C: Clock + Clone = DefaultClock> {
    sign_up: Rate<C>,
    evidence: Rate<C>,
    request: Rate<C>,
}

impl<C: Clock + Clone> Rates<C> {
    pub(crate) fn new(limits: &Limits, clock: &C) -> Self {
        let rate = |quota| Rate::new(quota, limits.addresses, clock);
        Self {
            sign_up: rate(limits.sign_up),
            evidence: rate(limits.evidence),
            request: rate(limits.request),
        }
    }

    /// Counts one request; refused: how long until the next is welcome.
    pub(crate) fn check(&self, class: Class, client: ClientKey) -> Result<(), Duration> {
        match class {
            Class::SignUp => &self.sign_up,
            Class::Evidence => &self.evidence,
            Class::Request => &self.request,
        }
        .check(client)
    }

    /// Forgets addresses that have their whole quota again.
    pub(crate) fn tidy(&self) {
        for rate in [&self.sign_up, &self.evidence, &self.request] {
            if let Some(limiter) = &rate.0 {
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
        }
    }

    /// How many addresses are remembered.
    pub(crate) fn addresses(&self) -> usize {
        [&self.sign_up, &self.evidence, &self.request]
            .iter()
            .filter_map(|rate| rate.0.as_ref())
            .map(RateLimiter::len)
            .sum()
    }
}

#[cfg(test)]
mod tests;
