//! The enclave's identity of this boot: signs what people and clients rely on.

use ed25519_dalek::{Signer, SigningKey};
use openkey_protocol::{
    cbor::EncodeError,
    message::{Signed, Statement},
};

use crate::root::Secret;

/// An Ed25519 key (RFC 8032) that lives for one boot and is vouched for by evidence.
pub(crate) struct Identity(SigningKey);

impl Identity {
    pub(crate) fn new(secret: &Secret<32>) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The public key.
    pub(crate) fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs a statement.
    pub(crate) fn sign<T: Statement>(&self, statement: &T) -> Result<Signed<T>, EncodeError> {
        Signed::new(statement, |input| self.0.sign(input).to_bytes())
    }
}
