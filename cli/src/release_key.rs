//! A maintainer's key.

use core::fmt;

use ed25519_dalek::{Signer, SigningKey};
use openkey_protocol::message::Key32;
use openkey_verifier::release::{ReleaseError, ReleaseFile};
use zeroize::Zeroizing;

use crate::{KeyError, key_file};

/// What a key file says it is.
const KIND: &str = "openkey release key: secret";

/// An Ed25519 key that signs release manifests. Wiped when dropped; never shown.
pub struct ReleaseKey(SigningKey);

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
        match key_file::read(KIND, json)? {
            (None, seed) => Ok(Self::from_seed(&seed)),
            (Some(_), _) => Err(KeyError::File),
        }
    }

    /// The key file's text: **secret**.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        key_file::write(KIND, None, self.0.as_bytes())
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
