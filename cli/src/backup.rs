//! What a deployment needs to boot again, in one file.
//!
//! A backup holds nothing secret: shares in it are sealed to their operators, a wrapped root key
//! opens through KMS alone. It carries the word of the operator who keeps it on its configuration, which
//! the root id does not name. It holds no records either: the store is backed up with its own means.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use openkey_attestation::json;
use openkey_protocol::{
    cbor,
    message::{Genesis, Hash32, Key32, WrappedRoot},
};
use openkey_verifier::{account::HexStatement, configuration::Configuration};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Approval, ApprovalError, Ceremony, CeremonyError, GenesisFile};

/// Longest backup, in bytes: four boot files and a genesis file in base64.
pub const MAX_BACKUP_FILE: usize = 1024 * 1024;
const VERSION: u32 = 2;

/// The files of one deployment, checked against each other and against its root id.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    files: BTreeMap<String, Vec<u8>>,
    ceremony: Ceremony,
    configuration: Configuration,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    root_id: String,
    /// The word of the operator who keeps this backup.
    approval: Option<HexStatement>,
    files: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    sha256: String,
    base64: String,
}

/// Why files are no backup of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Not a backup file.
    #[error("the backup is not as it should be: {0}")]
    File(String),
    /// A file that no deployment has.
    #[error("a backup holds no {0:?}")]
    Unknown(String),
    /// A file that every deployment has.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A file is not what its hash says.
    #[error("{0} is damaged: it does not have its hash")]
    Damaged(String),
    /// A file is another deployment's.
    #[error("{0} is not the one of this root key")]
    Foreign(&'static str),
    /// The backup is another deployment's.
    #[error(
        "the backup says that it is of root id {named}, and --root-id is {expected}: take the backup of that \
         deployment"
    )]
    RootId {
        /// As the file names it.
        named: String,
        /// The one that is meant.
        expected: Hash32,
    },
    /// No operator says that the configuration is the one they decided on.
    #[error(
        "the backup is not signed: its configuration is anybody's; make one with `openkey operator \
         backup`"
    )]
    Unsigned,
    /// The operator's word covers something else.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// The genesis does not hold.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
}

impl BackupError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::File(_) => "backup_file",
            Self::Unknown(_) => "backup_unknown",
            Self::Missing(_) => "backup_missing",
            Self::Damaged(_) => "backup_damaged",
            Self::Foreign(_) => "backup_foreign",
            Self::RootId { .. } => "root_id",
            Self::Unsigned => "backup_unsigned",
            Self::Approval(error) => error.rule(),
            Self::Ceremony(error) => error.rule(),
        }
    }
}

impl Backup {
    /// The file with the transcript and its evidence.
    pub const GENESIS: &'static str = "genesis.json";
    /// The file with the root descriptor.
    pub const DESCRIPTOR: &'static str = "descriptor.bin";
    /// The file with the wrapped root key; only with KMS.
    pub const WRAPPED: &'static str = "wrapped.bin";
    /// The file with the configuration, root id included.
    pub const CONFIGURATION: &'static str = "configuration.json";
    /// The names of the files of a deployment, needed or not.
    pub const NAMES: [&'static str; 4] = [
        Self::GENESIS,
        Self::DESCRIPTOR,
        Self::WRAPPED,
        Self::CONFIGURATION,
    ];

    /// Checks a deployment's files by name.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; [`CeremonyError::OtherRootId`] if they are another deployment's.
    pub fn new(files: BTreeMap<String, Vec<u8>>, root_id: &Hash32) -> Result<Self, BackupError> {
        if let Some(name) = files
            .keys()
            .find(|name| !Self::NAMES.contains(&name.as_str()))
        {
            return Err(BackupError::Unknown(name.clone()));
        }
        let file = |name| files.get(name).ok_or(BackupError::Missing(name));
        let genesis = GenesisFile::read(file(Self::GENESIS)?)?;
        let ceremony = Ceremony::pinned(&genesis, root_id)?;
        if file(Self::DESCRIPTOR)? != ceremony.descriptor_bytes() {
            return Err(BackupError::Foreign(Self::DESCRIPTOR));
        }
        let wrapped = match files.get(Self::WRAPPED) {
            None => None,
            Some(bytes) => Some(
                cbor::decode::<WrappedRoot>(bytes)
                    .map_err(|_| BackupError::Foreign(Self::WRAPPED))?,
            ),
        };
        match (wrapped, ceremony.wrapped()) {
            (None, Some(_)) => return Err(BackupError::Missing(Self::WRAPPED)),
            (wrapped, expected) if wrapped.as_ref() != expected => {
                return Err(BackupError::Foreign(Self::WRAPPED));
            }
            _ => {}
        }
        let configuration = file(Self::CONFIGURATION)?;
        let configuration = Configuration::from_json(configuration)
            .map_err(|error| BackupError::File(error.to_string()))?;
        if configuration.root_id != Some(*root_id) {
            return Err(BackupError::Foreign(Self::CONFIGURATION));
        }
        ceremony.check_configuration(&configuration)?;
        Ok(Self {
            files,
            ceremony,
            configuration,
        })
    }

