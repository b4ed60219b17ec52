//! Connections that the host makes for an enclave: to hosts of the measured configuration (egress)
//! and to other enclaves' channels (peers).
//!
//! A connection to the relay begins with one word from each side, a [`RelayRequest`] and a
//! [`RelayReply`]: two bytes of length, big-endian, and deterministic CBOR of at most
//! [`MAX_RELAY_WORD`] bytes. From then on it carries the other party's bytes as they are. Whoever
//! that is has to be found out by TLS inside: the host can connect anything to anything.

mod client;
mod word;

use std::{future::Future, io, pin::Pin};

use crate::{
    message::{MAX_RELAY_WORD, RelayReply, RelayRequest},
    transport::Stream,
};

pub use client::RelayClient;
pub use word::{RelayError, answer, request};

/// Opens connections through the host.
pub trait Relay: Send + Sync {
    /// A connection to what the request names.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ConnectionRefused`] if the host does not make it, or what the transport
    /// gives. The host's own words are not part of it: they are nobody's to rely on or to log.
    fn open<'a>(
        &'a self,
        request: &'a RelayRequest,
    ) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + 'a>>;
}

#[cfg(test)]
mod tests;
