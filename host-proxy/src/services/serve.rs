//! Listeners for enclaves, and how they end.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt as _, sync::Arc, time::Duration};

use openkey_edge::accept::Failing;
use openkey_protocol::{
    host::{HostHandler, HostServices},
    message::{Record, RecordId, Write},
    server::{self, ServerOptions},
    store::{RecordStore, StoreError},
    transport::{Address, Listen, Listener, Stream},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Requests of one listener's enclaves at once: as many as one transaction of the store takes, a
/// few times over.
const IN_FLIGHT: usize = 1024;

/// A task that runs until the servers stop.
pub(crate) trait Service: Future<Output = ()> + Send + 'static {}

impl<F: Future<Output = ()> + Send + 'static> Service for F {}

/// Everything that enclaves are served with.
pub(crate) struct Servers {
    stop: watch::Sender<bool>,
    /// Frames: they end by themselves when told to.
    serving: Vec<JoinHandle<()>>,
    /// Byte streams: they are cut.
    streams: JoinSet<()>,
}

impl Servers {
    pub(crate) fn new() -> Self {
        Self {
            stop: watch::Sender::new(false),
            serving: Vec::new(),
            streams: JoinSet::new(),
        }
    }

    /// Serves store and services.
    pub(crate) fn serve<S: RecordStore, H: HostServices>(
        &mut self,
        listener: Patient<Listener>,
        store: Arc<S>,
        services: H,
        grace: Duration,
    ) {
        let options = ServerOptions {
            in_flight: IN_FLIGHT,
            in_flight_per_connection: IN_FLIGHT,
            grace,
            ..ServerOptions::default()
        };
        let mut stopped = self.stop.subscribe();
        let stopped = async move {
            // a dropped sender is as good a sign
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        let handler = HostHandler::new(Shared(store), services);
        let serving = server::serve(listener, handler, options, stopped);
        self.serving.push(tokio::spawn(serving));
    }

    /// Runs a server of byte streams.
    pub(crate) fn stream(&mut self, service: impl Service) {
        self.streams.spawn(service);
    }

    /// Stops everything; returns when it has.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        self.streams.shutdown().await;
        for task in self.serving {
            if let Err(error) = task.await {
                tracing::error!(%error, "serving an enclave ended badly");
            }
        }
    }
}

/// A listener that says when it fails, counts it, and tries again.
pub(crate) struct Patient<L> {
    listener: L,
    failing: Failing,
}

impl<L> Patient<L> {
    pub(crate) const fn new(listener: L, failing: Failing) -> Self {
        Self { listener, failing }
    }
}

impl<L: Listen> Listen for Patient<L> {
    async fn accept(&mut self) -> io::Result<Stream> {
        loop {
            match self.listener.accept().await {
                Ok(stream) => return Ok(stream),
                // Whoever serves asks anew when a connection ends, which ends this.
                Err(error) => {
                    let never = std::future::pending::<Option<()>>();
                    self.failing.wait(&error, None, never).await;
                }
            }
        }
    }
}

/// One store behind several listeners.
struct Shared<S>(Arc<S>);

impl<S: RecordStore> RecordStore for Shared<S> {
    async fn get(&self, ids: Vec<RecordId>) -> Result<Vec<Option<Record>>, StoreError> {
        self.0.get(ids).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.0.commit(writes).await
    }
}

/// Listens; a socket's directory may not be there yet, like that of the database.
pub(crate) fn listen(address: &Address) -> io::Result<Listener> {
    if let Address::Unix(path) = address
        && let Some(dir) = path.parent()
    {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    address.listen()
}
