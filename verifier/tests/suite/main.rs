//! `openkey-verify` and the library behind it, from outside: real processes, files and sockets.

// A test that cannot go on should stop where it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

/// Enclaves for tests: certificates and documents of hardware's shape.
#[path = "../../../attestation/tests/common/mod.rs"]
mod enclaves;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_openkey-verify");

mod account;
mod anchor;
mod code;
mod document;
mod evidence;
mod harness;
mod host;
mod nitro;
mod page;
mod policy;
mod release;
mod rough;
mod rules;
mod state;
mod strangers;
mod usage;
