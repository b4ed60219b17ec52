//! What the servers share at their edges: none of it knows what is served.
//!
//! * [`sqlite`]: one SQLite database, one thread that writes, many writes in one sync.
//! * [`turnstile`]: processes that write one file take turns.
#![cfg_attr(
    test,
    // A test that fails by a panic says where; library code never panics.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod sqlite;
pub mod turnstile;
