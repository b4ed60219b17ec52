use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;

#[derive(Default)]
struct Seen {
    open: AtomicIsize,
    refused: AtomicUsize,
}

impl Observer for Seen {
    fn opened(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    fn closed(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn refused(&self) {
        self.refused.fetch_add(1, Ordering::SeqCst);
    }

    fn not_accepted(&self) {}
}

struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Server {
    async fn until_open(&self, count: isize) {
        let reached = async {
            while self.seen.open.load(Ordering::SeqCst) != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(10), reached).await;
        assert!(reached.is_ok(), "there are never {count} connections");
    }
}

/// Answers how long the body was; a request for `/slow` half a second later.
async fn answer(peer: IpAddr, request: Request<Incoming>) -> Response<String> {
    if request.uri().path() == "/slow" {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut body = request.into_body();
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, |data| data.len());
    }
    Response::new(format!("{peer} {length}"))
}

fn start(limits: Limits) -> Server {
    let listener = bind("127.0.0.1:0".parse().unwrap(), RECEIVED).unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let observer = Arc::clone(&seen) as Arc<dyn Observer>;
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(serve(listener, limits, observer, answer, async {
        let _ = stopped.await;
    }));
    Server {
        address,
        seen,
        stop,
        served,
    }
}

async fn all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // a connection that is reset says what it said before
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // a server that refuses does not read to the end
    let _ = stream.write_all(request.as_bytes()).await;
    all(&mut stream).await
}

