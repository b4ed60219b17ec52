//! Places of a server's connections: in all, and of each client; and who gives way when all are
//! taken.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use ipnet::IpNet;
use tokio::sync::{Notify, watch};

use crate::{client::ClientKey, shares::Shares};

/// How many connections there may be at once.
///
/// When all places are taken, a newcomer displaces a connection that has no complete request under
/// way: of the client that holds most, the oldest. So whoever takes places by silence takes them
/// from itself.
///
/// A connection that gave way has open files until it has ended. A 64th of all places is kept for such ones,
/// so that newcomers need not come one at a time.
///
/// A trusted proxy speaks for others. Its connections belong to the client that it last named on
/// each (`Place::serve`); one on which it has named nobody yet is never displaced.
#[derive(Debug)]
pub struct Places {
    /// So many hold a place.
    most: usize,
    /// So many have given way and not ended, until then no other is accepted.
    departing: usize,
    trusted_proxy: Option<IpNet>,
    taken: Mutex<Taken>,
    /// Connections that gave way and have not ended.
    leaving: watch::Sender<usize>,
}

#[derive(Debug)]
struct Taken {
    all: usize,
    next: u64,
    /// Connections, and requests under way on those of the trusted proxy.
    shares: Shares,
    /// Whose each connection is: how many a client holds, without a bound.
    owned: Shares,
    /// Of each client, the oldest first.
    seats: HashMap<ClientKey, BTreeMap<u64, Arc<Seat>>>,
    /// Whose the connections of the trusted proxy are.
    named: HashMap<u64, ClientKey>,
}

/// What is known of a connection.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    state: AtomicU8,
    leave: Notify,
}

/// Of so many places one is kept for a connection that gave way and has not ended.
const DEPARTING: usize = 64;

/// No complete request is under way.
const WAITS: u8 = 0;
/// A complete request is under way.
const WORKS: u8 = 1;
/// A newcomer has the place.
const GONE: u8 = 2;

/// As long as it lives, the connection is not displaced: it has asked, and is owed an answer.
#[derive(Debug)]
pub struct Work(Arc<Seat>);

impl Seat {
    /// A complete request is under way.
    pub(crate) fn work(self: &Arc<Self>) -> Work {
        self.pass(WAITS, WORKS);
        Work(Arc::clone(self))
    }

    fn pass(&self, from: u8, to: u8) -> bool {
        let passed = self
            .state
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
        passed.is_ok()
    }

    fn waits(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WAITS
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.state.load(Ordering::SeqCst) == GONE
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.pass(WORKS, WAITS);
    }
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    of: Arc<Places>,
    key: Option<ClientKey>,
    number: u64,
    seat: Arc<Seat>,
}

/// A request of a client's share under way; given back when dropped.
#[derive(Debug)]
pub(crate) struct Served {
    of: Arc<Places>,
    /// `None`: the connection is what is counted.
    key: Option<ClientKey>,
}

impl Places {
    /// So many in all, those that gave way and have not ended among them, and so many of one [`ClientKey`]. Of the trusted proxy, which speaks for
    /// others, so many requests of one client are under way at once.
    #[must_use]
    pub fn new(all: usize, per_client: usize, trusted_proxy: Option<IpNet>) -> Arc<Self> {
        let departing = (all / DEPARTING).max(1);
        Arc::new(Self {
            most: all.saturating_sub(departing - 1),
            departing,
            trusted_proxy,
            taken: Mutex::new(Taken {
                all: 0,
                next: 0,
                shares: Shares::new(per_client),
                owned: Shares::new(usize::MAX),
                seats: HashMap::new(),
                named: HashMap::new(),
            }),
            leaving: watch::Sender::new(0),
        })
    }

    /// A place for a connection of this peer, unless all of its own are taken, or all there are and
    /// nobody can give way.
    #[must_use]
    pub fn enter(this: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let proxy = this.trusted_proxy.as_ref();
        let key = (!proxy.is_some_and(|net| net.contains(&peer))).then(|| ClientKey::of(peer));
        let mut taken = this.taken();
        if let Some(key) = key
            && !taken.shares.take(key, 1)
        {
            return None;
        }
        if taken.all >= this.most && !this.displace(&mut taken) {
            if let Some(key) = key {
                taken.shares.give(key, 1);
            }
            return None;
        }
        taken.all += 1;
        let number = taken.next;
        taken.next += 1;
        let seat = Arc::new(Seat::default());
        if let Some(key) = key {
            taken.own(key, number, &seat);
        }
        drop(taken);
        Some(Place {
            of: Arc::clone(this),
            key,
            number,
            seat,
        })
    }

