//! The first frame of each side.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{Failure, Frame, FrameError, FrameReader, write_frame};

/// The versions of this protocol that this program speaks.
pub const VERSIONS: &[u16] = &[1];

/// Most versions in a hello: more would be no program's.
pub const MAX_VERSIONS: usize = 16;

/// Says hello, hears the peer's, and returns the highest version both speak.
///
/// # Errors
///
/// [`FrameError::NoCommonVersion`], [`FrameError::NoHello`], [`FrameError::Closed`],
/// [`FrameError::Refused`], [`FrameError::Stalled`] after `limit`, or what reading and writing
/// gives.
pub async fn handshake<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    reader: &mut FrameReader<R>,
    writer: &mut W,
    versions: &[u16],
    limit: Duration,
) -> Result<u16, FrameError> {
    let hello = Frame::Hello {
        versions: versions.to_vec(),
    };
    // Both sides write first: a hello always fits the transport's buffers.
    write_frame(writer, &hello.encode()?, limit).await?;
    let heard = timeout(limit, reader.next())
        .await
        .map_err(|_| FrameError::Stalled)??;
    match heard {
        Some(Frame::Hello { versions: theirs }) if theirs.len() <= MAX_VERSIONS => {
            let common = theirs.iter().filter(|v| versions.contains(v)).max();
            common.copied().ok_or_else(|| FrameError::NoCommonVersion {
                ours: versions.to_vec(),
                theirs,
            })
        }
        Some(Frame::Failure { id: 0, failure }) => Err(FrameError::Refused(failure)),
        Some(_) => Err(FrameError::NoHello),
        None => Err(FrameError::Closed),
    }
}

/// The frame that ends a connection, and why.
pub(crate) const fn farewell(failure: Failure) -> Frame {
    Frame::Failure { id: 0, failure }
}
