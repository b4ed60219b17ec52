//! The TinyCloud node: spaces, delegations, invocations, KV and SQL.
//!
//! A request goes from the edge inwards: [`server`] takes it, `routes` finds its endpoint,
//! [`admission`] and [`authority`] hold its token to what it rests on, and one of the services does
//! what it says.
//!
//! * [`allowance`]: memory for what is read from the store, before it is.
//! * [`allowed`]: what was granted, for whoever says which caveats it keeps to.
//! * [`delegation`]: delegations accepted, revoked, asked after.
//! * [`invoke`]: invocations, of [`kv`] (values), [`databases`] over [`sql`], and [`spaces`].
//! * [`signed`], [`public`]: values without a token.
//! * [`mod@admin`] keeps quotas.
//! * [`store`], [`blobs`]: what is kept, behind traits.
//! * [`upkeep`]: check, backup, restore.
//! * [`node`], [`config`], [`keys`], [`clock`] and [`kept_time`], [`disk`]: what a node is made of.
#![cfg_attr(
    test,
    // A test that fails by a panic says where; library code never panics.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod admin;
pub mod admission;
pub mod allowance;
pub mod allowed;
mod asking;
pub mod authority;
mod beginning;
pub mod blobs;
pub mod body;
mod bound_body;
pub mod clock;
pub mod config;
mod cors;
mod counting;
pub mod databases;
pub mod delegation;
mod digest;
pub mod disk;
pub mod error;
mod exports;
mod facts;
mod held;
pub mod invoke;
pub mod kept_time;
pub mod keys;
pub mod kv;
mod metrics;
pub mod node;
mod paced;
pub mod public;
mod rates;
mod readiness;
mod routes;
pub mod server;
pub mod signed;
pub mod signs;
pub mod spaces;
pub mod sql;
pub mod standing;
pub mod store;
mod turns;
pub mod upkeep;
