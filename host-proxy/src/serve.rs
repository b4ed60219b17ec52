//! Putting it together: bind, serve, stop.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use openkey_edge::{
    descriptors::{self, Room, TooFew},
    listen, metrics,
    request_id::RequestIds,
    sqlite::{Observer, OpenError, Options},
};
use openkey_protocol::{client::ClientOptions, store::RecordStore, transport::Address};
use tokio::net::TcpListener;

use crate::{
    config::{ChannelListen, Config, Limits},
    http::{
        App, Guard, Readiness, answer, body_budget, numbers, page_config, page_policy, refusals,
        router,
    },
    kept::Kept,
    limits::Rates,
    metrics::Metrics,
    page::Page,
    parts::Parts,
    relay,
    services::{self, Patient, Servers, Services},
    store::SqliteStore,
    upstream::Upstream,
};

/// Connections to one enclave: each carries many requests, and the enclave allows few.
const MAX_POOL: usize = 4;

/// Descriptors that are for no client: store, files, metrics, enclaves, and what their runtime takes.
const OWN: usize = 96;
/// Of each listener for enclaves: its connections, and those that it relays, with two for each.
const OF_SERVICES: usize = 176;
/// A channel's connection, and the enclave's.
const OF_CHANNEL: usize = 2;

/// How often counters are folded and addresses forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Why a host-proxy could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Something else listens there.
    #[error("{0} is taken: stop what listens there, or choose another port")]
    Taken(SocketAddr),
    /// The address for metrics cannot be listened on.
    #[error(
        "cannot listen on {address} for metrics: {error}; choose another --metrics-listen, or off"
    )]
    Metrics {
        /// The address as the operator gave it.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address as the operator gave it.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The store cannot be opened.
    #[error("record store: {0}")]
    Store(OpenError),
    /// An address for enclaves cannot be listened on.
    #[error("cannot serve enclaves at {address}: {error}")]
    EnclaveListen {
        /// The address as the operator gave it.
        address: Address,
        /// What the system said.
        error: io::Error,
    },
    /// The page directory is none.
    #[error(
        "--page-dir: {0} has no index.html: name the directory of the page, or leave the flag away"
    )]
    Page(PathBuf),
    /// There is no enclave to carry requests to.
    #[error("no enclave is configured: name one with --enclave ID=ADDRESS")]
    NoEnclave,
    /// There is no channel to carry connections to.
    #[error(
        "--channel-listen {0}: there is no such enclave, or it has no channel; add \
         ,channel=ADDRESS to --enclave"
    )]
    NoChannel(SocketAddr),
    /// There may be too few open files for the connections.
    #[error(transparent)]
    Descriptors(#[from] TooFew),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

// By hand: as a source, the error would be printed twice.
impl From<OpenError> for StartError {
    fn from(error: OpenError) -> Self {
        Self::Store(error)
    }
}

impl StartError {
    /// Whether a flag says what cannot be, whatever the machine is like.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Page(_) | Self::NoEnclave | Self::NoChannel(_))
    }
}

/// A host-proxy that holds its addresses.
pub struct HostProxy {
    listener: TcpListener,
    address: SocketAddr,
    metrics: Option<TcpListener>,
    app: Arc<App>,
    servers: Servers,
}

impl fmt::Debug for HostProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostProxy({})", self.address)
    }
}