    /// The files that a genesis leaves behind: its own, and the configuration it took place with,
    /// from now on with the root id.
    ///
    /// # Errors
    ///
    /// [`BackupError`], also if genesis and configuration do not belong together.
    pub fn of_genesis(genesis: &Genesis, configuration: &[u8]) -> Result<Self, BackupError> {
        let transcript = genesis.transcript.unverified();
        let transcript = transcript.map_err(|error| BackupError::File(error.to_string()))?;
        let root_id = transcript.root_id;
        let malformed = |error: &dyn core::fmt::Display| BackupError::File(error.to_string());
        let mut members: serde_json::Map<String, serde_json::Value> =
            json::read(configuration).map_err(|error| malformed(&error))?;
        members.insert("root_id".into(), root_id.to_string().into());
        let mut configuration =
            serde_json::to_vec_pretty(&members).map_err(|error| malformed(&error))?;
        configuration.push(b'\n');
        let mut files = BTreeMap::from([
            (
                Self::GENESIS.to_owned(),
                GenesisFile::new(genesis).to_json().into_bytes(),
            ),
            (
                Self::DESCRIPTOR.to_owned(),
                transcript.descriptor.as_slice().to_vec(),
            ),
            (Self::CONFIGURATION.to_owned(), configuration),
        ]);
        if let Some(wrapped) = &transcript.wrapped {
            let wrapped = cbor::encode(wrapped).map_err(|error| malformed(&error))?;
            files.insert(Self::WRAPPED.to_owned(), wrapped);
        }
        Self::new(files, &root_id)
    }

    /// Reads and checks a backup, whose configuration the operator with this signing key must have
    /// approved.
    ///
    /// # Errors
    ///
    /// [`BackupError`].
    pub fn from_json(
        text: &[u8],
        root_id: &Hash32,
        signer: &Key32,
    ) -> Result<(Self, Approval), BackupError> {
        if text.len() > MAX_BACKUP_FILE {
            return Err(BackupError::File("too long".into()));
        }
        let file: File = json::read(text).map_err(|error| BackupError::File(error.to_string()))?;
        if file.version != VERSION {
            return Err(BackupError::File("another version".into()));
        }
        let mut files = BTreeMap::new();
        for (name, entry) in file.files {
            let bytes = Base64::decode_vec(&entry.base64)
                .map_err(|_| BackupError::Damaged(name.clone()))?;
            if hex::encode(Sha256::digest(&bytes)) != entry.sha256 {
                return Err(BackupError::Damaged(name));
            }
            files.insert(name, bytes);
        }
        if file.root_id != root_id.to_string() {
            return Err(BackupError::RootId {
                // As long as a root id is at most.
                named: file.root_id.chars().take(64).collect(),
                expected: *root_id,
            });
        }
        let backup = Self::new(files, root_id)?;
        let approval = file.approval.ok_or(BackupError::Unsigned)?;
        let approval = Approval::of_hex(&approval, signer)?;
        backup.check(&approval)?;
        Ok((backup, approval))
    }

    fn check(&self, approval: &Approval) -> Result<(), ApprovalError> {
        approval.check_genesis(&self.ceremony)?;
        approval.check(&self.configuration, None)
    }

    /// The backup's text, with the word of the operator who keeps it.
    ///
    /// # Errors
    ///
    /// [`ApprovalError`] if it does not cover this configuration.
    pub fn to_json(&self, approval: &Approval) -> Result<String, ApprovalError> {
        self.check(approval)?;
        let file = File {
            approval: Some(approval.hex()),
            version: VERSION,
            root_id: self.ceremony.root_id().to_string(),
            files: self
                .files
                .iter()
                .map(|(name, bytes)| {
                    let entry = Entry {
                        sha256: hex::encode(Sha256::digest(bytes)),
                        base64: Base64::encode_string(bytes),
                    };
                    (name.clone(), entry)
                })
                .collect(),
        };
        // Numbers and texts always serialise.
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        Ok(text)
    }

    /// The genesis.
    #[must_use]
    pub const fn ceremony(&self) -> &Ceremony {
        &self.ceremony
    }

    /// The configuration, with the root id.
    #[must_use]
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The files, by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }
}
