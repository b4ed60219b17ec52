//! Who has a worker when.
//!
//! Of those that wait, that one is next who has used least lately ([`Rank`]). One owner or one client has
//! all workers but one at the most, and whoever has used much leaves the last one to others. Whoever waits
//! while others have used more, and have had their worker for long, gets the worker of one of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use openkey_edge::shares::Shares;
use tokio::sync::{Notify, oneshot};

use super::process::Process;
use super::spent::{Rank, Spent};
use super::{Lease, Pool};
use crate::sql::access::Who;
use crate::sql::{SqlError, SqlLimits};
use crate::standing::{Nearness, Standing};

/// Requests that wait, and of one client.
const WAITING: usize = 4096;
const WAITING_EACH: usize = 1024;
/// Bytes of requests that wait, and of one client.
const BYTES: usize = 64 << 20;
const BYTES_EACH: usize = 32 << 20;
/// Whoever has used less lately may have the last worker.
const LIGHT: Duration = Duration::from_secs(1);
/// How long somebody has a worker at the least who has used more than one that waits.
pub(super) const SLICE: Duration = Duration::from_millis(500);
/// Workers that are kept though they do nothing. Each took its memory for one owner, and is given to no other.
const IDLE: usize = 64;
/// The part of the time for which somebody has a worker that counts as used, though the worker waits for
/// the disk.
const WAITS: f64 = 0.25;

/// Who has a worker, and who waits for one.
pub(super) struct Queue {
    slots: Vec<Slot>,
    /// The one that was used last at the end.
    idle: VecDeque<Idle>,
    /// How long one is kept.
    kept: Duration,
    waiting: HashMap<Who, VecDeque<Waiter>>,
    counts: Counts,
    spent: Spent,
    next: u64,
    /// Workers that one owner or client has at the most.
    each: usize,
    /// Requests of one owner that may wait.
    of_owner: usize,
}

/// A place for a worker.
enum Slot {
    Free,
    Busy(Busy),
}

/// A worker that does nothing, of an owner for whom it has done everything that it did.
struct Idle {
    owner: [u8; 32],
    process: Process,
    since: Instant,
}

struct Busy {
    who: Who,
    since: Instant,
    /// Until when its time has been counted, and how many seconds that made.
    counted: Instant,
    charged: f64,
    /// Told that it has to end; `None`: it need not.
    stop: Option<Arc<Notify>>,
}

struct Waiter {
    number: u64,
    give: oneshot::Sender<Lease>,
    may_be_stopped: bool,
}

struct Counts {
    all: usize,
    bytes: usize,
    owners: HashMap<[u8; 32], OfOwner>,
    clients: Shares,
    client_bytes: Shares,
}

/// Requests of one owner's databases that wait.
#[derive(Default)]
struct OfOwner {
    all: usize,
    /// Of those with whom sessions have shared something.
    shared: usize,
    names: HashMap<Standing, usize>,
}

impl OfOwner {
    /// Whether one more may wait, of `most` in all. Somebody who was let in does not take all places: a session
    /// leaves a quarter to others, those with whom sessions have shared something leave half of them, and
    /// each of these has half of that.
    fn fits(&self, standing: Standing, most: usize) -> bool {
        let named = self.names.get(&standing).copied().unwrap_or_default();
        let part = |part: usize| part.max(1);
        self.all < most
            && match standing.nearness {
                Nearness::Owner => true,
                Nearness::Session => named < part(most / 4 * 3),
                Nearness::Shared => named < part(most / 4) && self.shared < part(most / 2),
            }
    }

    fn add(&mut self, standing: Standing) {
        self.all += 1;
        self.shared += usize::from(standing.nearness == Nearness::Shared);
        *self.names.entry(standing).or_default() += 1;
    }

    fn remove(&mut self, standing: Standing) {
        self.all = self.all.saturating_sub(1);
        let is_shared = standing.nearness == Nearness::Shared;
        self.shared = self.shared.saturating_sub(usize::from(is_shared));
        if let Some(named) = self.names.get_mut(&standing) {
            *named = named.saturating_sub(1);
            if *named == 0 {
                self.names.remove(&standing);
            }
        }
    }
}

