//! End-to-end: attacks and scenarios against the running system.
//!
//! What the tests in `tests/tests` are written with, beside `openkey_simulator`: the programs as they
//! were built, a relay that changes what passes, a database writer, and a look into the memory of a
//! process. Nothing here is part of the product.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may stop at once

pub mod database;
pub mod memory;
pub mod relay;

use std::path::PathBuf;
use std::process::{Command, Output};

use openkey_simulator::simulation::{Options, Simulation};

/// A program of this workspace, built beside the running test.
///
/// # Panics
///
/// If it was not built: `cargo test --workspace` does.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        program.exists(),
        "{} is not built: run `cargo build --workspace`",
        program.display()
    );
    program
}

/// The whole system in a directory of its own, with these options.
///
/// # Panics
///
/// If it does not start.
#[must_use]
pub fn simulation(options: impl FnOnce(Options) -> Options) -> Simulation {
    Simulation::start(options(Options::new(program("openkey-sim")))).unwrap()
}

/// Runs `openkey-verify`.
///
/// # Panics
///
/// If it cannot be started.
#[must_use]
pub fn verify(arguments: &[&str]) -> Output {
    Command::new(program("openkey-verify"))
        .args(arguments)
        .output()
        .unwrap()
}

/// What a program said on standard error.
#[must_use]
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
