//! Frames: what one write-and-read over a connection is.
//!
//! A frame is a 4-byte big-endian length followed by the deterministic CBOR of a [`Frame`]. Ends of
//! streams mean nothing: vsock cannot close one direction, so everything is told by length.
//!
//! Both sides begin with a [`Frame::Hello`]. After it the client sends [`Frame::Request`]s, as many
//! at once as the server allows, and the server answers each with one [`Frame::Reply`] or
//! [`Frame::Failure`] in any order. A failure with id 0 is about the connection, which ends.

mod codec;
mod deframer;
mod handshake;
mod reader;
mod writer;

use serde::{Deserialize, Serialize};

use crate::{
    cbor::{DecodeError, EncodeError, Limits},
    message::{Bytes, Class},
};

pub use deframer::Deframer;
pub(crate) use handshake::farewell;
pub use handshake::{MAX_VERSIONS, VERSIONS, handshake};
pub use reader::FrameReader;
pub use writer::{MAX_WRITE, write_frame};

/// Longest frame in bytes, without its length: a page of history with room to spare, small enough
/// that every connection may hold one.
pub const MAX_FRAME: usize = 1 << 20;

/// Longest body of a request or reply in bytes: a frame less its own fields.
pub const MAX_BODY: usize = MAX_FRAME - 128;

/// Bytes of the length in front of a frame.
pub const LENGTH_BYTES: usize = 4;

/// A frame has three levels and at most a dozen items; the body counts as one.
const LIMITS: Limits = Limits {
    bytes: MAX_FRAME,
    depth: 3,
    items: 64,
};

/// One frame.
// Fields stand in the order of their encoding, so that bodies are not moved to sort them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Frame {
    /// The first frame of each side.
    Hello {
        /// Versions of this protocol that the side speaks (1 to [`MAX_VERSIONS`]).
        versions: Vec<u16>,
    },
    /// A client asks.
    Request {
        /// Chosen by the client, from 1, never twice on one connection.
        id: u64,
        /// The encoded request; nothing here looks into it.
        body: Bytes,
        /// What the sender says it is.
        class: Class,
        /// How many milliseconds the client will wait.
        deadline_ms: u32,
    },
    /// The server answers.
    Reply {
        /// Of the request.
        id: u64,
        /// The encoded reply.
        body: Bytes,
    },
    /// The server has no answer, or gives up the connection (id 0).
    Failure {
        /// Of the request, or 0.
        id: u64,
        /// Why there is no answer.
        failure: Failure,
    },
}

/// Why a server has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// No room for this request or connection now; nothing was begun.
    #[error("the server has no room for more")]
    Busy,
    /// The server is stopping; nothing was begun.
    #[error("the server is stopping")]
    Stopping,
    /// The time ran out while the request was worked on; its effect is unknown.
    #[error("the server ran out of time")]
    Deadline,
    /// The answer does not fit a frame; the effect is there.
    #[error("the server's answer is too large")]
    TooLarge,
    /// The request's handler broke; its effect is unknown.
    #[error("the server failed")]
    Broken,
    /// The frame was not one, or not one a client sends; the connection ends.
    #[error("the server does not understand the frame")]
    Malformed,
    /// No common version; the connection ends.
    #[error("the server speaks no common version")]
    Unsupported,
}

/// A connection's frames cannot be read or written any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The peer announced more than [`MAX_FRAME`], or this side wanted to send more.
    #[error("a frame of {length} bytes, where {MAX_FRAME} are the most")]
    TooLarge {
        /// Announced bytes.
        length: usize,
    },
    /// The peer announced a frame of no bytes.
    #[error("the peer sent a frame of no bytes")]
    Empty,
    /// The peer's frame is not the deterministic CBOR of a [`Frame`].
    #[error("the peer's frame is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// This side's frame cannot be encoded.
    #[error("the frame cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
    /// The peer began a frame and did not finish it in time, or did not take one in time.
    #[error("the peer stalled in the middle of a frame")]
    Stalled,
    /// The peer closed the connection in the middle of a frame.
    #[error("the peer closed the connection in the middle of a frame")]
    Cut,
    /// The peer closed the connection before it said hello.
    #[error("the peer closed the connection before its hello")]
    Closed,
    /// The peer did not begin with a hello.
    #[error("the peer did not begin with a hello")]
    NoHello,
    /// The two sides have no version in common.
    #[error("no common protocol version: ours {ours:?}, the peer's {theirs:?}")]
    NoCommonVersion {
        /// What this side speaks.
        ours: Vec<u16>,
        /// What the peer speaks.
        theirs: Vec<u16>,
    },
    /// The server gave up the connection and said why.
    #[error("the peer refused the connection: {0}")]
    Refused(Failure),
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Io(std::io::ErrorKind),
}

impl From<std::io::Error> for FrameError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.kind())
    }
}

#[cfg(test)]
mod tests;
