//! Large values on their way over HTTP: what is refused is refused before it is read, and leaves nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

mod counting;
mod http;
mod killed;
mod leaving;
mod refusing;
mod timing;
#[allow(dead_code)]
#[path = "../chains/tokens.rs"]
mod tokens;
