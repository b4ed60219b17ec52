//! Reads frames from a stream.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout_at},
};

use super::{Deframer, Frame, FrameError};

/// Reads frames from a stream. A peer may stay silent between frames, but a frame that has begun
/// must be complete within a given time, so that a slow sender cannot hold a place.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: R,
    deframer: Deframer,
    timeout: Duration,
    /// When the frame that is being read began.
    began: Option<Instant>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Room made for each read: memory grows with what arrived, never with what was announced.
    const STEP: usize = 16 * 1024;

    /// Reads from `stream`; a frame must be complete `timeout` after its first byte.
    pub fn new(stream: R, timeout: Duration) -> Self {
        Self {
            stream,
            deframer: Deframer::default(),
            timeout,
            began: None,
        }
    }

    /// The next frame; `None` if the peer closed the connection between two frames.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// What [`Deframer::next_frame`] refuses, [`FrameError::Stalled`], [`FrameError::Cut`] and
    /// [`FrameError::Io`]. After an error the stream cannot be read on.
    pub async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = self.deframer.next_frame()? {
                self.began = None;
                return Ok(Some(frame));
            }
            let partial = self.deframer.is_partial();
            let read = self.stream.read_buf(self.deframer.space(Self::STEP));
            let read = if partial {
                let began = *self.began.get_or_insert_with(Instant::now);
                timeout_at(began + self.timeout, read)
                    .await
                    .map_err(|_| FrameError::Stalled)??
            } else {
                read.await?
            };
            match (read, partial) {
                (0, false) => return Ok(None),
                (0, true) => return Err(FrameError::Cut),
                _ => {}
            }
        }
    }
}
