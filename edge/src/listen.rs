//! Accepting connections: how many, from whom, and how slow they may be.

use std::{
    convert::Infallible,
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{
    Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{CONNECTION, HeaderValue, RETRY_AFTER},
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
    task::JoinSet,
};

use crate::{
    accept::Failing,
    client::{ClientKey, client_address},
    pace::prepared,
    places::{Place, Places, Seat, Work},
};

/// Connections the system keeps until they are accepted.
const BACKLOG: u32 = 1024;

/// Bytes that the system keeps of what a client has sent and the server has not read, such as requests behind
/// one whose answer the client does not take; Linux takes twice as much memory. By itself it would keep
/// megabytes. Enough for 600 kB in a second at a distance of 100 ms.
pub const RECEIVED: usize = 64 * 1024;

/// What a connection too many is told, before it has asked anything.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-length: 0\r\n\r\n";

/// The least a connection can buffer: hyper knows nothing smaller.
const MIN_HEAD: usize = 8 * 1024;

/// How many connections, and how slow they may be. For a request's body its handler sets bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections: each costs a few tens of KiB, and up to `head_bytes`. When there are so
    /// many, but for a 64th that is kept for those that leave, one without a complete request gives way to the newcomer ([`Places`]).
    pub connections: usize,
    /// Open connections of one [`ClientKey`], so that one client cannot take them all. Behind a trusted
    /// proxy, which is not counted, it is requests under way of each client that the proxy names.
    pub connections_per_client: usize,
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
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Default + Send + 'static,
{
    let mut stop = std::pin::pin!(stop);
    let graceful = GracefulShutdown::new();
    let http = http(&limits);
    let places = Places::new(
        limits.connections,
        limits.connections_per_client,
        limits.trusted_proxy,
    );
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
        let Some(place) = Places::enter(&places, peer) else {
            observer.refused();
            // best effort, never waiting: whoever floods need not be told
            let _ = stream.try_write(FULL);
            continue;
        };
        let open = Open::new(place, &observer);
        let handler = handler.clone();
        let stream = prepared(stream, limits.write_timeout);
        let seat = open.place.seat();
        let (place, proxy) = (Arc::clone(&open.place), limits.trusted_proxy);
        let told = Arc::clone(&observer);
        let service = service_fn(move |mut request: Request<Incoming>| {
            // a client that cannot be known has no share: the handler refuses it
            let client = client_address(peer, proxy.as_ref(), request.headers());
            let served = client.map(|client| place.serve(ClientKey::of(client)));
            let is_refused = matches!(served, Ok(None));
            if is_refused {
                told.refused();
            }
            let whole = request.body().is_end_stream().then(|| seat.work());
            if whole.is_none() {
                request.extensions_mut().insert(Arriving(Arc::clone(&seat)));
            }
            let answered = (!is_refused).then(|| handler(peer, request));
            async move {
                let answer = match answered {
                    Some(answered) => answered.await,
                    None => full(),
                };
                drop((whole, served));
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tasks.spawn(async move {
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
    let ended = tokio::time::timeout(limits.drain, graceful.shutdown()).await;
    if ended.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
    tasks.shutdown().await;
}

/// What a request too many is told.
fn full<B: Default>() -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    // its body is not read
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn http(limits: &Limits) -> http1::Builder {
    let head = limits.head_bytes.max(MIN_HEAD);
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
pub struct Arriving(Arc<Seat>);

impl Arriving {
    /// The body has arrived; to be held until there is an answer.
    #[must_use]
    pub fn arrived(&self) -> Work {
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
