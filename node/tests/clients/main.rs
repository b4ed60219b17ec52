//! Clients of a node that is a process of its own: ordinary ones that ask much, and others.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

mod checks;
mod exports;
mod framing;
mod large;
mod lists;
mod memory;
mod process;
mod rates;
mod slow;
#[allow(dead_code)]
#[path = "../chains/tokens.rs"]
mod tokens;
mod waiting;
