//! Who may do what: names, tokens and chains of the capabilities that TinyCloud grants.
//!
//! Everything here is a pure function of its arguments: no I/O, no clock.
//!
//! * [`siwe`]: the ERC-4361 message, parsed and printed byte for byte, and what merely looks like
//!   one.
//! * [`address`]: Ethereum addresses as text (EIP-55).
//! * [`did`]: principals: accounts, keys, and others.
//! * [`key`]: public keys as `did:key`.
//! * [`ability`], [`attenuation`]: what a token grants.
//! * [`resource`], [`caveat`]: on what, and how much of it.
//! * [`cid`]: the names of tokens.
//! * [`recap`]: what a sign-in grants beside the sign-in (ERC-5573).
//! * [`cacao`]: sign-ins signed by a wallet, as tokens (CAIP-74).
//! * [`ucan`]: UCAN 0.10 JWTs, read, verified and written.
//! * [`token`]: either of them, as a header carries it.
//! * [`chain`]: delegations, invocations and revocations, held to what they rest on.
//! * [`uri`]: RFC 3986 syntax checks.
//! * [`visible`]: what a person cannot see in a text; [`marks`]: marks that change what a person sees.
#![cfg_attr(
    test,
    // A test that fails by a panic says where; library code never panics.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod ability;
pub mod address;
pub mod attenuation;
pub mod cacao;
pub mod caveat;
pub mod chain;
pub mod cid;
pub mod did;
pub mod directions;
pub mod key;
pub mod marks;
pub mod recap;
pub mod resource;
pub mod siwe;
pub mod token;
pub mod ucan;
pub mod uri;
pub mod visible;
