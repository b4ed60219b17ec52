//! `openkey` from outside: real processes, files and sockets, and an enclave that may lie.

// A test that cannot go on should stop where it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_openkey");

/// Enclaves for tests: certificates and documents of hardware's shape.
#[path = "../../../attestation/tests/common/mod.rs"]
mod enclaves;
/// Running a command, serving HTTP to it.
#[allow(dead_code, reason = "shared with the verifier's tests")]
#[path = "../../../verifier/tests/suite/harness.rs"]
mod harness;

mod advice;
mod announcements;
mod asked;
mod backup;
mod compared;
mod configuration;
mod deployment;
mod explain;
mod genesis;
mod keys;
mod orders;
mod outcomes;
mod page;
mod published;
mod reads;
mod release;
mod repeated;
mod share;
mod shown;
mod signed;
mod support;
mod terminal;
mod withdrawals;
