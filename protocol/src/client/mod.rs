//! The asking side: a few connections, each carrying many requests, made again when they die.

mod call;
mod connection;
mod lane;
mod slot;

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use crate::{
    frame::VERSIONS,
    message::Class,
    transport::{Connect, Stream},
};

pub use call::CallError;

use lane::Lane;
use slot::Slots;

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Connections at most; each is made when it is needed.
    pub connections: usize,
    /// Requests at once on one connection, evidence not counted; no more than the server's.
    pub in_flight_per_connection: usize,
    /// Requests of [`Class::Evidence`] at once on all connections; no more than the server's.
    pub evidence_in_flight: usize,
    /// Callers that may wait for a place; more are refused as [`CallError::Busy`].
    pub queue: usize,
    /// The same for [`Class::Evidence`].
    pub evidence_queue: usize,
    /// Longest time for a connection and its hello.
    pub connect_timeout: Duration,
    /// Longest time for a frame from its first byte to its last.
    pub frame_timeout: Duration,
    /// A connection that was not used for that long is made anew: the server may have closed it.
    pub idle_timeout: Duration,
    /// The pause after a connection could not be made; doubles up to `longest_pause`.
    pub first_pause: Duration,
    /// See `first_pause`. Short, because somebody waits and the peer is on the same machine.
    pub longest_pause: Duration,
    /// Versions to speak; other than [`VERSIONS`] in tests only.
    pub versions: Vec<u16>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connections: 2,
            in_flight_per_connection: 64,
            evidence_in_flight: 4,
            queue: 512,
            evidence_queue: 64,
            connect_timeout: Duration::from_secs(2),
            frame_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            first_pause: Duration::from_millis(10),
            longest_pause: Duration::from_millis(250),
            versions: VERSIONS.to_vec(),
        }
    }
}

/// Asks a server. Cheap to clone; clones share connections and bounds.
///
/// A request whose last byte may have been handed to the transport is never sent twice: if the
/// connection dies then, the caller gets [`CallError::Lost`] and must find out. One that was not
/// sent is tried on a fresh connection until its deadline, so a restart of the server is not seen
/// by those who wait.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    connector: Box<dyn ConnectBoxed>,
    options: ClientOptions,
    requests: Lane,
    evidence: Lane,
    slots: Slots,
    /// The next request's id.
    next: AtomicU64,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that connects when it is first asked. Must be used inside a tokio runtime.
    pub fn new(connector: impl Connect, options: ClientOptions) -> Self {
        let connections = options.connections.max(1);
        Self(Arc::new(Inner {
            connector: Box::new(connector),
            requests: Lane::new(
                connections * options.in_flight_per_connection,
                options.queue,
            ),
            evidence: Lane::new(options.evidence_in_flight, options.evidence_queue),
            slots: Slots::new(connections),
            next: AtomicU64::new(1),
            options,
        }))
    }

    /// Sends a request and waits for its reply.
    ///
    /// The server is told how much of `deadline` is left, and a little longer is waited for its
    /// word. Dropping the future gives up the wait, not the work: what was sent goes on there, and
    /// its place here stays taken until then.
    ///
    /// # Errors
    ///
    /// [`CallError`]; [`CallError::effect_unknown`] tells whether the request may have been done.
    pub async fn call(
        &self,
        class: Class,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Result<Vec<u8>, CallError> {
        call::call(&self.0, class, body, deadline).await
    }
}

/// [`Connect`] as an object, so that [`Client`] is one type.
trait ConnectBoxed: Send + Sync {
    fn connect(&self) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + '_>>;
}

impl<C: Connect> ConnectBoxed for C {
    fn connect(&self) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + '_>> {
        Box::pin(Connect::connect(self))
    }
}

#[cfg(test)]
mod tests;
