//! The places of the channel: who holds one, and whom a newcomer displaces.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use openkey_protocol::{
    channel::Places,
    message::MAX_ENTRY,
    server::{Bounds, ServerOptions},
};
use openkey_verifier::channel::Channel;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::lock;
use crate::{platform::Measured, root::hand_over, service::MAX_PAGE};

/// Requests of one peer at once: a peer asks for the root key, one request at a time.
const PEER_REQUESTS: usize = 4;
/// Requests for evidence at once on one channel: each channel is another client's.
const EVIDENCE: usize = 1;
/// Bytes of the longest answer on a channel: a page of history, with room to spare.
const LONGEST_ANSWER: usize = 512 << 10;
/// Bytes of answers that one channel may leave unread. So much there is for every place: whoever reads
/// nothing takes no room of others.
const UNREAD: usize = LONGEST_ANSWER + (128 << 10);
/// Requests of one kind of peers for evidence at once.
const PEER_EVIDENCE: usize = 8;
/// Bytes of the requests of one kind of peers at once.
const PEER_BYTES: usize = 4 << 20;

/// Requests of strangers for evidence at once: the NSM is serial, and the page needs it, too. Who has
/// a channel has had evidence in its handshake.
const STRANGERS_EVIDENCE: usize = 2;

// No channel takes all places for evidence, and none is refused for an answer that it has not had yet.
const _: () = assert!(EVIDENCE < STRANGERS_EVIDENCE);
const _: () = assert!(MAX_PAGE as usize * MAX_ENTRY < LONGEST_ANSWER && LONGEST_ANSWER < UNREAD);

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
        let any = |most: usize| ServerOptions {
            idle_timeout: places.idle,
            evidence_in_flight: STRANGERS_EVIDENCE,
            evidence_per_connection: EVIDENCE,
            longest_answer: LONGEST_ANSWER,
            answers_unread: most * UNREAD,
            answers_unread_per_connection: UNREAD,
            ..ServerOptions::default()
        };
        let peers = |most: usize| ServerOptions {
            in_flight_per_connection: PEER_REQUESTS,
            in_flight: most * PEER_REQUESTS,
            evidence_in_flight: PEER_EVIDENCE,
            bytes_in_flight: PEER_BYTES,
            ..any(most)
        };
        Self {
            equals: Room::new(places.equals, peers(places.equals)),
            others: Room::new(places.others, peers(places.others)),
            strangers: Room::new(places.strangers, any(places.strangers)),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openkey_protocol::{
        channel::PLACES,
        frame::{Failure, Frame, FrameReader, VERSIONS, handshake, write_frame},
        message::Class,
        server::{Handler, Instant},
        transport::{Connect, Listen, Stream, memory},
    };
    use tokio::{
        io::{ReadHalf, WriteHalf, split},
        sync::{Notify, watch},
    };

    use super::*;

    /// Longer than any of this takes.
    const LIMIT: Duration = Duration::from_secs(60);

    /// Answers with as many bytes as the request says, evidence only when it is told to go on.
    #[derive(Clone, Default)]
    struct Puppet(Arc<Notify>);

    impl Handler for Puppet {
        async fn handle(&self, class: Class, body: Vec<u8>, _: Instant) -> Vec<u8> {
            if class == Class::Evidence {
                self.0.notified().await;
            }
            let length = body.first_chunk().map_or(0, |it| u32::from_be_bytes(*it));
            vec![7; usize::try_from(length).unwrap()]
        }
    }

    /// One stranger's end of a channel.
    struct Client {
        reader: FrameReader<ReadHalf<Stream>>,
        writer: WriteHalf<Stream>,
    }

    impl Client {
        async fn ask(&mut self, id: u64, class: Class, length: usize) {
            let length = u32::try_from(length).unwrap();
            let frame = Frame::Request {
                id,
                class,
                deadline_ms: 60_000,
                body: length.to_be_bytes().to_vec().into(),
            };
            let framed = frame.encode().unwrap();
            write_frame(&mut self.writer, &framed, LIMIT).await.unwrap();
        }

        /// The id of the next answer, and its length or why there is none.
        async fn told(&mut self) -> (u64, Result<usize, Failure>) {
            match self.reader.next().await.unwrap().unwrap() {
                Frame::Reply { id, body } => (id, Ok(body.0.len())),
                Frame::Failure { id, failure } => (id, Err(failure)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// As many channels as strangers may have, with the bounds that ship.
    async fn strangers(puppet: &Puppet, count: usize) -> (Vec<Client>, watch::Sender<bool>) {
        let rooms = Rooms::new(&PLACES);
        // It holds next to nothing: what is not read waits at the server.
        let (mut listener, connector) = memory::pair(4096);
        let (stop, stopped) = watch::channel(false);
        let mut clients = Vec::new();
        for _ in 0..count {
            let (near, far) = tokio::join!(connector.connect(), listener.accept());
            let (bounds, puppet) = (rooms.strangers.bounds.clone(), puppet.clone());
            let stopped = stopped.clone();
            tokio::spawn(async move { bounds.serve(far.unwrap(), puppet, stopped).await });
            let (reader, mut writer) = split(near.unwrap());
            let mut reader = FrameReader::new(reader, LIMIT);
            handshake(&mut reader, &mut writer, VERSIONS, LIMIT)
                .await
                .unwrap();
            clients.push(Client { reader, writer });
        }
        (clients, stop)
    }

    #[tokio::test]
    async fn h1_no_channel_has_all_places_for_evidence() {
        let puppet = Puppet::default();
        let (mut clients, _stop) = strangers(&puppet, 2).await;
        let [greedy, other] = clients.as_mut_slice() else {
            panic!("two");
        };
        for id in 1..=20 {
            greedy.ask(id, Class::Evidence, 8).await;
        }
        for id in 2..=20 {
            assert_eq!(greedy.told().await, (id, Err(Failure::Busy)));
        }
        other.ask(1, Class::Evidence, 8).await;
        // Both that have a place are at work by now, or will be: each is told once.
        for _ in 0..2 {
            puppet.0.notify_one();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(other.told().await, (1, Ok(8)));
        assert_eq!(greedy.told().await, (1, Ok(8)));
    }

    /// All strangers but one read nothing, and the last one has room for the longest answer.
    #[tokio::test]
    async fn h1_answers_that_strangers_leave_unread_take_no_room_of_another() {
        let puppet = Puppet::default();
        let (mut clients, _stop) = strangers(&puppet, PLACES.strangers).await;
        let (last, others) = clients.split_last_mut().unwrap();
        for client in &mut *others {
            for (id, length) in [(1, UNREAD - LONGEST_ANSWER), (2, LONGEST_ANSWER), (3, 1)] {
                client.ask(id, Class::Request, length).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        last.ask(1, Class::Request, LONGEST_ANSWER).await;
        assert_eq!(last.told().await, (1, Ok(LONGEST_ANSWER)));
        drop(clients);
    }
}
