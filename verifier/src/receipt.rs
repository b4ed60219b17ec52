//! The account receipt: what the enclave holds for a person at the end of a registration.

use openkey_protocol::message::{AccountId, AccountReceipt, Address, Hash32, Signed, UserHandle};
use sha2::{Digest, Sha256};
use sha3::Keccak256;

use crate::statement::{IdentityKey, StatementError};

/// What the client knows by itself about the registration it just made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registration<'a> {
    /// The nonce it sent with the sign-up.
    pub nonce: Option<&'a [u8]>,
    /// The credential id its authenticator returned.
    pub credential_id: Option<&'a [u8]>,
    /// The public key its authenticator returned: SubjectPublicKeyInfo DER, as
    /// `AuthenticatorAttestationResponse.getPublicKey()` gives it.
    pub public_key_spki: Option<&'a [u8]>,
}

/// A receipt that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedReceipt {
    /// What it says.
    pub receipt: AccountReceipt,
    /// SHA-256 of its signed body: what the new passkey confirms.
    pub hash: Hash32,
}

/// Opens a receipt and compares it with what the client knows.
///
/// When a credential id or public key is given, the receipt must name that one passkey and no
/// other: a second one at the end of a registration would be somebody else's.
///
/// # Errors
///
/// [`ReceiptError`].
pub fn check(
    identity: &IdentityKey,
    signed: &Signed<AccountReceipt>,
    registration: &Registration<'_>,
) -> Result<CheckedReceipt, ReceiptError> {
    let receipt = identity.open(signed)?;
    if registration
        .nonce
        .is_some_and(|nonce| receipt.nonce.as_slice() != nonce)
    {
        return Err(ReceiptError::Nonce);
    }
    if registration.credential_id.is_some() || registration.public_key_spki.is_some() {
        let [passkey] = receipt.credentials.as_slice() else {
            return Err(ReceiptError::Passkeys);
        };
        if registration
            .credential_id
            .is_some_and(|id| passkey.id.as_slice() != id)
        {
            return Err(ReceiptError::Credential);
        }
        if registration
            .public_key_spki
            .is_some_and(|spki| Sha256::digest(spki).as_slice() != passkey.public_key_sha256.0)
        {
            return Err(ReceiptError::PublicKey);
        }
    }
    if receipt.keys.is_empty() {
        return Err(ReceiptError::Empty);
    }
    let first = receipt.credentials.first().ok_or(ReceiptError::Empty)?;
    if receipt.account != account_id(&receipt.user_handle, &first.public_key_sha256) {
        return Err(ReceiptError::Account);
    }
    let hash = Hash32(Sha256::digest(signed.body.as_slice()).into());
    Ok(CheckedReceipt { receipt, hash })
}

/// The account that a sign-up with this user handle makes when it is finished with this public key
/// ([`AccountId`]).
#[must_use]
pub fn account_id(user_handle: &UserHandle, public_key_sha256: &Hash32) -> AccountId {
    AccountId(Sha256::digest(AccountId::input(user_handle, public_key_sha256)).into())
}

/// The EIP-55 text of an address.
#[must_use]
pub fn checksummed(address: &Address) -> String {
    address.checksummed(|bytes| Keccak256::digest(bytes).into())
}

/// Why a receipt is not the one of this registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Not a statement of this enclave.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It answers another registration.
    #[error("the receipt carries another nonce than this registration's")]
    Nonce,
    /// More passkeys than the one that was just made, or none.
    #[error("the receipt names other passkeys than the one just created")]
    Passkeys,
    /// Another credential id.
    #[error("the receipt names another passkey than the one just created")]
    Credential,
    /// The enclave holds another public key than the authenticator made: somebody between them
    /// put in their own.
    #[error("the enclave holds another public key than this authenticator made")]
    PublicKey,
    /// The account is not the one that this passkey's sign-up makes.
    #[error("the receipt's account id is not the hash of its user handle and first passkey")]
    Account,
    /// No passkey or no key at all.
    #[error("the receipt names no passkey or no key")]
    Empty,
}

impl ReceiptError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Statement(error) => error.rule(),
            Self::Nonce => "receipt_nonce",
            Self::Passkeys => "receipt_passkeys",
            Self::Credential => "receipt_credential",
            Self::PublicKey => "receipt_public_key",
            Self::Account => "receipt_account",
            Self::Empty => "receipt_empty",
        }
    }
}

#[cfg(test)]
#[path = "receipt_tests.rs"]
mod tests;
