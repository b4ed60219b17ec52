//! Orders that operators sign: secrets, consents to successors, withdrawals of successors.

use ed25519_dalek::{Signature, VerifyingKey};
use openkey_protocol::{
    message::{Error, ErrorCode, Order, Signed},
    store::RecordStore,
};

use super::Enclave;
use crate::{
    errors::{refuse, refuse_because},
    expiry,
};

impl<S: RecordStore> Enclave<S> {
    /// Reads an order after its signature, which must be by the operator at that place of the
    /// measured configuration, and before it expires.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::OperatorRefused`], [`ErrorCode::Malformed`], [`ErrorCode::OrderExpired`].
    pub(super) fn ordered<T: Order>(&self, operator: u32, order: &Signed<T>) -> Result<T, Error> {
        let operators = self.platform.configuration().operators();
        let keys = operators
            .and_then(|operators| operators.get(operator))
            .ok_or_else(|| refused("There is no such operator."))?;
        let signature = Signature::from_slice(order.signature.as_slice()).ok();
        let key = VerifyingKey::from_bytes(&keys.signing.0).ok();
        let input = Signed::<T>::input(order.body.as_slice());
        let good = key
            .zip(signature)
            .is_some_and(|(key, signature)| key.verify_strict(&input, &signature).is_ok());
        if !good {
            return Err(refused("The order is not signed by that operator."));
        }
        let order = order
            .unverified()
            .map_err(|_| refuse(ErrorCode::Malformed))?;
        expiry::check(&self.platform, order.expires_at())?;
        Ok(order)
    }
}

/// The refusal of what an operator brought.
pub(super) fn refused(message: impl Into<String>) -> Error {
    refuse_because(ErrorCode::OperatorRefused, message)
}
