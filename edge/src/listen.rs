//! Accepting connections: how many, from whom, and how slow they may be.

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use ipnet::IpNet;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::{
    accept::Failing,
    asked::{Asked, FULL},
    body::BodyBudget,
    client::ClientKey,
    farewell::{self, Farewell},
    heads::Heads,
    metered::{HeadLimits, Metered},
    pace::prepared,
    places::{Place, Places, Seat, Work},
};

/// Connections the system keeps until they are accepted.
const BACKLOG: u32 = 1024;

/// Bytes that the system keeps of what a client has sent and the server has not read, such as requests behind
/// one whose answer the client does not take; Linux takes twice as much memory. By itself it would keep
/// megabytes. Enough for 600 kB in a second at a distance of 100 ms.
pub const RECEIVED: usize = 64 * 1024;

/// Seconds after which a connection too many may try again.
const RETRY: u32 = 1;

/// The least a connection can buffer: hyper knows nothing smaller.
const MIN_HEAD: usize = 8 * 1024;
/// How much more than the largest head is buffered, so that it is known to be too large.
const ROUND: usize = 32 * 1024;

/// How many connections, and how slow they may be. For a request's body its handler sets bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections: each costs a few tens of KiB, and up to `head_bytes`. When there are so
    /// many, but for a 64th that is kept for those that leave, one without a complete request gives way to the newcomer ([`Places`]).
    pub connections: usize,
    /// Open connections of one [`ClientKey`], so that one client cannot take them all. Behind a trusted
    /// proxy, which is not counted, it is requests under way of each client that the proxy names.
    pub connections_per_client: usize,
    /// So many more of one client wait until others of it have ended; none: they are refused at once.
    pub waiting_per_client: usize,
    /// How long they wait, until they are refused with status 503.
    pub wait: Duration,
    /// The one proxy hop that speaks for others.
    pub trusted_proxy: Option<IpNet>,
    /// Largest head of a request in bytes, and what a connection buffers; at least 8 KiB. A larger
    /// one is answered with status 431 (RFC 6585).
    pub head_bytes: usize,
    /// Most headers of a request.
    pub headers: usize,
    /// For a request's head, and for an idle connection to ask again.
    pub header_timeout: Duration,
    /// For a client to take some of a response: it has that much patience, and earns more with what its
    /// system acknowledges, up to eight thirds. Then its connection is reset. The system keeps no more than
    /// [`UNREAD`](crate::pace::UNREAD) for it, and four times as long after the connection has ended.
    pub write_timeout: Duration,
    /// For requests in flight when told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    /// For one machine with two cores and 1 GiB.
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_client: 512,
            waiting_per_client: 0,
            wait: Duration::from_secs(15),
            trusted_proxy: None,
            head_bytes: 16 * 1024,
            // browsers send two dozen, proxies add a few
            headers: 64,
            header_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(15),
            drain: Duration::from_millis(1500),
        }
    }
}

/// Is told how many connections there are.
pub trait Observer: Send + Sync + 'static {
    /// A connection was accepted; `closed` will be told once.
    fn opened(&self);

    /// A connection that was accepted has ended.
    fn closed(&self);

    /// A connection was refused, or a request behind the trusted proxy: there were enough.
    fn refused(&self);

    /// A connection could not be accepted.
    fn not_accepted(&self);
}

/// Tells nobody.
impl Observer for () {
    fn opened(&self) {}
    fn closed(&self) {}
    fn refused(&self) {}
    fn not_accepted(&self) {}
}

/// Listens there; port 0 takes a free one. A port that was left a moment ago may be taken again at
/// once. Of each connection the system keeps at most `received` bytes that the server has not read
/// ([`RECEIVED`], or more where large bodies come fast; Linux: never more than `net.core.rmem_max`). Must be
/// called inside a tokio runtime.
///
/// # Errors
///
/// [`io::Error`], of the kind [`io::ErrorKind::AddrInUse`] if something else listens there.
pub fn bind(address: SocketAddr, received: usize) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    // connections inherit it, and what it means for their window is agreed on when they begin
    socket.set_recv_buffer_size(u32::try_from(received).unwrap_or(u32::MAX))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The next connection, once there is room for its open file beside those that gave way. Cancel-safe.
async fn accept(listener: &TcpListener, places: &Places) -> io::Result<(TcpStream, SocketAddr)> {
    places.settled().await;
    listener.accept().await
}

