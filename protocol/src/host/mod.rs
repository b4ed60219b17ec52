//! What the host does for an enclave beside carrying requests: it keeps records, hands over boot
//! files and credentials, and takes events.
//!
//! The enclave asks with a [`HostClient`], which is also a [`RecordStore`]; the host-proxy answers
//! with a [`HostHandler`] over its store and its [`HostServices`]. The host is trusted with nothing:
//! boot files are measured or hashed, records are sealed, and everything read here is checked for
//! its form only.

mod client;
mod handler;

use std::future::Future;

use crate::message::{AwsCredentials, BootFiles, EnclaveEvent};

#[cfg(doc)]
use crate::store::RecordStore;

pub use client::HostClient;
pub use handler::HostHandler;

/// What a host offers to one enclave beside the record store.
pub trait HostServices: Send + Sync + 'static {
    /// Everything the enclave needs to boot.
    ///
    /// # Errors
    ///
    /// A sentence for the log.
    fn boot_files(&self) -> impl Future<Output = Result<BootFiles, String>> + Send;

    /// AWS credentials that hold for some minutes.
    ///
    /// # Errors
    ///
    /// A sentence for the log.
    fn credentials(&self) -> impl Future<Output = Result<AwsCredentials, String>> + Send;

    /// Takes events; at most [`MAX_EVENTS`](crate::message::MAX_EVENTS). Must not block.
    fn events(&self, events: Vec<EnclaveEvent>);
}

/// The host did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// It cannot be reached, or broke off.
    #[error("the host cannot be reached: {0}")]
    Call(#[from] crate::client::CallError),
    /// It answered something that is no answer to this request.
    #[error("the host's answer is none: {0}")]
    Answer(&'static str),
    /// It says that it cannot.
    #[error("the host refused: {reason}")]
    Refused {
        /// The host's words: for its own log, not for an enclave's.
        reason: String,
    },
    /// The caller asked for too much at once.
    #[error("too much at once")]
    TooMuch,
}

#[cfg(test)]
mod tests;
