//! Who may ask for what how often.

use std::{num::NonZeroU32, time::Duration};

use openkey_edge::{client::ClientKey, rate::ClientRate};
use openkey_protocol::message::Class;

use crate::config::Limits;

/// A /48 signs up as often as a /56, which is four times as often as a client.
const SIGN_UP_SHARES: NonZeroU32 = NonZeroU32::new(4).unwrap();

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
            sign_up: ClientRate::with_shares(limits.sign_up, limits.addresses, SIGN_UP_SHARES),
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
    use std::net::{Ipv4Addr, Ipv6Addr};

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

    /// Sign-ups that the clients of some addresses finish at once, under the shipped limits.
    fn sign_ups(rates: &Rates, clients: impl Iterator<Item = ClientKey>) -> u32 {
        let admitted = |client: &ClientKey| {
            let one = || rates.check(Class::SignUp, *client).is_ok();
            (0..20).filter(|_| one()).count() / 2
        };
        u32::try_from(clients.map(|it| admitted(&it)).sum::<usize>()).unwrap()
    }

    #[test]
    fn e17_few_addresses_do_not_use_up_an_enclaves_sign_ups() {
        let rates = Rates::new(&Limits::default());
        assert_eq!(sign_ups(&rates, (0..100).map(client)), 500);
        // All networks of one /48.
        let networks = |n: u128| Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (n << 64));
        let site = (0..4096).map(|n| ClientKey::of(networks(n).into()));
        assert_eq!(sign_ups(&rates, site), 20);
        // A limit that the operator set lower stays.
        let sign_up = Quota::per_hour(const { NonZeroU32::new(4).unwrap() });
        let rates = Rates::new(&Limits {
            sign_up,
            ..Limits::default()
        });
        assert_eq!(sign_ups(&rates, std::iter::once(client(1))), 2);
    }
}