impl Queue {
    pub(super) fn new(limits: &SqlLimits) -> Self {
        let workers = limits.workers.max(1);
        Self {
            slots: (0..workers).map(|_| Slot::Free).collect(),
            idle: VecDeque::new(),
            kept: limits.idle,
            waiting: HashMap::new(),
            counts: Counts {
                all: 0,
                bytes: 0,
                owners: HashMap::new(),
                clients: Shares::new(WAITING_EACH),
                client_bytes: Shares::new(BYTES_EACH),
            },
            spent: Spent::default(),
            next: 0,
            each: workers.saturating_sub(1).max(1),
            of_owner: limits.waiting,
        }
    }

    /// Counts a request of so many bytes that is going to wait, unless too many do.
    pub(super) fn enter(&mut self, who: Who, bytes: usize) -> Result<(), SqlError> {
        let counts = &mut self.counts;
        let of_owner = counts.owners.get(&who.owner);
        let fits_owner = of_owner.is_none_or(|it| it.fits(who.standing, self.of_owner));
        let fits = counts.all < WAITING
            && counts.bytes.saturating_add(bytes) <= BYTES
            && fits_owner
            && counts.clients.fits(who.client, 1)
            && counts.client_bytes.fits(who.client, bytes);
        if !fits {
            return Err(SqlError::Busy);
        }
        counts.all += 1;
        counts.bytes += bytes;
        counts
            .owners
            .entry(who.owner)
            .or_default()
            .add(who.standing);
        counts.clients.take(who.client, 1);
        counts.client_bytes.take(who.client, bytes);
        Ok(())
    }

    /// It waits no more.
    pub(super) fn leave(&mut self, who: Who, bytes: usize) {
        let counts = &mut self.counts;
        counts.all = counts.all.saturating_sub(1);
        counts.bytes = counts.bytes.saturating_sub(bytes);
        if let Some(count) = counts.owners.get_mut(&who.owner) {
            count.remove(who.standing);
            if count.all == 0 {
                counts.owners.remove(&who.owner);
            }
        }
        counts.clients.give(who.client, 1);
        counts.client_bytes.give(who.client, bytes);
    }

    /// Waits for a worker. What is received is dropped only when nobody holds the queue.
    pub(super) fn wait(
        &mut self,
        who: Who,
        may_be_stopped: bool,
    ) -> (u64, oneshot::Receiver<Lease>) {
        let (give, receive) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        let waiter = Waiter {
            number,
            give,
            may_be_stopped,
        };
        self.waiting.entry(who).or_default().push_back(waiter);
        (number, receive)
    }

    /// Waits no more.
    pub(super) fn remove(&mut self, who: Who, number: u64) {
        if let Some(waiters) = self.waiting.get_mut(&who) {
            waiters.retain(|waiter| waiter.number != number);
            if waiters.is_empty() {
                self.waiting.remove(&who);
            }
        }
    }

    /// Gives workers to whoever is next. Answers what could not be given, to be dropped when nobody holds
    /// the queue.
    #[must_use]
    pub(super) fn dispatch(&mut self, pool: &Arc<Pool>) -> Vec<Lease> {
        let mut undelivered = Vec::new();
        if self.waiting.is_empty() {
            return undelivered;
        }
        let now = Instant::now();
        self.count(now);
        while let Some(who) = self.next(now) {
            let Some((waiter, slot)) = self.pop(who).zip(self.slot()) else {
                break;
            };
            let process = self.process_of(who.owner);
            let Some(place) = self.slots.get_mut(slot) else {
                break;
            };
            let stop = Arc::new(Notify::new());
            *place = Slot::Busy(Busy {
                who,
                since: now,
                counted: now,
                charged: 0.0,
                stop: waiter.may_be_stopped.then(|| Arc::clone(&stop)),
            });
            let lease = Lease::new(Arc::clone(pool), slot, process, stop);
            // who has left has not been taken out yet
            undelivered.extend(waiter.give.send(lease).err());
        }
        undelivered
    }