mod unasked;
mod unread;

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_is_answered_with_its_peer_known() {
    let server = start(Limits::default());
    let answer = ask(server.address, GET).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n127.0.0.1 0"), "{answer}");
    let chunked = "PUT / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
        transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let answer = ask(server.address, chunked).await;
    assert!(answer.ends_with("\r\n\r\n127.0.0.1 5"), "{answer}");
    server.stop.send(()).unwrap();
    server.served.await.unwrap();
    assert_eq!(server.seen.open.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn h1_a_head_may_be_as_large_as_told_and_no_larger() {
    let large = |size: usize| {
        let token = "t".repeat(size);
        format!("GET / HTTP/1.1\r\nhost: a\r\nauthorization: {token}\r\nconnection: close\r\n\r\n")
    };
    let status = async |server: &Server, size| {
        let answer = ask(server.address, &large(size)).await;
        answer.get(..12).unwrap_or_default().to_owned()
    };
    let server = start(Limits::default());
    assert_eq!(status(&server, 8 * 1024).await, "HTTP/1.1 200");
    assert_eq!(status(&server, 17 * 1024).await, "HTTP/1.1 431");
    let server = start(Limits {
        head_bytes: 160 * 1024,
        ..Limits::default()
    });
    assert_eq!(status(&server, 64 * 1024).await, "HTTP/1.1 200");
    assert_eq!(status(&server, 150 * 1024).await, "HTTP/1.1 200");
    assert_eq!(status(&server, 170 * 1024).await, "HTTP/1.1 431");
}

#[tokio::test]
async fn h1_one_client_cannot_take_every_connection_but_the_trusted_proxy_can() {
    let limits = Limits {
        connections: 4,
        connections_per_client: 2,
        ..Limits::default()
    };
    let trusting = Limits {
        trusted_proxy: Some("127.0.0.0/8".parse().unwrap()),
        ..limits.clone()
    };
    for (limits, places) in [(limits, 2), (trusting, 4)] {
        let server = start(limits);
        let mut held = Vec::new();
        for n in 0..places {
            let stream = TcpStream::connect(server.address).await.unwrap();
            held.push(stream);
            server.until_open(n + 1).await;
        }
        let answer = ask(server.address, GET).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert_eq!(server.seen.refused.load(Ordering::SeqCst), 1);
        drop(held.pop());
        server.until_open(places - 1).await;
        let answer = ask(server.address, GET).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

async fn connect_from(server: &Server, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, from], 0).into()).unwrap();
    socket.connect(server.address).await.unwrap()
}

/// Addresses that fill every place with half a head, and one whose body never comes.
#[tokio::test]
async fn h1_silent_connections_give_way_to_whoever_asks() {
    let server = start(Limits {
        connections: 8,
        connections_per_client: 3,
        ..Limits::default()
    });
    let mut silent = Vec::new();
    for from in [2, 2, 2, 3, 3, 3] {
        let mut stream = connect_from(&server, from).await;
        let half = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n";
        stream.write_all(half.as_bytes()).await.unwrap();
        if from == 3 {
            stream.write_all(b"\r\n").await.unwrap();
        }
        silent.push(stream);
        server
            .until_open(isize::try_from(silent.len()).unwrap())
            .await;
    }
    // whoever has asked keeps its place until it is answered
    let mut asking = connect_from(&server, 2).await;
    assert!(all(&mut asking).await.starts_with("HTTP/1.1 503 "));
    let mut asking = connect_from(&server, 4).await;
    let slow = GET.replace("/ ", "/slow ");
    asking.write_all(slow.as_bytes()).await.unwrap();
    server.until_open(7).await;
    let mut held = Vec::new();
    for from in 5..15 {
        let mut stream = connect_from(&server, from).await;
        stream.write_all(GET.as_bytes()).await.unwrap();
        let answer = all(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{from}: {answer}");
        // and takes a place by silence, too
        held.push(connect_from(&server, from).await);
    }
    assert!(all(&mut asking).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(server.seen.refused.load(Ordering::SeqCst), 1);
}

/// A proxy that does not buffer hands on what its clients are slow to say.
#[tokio::test]
async fn h1_a_client_behind_the_trusted_proxy_has_its_share_and_gives_way() {
    let server = start(Limits {
        connections: 8,
        connections_per_client: 3,
        trusted_proxy: Some("127.0.0.0/8".parse().unwrap()),
        ..Limits::default()
    });
    let request = |client: u8, length: usize| {
        format!(
            "POST / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.{client}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\nx"
        )
    };
    let mut held = Vec::new();
    for client in [1, 2, 3] {
        for _ in 0..3 - isize::from(client == 3) {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream
                .write_all(request(client, 5).as_bytes())
                .await
                .unwrap();
            held.push(stream);
            server
                .until_open(isize::try_from(held.len()).unwrap())
                .await;
        }
        // until the heads of all have been read
        tokio::time::sleep(Duration::from_millis(100)).await;
        if client < 3 {
            // more than its share, though there is room
            let answer = ask(server.address, &request(client, 1)).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            server
                .until_open(isize::try_from(held.len()).unwrap())
                .await;
        }
    }
    for client in 11..31 {
        let answer = ask(server.address, &request(client, 1)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{client}: {answer}");
    }
    // the oldest of whoever held most is gone; who held less is not
    assert_eq!(all(&mut held[0]).await, "");
    for stream in &mut held[6..] {
        stream.write_all(b"abcd").await.unwrap();
        assert!(all(stream).await.starts_with("HTTP/1.1 200 "));
    }
}

/// A share is of what is under way, not of what was once asked on connections that the proxy keeps.
#[tokio::test]
async fn a_proxy_that_keeps_its_connections_is_served_on_all_of_them() {
    let server = start(Limits {
        connections_per_client: 2,
        trusted_proxy: Some("127.0.0.0/8".parse().unwrap()),
        ..Limits::default()
    });
    let mut kept = Vec::new();
    for _ in 0..6 {
        kept.push(TcpStream::connect(server.address).await.unwrap());
    }
    for _ in 0..3 {
        for stream in &mut kept {
            let asks = "GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.1\r\n\r\n";
            stream.write_all(asks.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200");
            while stream.try_read(&mut [0; 1024]).is_err() {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// A client that has ended its own direction waits for its answer, however long that takes.
#[tokio::test]
async fn a_half_closed_client_gets_its_answer() {
    let server = start(Limits::default());
    for path in ["/ ", "/slow "] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = GET.replace("/ ", path);
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = all(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    // one that ends in the middle of its request has asked nothing
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(!all(&mut stream).await.contains("200"));
    server.until_open(0).await;
}

#[tokio::test]
async fn h1_who_is_slow_to_ask_is_left() {
    let server = start(Limits {
        header_timeout: Duration::from_millis(100),
        ..Limits::default()
    });
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), all(&mut stream)).await;
    assert!(!ended.unwrap().contains("200"));
    server.until_open(0).await;
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_end_but_not_for_ever() {
    for (drain, expected) in [(2000, "HTTP/1.1 200"), (50, "")] {
        let server = start(Limits {
            drain: Duration::from_millis(drain),
            ..Limits::default()
        });
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let slow = GET.replace("/ ", "/slow ");
        stream.write_all(slow.as_bytes()).await.unwrap();
        // an idle connection does not hold it up
        let _idle = TcpStream::connect(server.address).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.stop.send(()).unwrap();
        let answer = all(&mut stream).await;
        assert_eq!(answer.get(..12).unwrap_or_default(), expected);
        server.served.await.unwrap();
        assert_eq!(server.seen.open.load(Ordering::SeqCst), 0);
        assert!(TcpStream::connect(server.address).await.is_err());
    }
}
