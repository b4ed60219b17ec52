//! Memory for bodies that are read whole.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{client::ClientKey, shares::Shares};

/// Bytes that large bodies may take at once; small ones are not counted. For servers that read
/// bodies whole; who streams needs none.
///
/// When all are taken, a body that comes displaces one that has not arrived whole: of the client that
/// holds most, the one of which nothing came for longest. So whoever takes memory by silence takes it
/// from itself.
#[derive(Debug)]
pub struct BodyBudget {
    small: usize,
    large: usize,
    taken: Mutex<Taken>,
    /// Is told when there may be room again.
    freed: Notify,
}

#[derive(Debug)]
struct Taken {
    all: usize,
    shares: Shares,
    /// Numbers pieces of bodies.
    next: u64,
    /// Of each client the bodies that have not arrived whole, by the number of their newest piece.
    arriving: HashMap<ClientKey, BTreeMap<u64, Arriving>>,
}

#[derive(Debug)]
struct Arriving {
    counted: usize,
    shared: bool,
    leave: Arc<Notify>,
}

/// Room for one body, given back when dropped.
pub type BodyRoom<'a> = Room<&'a BodyBudget>;

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// It is taken, by others or by the client itself.
    Full,
    /// There was some, and another has it now.
    Displaced,
}

/// Room in memory, given back when dropped.
#[derive(Debug)]
pub struct Room<B: Deref<Target = BodyBudget> = Arc<BodyBudget>> {
    of: B,
    client: ClientKey,
    /// Whether it counts against the share of its client.
    shared: bool,
    counted: usize,
    /// The number of its newest piece, as long as it may be displaced.
    newest: Option<u64>,
    leave: Arc<Notify>,
}

impl BodyBudget {
    /// Bodies up to `small` bytes are not counted: as many as there may be connections must fit in
    /// memory. Larger ones share `large` bytes, of which one client has at most `each`.
    #[must_use]
    pub fn new(small: usize, large: usize, each: usize) -> Self {
        Self {
            small,
            large,
            taken: Mutex::new(Taken {
                all: 0,
                shares: Shares::new(each),
                next: 0,
                arriving: HashMap::new(),
            }),
            freed: Notify::new(),
        }
    }

    /// Room for a body of this client, of which nothing has arrived yet.
    pub fn room(&self, client: ClientKey) -> BodyRoom<'_> {
        Room::new(self, client)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes a body from those that may be displaced; `None` if it is not among them.
    fn remove(&mut self, client: ClientKey, newest: u64) -> Option<Arriving> {
        let bodies = self.arriving.get_mut(&client)?;
        let removed = bodies.remove(&newest);
        if bodies.is_empty() {
            self.arriving.remove(&client);
        }
        removed
    }

    /// Makes room; `false` if all bodies have arrived whole.
    fn displace(&mut self) -> bool {
        let candidates = self.arriving.iter().filter_map(|(client, bodies)| {
            let oldest = *bodies.keys().next()?;
            Some((
                (self.shares.weight(*client), std::cmp::Reverse(oldest)),
                *client,
            ))
        });
        let Some(((_, std::cmp::Reverse(oldest)), client)) = candidates.max_by_key(|row| row.0)
        else {
            return false;
        };
        let Some(body) = self.remove(client, oldest) else {
            return false;
        };
        self.all -= body.counted;
        if body.shared {
            self.shares.give(client, body.counted);
        }
        body.leave.notify_one();
        true
    }
}

impl<B: Deref<Target = BodyBudget> + Clone> Room<B> {
    /// Room for something of this client, of which nothing has arrived yet.
    pub fn new(of: B, client: ClientKey) -> Self {
        Self {
            of,
            client,
            shared: true,
            counted: 0,
            newest: None,
            leave: Arc::default(),
        }
    }

    /// The same that counts against no client's share: whose it is, is not known yet.
    pub fn unshared(of: B, client: ClientKey) -> Self {
        let mut room = Self::new(of, client);
        room.shared = false;
        room
    }

    /// Whether there is room for a body of which so many bytes have arrived. What is declared and
    /// does not arrive takes no room. `false`: the body must be given up.
    #[must_use]
    pub fn holds(&mut self, arrived: usize) -> bool {
        self.grow(arrived).is_ok()
    }

    /// Waits until there is room for so many bytes, and has it. Those that are on their way give way to it
    /// meanwhile, others end.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]: it has waited for so long in vain, or another has its room.
    pub async fn wait(&mut self, bytes: usize, within: Duration) -> Result<(), NoRoom> {
        let of = self.of.clone();
        let until = Instant::now() + within;
        loop {
            let freed = of.freed.notified();
            let mut freed = std::pin::pin!(freed);
            // from now on nothing that is freed is missed
            freed.as_mut().enable();
            match self.grow(bytes) {
                Err(NoRoom::Full) => {}
                ended => return ended,
            }
            if timeout_at(until, freed).await.is_err() {
                return Err(NoRoom::Full);
            }
        }
    }

    /// Gives back what is more than so many bytes.
    pub fn shrink(&mut self, bytes: usize) {
        let mut taken = self.of.taken();
        if let Some(newest) = self.newest
            && let Some(mut body) = taken.remove(self.client, newest)
        {
            body.counted = body.counted.min(bytes);
            taken
                .arriving
                .entry(self.client)
                .or_default()
                .insert(newest, body);
        } else if self.newest.is_some() {
            return; // displaced: nothing is counted
        }
        let less = self.counted.saturating_sub(bytes);
        self.counted -= less;
        taken.all -= less;
        if self.shared {
            taken.shares.give(self.client, less);
        }
        drop(taken);
        self.of.freed.notify_waiters();
    }

