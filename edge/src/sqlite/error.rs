//! Why a database cannot be opened, or does not do what it is asked.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why a database does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Nothing was written.
    #[error("{reason}")]
    Failed {
        /// What went wrong.
        reason: String,
    },
    /// Another process kept it from being written for as long as one waits.
    #[error("another process holds the database")]
    Locked,
    /// There is no room on the disk: nothing was written.
    #[error("the disk is full")]
    Full,
    /// It may or may not have been written.
    #[error("{reason}; it may or may not have been written")]
    Unknown {
        /// What went wrong.
        reason: String,
    },
}

/// For what SQLite reports of anything but a `COMMIT`: nothing was written.
impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            // the log's index cannot grow
            _ if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ => Self::Failed {
                reason: error.to_string(),
            },
        }
    }
}

impl DatabaseError {
    /// What a failed `COMMIT` means. Without room or without the lock nothing was begun; after any
    /// other failure the transaction may yet be found on disk when the log is read again.
    pub(super) fn of_commit(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                error.into()
            }
            _ => Self::Unknown {
                reason: error.to_string(),
            },
        }
    }
}

/// Why a database cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory or file cannot be used.
    #[error("cannot use {path}: {reason}")]
    File {
        /// The file's path.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is not marked as this program's: it is another one's, or its beginning is damaged, which
    /// nobody can tell apart.
    #[error(
        "{path} is not marked as a {what}: it is damaged, or it belongs to another program. If there was a {what} here, restore a backup; if not, choose another directory"
    )]
    Foreign {
        /// The file's path.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// A newer program has changed the file's layout.
    #[error("the {what} has layout {found}, this program knows up to {known}: use a newer one")]
    Newer {
        /// What the file is.
        what: &'static str,
        /// The file's layout.
        found: u32,
        /// This program's.
        known: u32,
    },
    /// The file is damaged.
    #[error("{path} is damaged ({detail}): restore a backup")]
    Damaged {
        /// The file's path.
        path: PathBuf,
        /// The first finding.
        detail: String,
    },
    /// The file lacks what was acknowledged.
    #[error(
        "{path} lacks the last {lost} transactions that were acknowledged: its log ({path}-wal) is damaged or missing, or it is an older copy. Restore a backup; or remove {mark} to go on without them"
    )]
    Behind {
        /// The file's path.
        path: PathBuf,
        /// How many transactions.
        lost: u64,
        /// The file that says so.
        mark: PathBuf,
    },
    /// Anything else SQLite reports.
    #[error("database: {0}")]
    Database(String),
}

impl OpenError {
    /// What SQLite reports of this file.
    pub(super) fn of(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        move |error| match error.sqlite_error_code() {
            // our own statements fail like the last one only where the file is not as it was made
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => {
                Self::Damaged {
                    path: path.to_owned(),
                    detail: error.to_string(),
                }
            }
            _ => Self::Database(format!("{}: {error}", path.display())),
        }
    }
}
