//! Writes that wait for the kernel's memory.
//!
//! A vsock socket copies each packet into memory of the kernel. If the kernel has none to give at
//! the moment, `send` fails with ENOBUFS or ENOMEM, although the connection is as good as before:
//! most programs give it up, and so would the layers above. Nothing of the packet was sent, so it
//! is safe to try again.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// ENOBUFS, which the standard library has no name for (`asm-generic/errno.h`).
const ENOBUFS: i32 = 105;
/// The pause before a write is tried again. Whoever writes bounds how often: all do by a deadline.
const PAUSE: Duration = Duration::from_millis(5);

/// A stream whose writes wait until the kernel has memory for them.
pub(super) struct Patient<S> {
    stream: S,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            pause: None,
        }
    }
}

fn is_short_of_memory(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ENOBUFS) || error.kind() == io::ErrorKind::OutOfMemory
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, buffer)) {
                Err(error) if is_short_of_memory(&error) => {
                    self.pause = Some(Box::pin(sleep(PAUSE)));
                }
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        time::{Instant, timeout},
    };

    use super::*;
    use crate::frame::{Failure, FrameError, farewell, write_frame};

    /// A kernel that is short of memory for so many writes.
    struct Short<S>(S, u32, fn() -> io::Error);

    impl<S: AsyncWrite + Unpin> AsyncWrite for Short<S> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.1 > 0 {
                self.1 -= 1;
                return Poll::Ready(Err((self.2)()));
            }
            Pin::new(&mut self.0).poll_write(cx, buffer)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    fn no_buffers() -> io::Error {
        io::Error::from_raw_os_error(ENOBUFS)
    }

    fn no_memory() -> io::Error {
        io::ErrorKind::OutOfMemory.into()
    }

    fn reset() -> io::Error {
        io::ErrorKind::ConnectionReset.into()
    }

    #[tokio::test(start_paused = true)]
    async fn h2_a_write_waits_for_the_kernels_memory() {
        assert!(no_buffers().to_string().contains("No buffer space"));
        for error in [no_buffers, no_memory] {
            let (here, mut there) = duplex(1024);
            let mut patient = Patient::new(Short(here, 7, error));
            let began = Instant::now();
            patient.write_all(b"all of it").await.unwrap();
            assert_eq!(began.elapsed(), 7 * PAUSE);
            drop(patient);
            let mut all = Vec::new();
            there.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"all of it");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn h2_any_other_error_ends_the_write_and_waiting_has_an_end() {
        let (here, _there) = duplex(1024);
        let mut broken = Patient::new(Short(here, 1, reset));
        let error = broken.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

        let (here, _there) = duplex(1024);
        let mut never = Patient::new(Short(here, u32::MAX, no_buffers));
        let frame = farewell(Failure::Busy).encode().unwrap();
        let limit = Duration::from_secs(10);
        let written = timeout(2 * limit, write_frame(&mut never, &frame, limit));
        assert_eq!(written.await.unwrap(), Err(FrameError::Stalled));
    }
}
