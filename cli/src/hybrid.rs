//! HPKE (RFC 9180) with the protocol's one suite: base mode, DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256, ChaCha20Poly1305, no associated data.

use chacha20::ChaCha20Rng;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_with_rng,
};
use openkey_protocol::message::{Key32, Sealed};
use rand_core::SeedableRng;
use zeroize::Zeroizing;

pub(crate) type Private = <X25519HkdfSha256 as Kem>::PrivateKey;

/// Nothing can be sealed to this key, or a message does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HybridError {
    /// The key is no usable X25519 key.
    #[error("the X25519 key is not usable")]
    Key,
    /// The message is not for this key and purpose, or was changed.
    #[error("the message does not open with this key")]
    Open,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
}

/// Seals a message to a public key for the purpose `info`.
///
/// # Errors
///
/// [`HybridError::Key`], [`HybridError::Randomness`].
pub fn seal(to: &Key32, info: &[u8], plaintext: &[u8]) -> Result<Sealed, HybridError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|_| HybridError::Randomness)?;
    let mut rng = ChaCha20Rng::from_seed(*seed);
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(to.as_bytes())
        .map_err(|_| HybridError::Key)?;
    let (enc, ciphertext) = single_shot_seal_with_rng::<
        ChaCha20Poly1305,
        HkdfSha256,
        X25519HkdfSha256,
    >(&OpModeS::Base, &to, info, plaintext, &[], &mut rng)
    .map_err(|_| HybridError::Key)?;
    Ok(Sealed {
        enc: Key32(enc.to_bytes().into()),
        ciphertext: ciphertext.into(),
    })
}

/// An `info`: the purpose, and what the message is bound to.
#[must_use]
pub fn info(purpose: &str, bound: &[&[u8]]) -> Vec<u8> {
    let mut info = purpose.as_bytes().to_vec();
    for part in bound {
        info.extend_from_slice(part);
    }
    info
}

/// A key pair of a secret (RFC 9180 §7.1.3).
pub(crate) fn derive(secret: &[u8; 32]) -> (Private, Key32) {
    let (private, public) = X25519HkdfSha256::derive_keypair(secret);
    (private, Key32(public.to_bytes().into()))
}

pub(crate) fn open(
    private: &Private,
    info: &[u8],
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, HybridError> {
    let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(sealed.enc.as_bytes())
        .map_err(|_| HybridError::Open)?;
    single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        private,
        &enc,
        info,
        sealed.ciphertext.as_slice(),
        &[],
    )
    .map(Zeroizing::new)
    .map_err(|_| HybridError::Open)
}
