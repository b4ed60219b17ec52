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

/// How long the client of an answer may take nothing of it before it gives way to others.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same, next to a client that holds more.
const LONG_PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that large bodies may take at once; small ones are not counted. For servers that read
/// bodies whole; who streams needs none.
///
/// When all are taken, a body that comes displaces those that have not arrived whole, and answers of which
/// their client [takes nothing](Room::is_sent), or which are of a client that holds no less without them than
/// who comes holds with this: of the client that holds most, the one of which nothing was heard for longest. So
/// whoever takes memory by silence takes it from itself, and whoever holds much, however steadily it takes its
/// answers, keeps nobody from little. Nobody gives way in vain: where all of them together have too little, all
/// keep what they have.
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
    /// Of each client what may be displaced, by the number of its newest piece.
    arriving: HashMap<ClientKey, BTreeMap<u64, Arriving>>,
}

#[derive(Debug)]
struct Arriving {
    counted: usize,
    shared: bool,
    leave: Arc<Notify>,
    /// Until when it does not give way.
    stays: Option<Instant>,
}

impl Arriving {
    /// Whether it gives way next to whoever holds more than its client, or does not.
    fn gives_way(&self, now: Instant, is_light: bool) -> bool {
        let longer = if is_light {
            LONG_PATIENCE - PATIENCE
        } else {
            Duration::ZERO
        };
        self.stays.is_none_or(|until| until + longer <= now)
    }
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

    /// Displaces as many as have so many bytes together, or none: for a client that weighs so much with them.
    fn displace(&mut self, bytes: usize, weight: impl Fn(&Shares) -> usize) -> bool {
        let now = Instant::now();
        let mut displaced = Vec::new();
        let mut freed = 0_usize;
        while freed < bytes {
            let Some((client, newest)) = self.next(now, weight(&self.shares)) else {
                break;
            };
            let Some(body) = self.remove(client, newest) else {
                break;
            };
            if body.shared {
                self.shares.give(client, body.counted);
            }
            freed = freed.saturating_add(body.counted);
            displaced.push((client, newest, body));
        }
        let is_enough = freed >= bytes;
        for (client, newest, body) in displaced {
            if is_enough {
                self.all -= body.counted;
                body.leave.notify_one();
                continue;
            }
            if body.shared {
                // it was there a moment ago
                self.shares.take(client, body.counted);
            }
            self.arriving
                .entry(client)
                .or_default()
                .insert(newest, body);
        }
        is_enough
    }

    /// Which one gives way next to a client that weighs so much: of the heaviest client that has any.
    fn next(&self, now: Instant, weight: usize) -> Option<(ClientKey, u64)> {
        let candidates = self.arriving.iter().filter_map(|(client, bodies)| {
            let is_light = self.shares.weight(*client) < weight;
            let silent = bodies.iter().find(|(_, it)| it.gives_way(now, is_light));
            let oldest = silent.or_else(|| {
                let mut heavy = bodies.iter();
                heavy.find(|(_, it)| self.shares.weight_without(*client, it.counted) >= weight)
            });
            let oldest = *oldest?.0;
            let heaviest = (self.shares.weight(*client), std::cmp::Reverse(oldest));
            Some((heaviest, (*client, oldest)))
        });
        let heaviest = candidates.max_by_key(|(heaviest, _)| *heaviest);
        heaviest.map(|(_, place)| place)
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
            // nobody is told when somebody may be displaced
            let again = until.min(Instant::now() + PATIENCE);
            if timeout_at(again, freed).await.is_err() && again == until {
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
        let of = self.of.clone();
        let mut taken = of.taken();
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
            let over = taken.all.saturating_add(more).saturating_sub(self.of.large);
            let unshared = if self.shared { 0 } else { more };
            let weight = |shares: &Shares| shares.weight_with(self.client, unshared);
            room = over == 0 || taken.displace(over, weight);
            if room {
                taken.all += more;
                self.counted += more;
            } else if self.shared {
                taken.shares.give(self.client, more);
            }
        }
        if room || self.counted > 0 {
            self.may_leave(&mut taken, None);
        }
        if room { Ok(()) } else { Err(NoRoom::Full) }
    }

    /// From now on, or when it has stayed so long, another may have its room.
    fn may_leave(&mut self, taken: &mut Taken, stays: Option<Instant>) {
        let newest = taken.next;
        taken.next += 1;
        let body = Arriving {
            counted: self.counted,
            shared: self.shared,
            leave: Arc::clone(&self.leave),
            stays,
        };
        let bodies = taken.arriving.entry(self.client).or_default();
        bodies.insert(newest, body);
        self.newest = Some(newest);
    }

    /// What has room is an answer, of which its client takes something now. One of which nothing is taken for
    /// a second gives way to others. `false`: it had to before, and must be given up.
    #[must_use]
    pub fn is_sent(&mut self) -> bool {
        if self.counted == 0 {
            return true;
        }
        let of = self.of.clone();
        let mut taken = of.taken();
        if let Some(newest) = self.newest.take()
            && taken.remove(self.client, newest).is_none()
        {
            self.counted = 0;
            return false;
        }
        self.may_leave(&mut taken, Some(Instant::now() + PATIENCE));
        true
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
mod tests;
