//! Who may do what: identifiers of Ethereum accounts and strict Sign-In with Ethereum text.
//!
//! Everything here is a pure function of its arguments: no I/O, no clock.
//!
//! * [`siwe`]: the ERC-4361 message, parsed and printed byte for byte, and what merely looks like
//!   one.
//! * [`address`]: Ethereum addresses as text (ERC-55).
//! * [`did`]: `did:pkh` names of Ethereum accounts.
//! * [`key`]: public keys as `did:key`.
//! * [`ability`], [`attenuation`]: what a token grants.
//! * [`cid`]: the names of tokens.
//! * [`recap`]: what a sign-in grants beside the sign-in (ERC-5573).
//! * [`cacao`]: sign-ins signed by a wallet, as tokens (CAIP-74).
//! * [`uri`]: RFC 3986 syntax checks.
#![cfg_attr(
    test,
    // A test that fails by a panic says where; library code never panics.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod ability;
pub mod address;
pub mod attenuation;
pub mod cacao;
pub mod cid;
pub mod did;
pub mod key;
pub mod recap;
pub mod siwe;
pub mod uri;
