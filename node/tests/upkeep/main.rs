//! Backups of a node that writes, what a check finds, and what is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

mod copies;
mod damaged;
mod filled;
mod found;
#[allow(dead_code)]
#[path = "../chains/tokens.rs"]
mod tokens;
