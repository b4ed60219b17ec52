//! What operators do with all databases, and copies of one.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::prepared::translate;
use super::{LocalDatabases, functions};
use crate::error::is_full;
use crate::sql::{DatabaseId, SqlError};

/// Where exports are made: names that nobody needs after a crash.
pub(in crate::sql) const EXPORT: &str = ".export";
/// Age of an export that nobody makes any more. Its process died.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Why databases cannot be opened, checked or copied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {path}: {reason}")]
pub struct MaintainError {
    /// Which file or directory.
    pub path: PathBuf,
    /// What the system or SQLite said.
    pub reason: String,
}

/// There is no room where something is copied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room is left")]
pub struct NoRoom;

impl MaintainError {
    pub(in crate::sql) fn new(path: &Path, reason: &dyn core::fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

impl LocalDatabases {
    /// Whether there is a file of a database.
    #[must_use]
    pub fn is_there(&self, id: &DatabaseId) -> bool {
        Self::exists(&self.path(*id)).unwrap_or(true)
    }

    /// Reads a whole database, and says what is wrong with it. Blocks.
    #[must_use]
    pub fn damage(&self, id: &DatabaseId) -> Option<String> {
        self.missing(id).or_else(|| {
            let path = self.path(*id);
            let detail = verify(&path)?;
            Some(format!("{} is damaged: {detail}", path.display()))
        })
    }

    /// Copies a database, as of one moment, into a file of the same name in another directory, and says
    /// why it could not. Blocks.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]: there is none in that directory.
    pub fn copy_to(&self, id: &DatabaseId, to: &Path) -> Result<Option<String>, NoRoom> {
        if let Some(problem) = self.missing(id) {
            return Ok(Some(problem));
        }
        let path = self.path(*id);
        let name = path.file_name().unwrap_or_default();
        let copied = copy(&path, &to.join(name)).and_then(|copy| Ok(copy.sync_all()?));
        match copied {
            Ok(()) => Ok(None),
            Err(error) if is_for_want_of_room(error.as_ref()) => Err(NoRoom),
            Err(error) => Ok(Some(format!(
                "{} cannot be copied: {error}",
                path.display()
            ))),
        }
    }

    fn missing(&self, id: &DatabaseId) -> Option<String> {
        let path = self.path(*id);
        (Self::exists(&path) == Ok(false))
            .then(|| format!("its file {} is missing or empty", path.display()))
    }
}

impl LocalDatabases {
    /// Copies a database into an empty file of the same directory.
    pub(in crate::sql) fn export(&self, id: DatabaseId, to: &str) -> Result<(), SqlError> {
        let path = self.path(id);
        if !Self::exists(&path)? {
            return Err(SqlError::NotFound);
        }
        let from = open(&path).map_err(|error| translate(&error))?;
        let version = from.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0));
        // Made, but by what failed.
        if version.map_err(|error| translate(&error))? == 0 {
            return Err(SqlError::NotFound);
        }
        let to = self.dir.join(to);
        let name = to.to_str();
        let name = name.ok_or_else(|| SqlError::Internal("the name is not UTF-8".to_owned()))?;
        // what is not in the directory is out of reach
        let copied = from
            .pragma_update(None, "temp_store", "MEMORY")
            .and_then(|()| from.execute("VACUUM INTO ?1", [name]));
        copied.map(drop).map_err(|error| translate(&error))
    }
}

/// Removes what processes that died while they exported have left.
pub(in crate::sql) fn remove_old_exports(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let is_export = entry.file_name().to_string_lossy().ends_with(EXPORT);
        let since = entry.metadata().and_then(|metadata| metadata.modified());
        let age = since.map(|since| since.elapsed().unwrap_or_default());
        // One that is gone meanwhile was removed by whoever made it.
        if is_export && age.is_ok_and(|age| age > OLD) {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// A connection for what operators do. Checking and copying can call what definitions do.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    functions::install(&connection)?;
    Ok(connection)
}

/// A database that is copied is only read, so it is the copy that finds no room.
fn is_for_want_of_room(error: &(dyn std::error::Error + 'static)) -> bool {
    let of_sqlite = error.downcast_ref::<rusqlite::Error>();
    let of_system = error.downcast_ref::<std::io::Error>();
    of_sqlite.is_some_and(|error| error.sqlite_error_code() == Some(ErrorCode::DiskFull))
        || of_system.is_some_and(is_full)
}

/// Copies a database, as of one moment, into a new file, for its owner alone.
fn copy(from: &Path, to: &Path) -> Result<File, Box<dyn std::error::Error>> {
    // SQLite fills an empty file, and refuses any other.
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create_new(true);
    let file = options.mode(0o600).open(to)?;
    let name = to.to_str().ok_or("the name is not UTF-8")?;
    open(from)?.execute("VACUUM INTO ?1", [name])?;
    Ok(file)
}
/// What SQLite finds first in a database that it reads as a whole.
fn verify(path: &Path) -> Option<String> {
    let checked = open(path).and_then(|connection| {
        // what owners demand of their own rows may depend on the connection: it is not for us to judge
        connection.pragma_update(None, "ignore_check_constraints", true)?;
        connection.query_row("PRAGMA integrity_check(1)", [], |row| {
            row.get::<_, String>(0)
        })
    });
    let detail = checked.unwrap_or_else(|error| error.to_string());
    (detail != "ok").then_some(detail)
}
