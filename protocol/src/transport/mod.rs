//! Byte streams between the two sides: vsock on hardware, unix sockets in the simulator, and both
//! together where a virtual machine's vsock ends in a unix socket.
//!
//! [`Connect`] and [`Listen`] have one method each, so that a test can wrap a real transport and
//! make it slow, cut it, or reset it. [`Address`] is a connector, and [`Address::listen`] gives a
//! listener.

mod address;
#[cfg(any(test, feature = "test-support"))]
pub mod conformance;
mod hybrid;
mod listener;
#[cfg(any(test, feature = "test-support"))]
pub mod memory;
mod patient;
mod unix;

use std::{future::Future, io};

use tokio::io::{AsyncRead, AsyncWrite};

pub use address::{Address, ParseAddressError};
pub use listener::Listener;

/// What every transport's connection can do.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection.
pub type Stream = Box<dyn Io>;

/// Makes connections.
pub trait Connect: Send + Sync + 'static {
    /// A new connection.
    ///
    /// # Errors
    ///
    /// What the transport gives; the caller tries again.
    fn connect(&self) -> impl Future<Output = io::Result<Stream>> + Send;
}

/// Takes connections.
pub trait Listen: Send + 'static {
    /// The next connection. Cancel-safe.
    ///
    /// # Errors
    ///
    /// What the transport gives; the caller goes on listening after a pause.
    fn accept(&mut self) -> impl Future<Output = io::Result<Stream>> + Send;
}

#[cfg(test)]
mod tests;
