//! An operator's own word on a configuration.
//!
//! A root id names a root key and who holds its shares. It does not name the release keys, the delay
//! or the consents under which that root key may move on: those stand in the configuration. So an
//! operator decides on a configuration once, with the genesis, and signs that; from then on a share, a
//! secret or a consent is given under a configuration that this word covers.

use ed25519_dalek::{Signature, VerifyingKey};
use openkey_attestation::{UnixMillis, json};
use openkey_protocol::message::{Hash32, Key32, Signed, Statement};
use openkey_verifier::{
    account::HexStatement,
    configuration::{Configuration, Keys},
    release::{self, ReleaseError, ReleaseKeys, ReleaseKeysError},
};
use serde::{Deserialize, Serialize};

use crate::{Ceremony, CeremonyError, OperatorKey, RecipientError};

/// Longest approval file, in bytes: three hashes and the release keys in hex.
pub const MAX_APPROVAL_FILE: usize = 16 * 1024;
/// The version of approval files.
const VERSION: u32 = 1;

/// What an operator signs: this root key, made by this genesis, under this configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationApproval {
    /// The root key that the configuration is for, by the id of its genesis.
    pub root_id: Hash32,
    /// SHA-256 of the genesis transcript's body.
    pub genesis: Hash32,
    /// The hash of the configuration, root id included.
    pub configuration: Hash32,
    /// The release keys of that configuration: a manifest that they sign may name the next one.
    pub release_keys: Option<ApprovedKeys>,
}

impl Statement for ConfigurationApproval {
    const LABEL: &'static str = "openkey/configuration-approval/v1";
}

/// Release keys that an operator approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovedKeys {
    /// How many must sign.
    pub threshold: u32,
    /// Ed25519 keys.
    pub keys: Vec<Key32>,
}

/// An approval whose signature was checked under the operator's key.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    content: ConfigurationApproval,
    signed: Signed<ConfigurationApproval>,
}

/// An approval as operators keep it: JSON `{"version":1,"approval":{"body":hex,"signature":hex}}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    approval: HexStatement,
}

/// Why an approval does not cover what it is needed for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// Not an approval file.
    #[error("the approval is not as it should be: {0}")]
    File(&'static str),
    /// Signed by another key, or changed.
    #[error(
        "the approval is not signed by this operator's key: sign your own with `openkey operator \
         approve`"
    )]
    Signature,
    /// Of another root key or another genesis.
    #[error("the approval is for another {0}")]
    Other(&'static str),
    /// It covers another configuration.
    #[error(
        "the approval covers configuration {approved}, not {given}: whoever gave you this \
         configuration changed it, or a release named it (--named-by), or you have to decide anew \
         (openkey operator approve)"
    )]
    Configuration {
        /// What the operator signed.
        approved: Hash32,
        /// What was to be covered.
        given: Hash32,
    },
    /// The approved configuration has no release keys that could name another one.
    #[error("the approved configuration names no release keys: no release names another one")]
    NoReleaseKeys,
    /// The release keys are none that a manifest can be held to.
    #[error(transparent)]
    Keys(#[from] ReleaseKeysError),
    /// The manifest does not hold under the approved release keys.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The manifest names another configuration.
    #[error("the release manifest names another configuration than {0}")]
    NotNamed(Hash32),
    /// The genesis and the configuration do not belong together.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// It cannot be signed.
    #[error(transparent)]
    Encoding(#[from] RecipientError),
}

impl ApprovalError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::File(_) => "approval_file",
            Self::Signature => "approval_signature",
            Self::Other(_) | Self::Configuration { .. } => "approval",
            Self::NoReleaseKeys | Self::NotNamed(_) => "approval_release",
            Self::Keys(error) => error.rule(),
            Self::Release(error) => error.rule(),
            Self::Ceremony(error) => error.rule(),
            Self::Encoding(error) => error.rule(),
        }
    }
}

impl Approval {
    /// Its name among the files of a deployment.
    pub const FILE: &'static str = "approval.json";

