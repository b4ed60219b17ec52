//! The same over TCP as over a network: segments of 1460 bytes, and the buffers that systems have.

use std::io::{ErrorKind, Read as _};

use tokio::net::{TcpListener, TcpSocket};

use super::*;

/// A fifth of the patience that ships, and five times the pace: a peer of this pace goes as far with it.
const PATIENCE: Duration = Duration::from_secs(3);
const QUICK: NonZeroU32 = NonZeroU32::new(5 * PACE.get()).unwrap();

/// A client with so large a buffer (`None`: the system's), and the stream that it is written to.
async fn pair(buffer: Option<u32>) -> (TcpStream, Paced<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(buffer) = buffer {
        socket.set_recv_buffer_size(buffer).unwrap();
    }
    SockRef::from(&socket).set_tcp_mss(1460).unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(socket.connect(address), listener.accept());
    let stream = accepted.unwrap().0;
    keep_little(&stream);
    (client.unwrap(), Paced::with(stream, PATIENCE, QUICK))
}

/// How much arrives if so many bytes are taken in a second, a little at a time.
async fn take(mut client: TcpStream, pace: u32) -> usize {
    let (began, mut taken, mut piece) = (Instant::now(), 0, [0; 2048]);
    loop {
        let due = began.elapsed().mul_f64(f64::from(pace)).as_secs_f64() as usize;
        let most = due.saturating_sub(taken).min(piece.len());
        if most < 256 {
            sleep(Duration::from_millis(10)).await;
            continue;
        }
        match client.read(&mut piece[..most]).await {
            Ok(read @ 1..) => taken += read,
            _ => return taken,
        }
    }
}

#[tokio::test]
async fn h1_a_reader_of_the_least_pace_gets_everything() {
    const ALL: usize = 320 * 1024;
    let one = async |buffer| {
        let (client, mut stream) = pair(buffer).await;
        let writing = async move {
            stream.write_all(&vec![0; ALL]).await?;
            stream.shutdown().await
        };
        let (written, taken) = tokio::join!(writing, take(client, QUICK.get() * 11 / 10));
        assert_eq!(
            (written.map_err(|e| e.kind()), taken),
            (Ok(()), ALL),
            "{buffer:?}"
        );
    };
    tokio::join!(one(None), one(Some(16 * 1024)), one(Some(4 * 1024)));
}

/// Slower than the pace, and not at all.
#[tokio::test]
async fn h1_a_reader_of_less_than_the_least_pace_is_given_up() {
    let one = async |pace: u32| {
        let began = Instant::now();
        let (client, mut stream) = pair(Some(4 * 1024)).await;
        let content = vec![0; 1024 * 1024];
        let ended = tokio::select! {
            ended = stream.write_all(&content) => ended,
            taken = take(client, pace) => panic!("{taken} were taken"),
        };
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::TimedOut);
        began.elapsed()
    };
    let (none, some) = tokio::join!(one(0), one(QUICK.get() / 2));
    assert!((PATIENCE..PATIENCE + 2 * LOOK).contains(&none), "{none:?}");
    assert!(some < 4 * PATIENCE, "{some:?}");
}

/// What the system keeps for a reader that takes nothing is little, and is gone with the stream, also if all
/// was written.
#[tokio::test]
async fn h1_an_end_that_nobody_reads_is_waited_for_and_leaves_nothing() {
    let (client, mut stream) = pair(Some(4 * 1024)).await;
    stream.write_all(&[0; 12 * 1024]).await.unwrap();
    let began = Instant::now();
    let ended = stream.shutdown().await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::TimedOut);
    assert!((PATIENCE..PATIENCE + 2 * LOOK).contains(&began.elapsed()));
    drop(stream);
    let mut client = client.into_std().unwrap();
    client.set_nonblocking(false).unwrap();
    let ended = client.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::ConnectionReset);
}

/// One that leaves is not waited for.
#[tokio::test]
async fn an_end_is_written_at_once_to_whoever_reads_or_has_left() {
    for leaves in [false, true] {
        let (mut client, mut stream) = pair(Some(4 * 1024)).await;
        let began = Instant::now();
        stream.write_all(&[0; 12 * 1024]).await.unwrap();
        let reading = async {
            if leaves {
                client.reset();
                drop(client);
            } else {
                let mut all = Vec::new();
                client.read_to_end(&mut all).await.unwrap();
                assert_eq!(all.len(), 12 * 1024);
            }
        };
        let (ended, ()) = tokio::join!(stream.shutdown(), reading);
        assert!(leaves || ended.is_ok());
        assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    }
}
