//! The TinyCloud node: spaces, delegations, invocations, KV and SQL.
//!
//! * [`sql`]: databases of a space's owner, and what may be done in them.
#![cfg_attr(
    test,
    // A test that fails by a panic says where; library code never panics.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod sql;
