//! A node that listens.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::HttpBody as _;
use axum::http::header::{AUTHORIZATION, CONNECTION, RETRY_AFTER};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use openkey_edge::client::{ClientKey, client_address};
use openkey_edge::descriptors::{self, Room, TooFew};
use openkey_edge::framing;
use openkey_edge::listen::{self, Arriving, Limits};
use openkey_edge::metrics::{self, MetricsListen};
use openkey_edge::request_id::{RequestIds, X_REQUEST_ID};
use openkey_edge::sqlite::Options;
use tokio::net::TcpListener;
use tower::Service as _;

use crate::asking::{Asking, Memory};
use crate::clock::Clock;
use crate::config::Config;
use crate::held::Held;
use crate::metrics::Metrics;
use crate::node::{Node, OpenNodeError};
use crate::paced::paced;
pub use crate::rates::RateLimits;
use crate::rates::{Rates, TooOften};
use crate::routes::{Route, router};
use crate::turns::Turns;
use crate::{cors, routes};

/// Descriptors that are for no client: store, databases, metrics, and what the runtime takes.
const OWN: usize = 256;
/// A connection, and the file that is sent or filled on it.
const EACH: usize = 2;
/// Tokens are in a header: the largest that are read, and the rest of a request's head.
const HEAD_BYTES: usize = 400 * 1024;
/// Memory for large heads, for bodies that are read whole, and for answers that are made of many values.
const MEMORY: usize = 256 * 1024 * 1024;
/// Bytes of an upload that the system keeps until the node has read them; Linux takes twice as much memory, and
/// keeps no more than `net.core.rmem_max`. Enough for 5 MB in a second at a distance of 50 ms.
const RECEIVED: usize = 4 * listen::RECEIVED;
/// Connections of one address that wait until others of it have ended.
const WAITING: usize = 1024;
/// How often counters are folded and clients forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// How a node is reached, and by how many.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where metrics are served. Nowhere by default.
    pub metrics: MetricsListen,
    /// How many connections, and how slow.
    pub limits: Limits,
    /// How often one client may ask.
    pub rates: RateLimits,
    /// Bytes of memory for large heads, for bodies that are read whole, and for answers that are made of many
    /// values. One client has a quarter of them.
    pub memory: usize,
}

impl Serving {
    /// The defaults, at this address.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            metrics: MetricsListen::Off,
            limits: Limits {
                head_bytes: HEAD_BYTES,
                waiting_per_client: WAITING,
                ..Limits::default()
            },
            rates: RateLimits::default(),
            memory: MEMORY,
        }
    }
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Something else listens there.
    #[error("{0} is taken: stop what listens there, or choose another port with --listen")]
    Taken(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address as the operator gave it.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The address for metrics cannot be listened on.
    #[error(
        "cannot listen on {address} for metrics: {error}; choose another --metrics-listen, or off"
    )]
    Metrics {
        /// The address as the operator gave it.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// There may be too few open files for the connections.
    #[error(transparent)]
    Descriptors(#[from] TooFew),
    /// The directory.
    #[error(transparent)]
    Open(#[from] OpenNodeError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What every request sees.
pub(crate) struct App {
    pub(crate) node: Node,
    pub(crate) metrics: Arc<Metrics>,
    limits: Limits,
    rates: Rates,
    memory: Memory,
    pub(crate) turns: Arc<Turns>,
    /// Who asks for hooks, and is kept waiting.
    pub(crate) patient: Held,
    request_ids: RequestIds,
}

/// A node that holds its address.
pub struct Server {
    listener: TcpListener,
    metrics: Option<TcpListener>,
    address: SocketAddr,
    app: Arc<App>,
}

impl Server {
    /// Opens the node and binds its address, which is not served yet. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`], saying what to do.
    pub fn start(
        config: Config,
        mut serving: Serving,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let wanted = serving.limits.connections;
        let room = Room::of(descriptors::raise(), OWN, wanted.saturating_mul(EACH))?;
        serving.limits.connections = room.fit(wanted);
        let told = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AddrInUse => StartError::Taken(serving.listen),
            _ => StartError::Listen {
                address: serving.listen,
                error,
            },
        };
        let listener = listen::bind(serving.listen, RECEIVED).map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        let read_here = serving.metrics.bind();
        let read_here =
            read_here.map_err(|(address, error)| StartError::Metrics { address, error })?;
        let metrics =
            Arc::new(Metrics::new().map_err(|error| StartError::Other(error.to_string()))?);
        let options = Options {
            now_ms: u64::try_from(clock.now_ms()).unwrap_or(0),
            observer: Arc::clone(&metrics) as Arc<_>,
            ..Options::default()
        };
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| StartError::Other(error.to_string()))?;
        let app = Arc::new(App {
            node: Node::open(config, clock, options)?,
            metrics,
            rates: Rates::new(serving.rates),
            turns: Arc::new(Turns::new()),
            patient: Held::new(),
            memory: Memory::new(serving.memory),
            limits: serving.limits,
            request_ids: RequestIds::new(key),
        });
        Ok(Self {
            listener,
            metrics: read_here,
            address,
            app,
        })
    }

    /// Where it is served; the port is the real one.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics are served; `None`: nowhere.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }

    /// The node's DID.
    #[must_use]
    pub fn node_id(&self) -> String {
        self.app.node.keys.node_id().to_string()
    }

    /// Serves until `stop` ends, then lets requests in flight end and closes the store.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            metrics,
            app,
            ..
        } = self;
        let numbers = metrics.map(|listener| {
            let app = Arc::clone(&app);
            let render = move || std::future::ready(app.metrics.render(&app.node, &app.turns));
            tokio::spawn(metrics::serve(listener, render, std::future::pending()))
        });
        let router = router(Arc::clone(&app));
        let (tidied, counted) = (Arc::clone(&app), Arc::clone(&app));
        let tidy = tokio::spawn(async move { tidied.node.keep_tidy().await });
        let count = tokio::spawn(async move { counted.keep_counting().await });
        let handler = {
            let app = Arc::clone(&app);
            move |peer: IpAddr, request: Request<Incoming>| {
                let (app, router) = (Arc::clone(&app), router.clone());
                async move { answer(&app, router, peer, request).await }
            }
        };
        let observer = Arc::clone(&app.metrics) as Arc<_>;
        let (limits, memory) = (app.limits.clone(), Arc::clone(&app.memory.all));
        listen::serve_within(listener, limits, memory, observer, handler, stop).await;
        tidy.abort();
        count.abort();
        if let Some(numbers) = numbers {
            numbers.abort();
        }
        // only now: requests that were in flight may have needed it
        app.node.store.close().await;
    }
}

