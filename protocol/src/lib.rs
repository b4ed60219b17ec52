//! What crosses the enclave boundary.
//!
//! Three layers, each usable without the next:
//!
//! * [`message`]: typed requests, replies and the statements an enclave signs;
//! * [`cbor`]: their bytes, deterministic CBOR (RFC 8949 §4.2.1) read by a strict, bounded decoder;
//! * `frame`, `transport`, `client`, `server`, `store`, `host` and `relay` (feature `transport`):
//!   length-prefixed frames over vsock or unix sockets, many requests in flight, the host's record
//!   store and other services, and the connections it makes for an enclave.
//!
//! Beside them `channel` (feature `channel`): what certificates of the attested channel carry.
//!
//! The crate holds no authority and makes no decision: whoever reads these bytes must check them.

// Tests may fail by panicking; nothing else may.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod cbor;
#[cfg(any(test, feature = "channel"))]
pub mod channel;
#[cfg(feature = "transport")]
pub mod client;
#[cfg(feature = "transport")]
pub mod frame;
#[cfg(feature = "transport")]
pub mod host;
pub mod message;
#[cfg(feature = "transport")]
pub mod relay;
#[cfg(feature = "transport")]
pub mod server;
#[cfg(feature = "transport")]
pub mod store;
#[cfg(feature = "transport")]
pub mod transport;
