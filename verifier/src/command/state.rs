//! The file that remembers epochs between runs.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use openkey_protocol::message::EvidenceBinding;

use super::{Failure, output, source};
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
        Ok(Self {
            path: path.to_owned(),
            epochs: read(path)?,
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

    /// Whether the epoch of accepted evidence is kept: by its root id, of an enclave that has the root key; if not, stderr says that nothing is
    /// remembered of `whose` evidence, and why. `None` is a document of another program.
    #[must_use]
    pub fn keeps(&self, whose: &str, binding: Option<&EvidenceBinding>) -> bool {
        let why = match binding {
            Some(binding) if binding.root_id.is_none() => {
                "its evidence names no root id, because there was no genesis yet"
            }
            Some(binding) if Epochs::counts(binding) => return true,
            Some(_) => "the enclave has no root key yet, so it has served nobody",
            None => "it is no evidence of this protocol, so it names no root id and no epoch",
        };
        output::note(&format!(
            "note: nothing is remembered of {whose} in {}: {why}; a lower epoch will not be noticed",
            self.path.display()
        ));
        false
    }

    /// Remembers accepted evidence, durably, beside what other runs remembered meanwhile: the file
    /// is locked, read again and merged, so that no run takes back what another one saw.
    ///
    /// # Errors
    ///
    /// `cannot_open`, `cannot_write`, `epochs_file`, `epochs_full`, `file_locked`.
    pub fn note<'b>(
        &mut self,
        bindings: impl IntoIterator<Item = &'b EvidenceBinding>,
    ) -> Result<(), Failure> {
        let failed = |error: crate::epochs::EpochsError| {
            Failure::new(error.rule(), format!("{}: {error}", self.path.display()))
        };
        let mut seen = Epochs::default();
        for binding in bindings {
            seen.note(binding).map_err(failed)?;
        }
        // What is known already needs no lock, and no directory that can be written.
        self.epochs = read(&self.path)?;
        if self.epochs.covers(&seen) {
            return Ok(());
        }
        let _lock = source::lock(&self.path)?;
        let mut epochs = read(&self.path)?;
        epochs.merge(&seen).map_err(failed)?;
        source::replace(&self.path, epochs.to_json().as_bytes())?;
        self.epochs = epochs;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Epochs, Failure> {
    // A symbolic link that leads nowhere is a file that is not there yet, too.
    if matches!(path.metadata(), Err(error) if error.kind() == ErrorKind::NotFound) {
        return Ok(Epochs::default());
    }
    Epochs::from_json(&source::file(path, MAX_EPOCHS_FILE + 1)?)
        .map_err(|error| Failure::new(error.rule(), format!("{}: {error}", path.display())))
}
