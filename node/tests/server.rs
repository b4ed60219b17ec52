//! What a node refuses before anything looks at what is asked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use openkey_edge::metrics::MetricsListen;
use openkey_edge::rate::Quota;
use openkey_node::clock::SystemClock;
use openkey_node::config::Config;
use openkey_node::server::{Server, Serving, StartError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

struct Running {
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    _dir: tempfile::TempDir,
    /// Dropped, the node stops.
    _stop: oneshot::Sender<()>,
}

async fn start(change: impl FnOnce(&mut Serving)) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let mut serving = Serving::new("127.0.0.1:0".parse().unwrap());
    change(&mut serving);
    let config = Config::new(dir.path().to_owned());
    let server = Server::start(config, serving, Arc::new(SystemClock)).unwrap();
    let (stop, stopped) = oneshot::channel();
    let (address, metrics) = (server.address(), server.metrics_address());
    tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    Running {
        address,
        metrics,
        _dir: dir,
        _stop: stop,
    }
}

/// The answer to this text, until the node closes.
async fn raw(node: &Running, text: &str) -> String {
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    // who is refused early may be cut off while it sends
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn get(node: &Running, path: &str, more: &str) -> String {
    let host = node.address;
    let text = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n");
    raw(node, &text).await
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("closed")
}

fn few(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap()
}

#[tokio::test]
async fn h6_a_request_has_one_reading() {
    let node = start(|_| ()).await;
    assert_eq!(code(&get(&node, "/info", "").await), "200");
    let other = get(&node, "http://other.example/info", "").await;
    assert_eq!(code(&other), "400");
    let padded = get(&node, "/info", "content-length: 00\r\n").await;
    assert_eq!(code(&padded), "400");
    for (path, expected) in [
        ("/info/", "404"),
        ("//info", "404"),
        ("/./info", "404"),
        ("/%69nfo", "404"),
        ("/INFO", "404"),
        ("/info?a", "200"),
        ("/invoke", "405"),
    ] {
        assert_eq!(code(&get(&node, path, "").await), expected, "{path}");
    }
}

#[tokio::test]
async fn h1_a_client_asks_so_often_and_the_health_of_a_node_always() {
    let node = start(|serving| {
        serving.rates.all = Some(Quota::per_minute(few(3)));
        serving.rates.public = Some(Quota::per_minute(few(2)));
    })
    .await;
    for _ in 0..3 {
        assert_eq!(code(&get(&node, "/info", "").await), "200");
    }
    let refused = get(&node, "/info", "x-forwarded-for: 192.0.2.1\r\n").await;
    assert_eq!(
        code(&refused),
        "429",
        "d18: nobody trusts what a client says"
    );
    assert!(refused.contains("\r\nretry-after: "), "{refused}");
    assert!(refused.contains("\r\naccess-control-allow-origin: *"));
    // public spaces have a rate of their own
    for expected in ["400", "400", "429"] {
        let answer = get(&node, "/public/x/kv/a", "").await;
        assert_eq!(code(&answer), expected);
    }
    for path in ["/healthz", "/readyz"] {
        for _ in 0..5 {
            assert_eq!(code(&get(&node, path, "").await), "200", "{path}");
        }
    }
}

#[tokio::test]
async fn d18_the_trusted_proxy_speaks_for_others() {
    let node = start(|serving| {
        serving.rates.all = Some(Quota::per_minute(few(1)));
        serving.limits.trusted_proxy = Some("127.0.0.1/32".parse().unwrap());
    })
    .await;
    for (client, expected) in [
        ("192.0.2.1", "200"),
        ("192.0.2.1", "429"),
        ("192.0.2.2", "200"),
        // whatever the client wrote before, and not as the proxy where the proxy cannot be read
        ("\u{ff}, 192.0.2.2", "429"),
        ("192.0.2.2\u{ff}", "400"),
        ("192.0.2.3:80", "400"),
    ] {
        let header = format!("x-forwarded-for: {client}\r\n");
        assert_eq!(code(&get(&node, "/info", &header).await), expected);
    }
}

#[tokio::test]
async fn h1_a_body_that_is_announced_and_too_large_is_not_read() {
    let node = start(|_| ()).await;
    let large = "x".repeat(4 << 20);
    let text = format!(
        "POST /delegation/query HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{large}",
        large.len()
    );
    let answer = raw(&node, &text).await;
    assert!(matches!(code(&answer), "401" | "closed"), "{answer}");
    assert_eq!(code(&get(&node, "/info", "").await), "200");
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_and_nothing_is_made() {
    let node = start(|_| ()).await;
    let dir = tempfile::tempdir().unwrap();
    let config = Config::new(dir.path().join("home"));
    let serving = Serving::new(node.address);
    let refused = Server::start(config, serving, Arc::new(SystemClock)).err();
    assert!(matches!(refused, Some(StartError::Taken(address)) if address == node.address));
    assert!(!dir.path().join("home").exists());
}

/// Two addresses that take every place, with half a head and with a body that does not come.
#[tokio::test]
async fn h1_silent_connections_give_way_to_whoever_asks() {
    let node = start(|serving| {
        serving.limits.connections = 6;
        serving.limits.connections_per_client = 3;
    })
    .await;
    let mut silent = Vec::new();
    for from in [2, 2, 2, 3, 3, 3] {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, from], 0).into()).unwrap();
        let mut stream = socket.connect(node.address).await.unwrap();
        let half = "POST /delegation/query HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n";
        let end = if from == 2 { "" } else { "\r\n" };
        stream.write_all(half.as_bytes()).await.unwrap();
        stream.write_all(end.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    for _ in 0..20 {
        assert_eq!(code(&get(&node, "/info", "").await), "200");
    }
}

/// Whoever reaches the node does not read how it is used: metrics have an address of their own.
#[tokio::test]
async fn metrics_are_read_at_an_address_of_their_own() {
    let node = start(|serving| {
        serving.metrics = MetricsListen::At("127.0.0.1:0".parse().unwrap());
    })
    .await;
    assert_eq!(code(&get(&node, "/info", "").await), "200");
    assert_eq!(code(&get(&node, "/metrics", "").await), "404");
    let here = Running {
        address: node.metrics.unwrap(),
        ..node
    };
    let text = get(&here, "/metrics", "").await;
    for line in [
        r#"openkey_http_requests_total{route="info",status="200"} 1"#,
        r#"openkey_http_request_seconds_count{route="info"} 1"#,
        "openkey_http_in_flight 0",
        "openkey_http_connections ",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert_eq!(code(&get(&here, "/info", "").await), "404");
}
