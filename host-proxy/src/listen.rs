//! Accepting connections: how many, from whom, and how slow they may be.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_io_timeout::TimeoutStream;

use crate::{
    http::{App, answer},
    limits::ClientKey,
};

/// Most headers of a request: browsers send two dozen, proxies add a few.
const MAX_HEADERS: usize = 64;

/// Largest head of a request in bytes, and what a connection buffers.
const MAX_HEAD: usize = 16 * 1024;

/// Pause after a failed `accept`: it fails when file descriptors are short, and some come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a connection too many is told, before it has asked anything.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves connections until told to stop; then lets requests in flight end.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let graceful = GracefulShutdown::new();
    let http = Arc::new(http(&app));
    let open = Arc::new(Open::default());
    let mut tasks = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let Some(place) = Open::enter(&open, &app, peer) else {
            app.metrics.connections_refused.increment(1);
            // best effort, never waiting: whoever floods need not be told
            let _ = stream.try_write(FULL);
            continue;
        };
        let (app, router) = (Arc::clone(&app), router.clone());
        let stream = prepared(stream, &app);
        let service = service_fn(move |request: Request<Incoming>| {
            let (app, router) = (Arc::clone(&app), router.clone());
            async move { Ok::<_, Infallible>(answer(&app, &router, peer, request).await) }
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tasks.spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    let ended = tokio::time::timeout(app.config.limits.drain, graceful.shutdown()).await;
    if ended.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
    tasks.shutdown().await;
}

fn http(app: &App) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(app.config.limits.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .half_close(false)
        .keep_alive(true);
    http
}

/// A stream that gives up on a peer who takes nothing, and on one who sends nothing for longer
/// than any step of a request may last.
fn prepared(stream: TcpStream, app: &App) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let limits = &app.config.limits;
    // answers are written whole; without this they would wait for acknowledgements
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    Box::pin(stream)
}

/// Open connections, in all and by client address.
#[derive(Default)]
struct Open(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: HashMap<ClientKey, usize>,
}

/// A connection's place; given back when dropped.
struct OpenPlace {
    open: Arc<Open>,
    app: Arc<App>,
    key: Option<ClientKey>,
}

impl Open {
    /// A place for a connection of this peer, unless all, or all of its own, are taken.
    fn enter(open: &Arc<Self>, app: &Arc<App>, peer: IpAddr) -> Option<OpenPlace> {
        let limits = &app.config.limits;
        let proxy = app.config.trusted_proxy.as_ref();
        let key = (!proxy.is_some_and(|net| net.contains(&peer))).then(|| ClientKey::of(peer));
        let mut counts = open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= limits.connections {
            return None;
        }
        if let Some(key) = key {
            let own = counts.by_address.entry(key).or_default();
            if *own >= limits.connections_per_address {
                return None;
            }
            *own += 1;
        }
        counts.all += 1;
        app.metrics.connections.increment(1);
        Some(OpenPlace {
            open: Arc::clone(open),
            app: Arc::clone(app),
            key,
        })
    }
}

impl Drop for OpenPlace {
    fn drop(&mut self) {
        self.app.metrics.connections.decrement(1);
        let mut counts = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(key) = self.key
            && let Some(own) = counts.by_address.get_mut(&key)
        {
            *own -= 1;
            if *own == 0 {
                counts.by_address.remove(&key);
            }
        }
    }
}
