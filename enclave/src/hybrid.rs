//! HPKE (RFC 9180) with the one suite of this protocol: base mode, DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256, ChaCha20Poly1305, no associated data. What a message is for stands in `info`.

use chacha20::ChaCha20Rng;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_with_rng,
};
use openkey_protocol::message::{Key32, Sealed};
use rand_core::{CryptoRng, SeedableRng};
use zeroize::Zeroizing;

use crate::{root::Secret, traces::without_traces};

type Private = <X25519HkdfSha256 as Kem>::PrivateKey;

/// A message that does not open, or a key to which nothing can be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("HPKE refuses the key or the message")]
pub(crate) struct HybridError;

/// The X25519 key of this boot. Lives as long as the process and is wiped with it.
pub(crate) struct BootKey {
    private: Private,
    public: [u8; 32],
}

impl BootKey {
    /// Derives the key from a fresh secret (RFC 9180 §7.1.3).
    pub(crate) fn new(secret: &Secret<32>) -> Self {
        let (private, public) = X25519HkdfSha256::derive_keypair(secret.as_slice());
        Self {
            private,
            public: public.to_bytes().into(),
        }
    }

    pub(crate) const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Opens what was sealed to this key for the purpose `info`.
    pub(crate) fn open(
        &self,
        info: &[u8],
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, HybridError> {
        let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed.enc.0)
            .map_err(|_| HybridError)?;
        without_traces(|| {
            single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeR::Base,
                &self.private,
                &enc,
                info,
                sealed.ciphertext.as_slice(),
                &[],
            )
        })
        .map(Zeroizing::new)
        .map_err(|_| HybridError)
    }
}

/// Seals `plaintext` to a public key for the purpose `info`.
pub(crate) fn seal(
    to: &Key32,
    info: &[u8],
    plaintext: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Sealed, HybridError> {
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&to.0).map_err(|_| HybridError)?;
    let (enc, ciphertext) = without_traces(|| {
        single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &to,
            info,
            plaintext,
            &[],
            rng,
        )
    })
    .map_err(|_| HybridError)?;
    Ok(Sealed {
        enc: Key32(enc.to_bytes().into()),
        ciphertext: ciphertext.into(),
    })
}

/// Whether anything can be sealed to a public key: points of small order contribute nothing.
pub(crate) fn is_sound(key: &Key32) -> bool {
    // What is sealed here is thrown away, so that the generator may be a fixed one.
    let mut rng = ChaCha20Rng::from_seed([0; 32]);
    seal(key, &[], &[], &mut rng).is_ok()
}

/// An `info`: the purpose, and what it is bound to.
pub(crate) fn info(purpose: &str, bound: &[&[u8]]) -> Vec<u8> {
    let mut info = purpose.as_bytes().to_vec();
    for part in bound {
        info.extend_from_slice(part);
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::look::{self, Look};

    fn key(byte: u8) -> BootKey {
        BootKey::new(&Box::new(Zeroizing::new([byte; 32])))
    }

    #[test]
    fn opens_with_its_key_and_purpose_only() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let to = Key32(key(7).public());
        let mut sealed = seal(&to, b"purpose", b"a share", &mut rng).unwrap();
        assert_eq!(**key(7).open(b"purpose", &sealed).unwrap(), b"a share"[..]);
        assert!(key(8).open(b"purpose", &sealed).is_err());
        assert!(key(7).open(b"other", &sealed).is_err());
        sealed.ciphertext.0[0] ^= 1;
        assert!(key(7).open(b"purpose", &sealed).is_err());
    }

    #[test]
    fn e9_what_was_opened_leaves_no_copy() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let boot = key(7);
        let secret: [u8; 32] = core::array::from_fn(|at| u8::try_from(at * 5 + 11).unwrap());
        let turned = look::turned(&secret);
        let sealed = seal(&Key32(boot.public()), b"purpose", &secret, &mut rng).unwrap();
        let mut look = Look::new();
        let before = look.places(&turned);
        drop(boot.open(b"purpose", &sealed).unwrap());
        let after = look.places(&turned);
        let found: Vec<_> = after.difference(&before).collect();
        assert!(found.is_empty(), "a copy lies at {found:x?}");
    }

    #[test]
    fn nothing_is_sealed_to_a_key_without_contribution() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        assert!(seal(&Key32([0; 32]), b"", b"x", &mut rng).is_err());
    }
}
