//! Metrics: the names that every server gives them, and the listener that they are read from.
//!
//! Metrics have a listener of their own, on the loopback address unless said otherwise: what they
//! tell about a server's load is nobody's business who can reach the server.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
        ORIGIN, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpListener;

use crate::listen::{self, Limits};

/// The names of what every server counts. What only one of them counts has its name there.
pub mod names {
    /// Counter: answered requests, by `route` and `status`.
    pub const REQUESTS: &str = "openkey_http_requests_total";
    /// Histogram: seconds from a request's head to its answer, by `route`.
    pub const REQUEST_SECONDS: &str = "openkey_http_request_seconds";
    /// Gauge: requests being answered.
    pub const IN_FLIGHT: &str = "openkey_http_in_flight";
    /// Gauge: open connections.
    pub const CONNECTIONS: &str = "openkey_http_connections";
    /// Counter: connections that were refused because there were enough.
    pub const CONNECTIONS_REFUSED: &str = "openkey_http_connections_refused_total";
    /// Counter: connections of any listener that could not be accepted, such as for want of open files.
    pub const ACCEPT_FAILURES: &str = "openkey_accept_failures_total";
    /// Histogram: seconds of a transaction.
    pub const COMMIT_SECONDS: &str = "openkey_store_commit_seconds";
    /// Histogram: writes in one transaction.
    pub const BATCH: &str = "openkey_store_batch_commits";
    /// Counter: transactions that failed.
    pub const STORE_FAILURES: &str = "openkey_store_failures_total";
    /// Gauge by type, counter by nature: CPU seconds of this process.
    pub const CPU_SECONDS: &str = "process_cpu_seconds_total";
    /// Gauge: resident bytes of this process.
    pub const RESIDENT_BYTES: &str = "process_resident_memory_bytes";
}

/// The path of the metrics, the only one of their listener.
pub const PATH: &str = "/metrics";
/// The content type of the Prometheus text format.
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");
/// Fetch Metadata: how the asking page relates to this one. Nobody asks from this one: it is no page.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What each answer says, so that no page can show, read or guess it.
const FOR_NO_PAGE: [(HeaderName, HeaderValue); 4] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];
/// Connections at once: a monitoring system or two, and somebody who looks.
const CONNECTIONS: usize = 16;

/// Where metrics are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsListen {
    /// Nowhere.
    #[default]
    Off,
    /// Here; a server that cannot have the address does not start.
    At(SocketAddr),
    /// Here if the address is free: nobody asked for it.
    IfFree(SocketAddr),
}

/// A text that names no place for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected IP:PORT, such as 127.0.0.1:9100, or off")]
pub struct MetricsListenError;

impl FromStr for MetricsListen {
    type Err = MetricsListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            text => text.parse().map(Self::At).map_err(|_| MetricsListenError),
        }
    }
}

impl fmt::Display for MetricsListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) | Self::IfFree(address) => address.fmt(f),
        }
    }
}

impl MetricsListen {
    /// Listens there. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// The address and the system's answer, unless the address was only a default that is taken.
    pub fn bind(self) -> Result<Option<TcpListener>, (SocketAddr, io::Error)> {
        let (address, needed) = match self {
            Self::Off => return Ok(None),
            Self::At(address) => (address, true),
            Self::IfFree(address) => (address, false),
        };
        match listen::bind(address, listen::RECEIVED) {
            Ok(listener) => {
                if let Ok(address) = listener.local_addr() {
                    tracing::info!(metrics = %address, "listening for metrics");
                }
                Ok(Some(listener))
            }
            Err(error) if !needed && error.kind() == io::ErrorKind::AddrInUse => {
                tracing::warn!(
                    metrics = %address,
                    "no metrics are served: the address is taken; choose one with --metrics-listen"
                );
                Ok(None)
            }
            Err(error) => Err((address, error)),
        }
    }
}

/// Serves metrics until `stop` ends. `render` makes the text, anew for each request.
pub async fn serve<R, F>(listener: TcpListener, render: R, stop: impl Future<Output = ()>)
where
    R: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = String> + Send,
{
    let limits = Limits {
        connections: CONNECTIONS,
        connections_per_client: CONNECTIONS,
        // nobody's work is under way here
        drain: Duration::from_millis(100),
        ..Limits::default()
    };
    let handler = move |_, request: Request<Incoming>| {
        let render = render.clone();
        async move {
            let mut response = answer(&request, render).await;
            response.headers_mut().extend(FOR_NO_PAGE);
            response
        }
    };
    listen::serve(listener, limits, std::sync::Arc::new(()), handler, stop).await;
}

async fn answer<F: Future<Output = String>>(
    request: &Request<Incoming>,
    render: impl Fn() -> F,
) -> Response<String> {
    let refused = |status, text: &str| {
        let mut response = Response::new(text.to_owned());
        *response.status_mut() = status;
        response
    };
    if !is_asked_plainly(request.headers()) {
        return refused(
            StatusCode::FORBIDDEN,
            "Metrics are read under an IP address or localhost, and by no web page.\n",
        );
    }
    if request.uri().path() != PATH {
        return refused(StatusCode::NOT_FOUND, "Metrics are at /metrics.\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "Metrics are read with GET.\n",
        );
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allow);
        return response;
    }
    let mut response = Response::new(render().await);
    response.headers_mut().insert(CONTENT_TYPE, PROMETHEUS);
    response
}

