//! A connection that ends with the evidence it rests on.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{io, sync::Arc};

use openkey_attestation::UnixMillis;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::Clock;

/// A stream on which nothing moves after an instant: reading and writing then fail with
/// [`io::ErrorKind::TimedOut`].
pub struct Expiring<S> {
    inner: S,
    until: UnixMillis,
    clock: Arc<dyn Clock>,
    /// Wakes whoever waits when the time has come.
    alarm: Pin<Box<Sleep>>,
}

impl<S> Expiring<S> {
    /// Ends the stream at `until` of this clock.
    pub fn new(inner: S, until: UnixMillis, clock: Arc<dyn Clock>) -> Self {
        let left = until.0.saturating_sub(clock.now().0);
        Self {
            inner,
            until,
            alarm: Box::pin(tokio::time::sleep(Duration::from_millis(left))),
            clock,
        }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // The clock decides: the timer stands still while a machine sleeps.
        if self.clock.now() > self.until || self.alarm.as_mut().poll(cx).is_ready() {
            let reason = "the channel's evidence has aged out";
            return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
        }
        Ok(())
    }
}

impl<S> fmt::Debug for Expiring<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expiring({:?})", self.until)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Expiring<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Expiring<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
