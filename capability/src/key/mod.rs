//! Public keys as `did:key` names: <https://w3c-ccg.github.io/did-method-key/>.

mod points;

use cid::multibase::{self, Base};

/// Multicodec prefixes (varint) of the keys that are read.
const ED25519: [u8; 2] = [0xed, 0x01];
const SECP256K1: [u8; 2] = [0xe7, 0x01];
const P256: [u8; 2] = [0x80, 0x24];
const METHOD: &str = "did:key:";

/// A public key that a `did:key` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// Ed25519 (RFC 8032).
    Ed25519([u8; 32]),
    /// secp256k1, compressed (SEC 1).
    Secp256k1([u8; 33]),
    /// P-256, compressed (SEC 1).
    P256([u8; 33]),
}

/// A text names no key that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a did:key of an Ed25519, secp256k1 or P-256 key")]
pub struct KeyError;

/// A signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct SignatureError;

impl PublicKey {
    /// Reads `did:key:z…`, without a fragment.
    ///
    /// # Errors
    ///
    /// [`KeyError`]: another method, base or kind of key, or no point of its curve.
    pub fn from_did(did: &str) -> Result<Self, KeyError> {
        let text = did.strip_prefix(METHOD).ok_or(KeyError)?;
        // The longest is P-256's, 35 bytes: 48 digits of base 58 and the base's own letter.
        if text.len() > 64 {
            return Err(KeyError);
        }
        let (base, bytes) = multibase::decode(text).map_err(|_| KeyError)?;
        if base != Base::Base58Btc {
            return Err(KeyError);
        }
        let key = match bytes.split_at_checked(2) {
            Some((kind, key)) if kind == ED25519 => {
                Self::Ed25519(key.try_into().map_err(|_| KeyError)?)
            }
            Some((kind, key)) if kind == SECP256K1 => {
                Self::Secp256k1(key.try_into().map_err(|_| KeyError)?)
            }
            Some((kind, key)) if kind == P256 => Self::P256(key.try_into().map_err(|_| KeyError)?),
            _ => return Err(KeyError),
        };
        let is_point = match &key {
            Self::Ed25519(bytes) => points::of(bytes).is_some(),
            // SEC 1 readers also take a form of this length without the sign, tag 5: it would be a
            // second name of the key.
            Self::Secp256k1(bytes @ [2 | 3, ..]) => {
                k256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).is_ok()
            }
            Self::P256(bytes @ [2 | 3, ..]) => {
                p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).is_ok()
            }
            Self::Secp256k1(_) | Self::P256(_) => false,
        };
        is_point.then_some(key).ok_or(KeyError)
    }

    /// `did:key:z…`.
    #[must_use]
    pub fn did(&self) -> String {
        let (kind, key): (_, &[u8]) = match self {
            Self::Ed25519(key) => (ED25519, key),
            Self::Secp256k1(key) => (SECP256K1, key),
            Self::P256(key) => (P256, key),
        };
        format!(
            "{METHOD}{}",
            multibase::encode(Base::Base58Btc, [&kind[..], key].concat())
        )
    }

    /// `did:key:z…#z…`: the DID URL of the one key in it.
    #[must_use]
    pub fn did_url(&self) -> String {
        let did = self.did();
        let key = did.strip_prefix(METHOD).unwrap_or_default().to_owned();
        format!("{did}#{key}")
    }

    /// The other signature of the same message that holds if this one does: ECDSA has two, `s` and `n − s`.
    #[must_use]
    pub fn other_signature(&self, signature: &[u8]) -> Option<[u8; 64]> {
        let other: [u8; 64] = match self {
            Self::Ed25519(_) => return None,
            Self::Secp256k1(_) => {
                let own = k256::ecdsa::Signature::from_slice(signature).ok()?;
                let other = k256::ecdsa::Signature::from_scalars(own.r(), -own.s()).ok()?;
                other.to_bytes().into()
            }
            Self::P256(_) => {
                let own = p256::ecdsa::Signature::from_slice(signature).ok()?;
                let other = p256::ecdsa::Signature::from_scalars(own.r(), -own.s()).ok()?;
                other.to_bytes().into()
            }
        };
        Some(other)
    }

    /// Checks a signature over a message, of 64 bytes: Ed25519, or ECDSA with SHA-256 (`r‖s`).
    ///
    /// # Errors
    ///
    /// [`SignatureError`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let held = match self {
            Self::Ed25519(key) => points::of(key).is_some_and(|key| {
                ed25519_dalek::Signature::from_slice(signature)
                    .and_then(|signature| key.verify_strict(message, &signature))
                    .is_ok()
            }),
            Self::Secp256k1(key) => {
                use k256::ecdsa::signature::Verifier as _;
                k256::ecdsa::VerifyingKey::from_sec1_bytes(key)
                    .and_then(|key| {
                        let signature = k256::ecdsa::Signature::from_slice(signature)?;
                        // Both signs of `s` are the same statement; libraries write either.
                        key.verify(message, &signature.normalize_s())
                    })
                    .is_ok()
            }
            Self::P256(key) => {
                use p256::ecdsa::signature::Verifier as _;
                p256::ecdsa::VerifyingKey::from_sec1_bytes(key)
                    .and_then(|key| {
                        let signature = p256::ecdsa::Signature::from_slice(signature)?;
                        key.verify(message, &signature)
                    })
                    .is_ok()
            }
        };
        held.then_some(()).ok_or(SignatureError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_published_names() {
        for did in [
            "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX",
            "did:key:zQ3shScWratmosu8R95gHDdPPypPdxht5hkJ16K2Pv7NWWW4m",
            "did:key:zDnaeWA1DFehB4iXcQeiDJzcZK3x2cYW1DdJX97edtzfPCt75",
        ] {
            let key = PublicKey::from_did(did).unwrap();
            assert_eq!(key.did(), did);
            let name = did.strip_prefix("did:key:").unwrap();
            assert_eq!(key.did_url(), format!("{did}#{name}"));
        }
        let session = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
        let key = PublicKey::Ed25519(session.verifying_key().to_bytes());
        assert_eq!(
            key.did(),
            "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX"
        );
    }

    #[test]
    fn a_key_has_no_second_name() {
        for did in [
            "did:key:zQ3shScWratmosu8R95gHDdPPypPdxht5hkJ16K2Pv7NWWW4m",
            "did:key:zDnaeWA1DFehB4iXcQeiDJzcZK3x2cYW1DdJX97edtzfPCt75",
        ] {
            let mut key = PublicKey::from_did(did).unwrap();
            if let PublicKey::Secp256k1(bytes) | PublicKey::P256(bytes) = &mut key {
                bytes[0] = 5;
            }
            assert_eq!(PublicKey::from_did(&key.did()), Err(KeyError), "{did}");
        }
    }

    /// RFC 8032 lets a verifier take it; who has the key makes such a signature for any message, and
    /// another key's owner may not know that it is one.
    #[test]
    fn e3_a_signature_whose_point_is_weak_is_refused() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key();
        // the point is the identity: `s` is the secret times what was hashed
        let signature = hex::decode(concat!(
            "0100000000000000000000000000000000000000000000000000000000000000",
            "95c0fdcc54fccad1f2b8bc9b96aa6837c82f86349e6576ad29ca3ece7b7ea905",
        ));
        let signature = signature.unwrap();
        let lax = ed25519_dalek::Signature::from_slice(&signature).unwrap();
        use ed25519_dalek::Verifier as _;
        key.verify(b"message", &lax).unwrap();
        let key = PublicKey::Ed25519(key.to_bytes());
        assert_eq!(key.verify(b"message", &signature), Err(SignatureError));
    }

    #[test]
    fn g5_ecdsa_has_two_signatures_of_a_message_and_each_leads_to_the_other() {
        use k256::ecdsa::signature::Signer as _;
        let signer = k256::ecdsa::SigningKey::from_slice(&[1; 32]).unwrap();
        let point = signer.verifying_key().to_sec1_point(true);
        let key = PublicKey::Secp256k1(point.as_bytes().try_into().unwrap());
        let signature: k256::ecdsa::Signature = signer.sign(b"message");
        let signer = p256::ecdsa::SigningKey::from_slice(&[1; 32]).unwrap();
        let point = signer.verifying_key().to_sec1_point(true);
        let other_key = PublicKey::P256(point.as_bytes().try_into().unwrap());
        let other_kind: p256::ecdsa::Signature = signer.sign(b"message");
        for (key, own) in [
            (key, signature.to_bytes().to_vec()),
            (other_key, other_kind.to_bytes().to_vec()),
        ] {
            let other = key.other_signature(&own).unwrap();
            assert_ne!(own, other);
            key.verify(b"message", &own).unwrap();
            key.verify(b"message", &other).unwrap();
            assert_eq!(key.other_signature(&other).unwrap().to_vec(), own);
            assert_eq!(key.other_signature(&own[1..]), None);
        }
        let ed25519 =
            PublicKey::from_did("did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX");
        assert_eq!(ed25519.unwrap().other_signature(&[1; 64]), None);
    }

    #[test]
    fn whatever_names_no_usable_key_is_refused() {
        let weak = PublicKey::Ed25519([0; 32]).did();
        let no_point = PublicKey::Secp256k1([7; 33]).did();
        for did in [
            "",
            "did:key:",
            "did:key:z",
            "did:web:example.org",
            "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfL",
            "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX#a",
            "did:key:f00",
            // the session's, in base 16: a key has one name
            "did:key:fed018a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
            &weak,
            &no_point,
        ] {
            assert_eq!(PublicKey::from_did(did), Err(KeyError), "{did}");
        }
    }
}
