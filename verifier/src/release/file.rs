//! The release file: a manifest in JSON, and signatures over its CBOR.

use std::collections::BTreeSet;

use openkey_attestation::json;
use openkey_protocol::{cbor, message::Key32};
use serde::{Deserialize, Serialize};

use super::{
    MAX_RELEASE_FILE, Manifest, RELEASE_LABEL, ReleaseError, ReleaseKeys, keys::verifying,
    manifest::Text,
};

/// Most signatures in a file: maintainers come and go, and old keys sign beside new ones.
pub const MAX_SIGNATURES: usize = 32;

/// A release file, its shape checked and **its signatures not**: for programs that write them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFile {
    text: Text,
    manifest: Manifest,
    signatures: Vec<(Key32, [u8; 64])>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    manifest: Text,
    signatures: Vec<SignatureText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureText {
    key: String,
    signature: String,
}

/// What is wrong with a draft, and what to do.
const DRAFT: &str =
    "it is a draft, which nobody signs: `openkey release prepare` makes a manifest of it";

/// Whether a text is what `openkey-image build` writes: the members of a manifest, without signatures around.
fn is_draft(text: &[u8]) -> bool {
    json::read::<serde_json::Map<String, serde_json::Value>>(text)
        .is_ok_and(|file| file.contains_key("measurements") && !file.contains_key("manifest"))
}

impl ReleaseFile {
    /// A file without signatures.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::Version`], [`ReleaseError::Member`].
    pub fn unsigned(text: Text) -> Result<Self, ReleaseError> {
        Ok(Self {
            manifest: text.check()?,
            text,
            signatures: Vec::new(),
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`], except those about signatures that do not hold and about time.
    pub fn from_json(text: &[u8]) -> Result<Self, ReleaseError> {
        if text.len() > MAX_RELEASE_FILE {
            return Err(ReleaseError::TooLong);
        }
        let File {
            manifest,
            signatures,
        } = json::read(text).map_err(|error| {
            ReleaseError::Malformed(match is_draft(text) {
                true => DRAFT.to_owned(),
                false => error.to_string(),
            })
        })?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(ReleaseError::TooManySignatures);
        }
        let mut file = Self::unsigned(manifest)?;
        for SignatureText { key, signature } in signatures {
            let key = key.parse().map_err(|_| ReleaseError::Member {
                member: "signatures.key",
                expected: "64 hexadecimal digits",
            })?;
            let mut bytes = [0; 64];
            hex::decode_to_slice(signature, &mut bytes).map_err(|_| ReleaseError::Member {
                member: "signatures.signature",
                expected: "128 hexadecimal digits",
            })?;
            file.add(key, bytes)?;
        }
        Ok(file)
    }

    /// Adds a signature, unchecked.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::SignatureTwice`], [`ReleaseError::TooManySignatures`].
    pub fn add(&mut self, key: Key32, signature: [u8; 64]) -> Result<(), ReleaseError> {
        if self.signatures.iter().any(|(known, _)| *known == key) {
            return Err(ReleaseError::SignatureTwice(key));
        }
        if self.signatures.len() >= MAX_SIGNATURES {
            return Err(ReleaseError::TooManySignatures);
        }
        self.signatures.push((key, signature));
        Ok(())
    }

    /// The keys whose signatures it carries, whoever's they are.
    pub fn keys(&self) -> impl Iterator<Item = &Key32> {
        self.signatures.iter().map(|(key, _)| key)
    }

    /// Whether every signature holds over this manifest under the key beside it, whoever's that is: for whoever
    /// adds another one. It says nothing about who signed.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::SignatureInvalid`].
    pub fn check_signatures(&self) -> Result<(), ReleaseError> {
        let input = self.input()?;
        let is_wrong = |(key, signature): &&(Key32, [u8; 64])| {
            !verifying(key).is_some_and(|key| key.verifies(&input, signature))
        };
        match self.signatures.iter().find(is_wrong) {
            Some((key, _)) => Err(ReleaseError::SignatureInvalid(*key)),
            None => Ok(()),
        }
    }

    /// The manifest, whoever signed it.
    #[must_use]
    pub const fn unverified(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn into_manifest(self) -> Manifest {
        self.manifest
    }

    /// The manifest as deterministic CBOR.
    ///
    /// # Errors
    ///
    /// Never in practice: texts, numbers and maps of texts always have an encoding.
    pub fn body(&self) -> Result<Vec<u8>, ReleaseError> {
        cbor::encode(&self.text).map_err(|error| ReleaseError::Malformed(error.to_string()))
    }

    /// What is signed: label, zero byte, CBOR.
    ///
    /// # Errors
    ///
    /// As [`Self::body`].
    pub fn input(&self) -> Result<Vec<u8>, ReleaseError> {
        let mut input = RELEASE_LABEL.as_bytes().to_vec();
        input.push(0);
        input.extend(self.body()?);
        Ok(input)
    }

    /// The file's text: indented JSON with a line end.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::TooLong`] if nobody would read it.
    pub fn to_json(&self) -> Result<String, ReleaseError> {
        let file = File {
            manifest: self.text.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|(key, signature)| SignatureText {
                    key: key.to_string(),
                    signature: hex::encode(signature),
                })
                .collect(),
        };
        let mut text = serde_json::to_string_pretty(&file)
            .map_err(|error| ReleaseError::Malformed(error.to_string()))?;
        text.push('\n');
        if text.len() > MAX_RELEASE_FILE {
            return Err(ReleaseError::TooLong);
        }
        Ok(text)
    }

    /// Which of the release keys signed, in their own order, however few. Signatures of other keys count for
    /// nothing: whoever holds an older set of keys must be able to read a file that new maintainers signed, too.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::SignatureInvalid`].
    pub fn signed_by(&self, keys: &ReleaseKeys) -> Result<Vec<Key32>, ReleaseError> {
        let input = self.input()?;
        let mut signers = BTreeSet::new();
        for (key, signature) in &self.signatures {
            if !keys.keys().contains(key) {
                continue;
            }
            let holds = verifying(key).is_some_and(|key| key.verifies(&input, signature));
            if !holds {
                return Err(ReleaseError::SignatureInvalid(*key));
            }
            signers.insert(*key);
        }
        Ok(keys
            .keys()
            .iter()
            .filter(|key| signers.contains(key))
            .copied()
            .collect())
    }

    /// The same, if they are enough.
    pub(super) fn signers(&self, keys: &ReleaseKeys) -> Result<Vec<Key32>, ReleaseError> {
        let signers = self.signed_by(keys)?;
        // At most MAX_SIGNATURES.
        let have = u32::try_from(signers.len()).unwrap_or(u32::MAX);
        if have < keys.threshold() {
            return Err(ReleaseError::Signatures {
                have,
                need: keys.threshold(),
            });
        }
        Ok(signers)
    }
}
