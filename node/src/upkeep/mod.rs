//! Checking, copying and taking back everything that a node keeps.
//!
//! * `check`: reads everything, and compares it with what is recorded of it.
//! * `rows`, `tokens`: the store's part of that, which a backup does with its copy too.
//! * `databases`, `strays`: files against the rows that list them.
//! * `copy`: backups, and what is taken from them.

mod check;
mod copy;
mod databases;
mod files;
mod found;
mod rows;
mod strays;
mod times;
mod tokens;

use std::io;
use std::path::{Path, PathBuf};

use openkey_edge::sqlite::{DatabaseError, OpenError};
use serde::Serialize;

pub use self::check::check;
pub use self::copy::{backup, restore};
pub use self::found::{Checked, Finding, Part, RESTORE};
pub use self::times::{Times, clock};
use crate::keys::KeysError;
use crate::store::StoreError;

/// What a backup is known by.
pub(crate) const MARK: &str = "openkey-node-backup";

/// Is told how far long work is.
pub trait Progress {
    /// So many of them are done.
    fn at(&self, what: &str, done: u64);
}

/// Tells nobody.
impl Progress for () {
    fn at(&self, _: &str, _: u64) {}
}

/// What was copied.
#[derive(Debug, Default, Serialize)]
pub struct Copied {
    /// Blobs.
    pub blobs: u64,
    /// Databases.
    pub databases: u64,
}

/// Why upkeep did not end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpkeepError {
    /// There is no node in a directory.
    #[error("{0} holds no node: name its directory with --dir")]
    NoNode(PathBuf),
    /// Whether there is one cannot be seen.
    #[error("{path} cannot be looked into ({error}): do this as the user that the node runs as")]
    Closed {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A directory is there already.
    #[error("{0} exists: name a directory that is not there yet")]
    Exists(PathBuf),
    /// A directory is not empty.
    #[error("{0} is not empty: name a directory that is empty or not there yet")]
    NotEmpty(PathBuf),
    /// It is no backup, or one that did not end.
    #[error("{0} is no backup that was finished: name a directory that `openkey-node backup` made")]
    NoBackup(PathBuf),
    /// What is copied would be copied into itself.
    #[error("{inner} is inside {outer}, of which it is to be a copy: name a directory outside")]
    Inside {
        /// The directory of the copy.
        inner: PathBuf,
        /// The directory that is copied.
        outer: PathBuf,
    },
    /// The copy could not be written.
    #[error(
        "{to} could not be written ({error}), so it is no backup: make room there, remove it, and try again. Nothing is said of the node by that"
    )]
    Unwritten {
        /// The directory of the copy, which bears no mark.
        to: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// What was copied is not whole.
    #[error("{} is not whole, and its copy {} is no backup: {}", .dir.display(), .to.display(), .found.summary())]
    NoWholeNode {
        /// The node's directory.
        dir: PathBuf,
        /// The directory of the copy, which bears no mark.
        to: PathBuf,
        /// All that is not as recorded in the copy.
        found: Box<Checked>,
    },
    /// What a backup holds is not whole.
    #[error("the backup {} is not whole, and {} is no node: {}; restore another backup", .from.display(), .dir.display(), .found.summary())]
    NoWholeBackup {
        /// The backup's directory.
        from: PathBuf,
        /// The directory of the copy, which has no secret.
        dir: PathBuf,
        /// All that is not as recorded in the copy.
        found: Box<Checked>,
    },
    /// A file.
    #[error("{path}: {error}")]
    File {
        /// The file's path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// `node.sqlite3` cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// `node.sqlite3` cannot be read, or holds a row of another form.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `node.sqlite3` cannot be copied.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The secret.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The directory of databases, or a file in it, cannot be read or copied.
    #[error("databases: {0}")]
    Databases(String),
}

impl UpkeepError {
    /// What was found, if that is why.
    #[must_use]
    pub fn found(&self) -> Option<&Checked> {
        match self {
            Self::NoWholeNode { found, .. } | Self::NoWholeBackup { found, .. } => Some(found),
            _ => None,
        }
    }
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> UpkeepError {
    let path = path.to_owned();
    move |error| UpkeepError::File { path, error }
}

fn databases_failed(error: impl std::fmt::Display) -> UpkeepError {
    UpkeepError::Databases(error.to_string())
}
