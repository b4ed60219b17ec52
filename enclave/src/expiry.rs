//! When an operator's order ends.
//!
//! A host carries orders, and can keep one back: an order that an operator believes lost must not take
//! effect much later.

use openkey_protocol::message::{Error, ErrorCode, MAX_ORDER_LIFETIME};

use crate::{
    errors::{refuse, refuse_because},
    platform::Platform,
};

/// Whether an order is taken now.
///
/// # Errors
///
/// [`ErrorCode::OrderExpired`]; [`ErrorCode::OperatorRefused`] if it expires too far ahead.
pub(crate) fn check(platform: &Platform, expires_at: u64) -> Result<(), Error> {
    // Where something ends, the later of the two clocks counts.
    if expires_at <= platform.clock.expiry_now() {
        return Err(refuse(ErrorCode::OrderExpired));
    }
    if expires_at > platform.now().saturating_add(MAX_ORDER_LIFETIME) {
        return Err(refuse_because(
            ErrorCode::OperatorRefused,
            "The order expires more than ten minutes ahead of the enclave's clock.",
        ));
    }
    Ok(())
}
