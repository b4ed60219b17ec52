//! Keys of operators and maintainers, in files.

use std::io;
use std::path::Path;

use chacha20::ChaCha20Rng;
use ed25519_dalek::{Signer, SigningKey};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open,
    single_shot_seal_with_rng,
};
use openkey_protocol::cbor;
use openkey_protocol::message::{GENESIS_INFO, Hash32, Key32, POST_SHARE_INFO, Sealed};
use rand_core::SeedableRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{StaffError, file};
use crate::files;

/// In front of what an operator signs to prove its keys, ended by a zero byte.
const PROOF_LABEL: &[u8] = b"openkey/operator/v1\0";
/// How many maintainers there are, and how many of them release.
const MAINTAINERS: usize = 3;
const RELEASE_THRESHOLD: u32 = 2;

/// One operator's secrets. No `Debug`: it would print them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperatorKey {
    name: String,
    /// The input of the X25519 key's derivation (RFC 9180 §7.1.3).
    encryption: Seed,
    /// Ed25519.
    signing: Seed,
}

/// 32 secret bytes.
struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    fn random() -> io::Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(Self(seed))
    }

    fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(&self.0)
    }
}

impl Serialize for Seed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(self.0.as_slice())))
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.as_bytes(), seed.as_mut_slice())
            .map_err(serde::de::Error::custom)?;
        Ok(Self(seed))
    }
}

#[derive(Serialize)]
struct Proven<'a> {
    name: &'a str,
    encryption: Key32,
}

impl OperatorKey {
    pub(super) fn open(path: &Path, name: &str) -> Result<Self, StaffError> {
        let key: Self = open(path, || {
            Ok(Self {
                name: name.to_owned(),
                encryption: Seed::random()?,
                signing: Seed::random()?,
            })
        })?;
        if key.name != name {
            return Err(file(path, &format_args!("is not {name}'s")));
        }
        Ok(key)
    }

    /// What the measured configuration says about it.
    pub(super) fn public(&self) -> Result<Value, StaffError> {
        let (_, encryption) = X25519HkdfSha256::derive_keypair(self.encryption.0.as_slice());
        let encryption = Key32(encryption.to_bytes().into());
        let proven = Proven {
            name: &self.name,
            encryption,
        };
        let body = cbor::encode(&proven).map_err(|_| StaffError::Answer("no encoding"))?;
        let signing = self.signing.signing();
        let proof = signing.sign(&[PROOF_LABEL, &body].concat());
        Ok(json!({
            "name": self.name,
            "encryption": encryption.to_string(),
            "signing": hex::encode(signing.verifying_key().as_bytes()),
            "proof": hex::encode(proof.to_bytes()),
        }))
    }

    /// Opens the share that a genesis sealed to it.
    pub(super) fn open_share(
        &self,
        root_id: Hash32,
        sealed: &Sealed,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (private, _) = X25519HkdfSha256::derive_keypair(self.encryption.0.as_slice());
        let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed.enc.0).ok()?;
        single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &private,
            &enc,
            &[GENESIS_INFO.as_bytes(), &root_id.0].concat(),
            sealed.ciphertext.as_slice(),
            &[],
        )
        .map(Zeroizing::new)
        .ok()
    }
}

/// Seals a share to the boot key of an enclave with this identity key.
pub(super) fn seal_share(
    boot_key: Key32,
    root_id: Hash32,
    identity: &[u8; 32],
    share: &[u8],
) -> Option<Sealed> {
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&boot_key.0).ok()?;
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).ok()?;
    let (enc, ciphertext) =
        single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &to,
            &[POST_SHARE_INFO.as_bytes(), &root_id.0, identity].concat(),
            share,
            &[],
            &mut ChaCha20Rng::from_seed(*seed),
        )
        .ok()?;
    Some(Sealed {
        enc: Key32(enc.to_bytes().into()),
        ciphertext: ciphertext.into(),
    })
}

/// The maintainers' keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Maintainers {
    /// Ed25519.
    keys: Vec<Seed>,
}

impl Maintainers {
    pub(super) fn open(path: &Path) -> Result<Self, StaffError> {
        open(path, || {
            let keys: io::Result<_> = (0..MAINTAINERS).map(|_| Seed::random()).collect();
            Ok(Self { keys: keys? })
        })
    }

    /// What the measured configuration says about them.
    pub(super) fn public(&self) -> Value {
        let keys = self.keys.iter().map(Seed::signing);
        let keys: Vec<String> = keys
            .map(|key| hex::encode(key.verifying_key().as_bytes()))
            .collect();
        json!({ "threshold": RELEASE_THRESHOLD, "keys": keys })
    }

    /// As many signatures as it takes.
    pub(super) fn sign(&self, input: &[u8]) -> Vec<(Key32, [u8; 64])> {
        self.keys
            .iter()
            .take(RELEASE_THRESHOLD as usize)
            .map(|seed| {
                let key = seed.signing();
                (
                    Key32(key.verifying_key().to_bytes()),
                    key.sign(input).to_bytes(),
                )
            })
            .collect()
    }
}

/// Reads a file of secrets, or makes and writes it (mode 0600) if there is none.
fn open<T: Serialize + DeserializeOwned>(
    path: &Path,
    make: impl FnOnce() -> io::Result<T>,
) -> Result<T, StaffError> {
    match std::fs::read(path).map(Zeroizing::new) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| file(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = make().map_err(|error| file(path, &error))?;
            let bytes = serde_json::to_vec_pretty(&made).map_err(|error| file(path, &error))?;
            files::write_private(path, &Zeroizing::new(bytes))
                .map_err(|error| file(path, &error))?;
            Ok(made)
        }
        Err(error) => Err(file(path, &error)),
    }
}
