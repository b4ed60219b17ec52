//! What a deployment needs to boot again, in one file.
//!
//! A backup holds nothing secret: shares in it are sealed to their operators, a wrapped root key
//! opens through KMS alone. It holds no records either: the store is backed up with its own means.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use openkey_protocol::{
    cbor,
    message::{Hash32, WrappedRoot},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Ceremony, CeremonyError, GenesisFile};

/// Longest backup, in bytes: four boot files and a genesis file in base64.
pub const MAX_BACKUP_FILE: usize = 1024 * 1024;
const VERSION: u32 = 1;
/// The transcript with its evidence.
const GENESIS: &str = "genesis.json";
/// The root descriptor.
const DESCRIPTOR: &str = "descriptor.bin";
/// The wrapped root key; only with KMS.
const WRAPPED: &str = "wrapped.bin";
/// The configuration with the root id.
const CONFIGURATION: &str = "configuration.json";

/// The files of one deployment, checked against each other and against its root id.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    files: BTreeMap<String, Vec<u8>>,
    ceremony: Ceremony,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    root_id: String,
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
            Self::Ceremony(error) => error.rule(),
        }
    }
}

impl Backup {
    /// The names of the files of a deployment, needed or not.
    pub const NAMES: [&'static str; 4] = [GENESIS, DESCRIPTOR, WRAPPED, CONFIGURATION];

    /// Checks a deployment's files by name.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; [`CeremonyError::RootId`] if they are another deployment's.
    pub fn new(files: BTreeMap<String, Vec<u8>>, root_id: &Hash32) -> Result<Self, BackupError> {
        if let Some(name) = files
            .keys()
            .find(|name| !Self::NAMES.contains(&name.as_str()))
        {
            return Err(BackupError::Unknown(name.clone()));
        }
        let file = |name| files.get(name).ok_or(BackupError::Missing(name));
        let genesis = GenesisFile::read(file(GENESIS)?)?;
        let ceremony = Ceremony::pinned(&genesis, root_id)?;
        if file(DESCRIPTOR)? != ceremony.descriptor_bytes() {
            return Err(BackupError::Foreign(DESCRIPTOR));
        }
        let wrapped = match files.get(WRAPPED) {
            None => None,
            Some(bytes) => Some(
                cbor::decode::<WrappedRoot>(bytes).map_err(|_| BackupError::Foreign(WRAPPED))?,
            ),
        };
        match (wrapped, ceremony.wrapped()) {
            (None, Some(_)) => return Err(BackupError::Missing(WRAPPED)),
            (wrapped, expected) if wrapped.as_ref() != expected => {
                return Err(BackupError::Foreign(WRAPPED));
            }
            _ => {}
        }
        let configuration = file(CONFIGURATION)?;
        let configuration =
            openkey_verifier::configuration::Configuration::from_json(configuration)
                .map_err(|error| BackupError::File(error.to_string()))?;
        if configuration.root_id != Some(*root_id) {
            return Err(BackupError::Foreign(CONFIGURATION));
        }
        ceremony.check_configuration(&configuration)?;
        Ok(Self { files, ceremony })
    }

    /// Reads and checks a backup.
    ///
    /// # Errors
    ///
    /// [`BackupError`].
    pub fn from_json(json: &[u8], root_id: &Hash32) -> Result<Self, BackupError> {
        if json.len() > MAX_BACKUP_FILE {
            return Err(BackupError::File("too long".into()));
        }
        let file: File =
            serde_json::from_slice(json).map_err(|error| BackupError::File(error.to_string()))?;
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
            return Err(CeremonyError::RootId.into());
        }
        Self::new(files, root_id)
    }

    /// The backup's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = File {
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
        text
    }

    /// The genesis.
    #[must_use]
    pub const fn ceremony(&self) -> &Ceremony {
        &self.ceremony
    }

    /// The files, by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }
}
