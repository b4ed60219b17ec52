//! One connection of the client: a task that writes, a task that reads, and who waits for what.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, split},
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinHandle},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{ClientOptions, ConnectBoxed, slot::Place};
use crate::frame::{Failure, Frame, FrameError, FrameReader, handshake, write_frame};

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Reply(Vec<u8>),
    Failure(Failure),
    /// The connection died before any byte of it was written.
    NotSent,
    /// The connection died afterwards.
    Lost,
}

/// A request under way.
struct Waiting {
    answer: oneshot::Sender<Answer>,
    sent: bool,
    /// After this nobody waits for it, here or at the server.
    overdue: Instant,
    /// Given back with the entry.
    _place: Place,
}

/// Whose requests are under way.
struct Table {
    /// `None` when the connection is dead.
    waiting: Option<HashMap<u64, Waiting>>,
    /// When a frame was last sent or read.
    last_used: Instant,
    last_read: Instant,
    /// A request ran out of time in silence: no new ones here.
    retired: bool,
}

struct Shared(Mutex<Table>);

/// A connection that has said hello. Dropping it ends it.
pub(super) struct Connection {
    shared: Arc<Shared>,
    outgoing: mpsc::UnboundedSender<(u64, Vec<u8>)>,
    tasks: [AbortHandle; 2],
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.close();
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Connection {
    pub(super) async fn open(
        connector: &dyn ConnectBoxed,
        options: &ClientOptions,
    ) -> Result<Self, FrameError> {
        let limit = options.frame_timeout;
        let greet = async {
            let stream = connector.connect().await?;
            let (reader, mut writer) = split(stream);
            let mut reader = FrameReader::new(reader, limit);
            handshake(&mut reader, &mut writer, &options.versions, limit).await?;
            Ok::<_, FrameError>((reader, writer))
        };
        let (reader, writer) = timeout(options.connect_timeout, greet)
            .await
            .map_err(|_| FrameError::Stalled)??;

        let now = Instant::now();
        let shared = Arc::new(Shared(Mutex::new(Table {
            waiting: Some(HashMap::new()),
            last_used: now,
            last_read: now,
            retired: false,
        })));
        // Not bounded by itself: every entry has a place, and places are.
        let (outgoing, queue) = mpsc::unbounded_channel();
        let reading = tokio::spawn(read(reader, Arc::clone(&shared)));
        let stop_reading = reading.abort_handle();
        let writing = tokio::spawn(write(writer, queue, Arc::clone(&shared), reading, limit));
        Ok(Self {
            shared,
            outgoing,
            tasks: [stop_reading, writing.abort_handle()],
        })
    }

    /// True unless it is dead, silent, or unused for so long that the server may be closing it.
    pub(super) fn is_usable(&self, idle: Duration) -> bool {
        let table = self.shared.table();
        let Some(waiting) = &table.waiting else {
            return false;
        };
        let forgotten = waiting.is_empty() && table.last_used.elapsed() > idle;
        !table.retired && !forgotten
    }

    /// Hands a request to the writer.
    pub(super) fn send(
        self: &Arc<Self>,
        id: u64,
        framed: Vec<u8>,
        overdue: Instant,
        place: Place,
    ) -> Ticket {
        let (sender, answer) = oneshot::channel();
        let waiting = Waiting {
            answer: sender,
            sent: false,
            overdue,
            _place: place,
        };
        // On a dead connection the sender is dropped here, and the ticket reads "not sent".
        if let Some(table) = &mut self.shared.table().waiting {
            table.insert(id, waiting);
        }
        // Fails if the writer has ended: then the table is closed, or about to be.
        let _ = self.outgoing.send((id, framed));
        Ticket {
            connection: Arc::clone(self),
            id,
            since: Instant::now(),
            answer,
        }
    }
}

/// The right to one answer.
pub(super) struct Ticket {
    /// Keeps the connection open.
    connection: Arc<Connection>,
    id: u64,
    since: Instant,
    answer: oneshot::Receiver<Answer>,
}

impl Ticket {
    pub(super) async fn answer(&mut self) -> Answer {
        (&mut self.answer).await.unwrap_or(Answer::NotSent)
    }

