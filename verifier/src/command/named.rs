//! A configuration that a flag names: its file, read once, or its hash.

use std::path::{Path, PathBuf};

use openkey_protocol::message::Hash32;

use super::{Failure, source};
use crate::configuration::{Configuration, MAX_CONFIGURATION};

/// A configuration as a flag names it.
#[derive(Debug)]
pub(super) enum Named {
    Hash(Hash32),
    File(Box<ConfigurationFile>),
}

impl Named {
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        match text.parse() {
            Ok(hash) => Ok(Self::Hash(hash)),
            Err(_) => {
                let file = ConfigurationFile::read(Path::new(text))?;
                Ok(Self::File(Box::new(file)))
            }
        }
    }

    pub(super) fn hash(&self) -> Hash32 {
        match self {
            Self::Hash(hash) => *hash,
            Self::File(file) => file.content.hash(),
        }
    }
}

/// A file with a configuration, as it was read.
#[derive(Clone, Debug)]
pub struct ConfigurationFile {
    /// Where it was.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub content: Configuration,
}

impl ConfigurationFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// `cannot_open`, `configuration`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = source::file(path, MAX_CONFIGURATION + 1)?;
        let content = Configuration::from_json(&bytes)
            .map_err(|error| Failure::new(error.rule(), format!("{}: {error}", path.display())))?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
            content,
        })
    }
}

/// The hash of a configuration: as it is, or of a file.
///
/// # Errors
///
/// `cannot_open`, `configuration`.
pub fn configuration_hash(text: &str) -> Result<Hash32, Failure> {
    Named::read(text).map(|named| named.hash())
}
