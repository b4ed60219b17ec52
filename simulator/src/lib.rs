//! A software NSM with its own CA, enclaves as processes, faults on demand.
//!
//! The library behind `openkey-sim`, and what end-to-end tests are written with:
//!
//! * [`nsm`] and [`ca`]: a simulated Nitro Secure Module whose documents have the hardware's shape,
//!   under a CA of its own, refused by every default policy;
//! * [`kms`]: a stand-in for AWS KMS that gives keys to attested recipients;
//! * [`fault`]: what can go wrong, seeded and repeatable;
//! * [`authenticator`]: a passkey device in software that misbehaves on demand;
//! * [`person`]: a person with such a device, a client that checks everything;
//! * [`load`]: many such people at once;
//! * [`records`]: somebody who writes host-proxy's database;
//! * [`simulation`]: the real program with all its processes, for tests;
//! * [`vm`]: the real image under QEMU in the place of an enclave's process;
//! * [`operators`]: the people around a deployment, played: operators and maintainers;
//! * [`dir`]: where a simulation keeps its state.
//!
//! Nothing here protects anything: the root key is a file.

// Tests say what they expect by failing.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod authenticator;
pub mod ca;
pub mod dir;
pub mod fault;
mod files;
mod kept;
pub mod kms;
pub mod load;
pub mod load_node;
pub mod nsm;
pub mod operators;
pub mod person;
pub mod process;
pub mod records;
pub mod simulation;
mod time;
pub mod up;
mod usage;
pub mod vm;

pub use usage::Usage;
