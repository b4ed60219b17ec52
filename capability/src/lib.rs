//! Who may do what: identifiers of Ethereum accounts and strict Sign-In with Ethereum text.
//!
//! Everything here is a pure function of its arguments: no I/O, no clock.
//!
//! * [`siwe`]: the ERC-4361 message, parsed and printed byte for byte, and what merely looks like
//!   one.
//! * [`address`]: Ethereum addresses as text (ERC-55).
//! * [`did`]: principals: accounts, keys, and others.
//! * [`key`]: public keys as `did:key`.
//! * [`ability`], [`attenuation`]: what a token grants.
//! * [`resource`], [`caveat`]: on what, and how much of it.
//! * [`cid`]: the names of tokens.
//! * [`ucan`]: UCAN 0.10 JWTs, read, verified and written.
//! * [`chain`]: delegations, invocations and revocations, held to what they rest on.
//! * [`uri`]: RFC 3986 syntax checks.
#![cfg_attr(
    test,
    // A test that fails by a panic says where; library code never panics.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod ability;
pub mod address;
pub mod attenuation;
pub mod caveat;
pub mod chain;
pub mod cid;
pub mod did;
pub mod key;
pub mod resource;
pub mod siwe;
pub mod ucan;
pub mod uri;
