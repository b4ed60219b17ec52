//! Deployments whose root key was provisioned: by operators, by KMS, by hand-over; waiting for it,
//! and attacks on it. On processes, or with `OPENKEY_TEST_IMAGE` on a real image.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may stop at once

mod channel;
mod configurations;
mod restarts;
mod waiting;

use openkey_protocol::message::{RootSource, Status};
use openkey_simulator::simulation::Simulation;

/// Where enclave `number` got its root key.
fn source(simulation: &Simulation, number: u8) -> Option<RootSource> {
    simulation.status(number).unwrap().root_source
}

/// What an enclave says about its sources.
fn explanations(status: &Status) -> String {
    let sources = status.root.sources.iter();
    let lines: Vec<String> = sources
        .map(|it| format!("{:?}: {}", it.source, it.explanation))
        .collect();
    lines.join("\n")
}
