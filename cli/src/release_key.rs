//! A maintainer's key.

use core::fmt;

use ed25519_dalek::{Signer, SigningKey};
use openkey_protocol::message::Key32;
use openkey_verifier::release::{ReleaseError, ReleaseFile};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{KeyError, MAX_KEY_FILE};

const VERSION: u32 = 1;
const KIND: &str = "openkey release key: secret";

/// An Ed25519 key that signs release manifests. Wiped when dropped; never shown.
pub struct ReleaseKey(SigningKey);

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    kind: String,
    seed: String,
}

impl ReleaseKey {
    /// A new key of the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError::Randomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|_| KeyError::Randomness)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// [`KeyError::File`].
    pub fn from_json(json: &[u8]) -> Result<Self, KeyError> {
        if json.len() > MAX_KEY_FILE {
            return Err(KeyError::File);
        }
        let file: File = serde_json::from_slice(json).map_err(|_| KeyError::File)?;
        if file.version != VERSION || file.kind != KIND {
            return Err(KeyError::File);
        }
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&file.seed, &mut *seed).map_err(|_| KeyError::File)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key file's text: **secret**.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let file = File {
            version: VERSION,
            kind: KIND.to_owned(),
            seed: hex::encode(self.0.as_bytes()),
        };
        // A number and texts always serialise.
        let mut text = Zeroizing::new(serde_json::to_string_pretty(&file).unwrap_or_default());
        text.push('\n');
        text
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> Key32 {
        Key32(self.0.verifying_key().to_bytes())
    }

    /// Adds this key's signature to a manifest.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`]: it carries one already, or too many.
    pub fn sign(&self, file: &mut ReleaseFile) -> Result<(), ReleaseError> {
        let signature = self.0.sign(&file.input()?).to_bytes();
        file.add(self.public(), signature)
    }
}

impl fmt::Debug for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReleaseKey({})", self.public())
    }
}