    /// Gives up: no answer came in time. Tells whether the request was sent. If the peer was silent
    /// all the while, the connection takes no new requests: the peer may be gone without a word.
    pub(super) fn give_up(self) -> bool {
        let mut table = self.connection.shared.table();
        let waiting = table.waiting.as_mut().and_then(|w| w.remove(&self.id));
        let sent = waiting.as_ref().is_none_or(|waiting| waiting.sent);
        if sent && table.last_read <= self.since {
            table.retired = true;
        }
        drop(table);
        sent
    }
}

impl Drop for Ticket {
    /// A caller that goes away takes back what was not sent; what was keeps its place.
    fn drop(&mut self) {
        let mut table = self.connection.shared.table();
        let unsent = table.waiting.as_mut().and_then(|waiting| {
            let unsent = waiting.get(&self.id).is_some_and(|waiting| !waiting.sent);
            unsent.then(|| waiting.remove(&self.id)).flatten()
        });
        drop(table);
        // Only now, because giving back a place takes another lock.
        drop(unsent);
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change of the table is complete before anything that could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection for everybody who waits on it.
    fn close(&self) {
        let waiting = self.table().waiting.take().unwrap_or_default();
        for waiting in waiting.into_values() {
            let answer = if waiting.sent {
                Answer::Lost
            } else {
                Answer::NotSent
            };
            // Fails if the caller has gone away.
            let _ = waiting.answer.send(answer);
        }
    }

    /// True if the request is still wanted; from now on it counts as sent.
    fn begin(&self, id: u64) -> bool {
        let mut table = self.table();
        table.last_used = Instant::now();
        let waiting = table.waiting.as_mut().and_then(|w| w.get_mut(&id));
        waiting.map(|waiting| waiting.sent = true).is_some()
    }

    /// Hands out an answer. One that nobody waits for any more is dropped.
    fn answer(&self, id: u64, answer: Answer) {
        let mut table = self.table();
        table.last_used = Instant::now();
        table.last_read = table.last_used;
        let waiting = table.waiting.as_mut().and_then(|w| w.remove(&id));
        drop(table);
        if let Some(waiting) = waiting {
            // Fails if the caller has gone away.
            let _ = waiting.answer.send(answer);
        }
    }

    /// Gives back the places of requests that nobody waits for any more.
    fn sweep(&self) {
        let now = Instant::now();
        let mut table = self.table();
        let overdue: Vec<Waiting> = table.waiting.as_mut().map_or_else(Vec::new, |waiting| {
            let over = |_: &u64, waiting: &mut Waiting| {
                waiting.answer.is_closed() && waiting.overdue < now
            };
            waiting
                .extract_if(over)
                .map(|(_, waiting)| waiting)
                .collect()
        });
        drop(table);
        drop(overdue);
    }
}

async fn read<R: AsyncRead + Unpin>(mut reader: FrameReader<R>, shared: Arc<Shared>) {
    // Whatever else comes is not a server's, or the server's farewell: the connection is over.
    while let Ok(Some(frame @ (Frame::Reply { id: 1.., .. } | Frame::Failure { id: 1.., .. }))) =
        reader.next().await
    {
        match frame {
            Frame::Reply { id, body } => shared.answer(id, Answer::Reply(body.0)),
            Frame::Failure { id, failure } => {
                if failure == Failure::Stopping {
                    shared.table().retired = true;
                }
                shared.answer(id, Answer::Failure(failure));
            }
            Frame::Hello { .. } | Frame::Request { .. } => {}
        }
    }
    shared.close();
}

async fn write<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut queue: mpsc::UnboundedReceiver<(u64, Vec<u8>)>,
    shared: Arc<Shared>,
    mut reading: JoinHandle<()>,
    limit: Duration,
) {
    /// Callers that went away seldom need their places back sooner.
    const SWEEP: Duration = Duration::from_secs(1);
    let mut tick = interval(SWEEP);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            next = queue.recv() => {
                let Some((id, framed)) = next else { break };
                if shared.begin(id) && write_frame(&mut writer, &framed, limit).await.is_err() {
                    break;
                }
            }
            _ = tick.tick() => shared.sweep(),
            _ = &mut reading => break,
        }
    }
    shared.close();
    reading.abort();
}