    /// Takes a worker back, unless its process is not to be kept, and counts what was used, in microseconds;
    /// unknown: all of its time. Answers processes that are of no use any more.
    #[must_use]
    pub(super) fn done(
        &mut self,
        slot: usize,
        process: Option<Process>,
        micros: Option<u64>,
    ) -> Vec<Process> {
        let now = Instant::now();
        let Some(place) = self.slots.get_mut(slot) else {
            return process.into_iter().collect();
        };
        if let Slot::Busy(busy) = std::mem::replace(place, Slot::Free) {
            let had = now.saturating_duration_since(busy.since).as_secs_f64();
            let used = micros.map_or(had, |micros| (micros as f64 / 1e6).max(had * WAITS));
            self.spent.add(busy.who, used - busy.charged, now);
            self.idle.extend(process.map(|process| Idle {
                owner: busy.who.owner,
                process,
                since: now,
            }));
        }
        let mut ended = Vec::new();
        while self.idle.len() > IDLE
            || self
                .idle
                .front()
                .is_some_and(|first| now.saturating_duration_since(first.since) >= self.kept)
        {
            ended.extend(self.idle.pop_front().map(|first| first.process));
        }
        ended
    }

    /// One that has done nothing for anybody else.
    fn process_of(&mut self, owner: [u8; 32]) -> Option<Process> {
        let at = self.idle.iter().rposition(|idle| idle.owner == owner)?;
        self.idle.remove(at).map(|idle| idle.process)
    }

    /// Has somebody end who has used more than one that waits. True: somebody will.
    pub(super) fn push(&mut self, who: Who) -> bool {
        let now = Instant::now();
        self.count(now);
        // of those who have as many as they may, only one of them can make room for another
        let of_client = self.held(&|with: Who| with.client == who.client) >= self.each;
        let of_owner = self.held(&|with: Who| with.owner == who.owner) >= self.each;
        if !of_client && !of_owner && self.free() > 0 {
            return false;
        }
        let makes_room = |with: Who| {
            (!of_client || with.client == who.client) && (!of_owner || with.owner == who.owner)
        };
        let own = self.spent.rank(who, now);
        let mut most: Option<(Rank, &mut Busy)> = None;
        for slot in &mut self.slots {
            let Slot::Busy(busy) = slot else { continue };
            let rank = self.spent.rank(busy.who, now);
            let is_long = now.saturating_duration_since(busy.since) >= SLICE;
            if is_long
                && rank > own
                && busy.stop.is_some()
                && makes_room(busy.who)
                && most.as_ref().is_none_or(|(most, _)| rank > *most)
            {
                most = Some((rank, busy));
            }
        }
        let stop = most.and_then(|(_, busy)| busy.stop.take());
        if let Some(stop) = &stop {
            stop.notify_one();
        }
        stop.is_some()
    }

    /// Whether one principal has used less lately of what is their owner's than another.
    pub(super) fn has_used_less(&mut self, one: Who, than: Who) -> bool {
        let now = Instant::now();
        self.count(now);
        self.spent.rank(one, now).of_name() < self.spent.rank(than, now).of_name()
    }

    /// Counts the time of those who have a worker.
    fn count(&mut self, now: Instant) {
        for slot in &mut self.slots {
            if let Slot::Busy(busy) = slot {
                let more = now.saturating_duration_since(busy.counted).as_secs_f64();
                busy.counted = now;
                busy.charged += more;
                self.spent.add(busy.who, more, now);
            }
        }
    }

    fn held(&self, is: &dyn Fn(Who) -> bool) -> usize {
        let busy = self.slots.iter().filter(|slot| match slot {
            Slot::Busy(busy) => is(busy.who),
            Slot::Free => false,
        });
        busy.count()
    }

    fn free(&self) -> usize {
        let is_free = |slot: &&Slot| matches!(slot, Slot::Free);
        self.slots.iter().filter(is_free).count()
    }

    /// Who is next, if there is a worker for somebody.
    fn next(&self, now: Instant) -> Option<Who> {
        let free = self.free();
        if free == 0 {
            return None;
        }
        let may = |who: &Who, rank: Rank| {
            self.held(&|with| with.owner == who.owner) < self.each
                && self.held(&|with| with.client == who.client) < self.each
                && (free > 1 || self.slots.len() == 1 || rank.is_less(LIGHT))
        };
        let ranked = self.waiting.iter().filter_map(|(who, waiters)| {
            let rank = self.spent.rank(*who, now);
            let number = waiters.front()?.number;
            may(who, rank).then_some(((rank, number), *who))
        });
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, who)| who)
    }

    fn pop(&mut self, who: Who) -> Option<Waiter> {
        let waiters = self.waiting.get_mut(&who)?;
        let waiter = waiters.pop_front();
        if waiters.is_empty() {
            self.waiting.remove(&who);
        }
        waiter
    }

    fn slot(&self) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| matches!(slot, Slot::Free))
    }
}
