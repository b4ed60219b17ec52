//! Attacks on the running system, each named after its line in `docs/threats.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may stop at once

mod answers;
mod approvals;
mod dangers;
mod evidence;
mod possession;
mod process;
mod readings;
mod records;
mod relays;
mod requesters;
mod strangers;

use openkey_protocol::message::ErrorCode;
use openkey_simulator::person::PersonError;

/// The enclave's refusal of something that must be refused.
fn refusal<T>(result: Result<T, PersonError>) -> ErrorCode {
    match result {
        Ok(_) => panic!("this must be refused"),
        Err(error) => error
            .refusal()
            .unwrap_or_else(|| panic!("not the enclave's: {error:?}")),
    }
}
