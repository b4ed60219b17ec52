//! For clients: everything a careful person or program checks about an OpenKey enclave.
//!
//! * [`evidence`]: an attestation document, the policy it is held to, and the identity key it binds;
//! * [`answer`]: what that key signs, compared with what the client asked and knows; with the rules
//!   of [`prompt`], [`head`] and [`history`], and [`receipt`] for what people keep;
//! * [`account`]: the receipt file that a page saves;
//! * [`release`]: manifests that n of m maintainers signed; [`configuration`]: register 16;
//! * [`successors`]: which images wait for the root key;
//! * [`policy`]: policies that name releases and a configuration; [`epochs`]: what was seen before;
//! * [`anchor`]: whose releases a page believes, and what a browser remembers of them;
//! * [`page`]: the page that is served against the page that was released;
//! * `channel` (feature `channel`): attested TLS, whose certificates carry evidence;
//! * `client` and `command` (feature `client`): the protocol over HTTP, and what commands have in
//!   common. These and `channel` are the only parts with I/O.
//!
//! Checking is pure: bytes, policy, nonce and time go in, a verdict comes out. The same code runs
//! natively, in `openkey-verify` and, compiled to WebAssembly, in the page.
//!
//! A statement is only as good as the evidence under it: [`statement::IdentityKey`] comes out of
//! [`evidence::Fresh`], or the caller says in so many words that it did earlier.

#![cfg_attr(
    test,
    // A test that cannot go on should stop where it is.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod account;
pub mod anchor;
pub mod answer;
#[cfg(feature = "channel")]
pub mod channel;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod command;
pub mod configuration;
pub mod encoding;
pub mod epochs;
pub mod evidence;
pub mod head;
pub mod history;
pub mod page;
pub mod policy;
pub mod prompt;
pub mod receipt;
pub mod release;
pub mod statement;
pub mod successors;
pub mod view;

pub use openkey_attestation as attestation;
pub use openkey_protocol as protocol;