    fn grow(&mut self, arrived: usize) -> Result<(), NoRoom> {
        if arrived <= self.of.small {
            return Ok(());
        }
        let mut taken = self.of.taken();
        if let Some(newest) = self.newest.take()
            && taken.remove(self.client, newest).is_none()
        {
            // its bytes were given back when it was displaced
            self.counted = 0;
            return Err(NoRoom::Displaced);
        }
        let more = arrived.saturating_sub(self.counted);
        let mut room =
            more <= self.of.large && (!self.shared || taken.shares.take(self.client, more));
        if room {
            while room && taken.all.saturating_add(more) > self.of.large {
                room = taken.displace();
            }
            if room {
                taken.all += more;
                self.counted += more;
            } else if self.shared {
                taken.shares.give(self.client, more);
            }
        }
        if room || self.counted > 0 {
            let newest = taken.next;
            taken.next += 1;
            let body = Arriving {
                counted: self.counted,
                shared: self.shared,
                leave: Arc::clone(&self.leave),
            };
            let bodies = taken.arriving.entry(self.client).or_default();
            bodies.insert(newest, body);
            self.newest = Some(newest);
        }
        if room { Ok(()) } else { Err(NoRoom::Full) }
    }

    /// All of the body has arrived: it keeps its room from now on. `false`: it was displaced before.
    #[must_use]
    pub fn is_whole(&mut self) -> bool {
        let Some(newest) = self.newest.take() else {
            return true;
        };
        let kept = self.of.taken().remove(self.client, newest).is_some();
        if !kept {
            self.counted = 0;
        }
        kept
    }

    /// Is told when another body has the room: then the body must be given up.
    #[must_use]
    pub fn displaced(&self) -> Arc<Notify> {
        Arc::clone(&self.leave)
    }
}

impl<B: Deref<Target = BodyBudget>> Drop for Room<B> {
    fn drop(&mut self) {
        if self.counted == 0 {
            return;
        }
        let mut taken = self.of.taken();
        let displaced = self
            .newest
            .is_some_and(|newest| taken.remove(self.client, newest).is_none());
        if !displaced {
            taken.all -= self.counted;
            if self.shared {
                taken.shares.give(self.client, self.counted);
            }
        }
        drop(taken);
        self.of.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 256 * 1024;

    fn client(n: u8) -> ClientKey {
        ClientKey::of([192, 0, 2, n].into())
    }

    #[test]
    fn h1_large_bodies_share_a_bounded_memory_and_small_ones_need_none() {
        let budget = BodyBudget::new(16 * 1024, 10 * SIZE, usize::MAX);
        let mut held = Vec::new();
        for _ in 0..1000 {
            let mut room = budget.room(client(1));
            if room.holds(SIZE) {
                assert!(room.is_whole());
                held.push(room);
            }
        }
        assert_eq!(held.len(), 10);
        assert!(budget.room(client(2)).holds(16 * 1024));
        assert!(!budget.room(client(2)).holds(16 * 1024 + 1));
        drop(held);
        assert!(budget.room(client(1)).holds(SIZE));
        assert!(!budget.room(client(1)).holds(usize::MAX));
    }

    #[test]
    fn h1_what_is_declared_takes_no_room_and_one_client_only_its_share() {
        let budget = BodyBudget::new(16 * 1024, 10 * SIZE, 2 * SIZE);
        let mut silent: Vec<_> = (0..1000).map(|_| budget.room(client(1))).collect();
        assert!(silent.iter_mut().all(|room| room.holds(16 * 1024)));
        assert!(budget.room(client(2)).holds(SIZE));
        let arrived = silent
            .iter_mut()
            .filter_map(|room| room.holds(SIZE).then_some(()));
        assert_eq!(arrived.count(), 2);
        assert!(budget.room(client(2)).holds(SIZE));
        // counted as it arrives, not once for each piece
        let mut growing = budget.room(client(2));
        assert!((1..=16).all(|n| growing.holds(n * SIZE / 8)));
        assert!(!growing.holds(2 * SIZE + 1));
    }

    #[test]
    fn h1_bodies_that_stop_give_way_from_whoever_holds_most_the_longest_silent_first() {
        let budget = BodyBudget::new(16 * 1024, 6 * SIZE, 4 * SIZE);
        let mut greedy: Vec<_> = (0..4).map(|_| budget.room(client(1))).collect();
        assert!(greedy.iter_mut().all(|room| room.holds(SIZE / 2)));
        // the first is the one of which something came last
        for n in [3, 1, 2, 0] {
            assert!(greedy[n].holds(SIZE));
        }
        let (mut quiet, mut whole) = (budget.room(client(2)), budget.room(client(1)));
        assert!(quiet.holds(SIZE));
        assert!(!whole.holds(SIZE), "its share is taken");
        drop(greedy.pop());
        assert!(whole.holds(SIZE) && whole.is_whole());
        let mut others: Vec<_> = (3..6).map(|n| budget.room(client(n))).collect();
        assert!(others.iter_mut().all(|room| room.holds(SIZE)));
        // one found room, the others were given that of the second and the third
        assert!(!greedy[1].holds(SIZE) && !greedy[2].is_whole());
        assert!(greedy[0].is_whole() && quiet.holds(SIZE) && quiet.is_whole());
        assert!(others.iter_mut().all(BodyRoom::is_whole));
        // all have arrived whole
        assert!(!budget.room(client(9)).holds(SIZE));
        drop((greedy, quiet, whole, others));
        let taken = budget.taken();
        assert!(taken.all == 0 && taken.shares.is_empty() && taken.arriving.is_empty());
    }
}
