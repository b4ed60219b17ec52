//! What is kept for whom, and how much of it, over HTTP.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

mod ahead;
mod asking;
mod below;
mod bodies;
mod databases;
mod ended;
#[allow(dead_code)]
#[path = "../uploads/http.rs"]
mod http;
mod kept;
mod listing;
#[allow(dead_code)]
#[path = "../chains/tokens.rs"]
mod tokens;
mod unhosted;
mod values;
