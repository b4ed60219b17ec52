//! Answers that nobody reads.

use super::*;

/// A body without end that counts what was taken of it.
#[derive(Default)]
struct Endless(Option<Arc<AtomicUsize>>);

impl Body for Endless {
    type Data = hyper::body::Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Infallible>>> {
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
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
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
