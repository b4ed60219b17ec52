//! Whether it is for want of room that something could not be written.
//!
//! SQLite says so if the disk is full (`ENOSPC`), and not if the user or project that the node runs as has no
//! more of it (`EDQUOT`): that is an error like a broken disk's. So room is tried.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::error::is_full;
use crate::sql::SqlError;

/// What there must be: more than SQLite writes at once.
const BYTES: usize = 1 << 20;
/// The file that is written and removed, whose name says that nobody needs it after a crash.
const NAME: &str = "room";

/// Tries to write as much to the directory as SQLite could want at once.
pub(super) fn try_room(dir: &Path) -> io::Result<()> {
    let name = format!("{NAME}.{}{}", std::process::id(), super::EXPORT);
    let path = dir.join(name);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).open(&path);
    let tried = file.and_then(|file| fill(&file));
    // nothing is left but what could not be made
    let _ = std::fs::remove_file(&path);
    tried
}

fn fill(mut file: &File) -> io::Result<()> {
    file.write_all(&vec![1; BYTES])?;
    // some file systems find room only now
    file.sync_data()
}

/// An error as it is answered: that there is no room, if that is why something was not written.
pub(super) fn told_apart(error: SqlError, room: impl FnOnce() -> io::Result<()>) -> SqlError {
    let SqlError::Unwritten(reason) = error else {
        return error;
    };
    match room() {
        Err(error) if is_full(&error) => SqlError::DiskFull,
        _ => SqlError::Internal(reason),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;
    use rustix::io::Errno;

    use super::*;
    use crate::sql::local::prepared::translate;

    /// What SQLite reports where the system says `EDQUOT`, of the database, its log or the log's index.
    #[test]
    fn h11_a_user_who_has_no_more_of_the_disk_is_told_as_of_a_full_disk() {
        for code in [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE] {
            let error = || {
                let failed = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
                translate(&failed)
            };
            let system = |errno: Errno| move || Err(errno.into());
            for errno in [Errno::DQUOT, Errno::NOSPC] {
                let told = told_apart(error(), system(errno));
                assert_eq!((told.status(), told.code()), (507, "sql_disk_full"));
            }
            for failed in [
                told_apart(error(), system(Errno::IO)),
                told_apart(error(), || Ok(())),
            ] {
                assert!(matches!(failed, SqlError::Internal(_)), "{failed:?}");
            }
        }
        let read = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_READ), None);
        assert!(matches!(translate(&read), SqlError::Internal(_)));
    }

    #[test]
    fn trying_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        try_room(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(try_room(&dir.path().join("nowhere")).is_err());
    }
}
