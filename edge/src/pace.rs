//! Patience with peers, and a stream that gives up on a peer who takes too little, and keeps nothing for it.

use std::{
    io,
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// Bytes in a second that a peer must take while something waits for it. Slower than any line that
/// can show the page.
const PACE: NonZeroU32 = NonZeroU32::new(4 * 1024).unwrap();

/// Bytes that the system may keep for a peer who has not taken them; Linux takes twice as much memory. By
/// itself it would keep megabytes. Enough for 1 MB in a second at a distance of 128 ms.
pub const UNREAD: usize = 128 * 1024;

/// How much longer than its connection's patience the system waits for a peer to take what it keeps: also
/// after the connection was closed.
const AFTERWARDS: u32 = 2;

/// How long a peer is waited for: so long in a row, and no longer than what comes of it is worth. It
/// shrinks while one waits, and grows again with each byte.
#[derive(Clone, Debug)]
pub struct Patience {
    most: Duration,
    left: Duration,
    /// Bytes that are worth a second.
    pace: u32,
}

impl Patience {
    /// That much at most, and now; so many bytes earn a second.
    #[must_use]
    pub const fn new(most: Duration, pace: NonZeroU32) -> Self {
        Self {
            most,
            left: most,
            pace: pace.get(),
        }
    }

    /// How long the peer may be waited for from now on.
    #[must_use]
    pub const fn left(&self) -> Duration {
        self.left
    }

    /// The peer was waited for.
    pub const fn spend(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
    }

    /// So many bytes came of it.
    pub fn earn(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * bytes / self.pace;
        self.left = self.left.saturating_add(earned).min(self.most);
    }
}

/// A stream whose connection can end without the system keeping what the peer has not taken.
pub trait Reset {
    /// When the stream is dropped, the connection is reset.
    fn reset(&self);
}

impl Reset for TcpStream {
    fn reset(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "no SO_LINGER");
        }
    }
}

/// An accepted connection that gives up on a peer who takes too little, has few bytes of its answers in the
/// system, and leaves none behind when it is given up.
#[must_use]
pub fn prepared(stream: TcpStream, patience: Duration) -> Paced<TcpStream> {
    let socket = SockRef::from(&stream);
    for (option, set) in [
        // answers are written whole; without this they would wait for acknowledgements
        ("TCP_NODELAY", socket.set_tcp_nodelay(true)),
        ("SO_SNDBUF", socket.set_send_buffer_size(UNREAD)),
        (
            "TCP_USER_TIMEOUT",
            socket.set_tcp_user_timeout(Some(patience.saturating_mul(AFTERWARDS))),
        ),
    ] {
        if let Err(error) = set {
            tracing::debug!(%error, option, "a connection is without it");
        }
    }
    Paced::new(stream, patience)
}

/// Waits for its peer, for so long in a row and no longer than what the peer takes is worth.
///
/// A peer has some patience. It shrinks while bytes wait for the peer, and grows again with each
/// byte that the peer takes: whoever takes a little now and then runs out of it, too. A connection that is
/// dropped while bytes wait for the peer is reset.
pub struct Paced<S: Reset> {
    stream: S,
    patience: Patience,
    /// When bytes began to wait.
    since: Option<Instant>,
    until: Pin<Box<Sleep>>,
}

impl<S: Reset> Paced<S> {
    /// With that much patience.
    #[must_use]
    pub fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience: Patience::new(patience, PACE),
            since: None,
            until: Box::pin(sleep_until(Instant::now() + patience)),
        }
    }

    /// Accounts for what a write came to.
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(written)) => {
                if let Some(since) = self.since.take() {
                    self.patience.spend(since.elapsed());
                }
                self.patience.earn(written);
                Poll::Ready(Ok(written))
            }
            Poll::Pending => {
                if self.since.is_none() {
                    let now = Instant::now();
                    let until = now + self.patience.left();
                    self.since = Some(now);
                    self.until.as_mut().reset(until);
                }
                let until = self.until.as_mut();
                until.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl<S: Reset> Drop for Paced<S> {
    fn drop(&mut self) {
        if self.since.is_some() {
            self.stream.reset();
        }
    }
}

impl<S: Reset> std::fmt::Debug for Paced<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Paced({:?})", self.patience)
    }
}

impl<S: AsyncRead + Reset + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Reset + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::{sleep, timeout},
    };

    use super::*;

    impl Reset for DuplexStream {
        fn reset(&self) {}
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
                if let Err(error) = timeout(2 * patience, writing).await.unwrap() {
                    break error;
                }
            };
            assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
            assert!(began.elapsed() <= patience + Duration::from_secs(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_is_waited_for() {
        let (taken, ended) = taken(20 * 1024).await;
        ended.unwrap();
        assert!(taken > 200 * 1024, "{taken}");
    }
}
