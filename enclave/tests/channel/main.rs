//! Channels and the hand-over that goes over them: enclaves with a software NSM whose documents
//! are properly signed, over connections in memory.

// Tests may stop at the first surprise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

/// Certificates and documents of hardware's shape.
#[path = "../../../attestation/tests/common/mod.rs"]
mod enclaves;

mod deployment;
mod evidence;
mod hand_over;
mod nsm;
mod places;
mod resumption;
mod withdrawals;
