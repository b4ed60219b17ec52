//! Turns at an enclave: clients come one after the other, whatever each of them asks for.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use openkey_edge::client::ClientKey;
use tokio::sync::oneshot;

/// How many may be at the enclave, and how many may wait.
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

/// A queue in which each client stands once: whoever has many requests waits for itself.
///
/// When there is no room to wait, whoever has most waiting loses the newest of it to a client that
/// has less.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<State>>);

struct State {
    bounds: Bounds,
    under_way: usize,
    waiting: usize,
    next: u64,
    clients: HashMap<ClientKey, Client>,
    /// Clients that have something waiting, in the order of their turns.
    order: VecDeque<ClientKey>,
}

#[derive(Default)]
struct Client {
    under_way: usize,
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
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
            waiting: 0,
            next: 0,
            clients: HashMap::new(),
            order: VecDeque::new(),
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
        let own = state.clients.entry(client).or_default();
        if own.under_way < bounds.places_each && own.waiting.is_empty() {
            if state.under_way < bounds.places {
                state.start(client);
                let of = self.clone();
                return Some(Ok(Turn { of, client }));
            }
        } else if own.waiting.len() >= bounds.waiting_each {
            return None;
        }
        if state.waiting >= bounds.waiting && !state.make_room(client) {
            state.forget(client);
            return None;
        }
        let number = state.next;
        state.next += 1;
        let (call, called) = oneshot::channel();
        let own = state.clients.entry(client).or_default();
        own.waiting.push_back((number, call));
        let first = own.waiting.len() == 1;
        if first {
            state.order.push_back(client);
        }
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

impl State {
    fn start(&mut self, client: ClientKey) {
        self.under_way += 1;
        self.clients.entry(client).or_default().under_way += 1;
    }

    /// A place is free again: whose turn it is has it.
    fn end(&mut self, client: ClientKey) {
        self.under_way -= 1;
        if let Some(own) = self.clients.get_mut(&client) {
            own.under_way -= 1;
        }
        self.forget(client);
        // those that have all they may have at once keep their turn
        let mut later = VecDeque::new();
        while self.under_way < self.bounds.places
            && let Some(client) = self.order.pop_front()
        {
            let Some(own) = self.clients.get_mut(&client) else {
                continue;
            };
            if own.under_way >= self.bounds.places_each {
                later.push_back(client);
                continue;
            }
            let Some((_, call)) = own.waiting.pop_front() else {
                continue;
            };
            let more = !own.waiting.is_empty();
            self.waiting -= 1;
            self.start(client);
            if more {
                self.order.push_back(client);
            }
            // whoever left just now gives the place back itself
            let _ = call.send(());
        }
        later.append(&mut self.order);
        self.order = later;
    }

    /// Takes the newest request of whoever has most waiting out of the queue, if that is more than
    /// this client has.
    fn make_room(&mut self, client: ClientKey) -> bool {
        let waiting = |client: &Client| client.waiting.len();
        let own = self.clients.get(&client).map_or(0, waiting);
        let most = self.clients.iter().max_by_key(|row| waiting(row.1));
        let Some((most, _)) = most.filter(|row| waiting(row.1) > own + 1) else {
            return false;
        };
        let most = *most;
        let newest = self.clients.get_mut(&most);
        // its end is the word that there is no room
        drop(newest.and_then(|client| client.waiting.pop_back()));
        self.waiting -= 1;
        true
    }

    /// Nothing is known of a client that asks for nothing.
    fn forget(&mut self, client: ClientKey) {
        let idle = |own: &Client| own.under_way == 0 && own.waiting.is_empty();
        if self.clients.get(&client).is_some_and(idle) {
            self.clients.remove(&client);
        }
    }

