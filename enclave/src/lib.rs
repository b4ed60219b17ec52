//! The trusted program: root key, sealed records, accounts, consent, signing.
//!
//! A library without sockets: [`boot()`] makes a [`Service`] from its parts (an NSM, root key
//! sources, a measured configuration, a record store, clocks). It answers protocol requests: while
//! the root key is awaited those of operators and verifiers, then as an [`Enclave`] all of them. Whoever runs it brings the transport. What decides is sans-IO: bytes and time in,
//! bytes and effects out.

// Tests may stop at the first surprise.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod account;
mod answer;
pub mod boot;
mod chain;
pub mod channel;
pub mod clock;
pub mod configuration;
mod entropy;
mod errors;
pub mod event;
mod expiry;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod hybrid;
mod identity;
pub mod nsm;
mod passkeys;
pub mod platform;
mod provision;
mod release;
pub mod root;
mod seal;
pub mod service;
mod sign;
mod traces;
mod versions;

pub use openkey_protocol::store;

pub use boot::{BootError, Parts, boot};
pub use configuration::{Configuration, ConfigurationError};
pub use platform::Platform;
pub use provision::Service;
pub use release::RELEASE_EPOCH;
pub use root::{RootKey, RootKeySource, SourceError};
pub use service::Enclave;
