//! What was acknowledged last, in a file beside the database.
//!
//! SQLite takes a log whose end is damaged for one that ended earlier, and a log that is missing for one
//! that was folded in. So each transaction that is synced counts in the database, and the count is written
//! here after it: a database that is behind has lost what was acknowledged. Never before it, and it is not
//! synced: after a power cut this file may be behind, the database never is.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Layout, OpenError};

/// The count, and as much of its hash.
const BYTES: usize = 8 + 8;

/// The file of a database that is written.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    failed: bool,
}

fn encode(count: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let (number, check) = bytes.split_at_mut(8);
    number.copy_from_slice(&count.to_le_bytes());
    let hash = blake3::hash(number);
    check.copy_from_slice(hash.as_bytes().get(..8).unwrap_or_default());
    bytes
}

/// `None`: there is none, or it is not one.
fn decode(bytes: &[u8]) -> Option<u64> {
    let (number, _) = bytes.split_first_chunk::<8>()?;
    let count = u64::from_le_bytes(*number);
    (bytes == encode(count)).then_some(count)
}

impl Mark {
    /// Opens or makes it; what it said is compared before, by [`check`].
    pub(super) fn open(path: &Path, connection: &Connection) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let mut mark = Self {
            file: options.open(path)?,
            failed: false,
        };
        mark.write(count(connection).unwrap_or(0));
        mark.file.sync_all()?;
        Ok(mark)
    }

    /// Says that so many transactions are durable.
    pub(super) fn write(&mut self, count: u64) {
        let written = self.file.write_all_at(&encode(count), 0);
        if let Err(error) = &written
            && !self.failed
        {
            // it is behind from now on, and tells less
            tracing::warn!(%error, "the mark of what was acknowledged cannot be written");
        }
        self.failed = written.is_err();
    }
}

/// Where the mark of a database is, if it has one.
pub(super) fn path(database: &Path, layout: &Layout) -> Option<PathBuf> {
    Some(database.with_file_name(layout.mark?))
}

/// What the mark says; to be read before the database is.
pub(super) fn read(database: &Path, layout: &Layout) -> Option<u64> {
    decode(&std::fs::read(path(database, layout)?).ok()?)
}

/// Refuses a database that is behind its mark.
pub(super) fn check(
    connection: &Connection,
    database: &Path,
    layout: &Layout,
    marked: Option<u64>,
) -> Result<(), OpenError> {
    let (Some(marked), Some(mark)) = (marked, path(database, layout)) else {
        return Ok(());
    };
    let found = match count(connection) {
        // the log held all of it
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown) => 0,
        count => count.map_err(OpenError::of(database))?,
    };
    match marked.checked_sub(found) {
        None | Some(0) => Ok(()),
        Some(lost) => Err(OpenError::Behind {
            path: database.to_owned(),
            lost,
            mark,
        }),
    }
}

/// How many synced transactions there were.
fn count(connection: &Connection) -> rusqlite::Result<u64> {
    let count = "SELECT count FROM probe";
    let count = connection.query_row(count, [], |row| row.get::<_, i64>(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Counts one more, in its transaction.
pub(super) fn advance(connection: &Connection) -> rusqlite::Result<u64> {
    let mut update =
        connection.prepare_cached("UPDATE probe SET count = count + 1 RETURNING count")?;
    let count = update.query_row([], |row| row.get::<_, i64>(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}