impl App {
    async fn keep_counting(&self) {
        let mut ticks = tokio::time::interval(TIDY_EVERY);
        loop {
            ticks.tick().await;
            self.metrics.tidy();
            self.rates.tidy();
        }
    }
}

/// One request, from its first check to its line in the log.
async fn answer(
    app: &Arc<App>,
    mut router: Router,
    peer: IpAddr,
    mut request: Request<Incoming>,
) -> Response {
    let began = Instant::now();
    let _in_flight = app.metrics.in_flight();
    let id = app.request_ids.next();
    let route = routes::route(request.uri().path());
    let method = request.method().clone();
    let arrived = Arc::new(OnceLock::new());
    let token = request.headers().get(AUTHORIZATION);
    let token = token.map_or(0, |token| token.as_bytes().len());
    let allowed = allowed(app, route, peer, &request);
    let client = allowed.as_ref().ok().copied();
    let mut response = match allowed {
        Err(refused) => {
            // what of the body is on its way is read, so that the answer arrives
            drop(paced(request.into_body(), || true));
            *refused
        }
        Ok(_) if method == Method::OPTIONS => cors::preflight(route == Route::Public),
        Ok(client) => {
            let (memory, turns) = (app.memory.clone(), Arc::clone(&app.turns));
            let asking = Asking::new(ClientKey::of(client), memory, turns);
            request.extensions_mut().insert(ClientKey::of(client));
            // an upload may have to give way; what has arrived is carried out and answered
            let arriving = request.extensions().get::<Arriving>().cloned();
            let (told, whole) = (Arc::clone(&arrived), Arc::clone(&asking));
            let request = request.map(|body| {
                paced(body, move || {
                    let kept = whole.arrived();
                    if let Some(arriving) = arriving.filter(|_| kept) {
                        let _ = told.set(arriving.arrived());
                    }
                    kept
                })
            });
            if request.body().is_end_stream() {
                // nothing is taken yet
                let _ = asking.arrived();
            }
            let read = if route.reads_token(&method) { token } else { 0 };
            let work = Arc::clone(&asking).during(read, router.call(request));
            let response = match work.await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(error) => error.into_response(),
            };
            asking.checked();
            asking.sent(response).await
        }
    };
    cors::allow(response.headers_mut(), &method, route == Route::Public);
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    let (status, took) = (response.status(), began.elapsed());
    if let Some(client) = client {
        app.rates.answered(route, client, status, token);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE && !response.headers().contains_key(RETRY_AFTER) {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    app.metrics.answered(route.name(), status, took);
    // the route, not the path: a signed URL's path is a secret, and keys are its owner's business
    if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
        tracing::warn!(
            id = id.as_str(),
            route = route.name(),
            status = status.as_u16(),
            ?took,
            "failed"
        );
    } else {
        tracing::debug!(
            id = id.as_str(),
            route = route.name(),
            status = status.as_u16(),
            ?took,
            "answered"
        );
    }
    response
}

/// A refusal that ends the connection: the request's body is not read.
fn ended(why: String) -> Response {
    let mut response = (StatusCode::BAD_REQUEST, why).into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

/// Whose request it is, or what is refused before anything looks at what it asks.
fn allowed(
    app: &App,
    route: Route,
    peer: IpAddr,
    request: &Request<Incoming>,
) -> Result<IpAddr, Box<Response>> {
    let no_proxy = "This server is no proxy: ask for a path";
    // the name of another server, as only a proxy is asked
    if request.uri().authority().is_some() {
        return Err(Box::new(
            (StatusCode::BAD_REQUEST, no_proxy).into_response(),
        ));
    }
    framing::check(request).map_err(|wrong| Box::new(ended(wrong.to_owned())))?;
    let trusted = app.limits.trusted_proxy.as_ref();
    let client = client_address(peer, trusted, request.headers());
    let unnamed = |unnamed| {
        Box::new(ended(format!(
            "Whose request this is cannot be read: {unnamed}"
        )))
    };
    let client = client.map_err(unnamed)?;
    match app.rates.check(route, client) {
        Ok(()) => Ok(client),
        Err(TooOften { wait, told }) => {
            let mut response = (StatusCode::TOO_MANY_REQUESTS, told).into_response();
            let seconds = HeaderValue::from(wait.as_secs().saturating_add(1));
            response.headers_mut().insert(RETRY_AFTER, seconds);
            Err(Box::new(response))
        }
    }
}
