//! Who has used how much lately.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use openkey_edge::client::ClientKey;

use crate::sql::access::Who;
use crate::standing::Standing;

/// After so long, half of what was used counts.
const HALF: Duration = Duration::from_secs(10);
/// Owners and clients that are remembered. Few of them count after a minute.
const MOST: usize = 65_536;
/// Whoever has used less, in seconds, is forgotten first.
const LITTLE: f64 = 0.001;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Of {
    Owner([u8; 32]),
    Client(ClientKey),
    /// A principal that uses an owner's databases.
    Name([u8; 32], Standing),
}

/// What was used lately, of the owner and of the client, whichever has used more; then of the owner; then of
/// the principal in whose name the owner's databases are used. So owners are told apart that share an address,
/// owners that one address makes count as that address, and whoever was let in by an owner has its share of
/// what is the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    micros: u64,
    of_owner: u64,
    of_name: u64,
}

impl Rank {
    /// Whether it is less than this.
    pub(super) const fn is_less(self, than: Duration) -> bool {
        (self.micros as u128) < than.as_micros()
    }

    /// What was used by the principal alone, of the owner's.
    pub(super) const fn of_name(self) -> u64 {
        self.of_name
    }
}

/// Seconds that were used lately.
#[derive(Debug, Default)]
pub(super) struct Spent(HashMap<Of, (f64, Instant)>);

impl Spent {
    /// Adds what somebody has used, or takes back what was added too much.
    pub(super) fn add(&mut self, who: Who, seconds: f64, now: Instant) {
        if self.0.len() >= MOST {
            self.0
                .retain(|_, (used, at)| left(*used, *at, now) > LITTLE);
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let networks = who
            .client
            .networks()
            .map(|(network, _)| Of::Client(network));
        for of in networks.chain([Of::Owner(who.owner), Of::Name(who.owner, who.standing)]) {
            let (used, at) = self.0.entry(of).or_insert((0.0, now));
            *used = (left(*used, *at, now) + seconds).max(0.0);
            *at = now;
        }
    }

    /// How much somebody has used.
    pub(super) fn rank(&self, who: Who, now: Instant) -> Rank {
        let of = |of: Of| {
            let used = self.0.get(&of);
            used.map_or(0.0, |(used, at)| left(*used, *at, now))
        };
        let clients = who.client.networks();
        // a larger network has the shares of several
        let clients = clients.map(|(network, shares)| of(Of::Client(network)) / shares as f64);
        let client = clients.fold(0.0, f64::max);
        let owner = of(Of::Owner(who.owner));
        let micros = |seconds: f64| (seconds * 1e6) as u64;
        Rank {
            micros: micros(client.max(owner)),
            of_owner: micros(owner),
            of_name: micros(of(Of::Name(who.owner, who.standing))),
        }
    }
}

/// What is left of what was used then.
fn left(used: f64, then: Instant, now: Instant) -> f64 {
    let halves = now.saturating_duration_since(then).as_secs_f64() / HALF.as_secs_f64();
    used * (-halves).exp2()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn who(owner: u8, client: u8) -> Who {
        let client = Ipv4Addr::new(192, 0, 2, client);
        Who {
            owner: [owner; 32],
            client: ClientKey::of(client.into()),
            standing: Standing::OWNER,
        }
    }

    #[test]
    fn h8_fresh_owners_are_no_way_around() {
        let (mut spent, now) = (Spent::default(), Instant::now());
        for owner in 0..100 {
            spent.add(who(owner, 1), 0.5, now);
        }
        spent.add(who(200, 2), 2.0, now);
        // one that was never seen, from there
        assert!(spent.rank(who(150, 1), now) > spent.rank(who(200, 2), now));
        // and many addresses for one owner
        for client in 10..110 {
            spent.add(who(201, client), 0.5, now);
        }
        assert!(spent.rank(who(201, 120), now) > spent.rank(who(200, 2), now));
    }

    #[test]
    fn owners_at_one_address_are_told_apart() {
        let (mut spent, now) = (Spent::default(), Instant::now());
        spent.add(who(1, 1), 5.0, now);
        spent.add(who(2, 1), 0.5, now);
        assert!(spent.rank(who(1, 1), now) > spent.rank(who(2, 1), now));
        assert!(spent.rank(who(2, 1), now) > spent.rank(who(3, 1), now));
    }

    #[test]
    fn what_was_used_long_ago_counts_less() {
        let (mut spent, now) = (Spent::default(), Instant::now());
        spent.add(who(1, 1), 4.0, now);
        let later = now + HALF * 2;
        spent.add(who(2, 2), 1.5, later);
        assert!(spent.rank(who(2, 2), later) > spent.rank(who(1, 1), later));
        assert!(
            spent
                .rank(who(1, 1), later)
                .is_less(Duration::from_millis(1100))
        );
        assert!(
            !spent
                .rank(who(1, 1), later)
                .is_less(Duration::from_millis(900))
        );
        // taken back
        spent.add(who(2, 2), -9.0, later);
        assert!(spent.rank(who(2, 2), later) < spent.rank(who(1, 1), later));
    }
}
