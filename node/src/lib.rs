//! The TinyCloud node: spaces, delegations, invocations, KV and SQL.
//!
//! A request goes from the edge inwards: [`server`] takes it, `routes` finds its endpoint,
//! [`admission`] and [`authority`] hold its token to what it rests on, and one of the services does
//! what it says.
//!
//! * [`delegation`]: delegations accepted, revoked, asked after.
//! * [`invoke`]: invocations, of [`kv`] (values), [`databases`] over [`sql`], and [`spaces`].
//! * [`signed`], [`public`]: values without a token.
//! * [`mod@admin`] keeps quotas.
//! * [`store`], [`blobs`]: what is kept, behind traits.
//! * [`upkeep`]: check, backup, restore.
//! * [`node`], [`config`], [`keys`], [`clock`]: what a node is made of.
#![cfg_attr(
    test,
    // A test that fails by a panic says where; library code never panics.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod admin;
pub mod admission;
mod asking;
pub mod authority;
pub mod blobs;
pub mod body;
mod bound_body;
pub mod clock;
pub mod config;
mod cors;
pub mod databases;
pub mod delegation;
mod digest;
pub mod error;
mod facts;
mod held;
pub mod invoke;
pub mod keys;
pub mod kv;
mod metrics;
pub mod node;
mod paced;
pub mod public;
mod rates;
mod routes;
pub mod server;
pub mod signed;
pub mod spaces;
pub mod sql;
pub mod store;
mod turns;
pub mod upkeep;
