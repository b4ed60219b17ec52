//! Turns at an enclave: clients come one after the other, whatever each of them asks for.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use openkey_edge::{client::ClientKey, shares::Shares};
use tokio::sync::oneshot;

/// How many may be at the enclave, and how many may wait. Of one client means also: of a larger network,
/// [more](ClientKey::networks).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most requests of all clients that are at the enclave at once.
    pub(crate) places: usize,
    /// Most requests of one client that are at the enclave at once.
    pub(crate) places_each: usize,
    /// Most requests of all clients that wait for a place.
    pub(crate) waiting: usize,
    /// Most requests of one client that wait for a place.
    pub(crate) waiting_each: usize,
}

/// A queue in which each client stands once: whoever has many requests waits for itself. So does a
/// larger network of clients: in one round of the queue it has a turn for each of its shares.
///
/// When there is no room to wait, whoever has most of its share waiting loses the newest of it to a client
/// that has less.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<State>>);

struct State {
    bounds: Bounds,
    under_way: usize,
    /// What each client has at the enclave.
    at_enclave: Shares,
    waiting: usize,
    /// What each client has waiting.
    in_queue: Shares,
    next: u64,
    queues: HashMap<ClientKey, Queue>,
    /// Clients that have something waiting, in the order of their turns.
    order: VecDeque<ClientKey>,
    round: Round,
}

/// What one client has waiting, the oldest first; never empty.
type Queue = VecDeque<(u64, oneshot::Sender<()>)>;

/// A round of the queue, in which each client has one turn.
struct Round {
    had: Shares,
    /// Turns until the next one at the latest, so that newcomers keep nobody waiting for it.
    left: usize,
}

/// A place at the enclave; given back when dropped.
pub(crate) struct Turn {
    of: Turns,
    client: ClientKey,
}

/// Somebody who waits; leaves the queue when dropped.
struct Waiter {
    of: Turns,
    client: ClientKey,
    number: u64,
    called: oneshot::Receiver<()>,
    /// Whether the turn came and was taken.
    done: bool,
}

impl Turns {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(State {
            bounds,
            under_way: 0,
            at_enclave: Shares::new(bounds.places_each),
            waiting: 0,
            in_queue: Shares::new(bounds.waiting_each),
            next: 0,
            queues: HashMap::new(),
            order: VecDeque::new(),
            round: Round::new(0),
        })))
    }

    /// A place, at once or after waiting; `None`: there are too many.
    pub(crate) async fn enter(&self, client: ClientKey) -> Option<Turn> {
        let mut waiter = match self.begin(client)? {
            Ok(turn) => return Some(turn),
            Err(waiter) => waiter,
        };
        (&mut waiter.called).await.ok()?;
        waiter.done = true;
        Some(Turn {
            of: self.clone(),
            client,
        })
    }

    fn begin(&self, client: ClientKey) -> Option<Result<Turn, Waiter>> {
        let mut state = self.state();
        let bounds = state.bounds;
        let first = !state.queues.contains_key(&client);
        if first && state.under_way < bounds.places && state.at_enclave.fits(client, 1) {
            state.start(client);
            let of = self.clone();
            return Some(Ok(Turn { of, client }));
        }
        if !state.in_queue.fits(client, 1) {
            return None;
        }
        if state.waiting >= bounds.waiting && !state.make_room(client) {
            return None;
        }
        let number = state.next;
        state.next += 1;
        let (call, called) = oneshot::channel();
        // who had but one waiting, and lost it just now, has none
        let own = state.queues.entry(client).or_default();
        own.push_back((number, call));
        if own.len() == 1 {
            state.order.push_back(client);
        }
        state.in_queue.take(client, 1);
        state.waiting += 1;
        Some(Err(Waiter {
            of: self.clone(),
            client,
            number,
            called,
            done: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Round {
    /// One in which so many turns are given.
    fn new(turns: usize) -> Self {
        Self {
            had: Shares::new(1),
            left: turns,
        }
    }
}

impl State {
    fn start(&mut self, client: ClientKey) {
        self.under_way += 1;
        self.at_enclave.take(client, 1);
    }

    /// A place is free again: whose turn it is has it.
    fn end(&mut self, client: ClientKey) {
        self.under_way -= 1;
        self.at_enclave.give(client, 1);
        while self.under_way < self.bounds.places
            && let Some(at) = self.turn()
            && let Some(client) = self.order.remove(at)
        {
            let Some((_, call)) = self.take_out(client, VecDeque::pop_front) else {
                continue;
            };
            self.start(client);
            if self.queues.contains_key(&client) {
                self.order.push_back(client);
            }
            // whoever left just now gives the place back itself
            let _ = call.send(());
        }
    }

    /// Where in the queue the client stands whose turn it is. Those that have all they may have at once
    /// keep their turn, and those that had one in this round.
    fn turn(&mut self) -> Option<usize> {
        let free = |client: &ClientKey| self.at_enclave.fits(*client, 1);
        let in_round = |client: &ClientKey| self.round.had.fits(*client, 1) && free(client);
        let mut at = None;
        if self.round.left > 0 {
            at = self.order.iter().position(in_round);
        }
        if at.is_none() {
            at = self.order.iter().position(free);
            self.round = Round::new(self.order.len());
        }
        let client = *self.order.get(at?)?;
        self.round.had.take(client, 1);
        self.round.left -= 1;
        at
    }

    /// Takes the newest request of whoever has most of its share waiting out of the queue, if that is
    /// more than this client would have.
    fn make_room(&mut self, client: ClientKey) -> bool {
        let would = self.in_queue.weight_with(client, 1);
        let newest = self.queues.iter().filter_map(|(client, queue)| {
            let (number, _) = queue.back()?;
            Some(((self.in_queue.weight(*client), *number), *client))
        });
        let Some(((weight, _), most)) = newest.max_by_key(|row| row.0) else {
            return false;
        };
        if weight <= would {
            return false;
        }
        // its end is the word that there is no room
        drop(self.take_out(most, VecDeque::pop_back));
        if !self.queues.contains_key(&most) {
            self.order.retain(|other| *other != most);
        }
        true
    }

    /// Takes one of a client's requests out of its queue, which is gone with its last. The caller sees to
    /// the client's place in the order.
    fn take_out<T>(
        &mut self,
        client: ClientKey,
        one: impl FnOnce(&mut Queue) -> Option<T>,
    ) -> Option<T> {
        let queue = self.queues.get_mut(&client)?;
        let taken = one(queue)?;
        if queue.is_empty() {
            self.queues.remove(&client);
        }
        self.in_queue.give(client, 1);
        self.waiting -= 1;
        Some(taken)
    }

    /// Whoever waited waits no more.
    fn leave(&mut self, client: ClientKey, number: u64) -> bool {
        let left = self.take_out(client, |queue| {
            let at = queue.iter().position(|row| row.0 == number)?;
            queue.remove(at)
        });
        if !self.queues.contains_key(&client) {
            self.order.retain(|other| *other != client);
        }
        left.is_some()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut state = self.of.state();
        // a turn that came just now goes to the next
        if !state.leave(self.client, self.number) && self.called.try_recv().is_ok() {
            state.end(self.client);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.of.state().end(self.client);
    }
}

#[cfg(test)]
mod tests;
