//! What an enclave signs, opened: signature first, then the strict body.

use core::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use openkey_protocol::message::{Signed, Statement};

/// Longest body of a statement, in bytes: a prompt shows a payload whole (the enclave bounds it
/// far below this), and nobody should hash megabytes for a stranger.
pub const MAX_BODY: usize = 512 * 1024;

/// The Ed25519 public key (RFC 8032) of one boot of an enclave, which signs answers and receipts.
///
/// The honest way to one is [`crate::evidence::Fresh::identity`] or
/// [`crate::evidence::Archival::identity`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentityKey(VerifyingKey);

impl IdentityKey {
    /// Takes 32 bytes for an identity key **without evidence**: the caller answers for it that
    /// they come from evidence verified earlier (a page keeps them between two calls).
    ///
    /// # Errors
    ///
    /// [`StatementError::IdentityKey`] if they are not the encoding of a point, or of a weak one (of small
    /// order), under which a signature proves nothing.
    pub fn from_evidence_verified_earlier(bytes: &[u8]) -> Result<Self, StatementError> {
        <[u8; 32]>::try_from(bytes)
            .ok()
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
            .filter(|key| !key.is_weak())
            // One key, one encoding: the library also reads y-coordinates above the field's prime.
            .filter(|key| key.to_edwards().compress().as_bytes() == key.as_bytes())
            .map(Self)
            .ok_or(StatementError::IdentityKey)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Whether a signature over these bytes holds, checked as in [`Self::open`].
    #[must_use]
    pub(crate) fn verifies(&self, input: &[u8], signature: &[u8; 64]) -> bool {
        self.0
            .verify_strict(input, &Signature::from_bytes(signature))
            .is_ok()
    }

    /// Checks the signature over a statement, then reads its body.
    ///
    /// The signature is checked as `verify_strict` does: canonical encodings, no point of small
    /// order, so that one signature is valid for one statement under one key.
    ///
    /// # Errors
    ///
    /// [`StatementError`].
    pub fn open<T: Statement>(&self, signed: &Signed<T>) -> Result<T, StatementError> {
        let body = signed.body.as_slice();
        if body.len() > MAX_BODY {
            return Err(StatementError::BodyTooLong);
        }
        let signature = Signature::from_slice(signed.signature.as_slice())
            .map_err(|_| StatementError::Signature)?;
        self.0
            .verify_strict(&Signed::<T>::input(body), &signature)
            .map_err(|_| StatementError::Signature)?;
        // `unverified` reads the one deterministic encoding and no other: otherwise two clients could
        // hash "the same" receipt to two values.
        signed.unverified().map_err(|_| StatementError::Body)
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", hex::encode(self.as_bytes()))
    }
}

impl fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}

/// Why a statement is not one of this enclave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The identity key itself is unusable.
    #[error("the identity key is not a usable Ed25519 public key")]
    IdentityKey,
    /// More than [`MAX_BODY`].
    #[error("the statement is longer than {MAX_BODY} bytes")]
    BodyTooLong,
    /// The signature is not this key's over these bytes as this kind of statement.
    #[error("the signature is not the enclave's over this statement")]
    Signature,
    /// Signed, but not the deterministic encoding of such a statement: a bug in the enclave, or a
    /// newer one.
    #[error("the signed bytes are not a statement of this kind in its one encoding")]
    Body,
}

impl StatementError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::IdentityKey => "identity_key",
            Self::BodyTooLong => "statement_too_long",
            Self::Signature => "statement_signature",
            Self::Body => "statement_body",
        }
    }
}
