//! What clients send and the server does not read.

use super::{unread::Endless, *};

/// Bytes of all connections to this port that have arrived and were not read.
fn unread(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let here = format!(":{port:04X}");
    let queued = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let received = fields[4].split(':').nth(1)?;
        // one that listens counts its connections there
        let counts = fields[1].ends_with(&here) && fields[3] == "01";
        counts.then(|| usize::from_str_radix(received, 16).unwrap())
    });
    queued.sum()
}

/// Clients that were quick to send, so that the system would keep more for them; then they ask for what they
/// do not take, and go on to send.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h1_what_is_sent_behind_an_answer_that_nobody_takes_is_bounded() {
    const CLIENTS: usize = 30;
    let body = "x".repeat(256 * 1024);
    let post = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let listener = bind("127.0.0.1:0".parse().unwrap(), RECEIVED).unwrap();
    let address = listener.local_addr().unwrap();
    let handler = |_, request: Request<Incoming>| async move {
        let endless = request.method() == hyper::Method::GET;
        let body = request.into_body().collect().await;
        assert!(endless || body.unwrap().to_bytes().len() == 256 * 1024);
        Response::new(Endless(endless.then(Arc::default)))
    };
    let limits = Limits::default();
    let (observer, never) = (Arc::new(Seen::default()), std::future::pending());
    let _served = tokio::spawn(serve(listener, limits, observer, handler, never));
    let mut held = Vec::new();
    for _ in 0..CLIENTS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..8 {
            stream.write_all(post.as_bytes()).await.unwrap();
            let mut answer = [0; 1024];
            let read = stream.read(&mut answer).await.unwrap();
            assert!(answer[..read].starts_with(b"HTTP/1.1 200 "));
        }
        held.push(stream);
    }
    let mut sending = JoinSet::new();
    for mut stream in held {
        let more = GET.replace("connection: close\r\n", "") + &post.repeat(20);
        sending.spawn(async move { stream.write_all(more.as_bytes()).await });
    }
    let mut most = 0;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        most = most.max(unread(address.port()));
    }
    assert!(most > 0, "nobody sends");
    assert!(most <= CLIENTS * 2 * RECEIVED, "{most}");
}
