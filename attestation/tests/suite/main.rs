//! The attestation crate from outside: threats, hardware's quirks, chains, real documents.
// Tests may stop at the first surprise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(any(feature = "aws-lc", feature = "pure"))]

#[path = "../common/mod.rs"]
mod common;

mod cache;
mod chain;
mod channel;
mod corpus;
mod f1_roots;
mod f2_f9_time_and_nonce;
mod f3_f4_f8_kinds;
mod f5_tampering;
mod f6_hardware;
mod policy;
mod properties;
mod real;
mod vectors;
