//! Attacks on an enclave through its requests and its store. Each test is named for the line of the
//! threat list or of the acceptance scenarios that it mounts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod announcements;
mod answers;
mod boot;
mod consent;
mod crash;
mod effort;
mod expiry;
mod forks;
mod genesis;
mod grants;
mod kept_back;
mod late;
mod measuring;
mod memory;
mod passkeys;
mod possession;
mod proof;
mod requests;
mod rollback;
mod secrets;
mod shares;
mod store;
mod strangers;
mod unproven;
mod upgrades;
