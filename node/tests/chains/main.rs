//! What tokens rest on, and what they must pass.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

mod admission;
mod asking;
mod authority;
mod between;
mod bodies;
mod caveats;
mod databases;
mod delegating;
mod home;
mod interposed;
mod serving;
mod signed_urls;
mod tokens;
mod vectors;
