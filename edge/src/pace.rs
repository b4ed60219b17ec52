//! Patience with peers, and a stream that gives up on a peer who takes too little, and keeps nothing for it.

mod acknowledged;

use std::{
    io,
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll, ready},
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

/// Of these, bytes that are not even under way. A peer of the least pace takes what is left of a whole
/// answer (Linux fills what it has begun, up to 64 KiB) before an idle connection ends.
const UNSENT: u32 = 16 * 1024;

/// How long a peer is waited for that has earned it: the system of one may have taken 128 KiB, and has room again
/// when that was read at the least pace, as Linux does.
const fn earned(patience: Duration) -> Duration {
    match patience.saturating_mul(8).checked_div(3) {
        Some(earned) => earned,
        None => patience,
    }
}

/// How much longer than its patience at the beginning the system waits for a peer after the connection was closed.
const AFTERWARDS: u32 = 4;

/// How often it is looked at what a slow peer has taken: the system tells by itself only when a third of
/// what it keeps is gone.
const LOOK: Duration = Duration::from_secs(1);
/// The first time after the end was written.
const FIRST_LOOK: Duration = Duration::from_millis(10);

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

    /// That much can be earned.
    #[must_use]
    pub const fn up_to(self, most: Duration) -> Self {
        Self { most, ..self }
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

/// A stream that can tell what its peer has taken, and whose connection can end without the system
/// keeping what the peer has not taken.
pub trait Peer {
    /// Bytes that the peer's system has acknowledged so far, and all there are once the connection is
    /// closed; `None` if this cannot be known.
    fn acknowledged(&self) -> Option<u64>;

    /// When the stream is dropped, the connection is reset.
    fn reset(&self);

    /// When the stream is dropped, the system waits so long for the peer.
    fn leave(&self, within: Duration);
}

impl Peer for TcpStream {
    fn acknowledged(&self) -> Option<u64> {
        acknowledged::by_peer_of(self)
    }

    fn reset(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "no SO_LINGER");
        }
    }

    /// Not before: Linux ends with it also the connections of peers who take a little at a time.
    fn leave(&self, within: Duration) {
        if let Err(error) = SockRef::from(self).set_tcp_user_timeout(Some(within)) {
            tracing::debug!(%error, "no TCP_USER_TIMEOUT");
        }
    }
}

/// An accepted connection that gives up on a peer who takes too little, has few bytes of its answers in the
/// system, and leaves none behind when it is given up.
#[must_use]
pub fn prepared(stream: TcpStream, patience: Duration) -> Paced<TcpStream> {
    keep_little(&stream);
    Paced::new(stream, patience)
}

fn keep_little(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    for (option, set) in [
        // answers are written whole; without this they would wait for acknowledgements
        ("TCP_NODELAY", socket.set_tcp_nodelay(true)),
        ("SO_SNDBUF", socket.set_send_buffer_size(UNREAD)),
        ("TCP_NOTSENT_LOWAT", socket.set_tcp_notsent_lowat(UNSENT)),
    ] {
        if let Err(error) = set {
            tracing::debug!(%error, option, "a connection is without it");
        }
    }
}

/// Waits for its peer, for so long in a row and no longer than what the peer takes is worth.
///
/// A peer has some patience. It shrinks while bytes wait for the peer, and grows again with each
/// byte that the peer's system acknowledges: whoever takes a little now and then runs out of it, too. The
/// end of the stream is written when all of it was acknowledged; a stream that is dropped while it waits is
/// reset.
pub struct Paced<S: Peer> {
    stream: S,
    patience: Patience,
    afterwards: Duration,
    /// Bytes that the system was given.
    written: u64,
    /// Bytes of these that were known as taken when it was last looked.
    taken: u64,
    /// When bytes began to wait, or when it was last looked.
    since: Option<Instant>,
    until: Pin<Box<Sleep>>,
    /// Until the next look, once the end was written.
    ending: Option<Duration>,
}

impl<S: Peer> Paced<S> {
    /// With that much patience, before the peer has earned more.
    #[must_use]
    pub fn new(stream: S, patience: Duration) -> Self {
        Self::with(stream, patience, PACE)
    }

    fn with(stream: S, patience: Duration, pace: NonZeroU32) -> Self {
        Self {
            stream,
            until: Box::pin(sleep_until(Instant::now() + patience)),
            patience: Patience::new(patience, pace).up_to(earned(patience)),
            afterwards: patience.saturating_mul(AFTERWARDS),
            written: 0,
            taken: 0,
            since: None,
            ending: None,
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
                self.written = self.written.saturating_add(written as u64);
                if let Some(since) = self.since.take() {
                    self.patience.spend(since.elapsed());
                    self.look();
                }
                Poll::Ready(Ok(written))
            }
            Poll::Pending => loop {
                ready!(self.wait(cx, LOOK))?;
            },
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }

    /// Accounts for what the peer has taken since the last look. Where the system does not tell, what it
    /// was given counts.
    fn look(&mut self) {
        let taken = self.stream.acknowledged().unwrap_or(self.written);
        let taken = taken.min(self.written);
        let more = taken.saturating_sub(self.taken);
        self.taken = self.taken.max(taken);
        self.patience
            .earn(usize::try_from(more).unwrap_or(usize::MAX));
    }

    /// Ready after the next look, or when the peer's patience has run out.
    fn wait(&mut self, cx: &mut Context<'_>, pause: Duration) -> Poll<io::Result<()>> {
        if let Some(since) = self.since {
            ready!(self.until.as_mut().poll(cx));
            self.patience.spend(since.elapsed());
        }
        self.look();
        if self.patience.left().is_zero() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let now = Instant::now();
        self.since = Some(now);
        let until = now + self.patience.left().min(pause);
        self.until.as_mut().reset(until);
        Poll::Ready(Ok(()))
    }

    fn is_taken(&self) -> bool {
        self.taken >= self.written
    }
}

impl<S: Peer> Drop for Paced<S> {
    fn drop(&mut self) {
        self.look();
        if self.is_taken() {
            return;
        }
        if self.since.is_some() {
            self.stream.reset();
        } else {
            self.stream.leave(self.afterwards);
        }
    }
}

impl<S: Peer> std::fmt::Debug for Paced<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Paced({:?})", self.patience)
    }
}

impl<S: AsyncRead + Peer + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Peer + Unpin> AsyncWrite for Paced<S> {
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

    /// The peer learns of the end with its last byte. Ready when it has taken that.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.since = None;
        }
        loop {
            self.look();
            if self.is_taken() {
                self.since = None;
                return Poll::Ready(Ok(()));
            }
            let pause = *self.ending.get_or_insert(FIRST_LOOK);
            ready!(self.wait(cx, pause))?;
            self.ending = Some((2 * pause).min(LOOK));
        }
    }
}

#[cfg(test)]
mod tests;
