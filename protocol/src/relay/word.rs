//! The two words.

use std::{io, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{MAX_RELAY_WORD, RelayReply, RelayRequest};
use crate::cbor::{self, DecodeError, EncodeError, Limits};

/// Bytes of the length in front of a word.
const LENGTH_BYTES: usize = 2;

/// A word is a map of a map of texts and numbers.
const LIMITS: Limits = Limits {
    bytes: MAX_RELAY_WORD,
    depth: 3,
    items: 16,
};

/// A word could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The peer announced no byte or more than [`MAX_RELAY_WORD`], or this side wanted to.
    #[error("a word of {0} bytes, where 1 to {MAX_RELAY_WORD} are allowed")]
    Length(usize),
    /// The peer's bytes are not the word that must come.
    #[error("the peer's word is none: {0}")]
    Malformed(#[from] DecodeError),
    /// This side's word cannot be encoded.
    #[error("the word cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
    /// The peer did not say or take the word in time.
    #[error("the peer stalled")]
    Stalled,
    /// The transport failed, or ended in the middle.
    #[error("the transport failed: {0}")]
    Io(#[from] io::Error),
}

/// Reads the request with which a connection begins, and not a byte more.
///
/// # Errors
///
/// [`RelayError`]; the connection is of no more use.
pub async fn request<R: AsyncRead + Unpin>(
    stream: &mut R,
    limit: Duration,
) -> Result<RelayRequest, RelayError> {
    read(stream, limit).await
}

/// Answers it.
///
/// # Errors
///
/// [`RelayError`]; the connection is of no more use.
pub async fn answer<W: AsyncWrite + Unpin>(
    stream: &mut W,
    reply: &RelayReply,
    limit: Duration,
) -> Result<(), RelayError> {
    write(stream, reply, limit).await
}

/// Reads a word. Nothing is allocated before its length is known to be small.
pub(super) async fn read<T, R>(stream: &mut R, limit: Duration) -> Result<T, RelayError>
where
    T: DeserializeOwned + Serialize,
    R: AsyncRead + Unpin,
{
    let read = async {
        let length = usize::from(stream.read_u16().await?);
        if length == 0 || length > MAX_RELAY_WORD {
            return Err(RelayError::Length(length));
        }
        let mut word = vec![0; length];
        stream.read_exact(&mut word).await?;
        Ok(cbor::decode_within(&word, &LIMITS)?)
    };
    timeout(limit, read)
        .await
        .map_err(|_| RelayError::Stalled)?
}

/// Writes a word.
pub(super) async fn write<T, W>(stream: &mut W, word: &T, limit: Duration) -> Result<(), RelayError>
where
    T: Serialize,
    W: AsyncWrite + Unpin,
{
    let word = cbor::encode(word)?;
    let length = u16::try_from(word.len()).unwrap_or(u16::MAX);
    if word.len() > MAX_RELAY_WORD {
        return Err(RelayError::Length(word.len()));
    }
    let mut framed = Vec::with_capacity(LENGTH_BYTES + word.len());
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&word);
    let written = async {
        stream.write_all(&framed).await?;
        stream.flush().await
    };
    timeout(limit, written)
        .await
        .map_err(|_| RelayError::Stalled)??;
    Ok(())
}
