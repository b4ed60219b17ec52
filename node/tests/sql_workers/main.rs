//! Tenants' SQL over HTTP, at a node and its workers that are real processes: whoever makes them work
//! long, much or wrongly does so to nobody else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

mod alone;
mod confined;
mod ended;
mod fresh;
mod marked;
mod named;
mod process;
mod revoked;
mod shared;
mod together;
#[allow(dead_code)]
#[path = "../chains/tokens.rs"]
mod tokens;
mod turns;