    /// Whoever waited waits no more.
    fn leave(&mut self, client: ClientKey, number: u64) -> bool {
        let Some(own) = self.clients.get_mut(&client) else {
            return false;
        };
        let Some(at) = own.waiting.iter().position(|row| row.0 == number) else {
            return false;
        };
        own.waiting.remove(at);
        if own.waiting.is_empty() {
            self.order.retain(|other| *other != client);
        }
        self.waiting -= 1;
        self.forget(client);
        true
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
mod tests {
    use std::{collections::HashMap as Counts, pin::Pin, task::Poll};

    use super::*;

    const BOUNDS: Bounds = Bounds {
        places: 4,
        places_each: 2,
        waiting: 8,
        waiting_each: 6,
    };

    fn client(n: u8) -> ClientKey {
        ClientKey::of([192, 0, 2, n].into())
    }

    type Asking = Pin<Box<dyn Future<Output = Option<Turn>>>>;

    /// Stands in the queue from now on.
    async fn ask(turns: &Turns, n: u8) -> Asking {
        let turns = turns.clone();
        let mut asking: Asking = Box::pin(async move { turns.enter(client(n)).await });
        match now(&mut asking).await {
            Some(came) => Box::pin(std::future::ready(came)),
            None => asking,
        }
    }

    async fn now(asking: &mut Asking) -> Option<Option<Turn>> {
        std::future::poll_fn(|cx| {
            Poll::Ready(match asking.as_mut().poll(cx) {
                Poll::Ready(came) => Some(came),
                Poll::Pending => None,
            })
        })
        .await
    }

    /// Who is in, and who is told that there are too many, of those that wait.
    async fn came(waiting: &mut Vec<(u8, Asking)>) -> (Vec<(u8, Turn)>, Vec<u8>) {
        let (mut turns, mut refused) = (Vec::new(), Vec::new());
        let mut still = Vec::new();
        for (n, mut asking) in waiting.drain(..) {
            match now(&mut asking).await {
                Some(Some(turn)) => turns.push((n, turn)),
                Some(None) => refused.push(n),
                None => still.push((n, asking)),
            }
        }
        *waiting = still;
        (turns, refused)
    }

    fn is_empty(turns: &Turns) -> bool {
        let state = turns.state();
        state.under_way == 0
            && state.waiting == 0
            && state.clients.is_empty()
            && state.order.is_empty()
    }

    #[tokio::test]
    async fn h1_a_client_with_many_requests_waits_for_itself() {
        let turns = Turns::new(BOUNDS);
        let mut waiting = Vec::new();
        for _ in 0..480 {
            waiting.push((1, ask(&turns, 1).await));
        }
        let (held, refused) = came(&mut waiting).await;
        assert_eq!((held.len(), waiting.len(), refused.len()), (2, 6, 472));
        // others find places, though it waits
        for n in [2, 3] {
            waiting.push((n, ask(&turns, n).await));
        }
        let (others, _) = came(&mut waiting).await;
        assert_eq!(others.iter().map(|row| row.0).collect::<Vec<_>>(), [2, 3]);
        drop((held, others, waiting));
        assert!(is_empty(&turns));
    }

    #[tokio::test]
    async fn h1_clients_take_turns_whatever_each_has_waiting() {
        let turns = Turns::new(Bounds {
            places: 1,
            places_each: 1,
            ..BOUNDS
        });
        let mut waiting = Vec::new();
        for n in [1, 1, 1, 1, 1, 2, 3, 2] {
            waiting.push((n, ask(&turns, n).await));
        }
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let (mut held, refused) = came(&mut waiting).await;
            assert!(refused.is_empty());
            assert_eq!(held.len(), 1, "one at a time");
            order.push(held.remove(0).0);
        }
        assert_eq!(order, [1, 1, 2, 3, 1, 2, 1, 1]);
        assert!(is_empty(&turns));
    }

    #[tokio::test]
    async fn h1_a_full_queue_gives_way_to_whoever_has_less_in_it() {
        let turns = Turns::new(BOUNDS);
        let mut waiting = Vec::new();
        for n in [1, 1, 2, 2, 1, 1, 1, 1, 1, 1, 2, 2] {
            waiting.push((n, ask(&turns, n).await));
        }
        let (held, _) = came(&mut waiting).await;
        assert_eq!((held.len(), waiting.len()), (4, 8));
        for n in 3..9 {
            waiting.push((n, ask(&turns, n).await));
        }
        let (_, refused) = came(&mut waiting).await;
        assert_eq!(
            refused,
            [1, 1, 1, 1, 1, 2],
            "of whoever has most, the newest"
        );
        let mut left = Counts::new();
        for (n, _) in &waiting {
            *left.entry(*n).or_insert(0) += 1;
        }
        assert_eq!(left.len(), 8, "{left:?}");
        // everybody has one, and there is no room
        let mut late = vec![(9, ask(&turns, 9).await)];
        assert_eq!(came(&mut late).await.1, [9]);
        drop((held, waiting));
        assert!(is_empty(&turns));
    }

    #[tokio::test]
    async fn whoever_leaves_gives_its_place_to_the_next() {
        let turns = Turns::new(Bounds {
            places: 1,
            ..BOUNDS
        });
        let first = turns.enter(client(1)).await.unwrap();
        let called = ask(&turns, 2).await;
        let left = ask(&turns, 3).await;
        let mut last = ask(&turns, 4).await;
        drop(left);
        drop(first);
        // it was its turn, and it did not look
        drop(called);
        assert!(now(&mut last).await.unwrap().is_some());
        assert!(is_empty(&turns));
    }
}
