//! The places of the channel: who holds one, and whom a newcomer displaces.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use openkey_protocol::{
    channel::Places,
    server::{Bounds, ServerOptions},
};
use openkey_verifier::channel::Channel;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::lock;
use crate::{platform::Measured, root::hand_over};

/// Requests of one peer at once: a peer asks for the root key, one request at a time.
const PEER_REQUESTS: usize = 4;
/// Requests for evidence at once on one channel: each channel is another client's.
const EVIDENCE: usize = 2;
/// Bytes of answers that one client may leave unread: a few of the longest.
const ANSWERS: usize = 4 << 20;
/// Bytes of the requests of one kind of peers at once.
const PEER_BYTES: usize = 4 << 20;

/// Requests of strangers for evidence at once: the NSM is serial, and the page needs it, too. Who has
/// a channel has had evidence in its handshake.
const STRANGERS_EVIDENCE: usize = 1;

/// Connections whose handshake is not complete, the oldest first.
pub(super) struct Handshakes {
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    /// In ascending order of their numbers. Dropping a sender tells its connection to end.
    places: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// The place of one handshake; given back when dropped.
pub(super) struct Handshake {
    of: Arc<Handshakes>,
    number: u64,
    displaced: oneshot::Receiver<()>,
}

impl Handshakes {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            waiting: Mutex::default(),
        })
    }

    /// A place for a new connection. If all are taken, the oldest connection loses its place: who
    /// waited longest without completing a handshake is the least likely to complete one.
    pub(super) fn enter(this: &Arc<Self>) -> Handshake {
        let (sender, displaced) = oneshot::channel();
        let mut waiting = lock(&this.waiting);
        while waiting.places.len() >= this.most {
            waiting.places.pop_front();
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.places.push_back((number, sender));
        Handshake {
            of: Arc::clone(this),
            number,
            displaced,
        }
    }
}

impl Handshake {
    /// Ends when a newer connection took the place.
    pub(super) async fn displaced(&mut self) {
        // Nothing is ever sent: the end of the sender is the sign.
        let _ = (&mut self.displaced).await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let places = &mut lock(&self.of.waiting).places;
        if let Ok(at) = places.binary_search_by_key(&self.number, |(number, _)| *number) {
            places.remove(at);
        }
    }
}

/// Places of one kind of clients. What they ask is bounded apart from the other kinds, so that
/// strangers' requests do not leave an enclave that asks for the root key without an answer.
pub(super) struct Room {
    places: Arc<Semaphore>,
    pub(super) bounds: Bounds,
}

impl Room {
    fn new(places: usize, options: ServerOptions) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            bounds: Bounds::new(options),
        }
    }

    /// A place, unless all are taken.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

/// The rooms behind the handshake.
pub(super) struct Rooms {
    strangers: Room,
    equals: Room,
    others: Room,
}

impl Rooms {
    pub(super) fn new(places: &Places) -> Self {
        let strangers = ServerOptions {
            idle_timeout: places.idle,
            evidence_per_connection: EVIDENCE,
            answers_unread_per_connection: ANSWERS,
            ..ServerOptions::default()
        };
        let peers = |most| ServerOptions {
            in_flight_per_connection: PEER_REQUESTS,
            in_flight: most * PEER_REQUESTS,
            bytes_in_flight: PEER_BYTES,
            ..strangers.clone()
        };
        Self {
            equals: Room::new(places.equals, peers(places.equals)),
            others: Room::new(places.others, peers(places.others)),
            strangers: Room::new(
                places.strangers,
                ServerOptions {
                    evidence_in_flight: STRANGERS_EVIDENCE,
                    ..strangers
                },
            ),
        }
    }

    /// The room for whoever is at the other end of a channel, by evidence.
    pub(super) fn of(&self, own: &Measured, peer: Option<&Channel>) -> &Room {
        match peer {
            None => &self.strangers,
            // The registers are the hypervisor's word. Anything else in the evidence is chosen by
            // the program that it is about, and anybody can run a program of their own.
            Some(peer) if hand_over::measured(peer).as_ref() == Some(own) => &self.equals,
            Some(_) => &self.others,
        }
    }
}
