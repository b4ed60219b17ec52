//! What operators do with all databases, and copies of one.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::connection::translate;
use super::{LocalDatabases, SUFFIX, Shared, functions};
use crate::sql::{DatabaseId, Export, SqlError};

/// Where exports are made: names that nobody needs after a crash.
pub(super) const EXPORT: &str = ".export";
/// Age of an export that nobody makes any more. Its process died.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// What is wrong with a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its file.
    pub path: PathBuf,
    /// What SQLite found first.
    pub detail: String,
}

/// Why databases cannot be opened, checked or copied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {path}: {reason}")]
pub struct MaintainError {
    /// Which file or directory.
    pub path: PathBuf,
    /// What the system or SQLite said.
    pub reason: String,
}

impl MaintainError {
    pub(super) fn new(path: &Path, reason: &dyn core::fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

impl LocalDatabases {
    /// Checks every database, which takes as long as reading it. `progress` is told how many are
    /// done, and of how many. Blocks; others may read and write meanwhile.
    ///
    /// # Errors
    ///
    /// [`MaintainError`]: the directory cannot be read. What is wrong with a database is no error but
    /// a [`Finding`].
    pub fn check(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Finding>, MaintainError> {
        let mut findings = Vec::new();
        self.each(progress, |path| {
            if let Some(detail) = verify(path) {
                let path = path.to_owned();
                findings.push(Finding { path, detail });
            }
            Ok(())
        })?;
        Ok(findings)
    }

    /// Copies every database, each as of one moment, into a directory that is made for it. Blocks;
    /// others may read and write meanwhile. The copy is durable when this returns, and can be opened
    /// as databases.
    ///
    /// # Errors
    ///
    /// [`MaintainError`]: the directory is there already, or a copy failed.
    pub fn backup(
        &self,
        to: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), MaintainError> {
        let made = std::fs::DirBuilder::new().mode(0o700).create(to);
        made.map_err(|error| MaintainError::new(to, &error))?;
        self.each(progress, |path| {
            let name = path.file_name().unwrap_or_default();
            let copied = copy(path, &to.join(name)).and_then(|copy| Ok(copy.sync_all()?));
            copied.map_err(|error| MaintainError::new(path, &error))
        })?;
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        for dir in [to, parent.unwrap_or(Path::new("."))] {
            let synced = File::open(dir).and_then(|dir| dir.sync_all());
            synced.map_err(|error| MaintainError::new(dir, &error))?;
        }
        Ok(())
    }

    fn each(
        &self,
        progress: &mut dyn FnMut(u64, u64),
        mut work: impl FnMut(&Path) -> Result<(), MaintainError>,
    ) -> Result<(), MaintainError> {
        let dir = &self.0.dir;
        let failed = |error: &std::io::Error| MaintainError::new(dir, error);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(|error| failed(&error))? {
            let path = entry.map_err(|error| failed(&error))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| name.ends_with(SUFFIX)) && Shared::exists(&path) {
                paths.push(path);
            }
        }
        paths.sort();
        let all = paths.len() as u64;
        for (done, path) in (0..).zip(&paths) {
            progress(done, all);
            work(path)?;
        }
        progress(all, all);
        Ok(())
    }
}

impl LocalDatabases {
    /// Whether there is a file of a database.
    #[must_use]
    pub fn is_there(&self, id: &DatabaseId) -> bool {
        Shared::exists(&self.0.path(*id))
    }

    /// Reads a whole database, and says what is wrong with it. Blocks.
    #[must_use]
    pub fn damage(&self, id: &DatabaseId) -> Option<String> {
        self.missing(id).or_else(|| {
            let path = self.0.path(*id);
            let detail = verify(&path)?;
            Some(format!("{} is damaged: {detail}", path.display()))
        })
    }

    /// Copies a database, as of one moment, into a file of the same name in another directory, and says
    /// why it could not. Blocks.
    #[must_use]
    pub fn copy_to(&self, id: &DatabaseId, to: &Path) -> Option<String> {
        self.missing(id).or_else(|| {
            let path = self.0.path(*id);
            let name = path.file_name().unwrap_or_default();
            let copied = copy(&path, &to.join(name)).and_then(|copy| Ok(copy.sync_all()?));
            let error = copied.err()?;
            Some(format!("{} cannot be copied: {error}", path.display()))
        })
    }

    fn missing(&self, id: &DatabaseId) -> Option<String> {
        let path = self.0.path(*id);
        (!Shared::exists(&path)).then(|| format!("its file {} is missing or empty", path.display()))
    }
}

impl Shared {
    pub(super) fn export(&self, id: DatabaseId) -> Result<Export, SqlError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let path = self.path(id);
        if !Self::exists(&path) {
            return Err(SqlError::NotFound);
        }
        let version = open(&path)
            .and_then(|connection| {
                connection.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0))
            })
            .map_err(|error| translate(&error))?;
        // Made, but by what failed.
        if version == 0 {
            return Err(SqlError::NotFound);
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{id}.{}.{count}{EXPORT}", std::process::id());
        let to = self.dir.join(name);
        let copied = copy(&path, &to);
        let removed = std::fs::remove_file(&to);
        let failed = |error: &dyn core::fmt::Display| SqlError::Internal(error.to_string());
        let file = copied.map_err(|error| failed(&error))?;
        removed.map_err(|error| failed(&error))?;
        let bytes = file.metadata().map_err(|error| failed(&error))?.len();
        Ok(Export { file, bytes })
    }
}

/// Removes what processes that died while they exported have left.
pub(super) fn remove_old_exports(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let is_export = entry.file_name().to_string_lossy().ends_with(EXPORT);
        let since = entry.metadata().and_then(|metadata| metadata.modified());
        let age = since.map(|since| since.elapsed().unwrap_or_default());
        // One that is gone meanwhile was removed by whoever made it.
        if is_export && age.is_ok_and(|age| age > OLD) {
            std::fs::remove_file(entry.path())?;
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
