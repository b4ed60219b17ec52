//! The host-proxy over real sockets: what it carries, refuses, bounds and serves.
// a test that meets the unexpected should stop right there
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod carry;
mod channel;
mod documents;
mod fair;
mod lines;
mod own;
mod page;
mod rates;
mod services;
mod slow;
mod smuggling;
mod stop;
mod store;
mod support;
