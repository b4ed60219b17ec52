//! Nodes whose disk, files, clock or neighbours fail them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

mod clock;
mod damage;
mod disks;
mod forgetting;
mod kills;
mod locks;
mod process;
mod tmpfs;
#[allow(dead_code)]
#[path = "../chains/tokens.rs"]
mod tokens;
