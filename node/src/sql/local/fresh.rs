//! Databases that are made: beside their place, so that what fails leaves nothing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::maintain::EXPORT;
use crate::sql::DatabaseId;

/// A database that is being made; its file is removed when this is dropped, unless it was put in its place. Whoever
/// has the turn to write it makes it, so one name is enough: what a killed process left is made anew.
pub(super) struct Fresh(pub(super) PathBuf);

impl Fresh {
    pub(super) fn make(dir: &Path, id: DatabaseId) -> io::Result<Self> {
        // a name that nobody needs after a crash
        let fresh = Self(dir.join(format!("{id}.new{EXPORT}")));
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&fresh.0)?;
        Ok(fresh)
    }

    /// Puts it in its place, durably.
    pub(super) fn put(self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.0, path)?;
        let dir = path.parent().unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // it has another name, or nobody needs it
        let _ = std::fs::remove_file(&self.0);
    }
}