impl HostProxy {
    /// Opens the store, serves it and the rest to the enclaves, and binds HTTP, which is not served yet. Must
    /// be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`], saying what to do.
    pub async fn start<S: RecordStore>(
        mut config: Config,
        parts: Parts<S>,
    ) -> Result<Self, StartError> {
        if config.enclaves.is_empty() {
            return Err(StartError::NoEnclave);
        }
        let channel_places = fit_places(&mut config)?;
        let page = Page::new(config.page_dir.clone(), config.anchor_dir.clone());
        if let (Some(dir), None) = (&config.page_dir, page.file("/").await) {
            return Err(StartError::Page(dir.clone()));
        }
        let listener = bind(config.listen)?;
        let address = listener.local_addr().map_err(|error| StartError::Listen {
            address: config.listen,
            error,
        })?;
        let read_here = config.metrics.bind();
        let read_here =
            read_here.map_err(|(address, error)| StartError::Metrics { address, error })?;
        let metrics = Metrics::new().map_err(|e| StartError::Other(e.to_string()))?;
        let metrics = Arc::new(metrics);
        let store = SqliteStore::open(
            &config.dir,
            Options {
                now_ms: parts.clock.now_ms(),
                observer: Arc::clone(&metrics) as Arc<dyn Observer>,
                ..Options::default()
            },
        )?;
        services::note_missing(&config.services);
        let served = (parts.store)(store.clone());
        let servers = serve_enclaves(&config, served, &metrics, channel_places)?;
        let options = client_options(&config.limits);
        let places = options.connections * options.in_flight_per_connection;
        let upstreams = config
            .enclaves
            .iter()
            .map(|enclave| {
                let client = (parts.client)(enclave, options.clone());
                let pool = metrics.pool(&enclave.id);
                Upstream::new(enclave.clone(), client, places, &config.limits, pool)
            })
            .collect();
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|e| StartError::Other(e.to_string()))?;
        let page_policy = page_policy(config.node.as_ref())
            .ok_or_else(|| StartError::Other("the node's origin fits no header".to_owned()))?;
        let app = Arc::new(App {
            guard: Guard::new(&config),
            upstreams,
            rates: Rates::new(&config.limits),
            bodies: body_budget(&config.limits),
            refusals: refusals(),
            page,
            page_config: page_config(&config),
            kept: Kept::default(),
            page_policy,
            store,
            metrics,
            readiness: Readiness::new(),
            clock: parts.clock,
            started: Instant::now(),
            request_ids: RequestIds::new(key),
            config,
        });
        Ok(Self {
            listener,
            address,
            metrics: read_here,
            app,
            servers,
        })
    }

    /// Where HTTP is served; the port is the real one.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics are served; `None`: nowhere.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }

    /// Serves until `stop` ends, then lets requests in flight end and closes the store.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            metrics,
            app,
            servers,
            ..
        } = self;
        let tidy = tokio::spawn(tidy(Arc::clone(&app)));
        let numbers = metrics.map(|listener| {
            let app = Arc::clone(&app);
            let render = move || numbers(Arc::clone(&app));
            tokio::spawn(metrics::serve(listener, render, std::future::pending()))
        });
        let router = router(Arc::clone(&app));
        let limits = connection_limits(&app.config);
        let observer = Arc::clone(&app.metrics) as Arc<dyn listen::Observer>;
        let handler = {
            let app = Arc::clone(&app);
            move |peer, request| {
                let (app, router) = (Arc::clone(&app), router.clone());
                async move { answer(&app, &router, peer, request).await }
            }
        };
        listen::serve(listener, limits, observer, handler, stop).await;
        tidy.abort();
        if let Some(numbers) = numbers {
            numbers.abort();
        }
        // only now: requests that were in flight may have needed it
        servers.stop().await;
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

/// Gives the listeners no more places than there may be open files for. Returns those of each channel.
fn fit_places(config: &mut Config) -> Result<usize, TooFew> {
    let channels = relay::channel::CONNECTIONS;
    let reserve = OWN + OF_SERVICES * config.services.len();
    let wanted = config.channels.len().saturating_mul(channels * OF_CHANNEL);
    let wanted = wanted.saturating_add(config.limits.connections);
    let room = Room::of(descriptors::raise(), reserve, wanted)?;
    config.limits.connections = room.fit(config.limits.connections);
    Ok(room.fit(channels))
}

/// Everything that enclaves are served with, bound and running.
fn serve_enclaves<S: RecordStore>(
    config: &Config,
    store: S,
    metrics: &Arc<Metrics>,
    channel_places: usize,
) -> Result<Servers, StartError> {
    let mut servers = Servers::new();
    let listen = |address: &Address| {
        services::listen(address).map_err(|error| StartError::EnclaveListen {
            address: address.clone(),
            error,
        })
    };
    let store = Arc::new(store);
    // what is under way is nearly done, and nobody who could ask again is left
    let grace = config.limits.drain / 4;
    for offered in &config.services {
        let listener = listen(&offered.listen)?;
        let services = Services::new(offered.clone(), Arc::clone(metrics));
        let listener = Patient::new(listener, metrics.failing());
        servers.serve(listener, Arc::clone(&store), services, grace);
        if let Some(address) = &offered.relay {
            let (listener, metrics) = (listen(address)?, Arc::clone(metrics));
            servers.stream(relay::serve(listener, offered.clone(), metrics));
        }
    }
    for address in &config.heartbeats {
        servers.stream(relay::heartbeat::serve(
            listen(address)?,
            Arc::clone(metrics),
        ));
    }
    for channel in &config.channels {
        let listener = bind(channel.listen)?;
        let to = channel_of(config, channel)?;
        let (config, metrics) = (config.clone(), Arc::clone(metrics));
        servers.stream(async move {
            relay::channel::serve(listener, to, channel_places, &config, metrics).await;
        });
    }
    Ok(servers)
}

/// The channel that a TCP listener leads to.
fn channel_of(config: &Config, listen: &ChannelListen) -> Result<Address, StartError> {
    let mut enclaves = config.enclaves.iter();
    let enclave = match &listen.enclave {
        Some(id) => enclaves.find(|enclave| enclave.id == *id),
        None => enclaves.next(),
    };
    let channel = enclave.and_then(|enclave| enclave.channel.clone());
    channel.ok_or(StartError::NoChannel(listen.listen))
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

fn connection_limits(config: &Config) -> listen::Limits {
    let limits = &config.limits;
    listen::Limits {
        connections: limits.connections,
        connections_per_client: limits.connections_per_address,
        trusted_proxy: config.trusted_proxy,
        header_timeout: limits.header_timeout,
        write_timeout: limits.write_timeout,
        drain: limits.drain,
        ..listen::Limits::default()
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    listen::bind(address, listen::RECEIVED).map_err(|error| match error.kind() {
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
        let left_out = app.refusals.left_out();
        if left_out > 0 {
            tracing::info!(left_out, "refusals that have no line of their own");
        }
    }
}
