//! The answering side: takes connections, bounds what they may ask, and calls a [`Handler`].

mod connection;
mod gate;
mod run;

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    frame::{MAX_BODY, VERSIONS},
    message::Class,
    transport::{Listen, Stream},
};

pub use tokio::time::Instant;

use gate::Gate;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request with the bytes of its reply; refusals are replies, too.
    ///
    /// The future is **dropped at `deadline`**, and the client is told that the effect is unknown.
    /// A client that goes away does not drop it. A panic is contained and answered as
    /// [`Failure::Broken`](crate::frame::Failure::Broken).
    fn handle(
        &self,
        class: Class,
        body: Vec<u8>,
        deadline: Instant,
    ) -> impl Future<Output = Vec<u8>> + Send;
}

/// One handler behind several listeners.
impl<H: Handler> Handler for Arc<H> {
    async fn handle(&self, class: Class, body: Vec<u8>, deadline: Instant) -> Vec<u8> {
        H::handle(self, class, body, deadline).await
    }
}

/// What a server allows. Everything beyond is refused at once as
/// [`Failure::Busy`](crate::frame::Failure::Busy), never queued: queues belong to the client.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections at once. Only the host connects, and its pool is small.
    pub connections: usize,
    /// Requests at once on one connection, evidence not counted.
    pub in_flight_per_connection: usize,
    /// Requests at once on all connections, evidence not counted.
    pub in_flight: usize,
    /// Requests of [`Class::Evidence`] at once: the NSM is slow and serial, and signing must not
    /// wait for it.
    pub evidence_in_flight: usize,
    /// The same on one connection: where each is another client's, none has all of those places.
    pub evidence_per_connection: usize,
    /// Bytes of the bodies of all requests at once: an enclave's memory is fixed.
    pub bytes_in_flight: usize,
    /// Bytes of the answers on all connections that are not written yet. An answer that finds no room
    /// is dropped, and its client is told that the effect is unknown.
    pub answers_unread: usize,
    /// The same on one connection. While there is no room in it for [the longest
    /// answer](Self::longest_answer), new requests of this connection are refused.
    pub answers_unread_per_connection: usize,
    /// Bytes of the longest answer that there should be room for before a request is taken.
    pub longest_answer: usize,
    /// Longest time for a request, whatever its client says.
    pub longest_deadline: Duration,
    /// Longest time for a hello, and for a frame from its first byte to its last.
    pub frame_timeout: Duration,
    /// A connection on which nothing is asked for that long is closed. Longer than the client's.
    pub idle_timeout: Duration,
    /// How long requests may go on when the server stops.
    pub grace: Duration,
    /// Versions to speak; other than [`VERSIONS`] in tests only.
    pub versions: Vec<u16>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            connections: 16,
            in_flight_per_connection: 64,
            in_flight: 256,
            evidence_in_flight: 8,
            evidence_per_connection: 8,
            bytes_in_flight: 32 << 20,
            answers_unread: 32 << 20,
            answers_unread_per_connection: 16 << 20,
            longest_answer: MAX_BODY,
            longest_deadline: Duration::from_secs(60),
            frame_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            grace: Duration::from_millis(1500),
            versions: VERSIONS.to_vec(),
        }
    }
}

/// What all connections share.
struct Shared<H> {
    handler: H,
    options: ServerOptions,
    gate: Arc<Gate>,
}

/// What connections share that are accepted elsewhere, each with a handler of its own: one that
/// knows who is at the other end.
#[derive(Clone)]
pub struct Bounds {
    options: ServerOptions,
    gate: Arc<Gate>,
}

impl std::fmt::Debug for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bounds").finish_non_exhaustive()
    }
}

impl Bounds {
    /// The bounds of one server. [`ServerOptions::connections`] and [`ServerOptions::grace`] are
    /// for whoever accepts.
    #[must_use]
    pub fn new(options: ServerOptions) -> Self {
        Self {
            gate: Arc::new(Gate::new(&options)),
            options,
        }
    }

    /// Tells a connection that there is no room for it
    /// ([`Failure::Busy`](crate::frame::Failure::Busy)), and closes it. Takes a second at most.
    pub async fn refuse(stream: Stream) {
        connection::refuse(stream).await;
    }

    /// Serves one connection to its end. When `stopped` becomes true, or its sender is dropped,
    /// new requests are answered with
    /// [`Failure::Stopping`](crate::frame::Failure::Stopping) and those under way finish.
    pub async fn serve<H: Handler>(
        &self,
        stream: Stream,
        handler: H,
        stopped: watch::Receiver<bool>,
    ) {
        let shared = Arc::new(Shared {
            handler,
            options: self.options.clone(),
            gate: Arc::clone(&self.gate),
        });
        connection::run(shared, stream, stopped).await;
    }
}

/// Serves until `shutdown` is ready; then takes no more connections, answers new requests with
/// [`Failure::Stopping`](crate::frame::Failure::Stopping), lets those under way finish within
/// [`ServerOptions::grace`], and closes.
///
/// Dropping the future closes everything at once.
pub async fn serve<L: Listen, H: Handler>(
    mut listener: L,
    handler: H,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send,
) {
    /// A listener that fails (too many open files) is asked again after this long.
    const PAUSE: Duration = Duration::from_millis(50);

    let shared = Arc::new(Shared {
        gate: Arc::new(Gate::new(&options)),
        handler,
        options,
    });
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(stream) => accept(&mut connections, &shared, stream, &stopped),
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    stop.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    // Whoever is not done by then is cut off when the set is dropped.
    let _ = timeout(shared.options.grace, finished).await;
}

/// Connections that may be told "busy" at the same time; any more are closed without a word.
const REFUSALS: usize = 16;

fn accept<H: Handler>(
    connections: &mut JoinSet<()>,
    shared: &Arc<Shared<H>>,
    stream: Stream,
    stopped: &watch::Receiver<bool>,
) {
    if connections.len() < shared.options.connections {
        connections.spawn(connection::run(Arc::clone(shared), stream, stopped.clone()));
    } else if connections.len() < shared.options.connections + REFUSALS {
        connections.spawn(connection::refuse(stream));
    }
}

#[cfg(test)]
mod tests;
