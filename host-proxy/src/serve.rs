//! Putting it together: bind, serve, stop.

use std::{
    fmt,
    fs::DirBuilder,
    io,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use openkey_protocol::{
    client::ClientOptions,
    server::{self, ServerOptions},
    store::{RecordStore, StoreHandler},
    transport::Address,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::oneshot,
    task::JoinHandle,
};

use crate::{
    config::{Config, Limits},
    http::{App, BodyBudget, Guard, Readiness, RequestIds, router},
    limits::Rates,
    listen,
    metrics::Metrics,
    page::Page,
    parts::Parts,
    store::{OpenError, SqliteStore, StoreObserver, StoreOptions},
    upstream::Upstream,
};

/// Connections the system keeps until they are accepted.
const BACKLOG: u32 = 1024;

/// Requests of enclaves to the store at once: as many as one transaction takes, a few times over.
const STORE_IN_FLIGHT: usize = 1024;

/// Connections to one enclave: each carries many requests, and the enclave allows few.
const MAX_POOL: usize = 4;

/// How often counters are folded and addresses forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Why a host-proxy could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Something else listens there.
    #[error("{0} is taken: stop what listens there, or choose another port")]
    Taken(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The store cannot be opened.
    #[error("record store: {0}")]
    Store(#[from] OpenError),
    /// The store's address cannot be listened on.
    #[error("cannot serve the record store at {address}: {error}")]
    StoreListen {
        /// Which.
        address: Address,
        /// What the system said.
        error: io::Error,
    },
    /// The page directory is none.
    #[error("{0} has no index.html: name the directory of the page, or leave the flag away")]
    Page(PathBuf),
    /// There is no enclave to carry requests to.
    #[error("no enclave is configured: name one with --enclave ID=ADDRESS")]
    NoEnclave,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A host-proxy that holds its addresses.
pub struct HostProxy {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
    store: StoreServer,
}

impl fmt::Debug for HostProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostProxy({})", self.address)
    }
}

impl HostProxy {
    /// Opens the store, serves it to the enclaves, and binds HTTP, which is not served yet. Must
    /// be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`], saying what to do.
    pub async fn start<S: RecordStore>(
        config: Config,
        parts: Parts<S>,
    ) -> Result<Self, StartError> {
        if config.enclaves.is_empty() {
            return Err(StartError::NoEnclave);
        }
        let page = match &config.page_dir {
            None => Page::embedded(),
            Some(dir) => Page::Directory(dir.clone()),
        };
        if let (Some(dir), None) = (&config.page_dir, page.file("/").await) {
            return Err(StartError::Page(dir.clone()));
        }
        let listener = bind(config.listen)?;
        let address = listener.local_addr().map_err(|error| StartError::Listen {
            address: config.listen,
            error,
        })?;
        let metrics = Metrics::new().map_err(|e| StartError::Other(e.to_string()))?;
        let metrics = Arc::new(metrics);
        let store = SqliteStore::open(
            &config.dir,
            StoreOptions {
                now_ms: parts.clock.now_ms(),
                observer: Arc::clone(&metrics) as Arc<dyn StoreObserver>,
                max_pages: None,
            },
        )?;
        let served = (parts.store)(store.clone());
        let store_server = StoreServer::start(&config.store_listen, served, &config.limits)?;
        let options = client_options(&config.limits);
        let upstreams = config
            .enclaves
            .iter()
            .map(|enclave| {
                let client = (parts.client)(enclave, options.clone());
                let pool = metrics.pool(&enclave.id);
                Upstream::new(enclave.clone(), client, &config.limits, pool)
            })
            .collect();
        let start = getrandom::u32().map_err(|e| StartError::Other(e.to_string()))?;
        let app = Arc::new(App {
            guard: Guard::new(&config),
            upstreams,
            rates: Rates::new(&config.limits, &Default::default()),
            bodies: BodyBudget::new(),
            page,
            store,
            metrics,
            readiness: Readiness::new(),
            clock: parts.clock,
            started: Instant::now(),
            request_ids: RequestIds::new(start),
            config,
        });
        Ok(Self {
            listener,
            address,
            app,
            store: store_server,
        })
    }

    /// Where HTTP is served; the port is the real one.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` ends, then lets requests in flight end and closes the store.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            app,
            store,
            ..
        } = self;
        let tidy = tokio::spawn(tidy(Arc::clone(&app)));
        let router = router(Arc::clone(&app));
        listen::serve(listener, Arc::clone(&app), router, stop).await;
        tidy.abort();
        // only now: requests that were in flight may have needed it
        store.stop().await;
        app.store.close().await;
    }
}

/// Starts, reports the bound address, serves until `stop` ends.
///
/// # Errors
///
/// [`StartError`].
pub async fn run<S: RecordStore>(
    config: Config,
    parts: Parts<S>,
    stop: impl Future<Output = ()>,
    announce: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    let proxy = HostProxy::start(config, parts).await?;
    announce(proxy.address());
    proxy.serve(stop).await;
    Ok(())
}

/// Serves the store to the enclaves.
struct StoreServer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl StoreServer {
    fn start(
        address: &Address,
        store: impl RecordStore,
        limits: &Limits,
    ) -> Result<Self, StartError> {
        let listener = make_parent(address)
            .and_then(|()| address.listen())
            .map_err(|error| StartError::StoreListen {
                address: address.clone(),
                error,
            })?;
        let options = ServerOptions {
            in_flight: STORE_IN_FLIGHT,
            in_flight_per_connection: STORE_IN_FLIGHT,
            // what is under way is nearly done, and nobody who could ask again is left
            grace: limits.drain / 4,
            ..ServerOptions::default()
        };
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // a dropped sender is as good a sign
            let _ = stopped.await;
        };
        let handler = StoreHandler::new(store);
        let task = tokio::spawn(server::serve(listener, handler, options, stopped));
        Ok(Self { stop, task })
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "serving the record store ended badly");
        }
    }
}

/// A socket's directory may not be there yet, like that of the database.
fn make_parent(address: &Address) -> io::Result<()> {
    match address {
        Address::Unix(path) => path.parent().map_or(Ok(()), |dir| {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)
        }),
        Address::Vsock { .. } => Ok(()),
    }
}

/// The client's places are this server's: what finds none is refused, and told when to come back.
fn client_options(limits: &Limits) -> ClientOptions {
    let options = ClientOptions::default();
    ClientOptions {
        connections: limits
            .in_flight
            .div_ceil(options.in_flight_per_connection)
            .clamp(1, MAX_POOL),
        queue: limits.in_flight,
        evidence_in_flight: limits.evidence_in_flight,
        evidence_queue: limits.evidence_waiting,
        ..options
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // a port that was left a moment ago may be taken again at once
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::Taken(address),
        _ => StartError::Listen { address, error },
    })
}

async fn tidy(app: Arc<App>) {
    let mut ticks = tokio::time::interval(TIDY_EVERY);
    loop {
        ticks.tick().await;
        app.metrics.tidy();
        app.rates.tidy();
    }
}
