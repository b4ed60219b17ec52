//! Connections that lose frames, hold them back, or break.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use openkey_protocol::frame::LENGTH_BYTES;
use openkey_protocol::transport::{Connect, Listen, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::{Board, Fault};

/// A listener whose connections have the faults `frame-slow`, `frame-drop` and `connection-reset`.
pub struct FaultyListener<L> {
    listener: L,
    board: Arc<Board>,
}

impl<L> FaultyListener<L> {
    /// Puts the board between a listener and whoever accepts.
    pub const fn new(listener: L, board: Arc<Board>) -> Self {
        Self { listener, board }
    }
}

impl<L: Listen> Listen for FaultyListener<L> {
    async fn accept(&mut self) -> io::Result<Stream> {
        let stream = self.listener.accept().await?;
        Ok(Box::new(FaultyStream::new(stream, Arc::clone(&self.board))))
    }
}

/// A connector whose connections have the same faults.
pub struct FaultyConnector<C> {
    connector: C,
    board: Arc<Board>,
}

impl<C> FaultyConnector<C> {
    /// Puts the board between a connector and whoever connects.
    pub const fn new(connector: C, board: Arc<Board>) -> Self {
        Self { connector, board }
    }
}

impl<C: Connect> Connect for FaultyConnector<C> {
    async fn connect(&self) -> io::Result<Stream> {
        let stream = self.connector.connect().await?;
        Ok(Box::new(FaultyStream::new(stream, Arc::clone(&self.board))))
    }
}

/// A connection with faults in what it sends: each frame is one opportunity for each of them.
pub struct FaultyStream {
    stream: Stream,
    board: Arc<Board>,
    sending: Sending,
    /// The length of a frame that passes, not yet handed on.
    held: Vec<u8>,
    wait: Option<Pin<Box<Sleep>>>,
}

/// Where in a frame the sender is.
enum Sending {
    Length(Vec<u8>),
    Body { left: usize, lost: bool },
    Broken,
}

impl FaultyStream {
    /// Puts the board between a connection and its user.
    #[must_use]
    pub fn new(stream: Stream, board: Arc<Board>) -> Self {
        Self {
            stream,
            board,
            sending: Sending::Length(Vec::new()),
            held: Vec::new(),
            wait: None,
        }
    }

    /// Decides what happens to a frame whose length is known.
    fn begin(&mut self, length: Vec<u8>) -> Sending {
        self.wait = self
            .board
            .delay(Fault::FrameSlow)
            .map(|delay| Box::pin(sleep(delay)));
        let lost = self.board.strikes(Fault::FrameDrop);
        let broken = self.board.strikes(Fault::ConnectionReset);
        let left = length
            .iter()
            .fold(0, |sum: usize, byte| (sum << 8) | usize::from(*byte));
        if !lost {
            self.held = length;
        }
        if broken {
            Sending::Broken
        } else {
            Sending::Body { left, lost }
        }
    }

    /// Waits out a delay, then hands on what is held.
    fn settle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn reset() -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionReset, "reset by a fault")
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if matches!(self.sending, Sending::Broken) {
            return Poll::Ready(Err(Self::reset()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.settle(cx))?;
        let this = &mut *self;
        match &mut this.sending {
            Sending::Length(length) => {
                let wanted = LENGTH_BYTES - length.len();
                let taken = bytes.get(..wanted.min(bytes.len())).unwrap_or_default();
                length.extend_from_slice(taken);
                if length.len() == LENGTH_BYTES {
                    let length = std::mem::take(length);
                    this.sending = this.begin(length);
                }
                Poll::Ready(Ok(taken.len()))
            }
            Sending::Body { left, lost } => {
                let part = bytes.get(..(*left).min(bytes.len())).unwrap_or_default();
                let written = if *lost {
                    part.len()
                } else {
                    ready!(Pin::new(&mut this.stream).poll_write(cx, part))?
                };
                *left -= written;
                if *left == 0 {
                    this.sending = Sending::Length(Vec::new());
                }
                Poll::Ready(Ok(written))
            }
            Sending::Broken => Poll::Ready(Err(Self::reset())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.settle(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.settle(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::fault::Faults;

    /// Sends frames with these bodies in odd pieces; what arrives, and how the sender ended.
    async fn send(fault: &str, bodies: &[&[u8]]) -> (Vec<u8>, io::Result<()>) {
        let mut faults = Faults::default();
        faults.set_text(fault).unwrap();
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let mut stream = FaultyStream::new(Box::new(near), Arc::new(Board::fixed(faults)));
        let mut result = Ok(());
        'sending: for body in bodies {
            let length = u32::try_from(body.len()).unwrap().to_be_bytes();
            for piece in [&length[..], body].concat().chunks(3) {
                result = stream.write_all(piece).await;
                if result.is_err() {
                    break 'sending;
                }
            }
            result = stream.flush().await;
        }
        drop(stream);
        let mut arrived = Vec::new();
        far.read_to_end(&mut arrived).await.unwrap();
        (arrived, result)
    }

    const FRAMES: [&[u8]; 3] = [b"one", b"a second frame", b"3"];
    const WHOLE: &[u8] = b"\0\0\0\x03one\0\0\0\x0ea second frame\0\0\0\x013";

    #[tokio::test]
    async fn nothing_changes_without_a_fault() {
        let (arrived, result) = send("frame-drop=0", &FRAMES).await;
        assert_eq!(arrived, WHOLE);
        assert!(result.is_ok());
    }

    #[tokio::test]
    async fn whole_frames_are_lost() {
        let (arrived, result) = send("frame-drop=always", &FRAMES).await;
        assert!(arrived.is_empty() && result.is_ok());
        let many = vec![&b"xy"[..]; 100];
        let (arrived, _) = send("frame-drop=0.5", &many).await;
        assert!(!arrived.is_empty() && arrived.len() < 600);
        assert!(arrived.chunks(6).all(|frame| frame == b"\0\0\0\x02xy"));
    }

    #[tokio::test]
    async fn a_reset_cuts_a_frame_after_its_length() {
        let (arrived, result) = send("connection-reset=always", &FRAMES).await;
        assert_eq!(arrived, b"\0\0\0\x03");
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_slow_frame_waits_and_the_next_one_is_whole() {
        let late = send("frame-slow=10m", &FRAMES);
        let patience = async {
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            _ = late => panic!("nothing was held back"),
            () = patience => {}
        }
        let (arrived, result) = send("frame-slow=1ms", &FRAMES).await;
        assert_eq!(arrived, WHOLE);
        assert!(result.is_ok());
    }
}
