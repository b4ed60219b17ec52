//! Who may ask for what how often.

use std::time::Duration;

use openkey_edge::{client::ClientKey, rate::ClientRate};
use openkey_protocol::message::Class;

use crate::config::Limits;

/// Rates per client address and class.
pub(crate) struct Rates {
    sign_up: ClientRate,
    evidence: ClientRate,
    request: ClientRate,
    read: ClientRate,
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let rate = |quota| ClientRate::new(quota, limits.addresses);
        Self {
            sign_up: rate(limits.sign_up),
            evidence: rate(limits.evidence),
            request: rate(limits.request),
            read: rate(limits.read),
        }
    }

    /// Counts one request; refused: how long until the next is welcome.
    pub(crate) fn check(&self, class: Class, client: ClientKey) -> Result<(), Duration> {
        match class {
            Class::SignUp => &self.sign_up,
            Class::Evidence => &self.evidence,
            Class::Request => &self.request,
        }
        .check(&client)
    }

    /// Counts one request for what is only read, like [`Self::check`].
    pub(crate) fn check_read(&self, client: ClientKey) -> Result<(), Duration> {
        self.read.check(&client)
    }

    /// Forgets addresses that have their whole quota again.
    pub(crate) fn tidy(&self) {
        for rate in self.all() {
            rate.tidy();
        }
    }

    /// How many addresses are remembered.
    pub(crate) fn addresses(&self) -> usize {
        self.all().map(ClientRate::keys).into_iter().sum()
    }

    const fn all(&self) -> [&ClientRate; 4] {
        [&self.sign_up, &self.evidence, &self.request, &self.read]
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, num::NonZeroU32};

    use super::*;
    use crate::config::Quota;

    const CLASSES: [Class; 3] = [Class::SignUp, Class::Evidence, Class::Request];

    fn client(n: u32) -> ClientKey {
        ClientKey::of(Ipv4Addr::from_bits(n).into())
    }

    #[test]
    fn a_quota_is_per_address_and_per_class() {
        let quota = |count| Quota::per_hour(NonZeroU32::new(count).unwrap());
        let rates = Rates::new(&Limits {
            sign_up: quota(1),
            evidence: quota(2),
            request: quota(3),
            ..Limits::default()
        });
        for (class, count) in CLASSES.into_iter().zip(1..) {
            for client in [client(1), client(2)] {
                for _ in 0..count {
                    assert_eq!(rates.check(class, client), Ok(()));
                }
                assert!(rates.check(class, client).is_err());
            }
        }
        assert_eq!(rates.addresses(), 6);
        rates.tidy();
        assert_eq!(rates.addresses(), 6);
    }

    #[test]
    fn without_rates_nobody_waits() {
        let rates = Rates::new(&Limits::default().without_rates());
        for class in CLASSES {
            assert!((0..10_000).all(|_| rates.check(class, client(1)).is_ok()));
        }
        assert_eq!(rates.addresses(), 0);
    }
}
