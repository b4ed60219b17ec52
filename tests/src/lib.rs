//! End-to-end: attacks and scenarios against the running system.
//!
//! What the tests in `tests/tests` are written with, beside `openkey_simulator`: the programs as they
//! were built, a relay that changes what passes, a database writer, load to do harm under, and a look
//! into the memory of a process. Nothing here is part of the product.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may stop at once

pub mod database;
pub mod fork;
pub mod load;
pub mod memory;
pub mod relay;
pub mod template;

use std::path::PathBuf;
use std::process::{Command, Output};

use openkey_simulator::dir::RootKind;
use openkey_simulator::simulation::{Options, Simulation, SimulationError};

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

/// The image that the tests are to run on, if they are not to run on processes:
/// `OPENKEY_TEST_IMAGE`, a directory that `openkey-image build` made.
#[must_use]
pub fn image() -> Option<PathBuf> {
    std::env::var_os("OPENKEY_TEST_IMAGE").map(PathBuf::from)
}

/// The whole system in a directory of its own, with these options: processes with a development root
/// key, or virtual machines with [`image`] and the operators' root key.
///
/// # Panics
///
/// If it does not start.
#[must_use]
pub fn simulation(options: impl FnOnce(Options) -> Options) -> Simulation {
    match image() {
        Some(_) => provisioned(RootKind::Operators, options),
        None => start(options(Options::new(program("openkey-sim")))).unwrap(),
    }
}

/// The same with a root key that was provisioned, on processes or on [`image`].
///
/// # Panics
///
/// If it does not start.
#[must_use]
pub fn provisioned(root: RootKind, options: impl FnOnce(Options) -> Options) -> Simulation {
    let options = options(Options::new(program("openkey-sim")));
    let options = if options.has_dir() {
        options
    } else {
        options.template(template::of(root))
    };
    start(options).unwrap()
}

/// A deployment of somebody else: with a root key of its own.
///
/// # Panics
///
/// If it does not start.
#[must_use]
pub fn stranger() -> Simulation {
    let options = Options::new(program("openkey-sim"));
    let options = match image() {
        Some(image) => options.image(image),
        None => options,
    };
    start(options).unwrap()
}

/// Starts a simulation.
///
/// # Errors
///
/// What it said.
pub fn start(options: Options) -> Result<Simulation, SimulationError> {
    Simulation::start(options)
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
