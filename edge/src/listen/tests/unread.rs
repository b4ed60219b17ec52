//! Answers that nobody reads.

use super::*;

/// A body without end that counts what was taken of it.
#[derive(Default)]
pub(super) struct Endless(pub(super) Option<Arc<AtomicUsize>>);

impl From<&'static str> for Endless {
    fn from(_: &'static str) -> Self {
        Self(None)
    }
}

impl Body for Endless {
    type Data = hyper::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        static PIECE: [u8; 4096] = [0; 4096];
        let Some(taken) = &self.0 else {
            return std::task::Poll::Ready(None);
        };
        taken.fetch_add(PIECE.len(), Ordering::SeqCst);
        let piece = hyper::body::Bytes::from_static(&PIECE);
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(piece))))
    }
}

/// What nobody reads is little, and is gone with its connection.
#[tokio::test]
async fn h1_a_client_that_reads_nothing_holds_few_bytes_and_leaves_none() {
    let listener = bind("127.0.0.1:0".parse().unwrap(), RECEIVED).unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        write_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let (seen, taken) = (Arc::new(Seen::default()), Arc::new(AtomicUsize::new(0)));
    let (observer, counted) = (Arc::clone(&seen) as Arc<dyn Observer>, Arc::clone(&taken));
    let handler =
        move |_, _| std::future::ready(Response::new(Endless(Some(Arc::clone(&counted)))));
    let _served = tokio::spawn(serve(
        listener,
        limits,
        observer,
        handler,
        std::future::pending(),
    ));
    let socket = TcpSocket::new_v4().unwrap();
    // so that what the server could write is in its own buffers
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    let given_up = async {
        while taken.load(Ordering::SeqCst) == 0 || seen.open.load(Ordering::SeqCst) != 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let given_up = tokio::time::timeout(Duration::from_secs(10), given_up).await;
    given_up.expect("it is waited for without end");
    let written = taken.load(Ordering::SeqCst);
    assert!(written < 512 * 1024, "{written}");
    let mut all = Vec::new();
    let ended = stream.read_to_end(&mut all).await.unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::ConnectionReset);
    assert!(all.len() < 128 * 1024, "{} were kept", all.len());
}

/// An answer that was written whole, and that nobody takes from the system, is gone with its time.
#[tokio::test]
async fn h1_an_answer_that_was_written_is_not_kept_for_a_client_that_does_not_take_it() {
    const LENGTH: usize = 96 * 1024;
    let listener = bind("127.0.0.1:0".parse().unwrap(), RECEIVED).unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        write_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let seen = Arc::new(Seen::default());
    let observer = Arc::clone(&seen) as Arc<dyn Observer>;
    let handler = |_, _| std::future::ready(Response::new("a".repeat(LENGTH)));
    let _served = tokio::spawn(serve(
        listener,
        limits,
        observer,
        handler,
        std::future::pending(),
    ));
    for reads in [true, false] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(GET.as_bytes()).await.unwrap();
        stream.readable().await.unwrap();
        if !reads {
            server_is_done(&seen).await;
        }
        let mut all = Vec::new();
        let ended = stream.read_to_end(&mut all).await;
        assert_eq!(ended.is_ok(), reads, "{}", all.len());
        assert_eq!(all.len() > LENGTH, reads, "{}", all.len());
        server_is_done(&seen).await;
    }
}

async fn server_is_done(seen: &Seen) {
    let done = async {
        while seen.open.load(Ordering::SeqCst) != 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(10), done).await;
    done.expect("a connection is kept");
}
