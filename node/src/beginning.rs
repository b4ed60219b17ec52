//! A node's first start, told from one that has lost what it had.
//!
//! Secret and store are made at the first start only, and while a file says that it is going on: a start
//! that was interrupted goes on, and where one of them is missing later, no other is made in its place.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openkey_edge::lock::{Kind, lock};

use crate::keys::{self, KeysError};
use crate::node::{BLOBS, DATABASES, OpenNodeError};
use crate::store::sqlite::SqliteStore;

/// Is there while a first start goes on.
const FILE_NAME: &str = "node.new";

/// How long another process may take to start.
const STARTING: Duration = Duration::from_secs(20);

/// A start. One process at a time is at it.
pub(crate) struct Beginning {
    dir: PathBuf,
    /// The lock of the directory itself.
    _starting: File,
}

impl Beginning {
    /// Waits for others who start, and refuses a directory that has lost a part of a node.
    pub(crate) fn of(dir: &Path) -> Result<Self, OpenNodeError> {
        let told = |error| OpenNodeError::Directory {
            path: dir.to_owned(),
            error,
        };
        let starting = File::open(dir).map_err(told)?;
        lock(&starting, Kind::Exclusive, STARTING).map_err(told)?;
        let beginning = Self {
            dir: dir.to_owned(),
            _starting: starting,
        };
        let mark = dir.join(FILE_NAME);
        if mark.exists() {
            return Ok(beginning);
        }
        let secret = dir.join(keys::FILE_NAME);
        match (secret.exists(), SqliteStore::is_in(dir)) {
            (true, true) => {}
            (false, true) => return Err(KeysError::Missing(secret).into()),
            // a secret may be brought
            (_, false) if is_clear(dir) => {
                let made = File::create_new(&mark).and_then(|_| sync(dir));
                made.map_err(told)?;
            }
            _ => return Err(OpenNodeError::Lost(SqliteStore::path(dir))),
        }
        Ok(beginning)
    }

    /// Secret and store are there.
    pub(crate) fn end(self) -> Result<(), OpenNodeError> {
        let removed = match fs::remove_file(self.dir.join(FILE_NAME)) {
            Ok(()) => sync(&self.dir),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(|error| OpenNodeError::Directory {
            path: self.dir,
            error,
        })
    }
}

/// Whether nothing is there that a node makes with its store, or after it.
fn is_clear(dir: &Path) -> bool {
    let (store, mark) = (SqliteStore::path(dir), SqliteStore::mark(dir));
    let made = [store, mark, dir.join(BLOBS), dir.join(DATABASES)];
    made.iter().all(|path| !path.exists())
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
