//! Who may say what a release is.

use std::collections::BTreeSet;

use openkey_attestation::json;
use openkey_protocol::message::Key32;
use serde::{Deserialize, Serialize};

use super::ReleaseKeysError;
use crate::statement::IdentityKey;

/// Most release keys: maintainers, who know each other.
pub const MAX_RELEASE_KEYS: usize = 16;
/// Longest file of release keys, in bytes: as many keys as there may be, indented.
const MAX_KEYS_FILE: usize = 16 * 1024;

/// Ed25519 keys of maintainers, and how many of them must sign. Never empty, each different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseKeys {
    threshold: u32,
    keys: Vec<Key32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    threshold: u32,
    keys: Vec<String>,
}

impl ReleaseKeys {
    /// `threshold` of these keys.
    ///
    /// # Errors
    ///
    /// [`ReleaseKeysError`]: a threshold that cannot be met or asks for nobody, a key twice, or one
    /// under which a signature proves nothing.
    pub fn new(threshold: u32, keys: Vec<Key32>) -> Result<Self, ReleaseKeysError> {
        if keys.is_empty() || keys.len() > MAX_RELEASE_KEYS {
            return Err(ReleaseKeysError::Count);
        }
        if threshold == 0 || usize::try_from(threshold).is_ok_and(|need| need > keys.len()) {
            return Err(ReleaseKeysError::Threshold);
        }
        let mut seen = BTreeSet::new();
        for key in &keys {
            if !seen.insert(key) {
                return Err(ReleaseKeysError::Twice(*key));
            }
            verifying(key).ok_or(ReleaseKeysError::Key(*key))?;
        }
        Ok(Self { threshold, keys })
    }

    /// Reads `{"threshold":n,"keys":["<64 hex digits>",…]}`.
    ///
    /// # Errors
    ///
    /// [`ReleaseKeysError`].
    pub fn from_json(text: &[u8]) -> Result<Self, ReleaseKeysError> {
        if text.len() > MAX_KEYS_FILE {
            return Err(ReleaseKeysError::TooLong);
        }
        let file: File =
            json::read(text).map_err(|error| ReleaseKeysError::Malformed(error.to_string()))?;
        let keys: Result<Vec<Key32>, _> = file.keys.iter().map(|key| key.parse()).collect();
        let keys =
            keys.map_err(|_| ReleaseKeysError::Malformed("a key is 64 hexadecimal digits".into()))?;
        Self::new(file.threshold, keys)
    }

    /// The file's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = File {
            threshold: self.threshold,
            keys: self.keys.iter().map(Key32::to_string).collect(),
        };
        // A number and texts always serialise.
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    /// How many must sign.
    #[must_use]
    pub const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[Key32] {
        &self.keys
    }
}

/// The same key as one that verifies: the rules for identity keys hold for release keys, too.
pub(super) fn verifying(key: &Key32) -> Option<IdentityKey> {
    IdentityKey::from_evidence_verified_earlier(key.as_bytes()).ok()
}
