//! What a simulation keeps in its directory, read and written.

use std::io;
use std::path::Path;

use serde::Serialize;
use zeroize::Zeroizing;

use super::{Dir, DirError, Kept, at};
use crate::files;

impl Dir {
    /// What was kept; `None` before the first start.
    ///
    /// # Errors
    ///
    /// [`DirError::Content`] if the file was edited into something else.
    pub fn kept(&self) -> Result<Option<Kept>, DirError> {
        let path = self.config();
        let kept: Option<Kept> = self.read_json(&path)?;
        if let Some(reason) = kept.as_ref().and_then(Kept::unknown_version) {
            return Err(DirError::Content { path, reason });
        }
        Ok(kept)
    }

    /// Keeps it.
    ///
    /// # Errors
    ///
    /// [`DirError::File`].
    pub fn keep(&self, kept: &Kept) -> Result<(), DirError> {
        self.write_json(&self.config(), kept)
    }

    /// The development root key, made at the first start.
    ///
    /// # Errors
    ///
    /// [`DirError::Content`] if the file holds anything else than 32 bytes: a key is never made in
    /// the place of another.
    pub fn root_key(&self) -> Result<Zeroizing<[u8; 32]>, DirError> {
        let path = self.0.join("root-key");
        let mut key = Zeroizing::new([0; 32]);
        match std::fs::read(&path).map(Zeroizing::new) {
            Ok(bytes) if bytes.len() == key.len() => key.copy_from_slice(&bytes),
            Ok(_) => {
                return Err(DirError::Content {
                    path,
                    reason: "is not a root key of 32 bytes".to_owned(),
                });
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                getrandom::fill(key.as_mut_slice())
                    .map_err(|e| at(&path, io::Error::other(e.to_string())))?;
                files::write_private(&path, key.as_slice()).map_err(|error| at(&path, error))?;
            }
            Err(error) => return Err(at(&path, error)),
        }
        Ok(key)
    }

    pub(crate) fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), DirError> {
        let mut bytes =
            serde_json::to_vec_pretty(value).map_err(|e| at(path, io::Error::other(e)))?;
        bytes.push(b'\n');
        files::write_public(path, &bytes).map_err(|error| at(path, error))
    }

    /// A JSON file; `None` if there is none.
    pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        path: &Path,
    ) -> Result<Option<T>, DirError> {
        let bytes = match std::fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| at(path, error))?,
        };
        let value = serde_json::from_slice(&bytes).map_err(|e| DirError::Content {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        Ok(Some(value))
    }

    pub(crate) fn write_text(&self, path: &Path, text: &str) -> Result<(), DirError> {
        files::write_public(path, text.as_bytes()).map_err(|error| at(path, error))
    }
}
