//! What clients hold of something that is shared, and how much one of them may hold.

use std::collections::HashMap;

use crate::client::ClientKey;

/// So that a part of a larger network's share is not rounded away.
const SCALE: usize = 16;

/// Counts what each client holds, and each larger network of clients.
#[derive(Debug)]
pub struct Shares {
    each: usize,
    held: HashMap<ClientKey, usize>,
}

impl Shares {
    /// Each client may hold so many; larger networks hold [more](ClientKey::networks).
    #[must_use]
    pub fn new(each: usize) -> Self {
        Self {
            each,
            held: HashMap::new(),
        }
    }

    /// Whether a client may take so many: neither it nor a larger network of it has more than its share
    /// then.
    #[must_use]
    pub fn fits(&self, client: ClientKey, count: usize) -> bool {
        let fits = |(network, shares): (ClientKey, usize)| {
            self.held(network).saturating_add(count) <= self.each.saturating_mul(shares)
        };
        client.networks().all(fits)
    }

    /// Takes so many for a client, unless that is more than its share.
    pub fn take(&mut self, client: ClientKey, count: usize) -> bool {
        let fits = self.fits(client, count);
        if fits {
            for (network, _) in client.networks() {
                *self.held.entry(network).or_default() += count;
            }
        }
        fits
    }

    /// Gives back what was taken.
    pub fn give(&mut self, client: ClientKey, count: usize) {
        for (network, _) in client.networks() {
            if let Some(held) = self.held.get_mut(&network) {
                *held = held.saturating_sub(count);
                if *held == 0 {
                    self.held.remove(&network);
                }
            }
        }
    }

    /// How much a client holds beside the others: of its networks, that counts which holds most of
    /// its share.
    #[must_use]
    pub fn weight(&self, client: ClientKey) -> usize {
        self.weight_with(client, 0)
    }

    /// The same, once it held so many more.
    #[must_use]
    pub fn weight_with(&self, client: ClientKey, more: usize) -> usize {
        self.weigh(client, |held| held.saturating_add(more))
    }

    /// The same, once it held so many less.
    #[must_use]
    pub fn weight_without(&self, client: ClientKey, less: usize) -> usize {
        self.weigh(client, |held| held.saturating_sub(less))
    }

    /// Whether nobody holds anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn weigh(&self, client: ClientKey, changed: impl Fn(usize) -> usize) -> usize {
        let weight = |(network, shares)| {
            let held = changed(self.held(network));
            held.saturating_mul(SCALE) / shares
        };
        client.networks().map(weight).max().unwrap_or_default()
    }

    fn held(&self, network: ClientKey) -> usize {
        self.held.get(&network).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(network: u128) -> ClientKey {
        let address = std::net::Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (network << 64));
        ClientKey::of(address.into())
    }

    #[test]
    fn h1_a_household_with_many_networks_is_no_crowd() {
        let mut shares = Shares::new(8);
        let taken = (0..256)
            .filter(|n| shares.take(client(*n), 1) && shares.take(client(*n), 1))
            .count();
        assert_eq!(taken, 16, "4 shares of 8, two for each");
        // a neighbour has its own
        assert!(shares.take(client(256), 8));
        assert!(!shares.take(client(256), 1));
        assert!(shares.weight(client(256)) == shares.weight(client(0)));
        for n in 0..16 {
            shares.give(client(n), 2);
        }
        shares.give(client(256), 8);
        assert_eq!(shares.held.len(), 0);
    }

    #[test]
    fn h1_a_site_with_many_households_is_no_crowd() {
        let mut shares = Shares::new(8);
        let taken = (0..65_536).filter(|n| shares.take(client(*n), 1)).count();
        assert_eq!(taken, 16 * 8);
    }
    /// Seven of four shares are more than one of one.
    #[test]
    fn h1_a_part_of_a_share_weighs_something() {
        let mut shares = Shares::new(8);
        for n in 0..7 {
            assert!(shares.take(client(n), 1));
        }
        let single = ClientKey::of([192, 0, 2, 1].into());
        assert!(shares.take(single, 1));
        assert!(shares.weight(client(0)) > shares.weight(single));
        assert!(shares.weight_with(single, 1) > shares.weight(client(0)));
    }
}
