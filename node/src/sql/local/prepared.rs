//! Compiled statements, and what their errors mean.

use std::ops::{Deref, DerefMut};

use rusqlite::{CachedStatement, ErrorCode, Statement};

use crate::sql::SqlError;
use crate::sql::statement::NotOne;

/// A compiled statement.
pub(super) enum Prepared<'a> {
    /// To be found again.
    Cached(CachedStatement<'a>),
    /// For this time.
    Once(Statement<'a>),
}

impl<'a> Deref for Prepared<'a> {
    type Target = Statement<'a>;

    fn deref(&self) -> &Statement<'a> {
        match self {
            Self::Cached(statement) => statement,
            Self::Once(statement) => statement,
        }
    }
}

impl<'a> DerefMut for Prepared<'a> {
    fn deref_mut(&mut self) -> &mut Statement<'a> {
        match self {
            Self::Cached(statement) => statement,
            Self::Once(statement) => statement,
        }
    }
}

/// What kind of error it is, for whom its text, in which values can be, may not be told.
pub(super) fn untold(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ffi;
    match error.sqlite_error().map(|error| error.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE) => "UNIQUE constraint failed",
        Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID) => {
            "PRIMARY KEY constraint failed"
        }
        Some(ffi::SQLITE_CONSTRAINT_NOTNULL) => "NOT NULL constraint failed",
        Some(ffi::SQLITE_CONSTRAINT_CHECK) => "CHECK constraint failed",
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => "FOREIGN KEY constraint failed",
        Some(ffi::SQLITE_CONSTRAINT_TRIGGER) => "a trigger refused it",
        _ => "it failed while it ran: of what, only who may read all of the database is told",
    }
}

/// What SQLite reports, as an answer to whoever wrote the statement, or as a failure of the machine.
pub(super) fn translate(error: &rusqlite::Error) -> SqlError {
    use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};
    let extended = error.sqlite_error().map(|error| error.extended_code);
    if matches!(extended, Some(SQLITE_IOERR_WRITE | SQLITE_IOERR_SHMSIZE)) {
        // SQLite tells a full disk apart, but not a user who has no more of it
        return SqlError::Unwritten(error.to_string());
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => SqlError::Time,
        Some(ErrorCode::OutOfMemory) => SqlError::Memory,
        Some(ErrorCode::DiskFull) => SqlError::Quota,
        Some(ErrorCode::DatabaseBusy) => SqlError::Busy,
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::CannotOpen
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::PermissionDenied
            | ErrorCode::NoLargeFileSupport
            | ErrorCode::InternalMalfunction
            | ErrorCode::ApiMisuse,
        ) => SqlError::Internal(error.to_string()),
        _ => match error {
            rusqlite::Error::MultipleStatement => NotOne::Several.into(),
            rusqlite::Error::SqlInputError { msg, .. } => SqlError::Sqlite(msg.clone()),
            rusqlite::Error::SqliteFailure(_, Some(message)) => SqlError::Sqlite(message.clone()),
            error => SqlError::Sqlite(error.to_string()),
        },
    }
}
