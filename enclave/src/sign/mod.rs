//! Owner keys: secp256k1 (SEC 2), deterministic ECDSA (RFC 6979), Ethereum addresses.

mod derive;

use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use openkey_protocol::message::{AccountId, Address, Bytes, Hash32, KeyId};
use sha3::{Digest, Keccak256};

use crate::{
    root::Secret,
    seal::{Kind, NONCE, Name, SealError, Sealer},
    traces::without_traces,
};
pub(crate) use derive::Reason;
use derive::scalar;

/// The schema of sealed scalars.
const SCHEMA: u32 = 1;
/// A scalar never changes: there is one version of it.
const VERSION: u64 = 1;

/// Why a key does not sign. In each case nothing was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// The sealed scalar does not open in this place.
    #[error("the key does not open under its own name")]
    Sealed(#[from] SealError),
    /// The scalar is none, or belongs to another address.
    #[error("the key is not the one of its address")]
    OtherAddress,
    /// The signature does not recover to the key's address.
    #[error("the signature failed the check after signing")]
    SelfCheck,
}

/// A new key as its account keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedKey {
    pub(crate) address: Address,
    pub(crate) sealed: Bytes,
}

/// Makes the key that a consent makes ([`scalar`]) and seals it for its place. What derivation and
/// sealing leave on the stack is wiped.
///
/// # Errors
///
/// As [`make`].
pub(crate) fn make_for(
    sealer: &Sealer,
    account: &AccountId,
    key: KeyId,
    (reason, public_key_sha256): (Reason<'_>, &Hash32),
    nonce: &[u8; NONCE],
) -> Result<SealedKey, KeyError> {
    without_traces(|| {
        let secret = scalar(sealer.root(), reason, public_key_sha256);
        make(sealer, account, key, &secret, nonce)
    })
}

/// Makes a key of 32 secret bytes and seals it for its place.
///
/// # Errors
///
/// [`KeyError::OtherAddress`] if the bytes are no scalar: once in 2¹²⁸ keys.
fn make(
    sealer: &Sealer,
    account: &AccountId,
    key: KeyId,
    secret: &Secret<32>,
    nonce: &[u8; NONCE],
) -> Result<SealedKey, KeyError> {
    let address = without_traces(|| {
        SigningKey::from_slice(secret.as_slice())
            .map(|signer| address(signer.verifying_key()))
            .map_err(|_| KeyError::OtherAddress)
    })?;
    let id = place(key, &address);
    let name = name(account, &id);
    let sealed = sealer.seal(&name, SCHEMA, VERSION, nonce, secret.as_slice())?;
    Ok(SealedKey {
        address,
        sealed: sealed.into(),
    })
}

/// Signs a digest with a sealed key: r ‖ s ‖ v with s low and v 27 or 28. The key is open only here,
/// and the signature is checked by recovering the address from it before it is returned.
///
/// # Errors
///
/// [`KeyError`].
pub(crate) fn sign(
    sealer: &Sealer,
    account: &AccountId,
    key: KeyId,
    owned: &SealedKey,
    digest: &[u8; 32],
) -> Result<[u8; 65], KeyError> {
    without_traces(|| {
        let id = place(key, &owned.address);
        let opened = sealer.open(&name(account, &id), owned.sealed.as_slice())?;
        if (opened.schema, opened.version) != (SCHEMA, VERSION) {
            return Err(KeyError::OtherAddress);
        }
        let signer =
            SigningKey::from_slice(&opened.plaintext).map_err(|_| KeyError::OtherAddress)?;
        drop(opened);
        if address(signer.verifying_key()) != owned.address {
            return Err(KeyError::OtherAddress);
        }
        let (signature, recovery) = signer.sign_prehash_recoverable(digest);
        drop(signer);
        release(digest, &signature, recovery, &owned.address).ok_or(KeyError::SelfCheck)
    })
}

/// The signature's bytes, if it is one of `address` with a low s.
fn release(
    digest: &[u8; 32],
    signature: &Signature,
    recovery: RecoveryId,
    expected: &Address,
) -> Option<[u8; 65]> {
    if signature.normalize_s() != *signature || recovery.is_x_reduced() {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(digest, signature, recovery).ok()?;
    if address(&key) != *expected {
        return None;
    }
    let mut bytes = [0; 65];
    let (rs, v) = bytes.split_first_chunk_mut::<64>()?;
    rs.copy_from_slice(&signature.to_bytes());
    v.copy_from_slice(&[27 + u8::from(recovery.is_y_odd())]);
    Some(bytes)
}

/// Keccak-256 of the uncompressed point without its first byte, the last 20 bytes.
fn address(key: &VerifyingKey) -> Address {
    let point = key.to_sec1_point(false);
    let hash: [u8; 32] = Keccak256::digest(point.as_bytes().get(1..).unwrap_or_default()).into();
    Address(hash.last_chunk().copied().unwrap_or_default())
}

/// Index and address: a scalar sealed for one is not opened for another.
fn place(key: KeyId, address: &Address) -> [u8; 24] {
    let mut id = [0; 24];
    let (index, rest) = id.split_at_mut(4);
    index.copy_from_slice(&key.0.to_be_bytes());
    rest.copy_from_slice(&address.0);
    id
}

fn name<'a>(account: &'a AccountId, id: &'a [u8; 24]) -> Name<'a> {
    Name {
        kind: Kind::OwnerKey,
        id,
        owner: &account.0,
    }
}

#[cfg(test)]
mod tests;