    /// Signs that a configuration, root id included, is the one to run this root key under.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::Ceremony`] if the two do not belong together.
    pub fn sign(
        key: &OperatorKey,
        ceremony: &Ceremony,
        configuration: &Configuration,
    ) -> Result<Self, ApprovalError> {
        if configuration.root_id != Some(ceremony.root_id()) {
            return Err(ApprovalError::Other("root id than the configuration's"));
        }
        ceremony.check_configuration(configuration)?;
        let content = ConfigurationApproval {
            root_id: ceremony.root_id(),
            genesis: ceremony.hash(),
            configuration: configuration.hash(),
            release_keys: configuration.release_keys.as_ref().map(approved),
        };
        let signed = key.sign(&content).map_err(|_| RecipientError::Encoding)?;
        Ok(Self { content, signed })
    }

    /// Reads an approval file and checks that this key signed it.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::File`], [`ApprovalError::Signature`].
    pub fn from_json(text: &[u8], signer: &Key32) -> Result<Self, ApprovalError> {
        if text.len() > MAX_APPROVAL_FILE {
            return Err(ApprovalError::File("too long"));
        }
        let file: File =
            json::read(text).map_err(|_| ApprovalError::File("no JSON of its form"))?;
        if file.version != VERSION {
            return Err(ApprovalError::File("another version"));
        }
        Self::of_hex(&file.approval, signer)
    }

    pub(crate) fn of_hex(text: &HexStatement, signer: &Key32) -> Result<Self, ApprovalError> {
        let hex = |text: &str| hex::decode(text).map_err(|_| ApprovalError::File("not hex"));
        let signed = Signed::from_parts(hex(&text.body)?.into(), hex(&text.signature)?.into());
        let input = Signed::<ConfigurationApproval>::input(signed.body.as_slice());
        let key = VerifyingKey::from_bytes(&signer.0).ok();
        let signature = Signature::from_slice(signed.signature.as_slice()).ok();
        let good = key
            .zip(signature)
            .is_some_and(|(key, signature)| key.verify_strict(&input, &signature).is_ok());
        if !good {
            return Err(ApprovalError::Signature);
        }
        let content = signed
            .unverified()
            .map_err(|_| ApprovalError::File("signed, and no approval"))?;
        Ok(Self { content, signed })
    }

    /// The JSON of the file: the statement in hex, with its signature.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = File {
            version: VERSION,
            approval: self.hex(),
        };
        // A number and texts always serialise.
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    pub(crate) fn hex(&self) -> HexStatement {
        HexStatement {
            body: hex::encode(&self.signed.body),
            signature: hex::encode(&self.signed.signature),
        }
    }

    /// What was signed.
    #[must_use]
    pub const fn content(&self) -> &ConfigurationApproval {
        &self.content
    }

    /// Whether it is for this genesis.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::Other`].
    pub fn check_genesis(&self, ceremony: &Ceremony) -> Result<(), ApprovalError> {
        if self.content.root_id != ceremony.root_id() {
            return Err(ApprovalError::Other("root id"));
        }
        if self.content.genesis != ceremony.hash() {
            return Err(ApprovalError::Other("genesis"));
        }
        Ok(())
    }

    /// Whether it covers a configuration: as the one that was signed, or as one that a release
    /// manifest names which the approved release keys signed and which is valid at this time.
    ///
    /// # Errors
    ///
    /// [`ApprovalError`].
    pub fn check(
        &self,
        configuration: &Configuration,
        named_by: Option<(&[u8], UnixMillis)>,
    ) -> Result<(), ApprovalError> {
        let given = configuration.hash();
        if configuration.root_id != Some(self.content.root_id) {
            return Err(ApprovalError::Other("root id than the configuration's"));
        }
        if given == self.content.configuration {
            return Ok(());
        }
        let Some((manifest, at)) = named_by else {
            return Err(ApprovalError::Configuration {
                approved: self.content.configuration,
                given,
            });
        };
        let keys = self.content.release_keys.clone();
        let keys = keys.ok_or(ApprovalError::NoReleaseKeys)?;
        let release = release::signed(manifest, &ReleaseKeys::new(keys.threshold, keys.keys)?)?;
        release.check_program()?;
        release.check_time(at)?;
        if release.manifest().configuration == Some(given) {
            Ok(())
        } else {
            Err(ApprovalError::NotNamed(given))
        }
    }
}

fn approved(keys: &Keys) -> ApprovedKeys {
    ApprovedKeys {
        threshold: keys.threshold,
        keys: keys.keys.clone(),
    }
}