/// Whether a request names this machine by an address, or as `localhost`, and comes from no page. A
/// page of a name that its owner lets point here (DNS rebinding) asks under that name; what a page only
/// loads, such as an image or a script, has no `Origin`, but browsers say that a page asks for it.
fn is_asked_plainly(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let is_here = |host: &str| {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => name,
            _ => host,
        };
        let bare = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<Ipv4Addr>().is_ok()
            || bare.is_some_and(|name| name.parse::<Ipv6Addr>().is_ok())
    };
    let by_a_page = headers.contains_key(ORIGIN)
        || headers
            .get_all(SEC_FETCH_SITE)
            .iter()
            .any(|site| site != "none");
    host.is_some_and(is_here) && hosts.next().is_none() && !by_a_page
}

/// CPU seconds of this process so far.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u64::try_from(cpu.tv_nsec).unwrap_or_default();
    let seconds = Duration::from_secs(u64::try_from(cpu.tv_sec).unwrap_or_default());
    (seconds + Duration::from_nanos(nanos)).as_secs_f64()
}

/// Resident memory of this process, from the second field of `/proc/self/statm` (pages); `None`
/// where there is no such file.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    async fn ask(address: SocketAddr, line: &str) -> String {
        ask_as(address, line, &format!("host: {address}")).await
    }

    async fn ask_as(address: SocketAddr, line: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\n{host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn h6_metrics_are_read_at_one_path_by_no_page_and_nothing_else_is_there() {
        let listen = MetricsListen::At("127.0.0.1:0".parse().unwrap());
        let listener = listen.bind().unwrap().unwrap();
        let address = listener.local_addr().unwrap();
        let render = || async { "a 1\n".to_owned() };
        tokio::spawn(serve(listener, render, std::future::pending()));
        let answer = ask(address, "GET /metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4\r\n"));
        assert!(answer.ends_with("\r\n\r\na 1\n"), "{answer}");
        let opened = "host: localhost\r\nsec-fetch-site: none\r\nsec-fetch-mode: navigate";
        let opened = ask_as(address, "GET /metrics", opened).await;
        assert!(opened.starts_with("HTTP/1.1 200 "), "somebody looks");
        for (line, code) in [
            ("GET /metrics", "200"),
            ("GET /", "404"),
            ("POST /metrics", "405"),
        ] {
            let answer = ask(address, line).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
            for header in [
                "x-content-type-options: nosniff",
                "cross-origin-resource-policy: same-origin",
                "x-frame-options: DENY",
                "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            ] {
                assert!(answer.contains(&format!("\r\n{header}\r\n")), "{answer}");
            }
        }
        for host in ["127.0.0.1:9100", "localhost", "LocalHost:1", "[::1]:9100"] {
            let answer = ask_as(address, "GET /metrics", &format!("host: {host}")).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
        }
        for host in [
            "host: evil.example",
            "host: evil.example:9100",
            "host: 127.0.0.1.evil.example",
            "host: localhost.evil.example",
            "host: ",
            "x: y",
            "host: localhost\r\nhost: localhost",
            "host: localhost\r\norigin: http://evil.example",
            "host: localhost\r\nsec-fetch-site: cross-site",
            "host: localhost\r\nsec-fetch-site: same-site\r\nsec-fetch-mode: navigate",
            "host: localhost\r\nsec-fetch-site: same-origin",
            "host: localhost\r\nsec-fetch-site: none\r\nsec-fetch-site: cross-site",
            "host: localhost\r\nsec-fetch-site: ",
        ] {
            let answer = ask_as(address, "GET /metrics", host).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{host}: {answer}");
        }
    }

    #[tokio::test]
    async fn an_address_that_was_asked_for_is_needed_and_a_default_is_not() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let (told, error) = MetricsListen::At(address).bind().unwrap_err();
        assert_eq!((told, error.kind()), (address, io::ErrorKind::AddrInUse));
        assert!(MetricsListen::IfFree(address).bind().unwrap().is_none());
        assert!(MetricsListen::Off.bind().unwrap().is_none());
    }

    #[test]
    fn a_place_for_metrics_reads_as_it_prints() {
        for text in ["off", "127.0.0.1:9100", "[::1]:9100"] {
            assert_eq!(text.parse::<MetricsListen>().unwrap().to_string(), text);
        }
        for text in ["", "on", "localhost:1", "9100", "127.0.0.1"] {
            assert_eq!(text.parse::<MetricsListen>(), Err(MetricsListenError));
        }
    }

    #[test]
    fn a_process_knows_what_it_takes() {
        assert!(cpu_seconds() > 0.0);
        assert!(resident_bytes().is_none_or(|bytes| bytes > 1 << 20));
    }
}
