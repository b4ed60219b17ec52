//! A client's shares, and whose turn it is to have the next.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::sync::Notify;

use super::{Places, Taken};
use crate::{client::ClientKey, shares::Shares};

/// Of a larger network so many are looked at for one that can have what another gave back.
const LOOKED_AT: usize = 32;

/// What waits for a share.
#[derive(Debug)]
pub(super) struct Waiting {
    held: Shares,
    /// By the largest network that counts a client, the first first.
    queues: HashMap<ClientKey, BTreeMap<u64, Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    client: ClientKey,
    come: Arc<Notify>,
}

/// A share of a client, or the wait for one; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Arc<Places>,
    client: ClientKey,
    number: u64,
    come: Arc<Notify>,
}

fn queue_of(client: ClientKey) -> ClientKey {
    client
        .networks()
        .last()
        .map_or(client, |(largest, _)| largest)
}

impl Waiting {
    pub(super) fn new(each: usize) -> Self {
        Self {
            held: Shares::new(each),
            queues: HashMap::new(),
        }
    }

    pub(super) fn any_of(&self, client: ClientKey) -> bool {
        self.held.weight(client) > 0
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.queues.is_empty()
    }

    fn remove(&mut self, client: ClientKey, number: u64) -> Option<Waiter> {
        let queue = self.queues.get_mut(&queue_of(client))?;
        let waiter = queue.remove(&number);
        if queue.is_empty() {
            self.queues.remove(&queue_of(client));
        }
        if waiter.is_some() {
            self.held.give(client, 1);
        }
        waiter
    }
}

impl Taken {
    /// Somebody has given a share back: whoever waits longest, and can have it, has it now.
    fn pass_on(&mut self, client: ClientKey) {
        let Some(queue) = self.waiting.queues.get(&queue_of(client)) else {
            return;
        };
        let mut first = queue.iter().take(LOOKED_AT);
        let next = first.find(|(_, waiter)| self.shares.fits(waiter.client, 1));
        let Some((number, next)) = next.map(|(number, waiter)| (*number, waiter.client)) else {
            return;
        };
        if self.shares.take(next, 1)
            && let Some(waiter) = self.waiting.remove(next, number)
        {
            waiter.come.notify_one();
        }
    }
}

impl Share {
    /// A share of this client; if it has none left, a turn to have one, if that is wanted and not too many
    /// wait.
    pub(super) fn of(places: &Arc<Places>, client: ClientKey, may_wait: bool) -> Option<Self> {
        let mut taken = places.taken();
        let number = taken.number();
        let come = Arc::new(Notify::new());
        if taken.shares.take(client, 1) {
            come.notify_one();
        } else if may_wait && taken.waiting.held.take(client, 1) {
            let waiter = Waiter {
                client,
                come: Arc::clone(&come),
            };
            let queue = taken.waiting.queues.entry(queue_of(client)).or_default();
            queue.insert(number, waiter);
        } else {
            return None;
        }
        drop(taken);
        Some(Self {
            of: Arc::clone(places),
            client,
            number,
            come,
        })
    }

    pub(super) const fn client(&self) -> ClientKey {
        self.client
    }

    /// Ends when there is a share. Cancel-safe, and to be waited for until it ends once.
    pub(super) async fn come(&self) {
        self.come.notified().await;
        // for whoever asks again
        self.come.notify_one();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        if taken.waiting.remove(self.client, self.number).is_none() {
            taken.shares.give(self.client, 1);
            taken.pass_on(self.client);
        }
    }
}
