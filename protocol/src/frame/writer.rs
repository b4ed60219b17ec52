//! Writes frames to a stream.

use std::time::Duration;

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::FrameError;

/// Most bytes of one write call: some kernels corrupt or stall vsock packets beyond 32 KiB.
pub const MAX_WRITE: usize = 31 * 1024;

/// Writes encoded frames, at most [`MAX_WRITE`] bytes at a time.
///
/// # Errors
///
/// [`FrameError::Stalled`] if the peer does not take them within `limit`, and [`FrameError::Io`].
/// After an error, or if the future was dropped, the stream cannot be written on.
pub async fn write_frame<W: AsyncWrite + Unpin>(
    stream: &mut W,
    framed: &[u8],
    limit: Duration,
) -> Result<(), FrameError> {
    let write = async {
        for piece in framed.chunks(MAX_WRITE) {
            stream.write_all(piece).await?;
        }
        stream.flush().await
    };
    timeout(limit, write)
        .await
        .map_err(|_| FrameError::Stalled)?
        .map_err(FrameError::from)
}
