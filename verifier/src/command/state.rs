//! The file that remembers epochs between runs.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use openkey_protocol::message::EvidenceBinding;

use super::{Failure, source};
use crate::{
    epochs::{Epochs, MAX_EPOCHS_FILE},
    evidence::EvidenceError,
};

/// The highest epoch seen of each deployment, in a file.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    epochs: Epochs,
}

impl State {
    /// Reads the file; one that is not there yet remembers nothing.
    ///
    /// # Errors
    ///
    /// `cannot_open`, `epochs_file`. A file that cannot be read is never taken for an empty one.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let missing = matches!(path.metadata(), Err(error) if error.kind() == ErrorKind::NotFound);
        let epochs = if missing {
            Epochs::default()
        } else {
            Epochs::from_json(&source::file(path, MAX_EPOCHS_FILE + 1)?).map_err(|error| {
                Failure::new(error.rule(), format!("{}: {error}", path.display()))
            })?
        };
        Ok(Self {
            path: path.to_owned(),
            epochs,
        })
    }

    /// Compares accepted evidence with what was seen before.
    ///
    /// # Errors
    ///
    /// [`EvidenceError::EpochTooOld`].
    pub fn check(&self, binding: &EvidenceBinding) -> Result<(), EvidenceError> {
        self.epochs.check(binding)
    }

    /// Remembers accepted evidence, durably.
    ///
    /// # Errors
    ///
    /// `cannot_write`, `epochs_full`.
    pub fn note(&mut self, binding: &EvidenceBinding) -> Result<(), Failure> {
        let before = self.epochs.clone();
        self.epochs
            .note(binding)
            .map_err(|error| Failure::new(error.rule(), error.to_string()))?;
        if self.epochs == before {
            return Ok(());
        }
        source::replace(&self.path, self.epochs.to_json().as_bytes())
    }
}
