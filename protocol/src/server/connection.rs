//! One connection of the server.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncWrite, split},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    Handler, Shared,
    gate::{Own, Unread},
    run::answer,
};
use crate::{
    frame::{Failure, Frame, FrameError, FrameReader, farewell, handshake, write_frame},
    message::Class,
    transport::Stream,
};

/// Tells a connection that there is no room for it.
pub(super) async fn refuse(mut stream: Stream) {
    /// One small frame fits any transport's buffer.
    const LIMIT: Duration = Duration::from_secs(1);
    if let Ok(framed) = farewell(Failure::Busy).encode() {
        // Whoever does not listen misses it.
        let _ = write_frame(&mut stream, &framed, LIMIT).await;
    }
}

/// Serves one connection to its end.
pub(super) async fn run<H: Handler>(
    shared: Arc<Shared<H>>,
    stream: Stream,
    mut stopped: watch::Receiver<bool>,
) {
    let options = &shared.options;
    let (reader, mut writer) = split(stream);
    let mut reader = FrameReader::new(reader, options.frame_timeout);
    let hello = handshake(
        &mut reader,
        &mut writer,
        &options.versions,
        options.frame_timeout,
    );
    let greeted = tokio::select! {
        greeted = hello => greeted,
        _ = stopped.wait_for(|stopped| *stopped) => return,
    };
    if let Err(error) = greeted {
        return say(&mut writer, &error, options.frame_timeout).await;
    }

    // A place for every answer that may be under way, so that finished work seldom waits here.
    let (answers, outgoing) = mpsc::channel(options.in_flight_per_connection.max(1));
    let writing = tokio::spawn(write(writer, outgoing, options.frame_timeout));
    let mut connection = Connection {
        own: Arc::new(Own::new(options)),
        open: Arc::default(),
        shared: &shared,
        answers,
        work: JoinSet::new(),
    };
    connection.read(&mut reader, &mut stopped).await;
    // A client that went away does not undo what it began: work goes on to its end or deadline.
    while connection.work.join_next().await.is_some() {}
    drop(connection);
    // Ends when the last answer is written, or its peer does not take it in time.
    let _ = writing.await;
}

/// Tells the peer why the connection ends, if that is of use to it.
async fn say<W: AsyncWrite + Unpin>(writer: &mut W, error: &FrameError, limit: Duration) {
    if let Some(framed) = reason(error).and_then(|failure| farewell(failure).encode().ok()) {
        // The connection ends either way.
        let _ = write_frame(writer, &framed, limit).await;
    }
}

const fn reason(error: &FrameError) -> Option<Failure> {
    match error {
        FrameError::NoCommonVersion { .. } => Some(Failure::Unsupported),
        FrameError::TooLarge { .. }
        | FrameError::Empty
        | FrameError::Malformed(_)
        | FrameError::NoHello => Some(Failure::Malformed),
        _ => None,
    }
}

/// Writes answers until there are no more, or the peer stops taking them.
async fn write<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut outgoing: mpsc::Receiver<Outgoing>,
    limit: Duration,
) {
    // Its bytes are counted until it is written.
    while let Some((frame, _unread)) = outgoing.recv().await {
        let id = match &frame {
            Frame::Reply { id, .. } | Frame::Failure { id, .. } => *id,
            Frame::Hello { .. } | Frame::Request { .. } => 0,
        };
        let framed = frame.encode().or_else(|_| {
            let failure = Failure::TooLarge;
            Frame::Failure { id, failure }.encode()
        });
        let Ok(framed) = framed else { return };
        if write_frame(&mut writer, &framed, limit).await.is_err() {
            return;
        }
    }
}

/// A frame to be written, and the room that it takes until then; failures take none.
type Outgoing = (Frame, Option<Unread>);

struct Connection<'a, H> {
    shared: &'a Arc<Shared<H>>,
    own: Arc<Own>,
    /// The ids of requests that have no answer yet.
    open: Arc<Mutex<HashSet<u64>>>,
    answers: mpsc::Sender<Outgoing>,
    work: JoinSet<()>,
}

impl<H: Handler> Connection<'_, H> {
    /// Takes requests until the peer goes away, breaks a rule or says nothing for too long, or the
    /// server stops and nothing is under way.
    async fn read<R: tokio::io::AsyncRead + Unpin>(
        &mut self,
        reader: &mut FrameReader<R>,
        stopped: &mut watch::Receiver<bool>,
    ) {
        let idle = self.shared.options.idle_timeout;
        let mut stopping = false;
        loop {
            if stopping && self.work.is_empty() {
                return;
            }
            let next = tokio::select! {
                next = reader.next() => next,
                Some(_) = self.work.join_next() => continue,
                _ = stopped.wait_for(|stopped| *stopped), if !stopping => {
                    stopping = true;
                    continue;
                }
                () = self.answers.closed() => return,
                () = sleep(idle), if self.work.is_empty() => return,
            };
            let refused = match next {
                Ok(Some(Frame::Request {
                    id: id @ 1..,
                    body,
                    class,
                    deadline_ms,
                })) => {
                    // Its answer could not be told from that of the other.
                    if lock(&self.open).contains(&id) {
                        return self.send(farewell(Failure::Malformed)).await;
                    }
                    let failure = if stopping {
                        Some(Failure::Stopping)
                    } else {
                        self.begin(id, class, body.0, deadline_ms)
                    };
                    failure.map(|failure| Frame::Failure { id, failure })
                }
                Ok(Some(_)) => return self.send(farewell(Failure::Malformed)).await,
                Err(error) => {
                    if let Some(failure) = reason(&error) {
                        self.send(farewell(failure)).await;
                    }
                    return;
                }
                Ok(None) => return,
            };
            if let Some(refused) = refused {
                // Waits if the peer does not take its answers: then it is not read from, either.
                self.send(refused).await;
            }
        }
    }

    /// Fails only if the writer has ended, which the next turn sees.
    async fn send(&self, frame: Frame) {
        let _ = self.answers.send((frame, None)).await;
    }

    /// Begins the work on a request, if there is room.
    fn begin(&mut self, id: u64, class: Class, body: Vec<u8>, ms: u32) -> Option<Failure> {
        let Some(pass) = self.shared.gate.enter(class, body.len(), &self.own) else {
            return Some(Failure::Busy);
        };
        let time = Duration::from_millis(ms.into()).min(self.shared.options.longest_deadline);
        let deadline = Instant::now() + time;
        let (shared, answers) = (Arc::clone(self.shared), self.answers.clone());
        let (own, open) = (Arc::clone(&self.own), Arc::clone(&self.open));
        lock(&open).insert(id);
        self.work.spawn(async move {
            let frame = answer(&shared.handler, id, class, body, deadline).await;
            let outgoing = match &frame {
                Frame::Reply { body, .. } => match shared.gate.keep(body.0.len(), &own) {
                    Some(unread) => (frame, Some(unread)),
                    // The peer had its time to read those before it.
                    None => {
                        let failure = Failure::Deadline;
                        (Frame::Failure { id, failure }, None)
                    }
                },
                _ => (frame, None),
            };
            // From here on others may ask: what waits below is this connection's own affair.
            let place = pass.done();
            lock(&open).remove(&id);
            // Fails if the peer is gone: then nobody waits for it.
            let _ = answers.send(outgoing).await;
            drop(place);
        });
        None
    }
}

fn lock(open: &Mutex<HashSet<u64>>) -> MutexGuard<'_, HashSet<u64>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