/// Serves HTTP/1.1 connections until told to stop; then lets requests in flight end. `handler` is
/// given each request with the address of whoever holds the other end of its connection. A request
/// behind the trusted proxy whose client has enough under way is answered with status 503 here; one
/// whose client the proxy names unreadably ([`Unnamed`](crate::client::Unnamed)) is the handler's to refuse.
pub async fn serve<H, F, B>(
    listener: TcpListener,
    limits: Limits,
    observer: Arc<dyn Observer>,
    handler: H,
    stop: impl Future<Output = ()>,
) where
    H: Fn(IpAddr, Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
    B: From<&'static str>,
{
    let any = Arc::new(BodyBudget::new(usize::MAX, usize::MAX, usize::MAX));
    serve_within(listener, limits, any, observer, handler, stop).await;
}

/// The same; heads of more than [`SMALL_HEAD`](crate::metered::SMALL_HEAD) bytes need
/// [several times](crate::metered::EACH_BYTE) their size of a budget before they are read further. They wait
/// for that as long as connections do for their places.
pub async fn serve_within<H, F, B>(
    listener: TcpListener,
    limits: Limits,
    budget: Arc<BodyBudget>,
    observer: Arc<dyn Observer>,
    handler: H,
    stop: impl Future<Output = ()>,
) where
    H: Fn(IpAddr, Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
    B: From<&'static str>,
{
    let mut stop = std::pin::pin!(stop);
    let graceful = GracefulShutdown::new();
    let http = http(&limits);
    let places = Places::with_waiting(
        limits.connections,
        limits.connections_per_client,
        limits.waiting_per_client,
        limits.trusted_proxy,
    );
    let farewell = Farewell::new(farewell::answer(
        "503 Service Unavailable",
        Some(RETRY),
        FULL,
    ));
    let stopping = watch::Sender::new(false);
    let told = Arc::clone(&observer);
    let failing = Failing::new(move || told.not_accepted());
    let mut tasks = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = tasks.join_next() => continue,
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
                Err(error) => {
                    failing.wait(&error, Some(&places), tasks.join_next()).await;
                    continue;
                }
            },
        };
        let Some(place) = Places::arrive(&places, peer) else {
            observer.refused();
            let farewell = farewell.clone();
            tasks.spawn(async move { farewell.say(stream).await });
            continue;
        };
        let open = Open::new(place, &observer);
        let mut stopped = stopping.subscribe();
        let (http, handler, watcher) = (http.clone(), handler.clone(), graceful.watcher());
        let (limits, farewell, told) = (limits.clone(), farewell.clone(), Arc::clone(&observer));
        let budget = Arc::clone(&budget);
        tasks.spawn(async move {
            tokio::select! {
                biased;
                () = open.place.displaced() => return,
                () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => return,
                admitted = open.place.admitted(limits.wait) => if !admitted {
                    told.refused();
                    drop(watcher);
                    return farewell.say(stream).await;
                }
            }
            let stream = prepared(stream, limits.write_timeout);
            let client = open.place.client();
            let within = HeadLimits {
                budget,
                most: limits.head_bytes.max(MIN_HEAD),
                headers: limits.headers,
                wait: limits.wait,
            };
            let stream = Metered::new(
                stream,
                within,
                client.unwrap_or_else(|| ClientKey::of(peer)),
                client.is_some(),
                Arc::clone(&open.place),
            );
            let heads = stream.heads();
            let (place, wait) = (Arc::clone(&open.place), limits.wait);
            let proxy = limits.trusted_proxy;
            let service = service_fn(move |request: Request<Incoming>| {
                let asked = Asked {
                    peer,
                    place: Arc::clone(&place),
                    told: Arc::clone(&told),
                    wait,
                    heads: heads.clone(),
                };
                asked.answered(proxy, request, handler.clone())
            });
            let connection = watcher.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                biased;
                () = open.place.displaced() => {
                    tracing::debug!("a connection without a request gave way to a newcomer");
                }
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
            }
        });
    }
    drop(listener);
    stopping.send_replace(true);
    let ended = tokio::time::timeout(limits.drain, graceful.shutdown()).await;
    if ended.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
    tasks.shutdown().await;
}

fn http(limits: &Limits) -> http1::Builder {
    // what is too large is told before it comes to this
    let head = limits.head_bytes.max(MIN_HEAD) + ROUND;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers)
        .max_header_size(head)
        .max_buf_size(head)
        // A client may end its own direction once it has asked: it waits for the answer.
        .half_close(true)
        .keep_alive(true);
    http
}

/// Stands in the extensions of a request whose body has not arrived. Whoever reads it whole says
/// so; until then its connection may have to give way.
#[derive(Clone, Debug)]
pub struct Arriving(pub(crate) Arc<Seat>, pub(crate) Heads);

impl Arriving {
    /// The body has arrived; to be held until there is an answer.
    #[must_use]
    pub fn arrived(&self) -> Work {
        self.1.arrived();
        self.0.work()
    }
}

/// An open connection: its place, and what the observer is told of it.
struct Open {
    observer: Arc<dyn Observer>,
    place: Arc<Place>,
}

impl Open {
    fn new(place: Place, observer: &Arc<dyn Observer>) -> Self {
        observer.opened();
        Self {
            observer: Arc::clone(observer),
            place: Arc::new(place),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.observer.closed();
    }
}

#[cfg(test)]
mod tests;
