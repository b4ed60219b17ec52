//! Who may ask how often, and its larger networks.

use std::{num::NonZeroU32, time::Duration};

use governor::clock::{Clock, DefaultClock};

use super::{Quota, Rate};
use crate::client::ClientKey;

/// Larger networks that a client may be part of.
const LARGER: usize = 2;

/// One quota for each client, and [more](ClientKey::networks) for the larger networks of IPv6
/// clients: whoever has many of them is not as many clients.
#[derive(Debug)]
pub struct ClientRate<C: Clock + Clone = DefaultClock>([Rate<ClientKey, C>; LARGER + 1]);

impl ClientRate {
    /// A rate by the system's clock, which remembers this many clients, and as many networks of each
    /// size. When there are more, those are forgotten that have most of their quota again.
    #[must_use]
    pub fn new(quota: Quota, clients: usize) -> Self {
        Self::with_clock(quota, clients, &DefaultClock::default())
    }

    /// The same, of which no network has more than so many clients' shares, however large it is.
    #[must_use]
    pub fn with_shares(quota: Quota, clients: usize, most: NonZeroU32) -> Self {
        Self::with_shares_and_clock(quota, clients, most, &DefaultClock::default())
    }
}

impl<C: Clock + Clone> ClientRate<C> {
    /// A rate by a clock of one's own, to move it in tests.
    pub fn with_clock(quota: Quota, clients: usize, clock: &C) -> Self {
        Self::with_shares_and_clock(quota, clients, NonZeroU32::MAX, clock)
    }

    fn with_shares_and_clock(quota: Quota, clients: usize, most: NonZeroU32, clock: &C) -> Self {
        // the shares are those of any IPv6 address
        let any = ClientKey::of(std::net::Ipv6Addr::UNSPECIFIED.into());
        let mut shares = any.networks().map(|(_, shares)| shares);
        Self(std::array::from_fn(|_| {
            let shares = shares.next().and_then(|n| u32::try_from(n).ok());
            let shares = shares.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
            Rate::with_clock(quota.times(shares.min(most)), clients, clock)
        }))
    }

    /// Counts one request.
    ///
    /// # Errors
    ///
    /// How long until the next is welcome.
    pub fn check(&self, client: &ClientKey) -> Result<(), Duration> {
        self.check_many(client, NonZeroU32::MIN)
    }

    /// Whether another request would be welcome. Counts nothing.
    ///
    /// # Errors
    ///
    /// How long until it is.
    pub fn look(&self, client: &ClientKey) -> Result<(), Duration> {
        let mut all = client.networks().zip(&self.0);
        all.try_for_each(|((network, _), rate)| rate.look(&network, NonZeroU32::MIN))
    }

    /// Counts so many at once. More than there may ever be at once are as many as there may be.
    ///
    /// # Errors
    ///
    /// How long until they are welcome.
    pub fn check_many(&self, client: &ClientKey, count: NonZeroU32) -> Result<(), Duration> {
        // All are asked before any counts: who has asked too much takes nothing from its neighbours,
        // and what a network is refused takes no place of a client's.
        let all = || client.networks().zip(&self.0);
        all().try_for_each(|((network, _), rate)| rate.look(&network, count))?;
        all().try_for_each(|((network, _), rate)| rate.check_many(&network, count))
    }

    /// Forgets clients that have their whole quota again; to be called every few seconds.
    pub fn tidy(&self) {
        self.0.iter().for_each(Rate::tidy);
    }

    /// How many clients and networks are remembered.
    pub fn keys(&self) -> usize {
        self.0.iter().map(Rate::keys).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn client(network: u128) -> ClientKey {
        let address = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (network << 64));
        ClientKey::of(address.into())
    }

    #[test]
    fn d18_the_networks_of_a_household_and_of_a_site_share_a_quota() {
        let rate = |clock| {
            let quota = Quota::per_minute(const { NonZeroU32::new(2).unwrap() });
            ClientRate::with_clock(quota, 1 << 20, clock)
        };
        let clock = FakeRelativeClock::default();
        let limited = rate(&clock);
        let welcome = |networks: u128| {
            (0..networks)
                .map(|n| usize::from(limited.check(&client(n)).is_ok()))
                .sum::<usize>()
        };
        assert_eq!(welcome(256), 4 * 2);
        // another household of the same site
        assert!(limited.check(&client(256)).is_ok());
        clock.advance(Duration::from_secs(120));
        assert_eq!(welcome(65_536), 16 * 2);
        // an address of another site, and an IPv4 address
        assert!(limited.check(&client(65_536)).is_ok());
        assert!(limited.check(&ClientKey::of([192, 0, 2, 1].into())).is_ok());
    }

    /// A /48 has as many networks as the shipped limits remember clients.
    #[test]
    fn d18_what_a_site_is_refused_takes_no_place_from_newcomers() {
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_hour(const { NonZeroU32::new(60).unwrap() });
        let rate = ClientRate::with_clock(quota, 65_536, &clock);
        let (mut welcome, mut most) = (0, 0);
        for network in 0..2 * 65_536 {
            welcome += usize::from(rate.check(&client(network)).is_ok());
            most = most.max(rate.keys());
        }
        assert_eq!(welcome, 2 * 16 * 60);
        assert!(most <= 3 * welcome, "{most} places for {welcome} requests");
        let newcomers = (0..50_000_u32).map(|n| ClientKey::of(std::net::Ipv4Addr::from(n).into()));
        let refused = newcomers.filter(|client| rate.check(client).is_err());
        assert_eq!(refused.count(), 0);
    }

    #[test]
    fn d18_who_has_asked_too_much_takes_nothing_from_its_neighbours() {
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_hour(const { NonZeroU32::new(2).unwrap() });
        let rate = ClientRate::with_clock(quota, 64, &clock);
        let welcome = |n| (0..100).filter(|_| rate.check(&client(n)).is_ok()).count();
        assert_eq!([0, 1, 2, 3, 4].map(welcome), [2, 2, 2, 2, 0]);
    }

    #[test]
    fn d18_a_large_network_can_have_few_shares() {
        let quota = Quota::per_minute(const { NonZeroU32::new(2).unwrap() });
        let clock = FakeRelativeClock::default();
        for (most, expected) in [(1, 2), (3, 6), (4, 8), (5, 10), (99, 32)] {
            let most = NonZeroU32::new(most).unwrap();
            let rate = ClientRate::with_shares_and_clock(quota, 1 << 20, most, &clock);
            let welcome = (0..65_536).filter(|n| rate.check(&client(*n)).is_ok());
            assert_eq!(welcome.count(), expected);
        }
    }

    #[test]
    fn many_are_counted_at_once() {
        let quota = Quota::per_minute(const { NonZeroU32::new(10).unwrap() });
        let clock = FakeRelativeClock::default();
        let rate = ClientRate::with_clock(quota, 64, &clock);
        let many = |n| rate.check_many(&client(1), NonZeroU32::new(n).unwrap());
        assert_eq!(many(4), Ok(()));
        assert!(many(7).is_err());
        assert_eq!(many(6), Ok(()));
        clock.advance(Duration::from_secs(60));
        assert_eq!(many(1000), Ok(()), "as many as there may be");
        assert!(many(1).is_err());
    }
}
