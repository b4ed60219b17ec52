//! Places of a server's connections: in all, and of each client; and who gives way when all are
//! taken.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ipnet::IpNet;
use tokio::{
    sync::watch,
    time::{Instant, interval_at, timeout},
};

pub(crate) use self::seat::Seat;
pub use self::seat::Work;
use self::seat::{GONE, WAITS};
use self::turn::{Share, Waiting};
use crate::{client::ClientKey, shares::Shares};

mod seat;
mod turn;

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
///
/// A connection, or a request behind the trusted proxy, that its client has no share for may wait for one
/// ([`Self::arrive`]): so many of each client wait, the first is the next. They have places like others.
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
    /// What waits for one of these.
    waiting: Waiting,
    /// Whose each connection is: how many a client holds, without a bound.
    owned: Shares,
    /// Of each client, the oldest first.
    seats: HashMap<ClientKey, BTreeMap<u64, Arc<Seat>>>,
    /// Whose the connections of the trusted proxy are.
    named: HashMap<u64, ClientKey>,
}

/// Of so many places one is kept for a connection that gave way and has not ended.
const DEPARTING: usize = 64;

/// How often somebody who waits for a share looks whether an idle connection of the same client has one.
const LOOK: Duration = Duration::from_secs(1);
/// A connection that was idle for so long gives way to one of the same client that waits.
const IDLE: Duration = Duration::from_secs(3);

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    of: Arc<Places>,
    key: Option<ClientKey>,
    /// `None`: the trusted proxy's connections are not counted.
    share: Option<Share>,
    number: u64,
    seat: Arc<Seat>,
}

/// A request under way, or waiting to be.
#[derive(Debug)]
pub(crate) struct Served {
    /// `None`: the connection is what is counted.
    share: Option<Share>,
}

impl Served {
    /// Ends when it is the request's turn.
    pub(crate) async fn turn(&self) {
        if let Some(share) = &self.share {
            share.come().await;
        }
    }
}

impl Places {
    /// So many in all, those that gave way and have not ended among them, and so many of one [`ClientKey`]. Of the trusted proxy, which speaks for
    /// others, so many requests of one client are under way at once.
    #[must_use]
    pub fn new(all: usize, per_client: usize, trusted_proxy: Option<IpNet>) -> Arc<Self> {
        Self::with_waiting(all, per_client, 0, trusted_proxy)
    }

    /// The same, of which so many more of each client may wait until others of it have ended.
    #[must_use]
    pub fn with_waiting(
        all: usize,
        per_client: usize,
        waiting: usize,
        trusted_proxy: Option<IpNet>,
    ) -> Arc<Self> {
        let departing = (all / DEPARTING).max(1);
        Arc::new(Self {
            most: all.saturating_sub(departing - 1),
            departing,
            trusted_proxy,
            taken: Mutex::new(Taken {
                all: 0,
                next: 0,
                shares: Shares::new(per_client),
                waiting: Waiting::new(waiting),
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
        Self::take(this, peer, false)
    }

    /// The same for a connection that may have to wait ([`Place::admitted`]) because its client's own are
    /// taken.
    #[must_use]
    pub fn arrive(this: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        Self::take(this, peer, true)
    }

    fn take(this: &Arc<Self>, peer: IpAddr, may_wait: bool) -> Option<Place> {
        let proxy = this.trusted_proxy.as_ref();
        let key = (!proxy.is_some_and(|net| net.contains(&peer))).then(|| ClientKey::of(peer));
        // given back if there is no place
        let share = match key {
            Some(key) => Some(Share::of(this, key, may_wait)?),
            None => None,
        };
        let mut taken = this.taken();
        if taken.all >= this.most && !this.displace(&mut taken) {
            drop(taken);
            return None;
        }
        taken.all += 1;
        let number = taken.number();
        let seat = Arc::new(Seat::default());
        if let Some(key) = key {
            taken.own(key, number, &seat);
        }
        drop(taken);
        Some(Place {
            of: Arc::clone(this),
            key,
            share,
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
        self.left(taken.displace())
    }

    fn left(&self, gave_way: bool) -> bool {
        if gave_way {
            self.leaving.send_modify(|count| *count += 1);
        }
        gave_way
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
        self.leave(key, number, &seat);
        true
    }

    /// Displaces the oldest idle connection of a client that wants another; `false` if there is none.
    fn part_with_idle(&mut self, client: ClientKey) -> bool {
        let idle = |(_, seat): &(&u64, &Arc<Seat>)| seat.waits() && seat.rests_for(IDLE);
        let Some((number, seat)) = self.seats.get(&client).and_then(|it| it.iter().find(idle))
        else {
            return false;
        };
        let (number, seat) = (*number, Arc::clone(seat));
        let gone = seat.pass(WAITS, GONE);
        if gone {
            self.leave(client, number, &seat);
        }
        gone
    }

    /// A connection that gave way has no place any more; its share it has until it has ended.
    fn leave(&mut self, key: ClientKey, number: u64, seat: &Seat) {
        self.disown(key, number);
        self.named.remove(&number);
        self.all -= 1;
        seat.leave.notify_one();
    }

    const fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
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

    /// Waits until the client has a share for it. `false`: it has waited for so long in vain.
    pub async fn admitted(&self, within: Duration) -> bool {
        let Some(share) = &self.share else {
            return true;
        };
        let turn = async {
            let mut looks = interval_at(Instant::now() + LOOK, LOOK);
            loop {
                tokio::select! {
                    biased;
                    () = share.come() => return,
                    _ = looks.tick() => {
                        let parted = self.of.taken().part_with_idle(share.client());
                        self.of.left(parted);
                    }
                }
            }
        };
        let admitted = timeout(within, turn).await.is_ok();
        if admitted {
            self.seat.rest(true);
        }
        admitted
    }

    /// Whether others of the same client wait for a share, so that this one should end with its answer.
    pub(crate) fn is_awaited(&self) -> bool {
        let Some(share) = &self.share else {
            return false;
        };
        self.of.taken().waiting.any_of(share.client())
    }

    /// A request of this client comes on the connection, which is the client's from now on if it is
    /// the trusted proxy's. It may have to wait for its [turn](Served::turn). `None`: so many of the client's
    /// are under way and waiting that this one is too many.
    pub(crate) fn serve(&self, client: ClientKey) -> Option<Served> {
        if self.key.is_some() {
            return Some(Served { share: None });
        }
        let share = Share::of(&self.of, client, true)?;
        let mut taken = self.of.taken();
        if self.seat.is_gone() {
            drop(taken);
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
        Some(Served { share: Some(share) })
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
        if let Some(key) = taken.named.remove(&self.number).or(self.key) {
            taken.disown(key, self.number);
        }
    }
}

#[cfg(test)]
mod tests;
