//! Peers that take much, little or nothing.

mod sockets;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::{sleep, timeout},
};

use super::*;

impl Peer for DuplexStream {
    fn acknowledged(&self) -> Option<u64> {
        None
    }

    fn reset(&self) {}

    fn leave(&self, _: Duration) {}
}

/// How much a peer gets of 256 KiB that takes so much every four seconds, and how it ends.
async fn taken(piece: usize) -> (usize, io::Result<()>) {
    let (here, mut there) = duplex(1024);
    let mut stream = Paced::new(here, Duration::from_secs(15));
    let writing = tokio::spawn(async move { stream.write_all(&[0; 256 * 1024]).await });
    let (mut all, mut buffer) = (0, vec![0; piece]);
    while !writing.is_finished() {
        sleep(Duration::from_secs(4)).await;
        let mut piece = buffer.as_mut_slice();
        while !piece.is_empty() {
            match there.read(piece).await {
                Ok(read @ 1..) => {
                    all += read;
                    piece = piece.get_mut(read..).unwrap_or_default();
                }
                _ => break,
            }
        }
    }
    (all, writing.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn h1_a_reader_that_takes_a_little_now_and_then_is_given_up() {
    let (taken_, ended) = taken(3000).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(taken_ < 32 * 1024, "{taken_}");
    let (_, ended) = taken(0).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

/// Patience does not add up: whoever took much is waited for no longer than others.
#[tokio::test(start_paused = true)]
async fn h1_a_reader_that_took_much_is_given_up_as_soon() {
    let (here, mut there) = duplex(1024);
    let patience = Duration::from_secs(15);
    let mut stream = Paced::new(here, patience);
    let reading = tokio::spawn(async move {
        let mut taken = vec![0; 1024 * 1024];
        there.read_exact(&mut taken).await.unwrap();
        there
    });
    stream.write_all(&[0; 1024 * 1024]).await.unwrap();
    let _there = reading.await.unwrap();
    for vectored in [false, true] {
        let began = Instant::now();
        let ended = loop {
            let pieces = [io::IoSlice::new(&[0; 512])];
            let writing = async {
                if vectored {
                    stream.write_vectored(&pieces).await
                } else {
                    stream.write(&[0; 512]).await
                }
            };
            if let Err(error) = timeout(3 * patience, writing).await.unwrap() {
                break error;
            }
        };
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() <= earned(patience) + LOOK);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_is_waited_for() {
    let (taken, ended) = taken(20 * 1024).await;
    ended.unwrap();
    assert!(taken > 200 * 1024, "{taken}");
}
