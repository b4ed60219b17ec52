//! The trusted program: root key, sealed records, accounts, consent, signing.
//!
//! A library without sockets: [`boot()`] makes an [`Enclave`] from its parts (an NSM, a root key
//! source, a measured configuration, a record store, clocks), and the [`Enclave`] answers protocol
//! requests. Whoever runs it brings the transport. What decides is sans-IO: bytes and time in,
//! bytes and effects out.

// Tests may stop at the first surprise.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod account;
pub mod boot;
pub mod clock;
pub mod configuration;
pub mod consent;
mod entropy;
mod errors;
pub mod event;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
pub mod nsm;
mod passkeys;
pub mod root;
mod seal;
pub mod service;
mod sign;
mod versions;

pub use openkey_protocol::store;

pub use boot::{BootError, Parts, boot};
pub use configuration::{Configuration, ConfigurationError};
pub use root::{Root, RootKey, RootKeyError, RootKeySource};
pub use service::Enclave;