    /// Displaces a connection, as for a newcomer when all places are taken: something else is short.
    /// `false` if nobody can give way.
    pub fn give_way(&self) -> bool {
        self.displace(&mut self.taken())
    }

    /// Ends when another connection may be accepted: when not too many of those that gave way have open files
    /// still. Cancel-safe.
    pub async fn settled(&self) {
        let mut leaving = self.leaving.subscribe();
        // it fails only without a sender, which is here
        let _ = leaving.wait_for(|count| *count < self.departing).await;
    }

    fn displace(&self, taken: &mut Taken) -> bool {
        let displaced = taken.displace();
        if displaced {
            self.leaving.send_modify(|count| *count += 1);
        }
        displaced
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Makes room; `false` if everybody has a request under way.
    fn displace(&mut self) -> bool {
        let candidates = self.seats.iter().filter_map(|(key, seats)| {
            let (number, seat) = seats.iter().find(|(_, seat)| seat.waits())?;
            let weight = self.owned.weight(*key);
            Some(((weight, Reverse(*number)), *key, Arc::clone(seat)))
        });
        let Some(((_, Reverse(number)), key, seat)) = candidates.max_by_key(|row| row.0) else {
            return false;
        };
        // its request may have come just now
        if !seat.pass(WAITS, GONE) {
            return false;
        }
        self.disown(key, number);
        // requests under way give their own share back
        if self.named.remove(&number).is_none() {
            self.shares.give(key, 1);
        }
        self.all -= 1;
        seat.leave.notify_one();
        true
    }

    fn own(&mut self, key: ClientKey, number: u64, seat: &Arc<Seat>) {
        self.owned.take(key, 1);
        let seats = self.seats.entry(key).or_default();
        seats.insert(number, Arc::clone(seat));
    }

    /// `false`: it was not that client's, or no more.
    fn disown(&mut self, key: ClientKey, number: u64) -> bool {
        let Some(seats) = self.seats.get_mut(&key) else {
            return false;
        };
        let removed = seats.remove(&number).is_some();
        if seats.is_empty() {
            self.seats.remove(&key);
        }
        if removed {
            self.owned.give(key, 1);
        }
        removed
    }
}

impl Place {
    /// Whose it is; `None` for the trusted proxy, whatever client it names.
    #[must_use]
    pub const fn client(&self) -> Option<ClientKey> {
        self.key
    }

    /// Ends when a newcomer has the place: then the connection must end.
    pub async fn displaced(&self) {
        self.seat.leave.notified().await;
    }

    /// A request of this client comes on the connection, which is the client's from now on if it is
    /// the trusted proxy's. `None`: so many of the client's are under way that this one is too many.
    pub(crate) fn serve(&self, client: ClientKey) -> Option<Served> {
        let of = Arc::clone(&self.of);
        if self.key.is_some() {
            return Some(Served { of, key: None });
        }
        let mut taken = of.taken();
        if self.seat.is_gone() || !taken.shares.take(client, 1) {
            return None;
        }
        match taken.named.insert(self.number, client) {
            Some(same) if same == client => {}
            before => {
                if let Some(before) = before {
                    taken.disown(before, self.number);
                }
                taken.own(client, self.number, &self.seat);
            }
        }
        drop(taken);
        Some(Served {
            of,
            key: Some(client),
        })
    }

    pub(crate) fn seat(&self) -> Arc<Seat> {
        Arc::clone(&self.seat)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        // a newcomer has it already, and waits for its open files
        if self.seat.is_gone() {
            self.of.leaving.send_modify(|count| *count -= 1);
            return;
        }
        taken.all -= 1;
        if let Some(key) = self.key {
            taken.shares.give(key, 1);
        }
        if let Some(key) = taken.named.remove(&self.number).or(self.key) {
            taken.disown(key, self.number);
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.of.taken().shares.give(key, 1);
        }
    }
}

#[cfg(test)]
mod tests;
