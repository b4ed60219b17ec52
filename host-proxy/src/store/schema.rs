//! The database's layout, how it comes about, and how connections are set up.

use std::{
    fs::{DirBuilder, OpenOptions, Permissions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{OpenError, StoreOptions};

/// "OKRS" in the file's header: a database of another program is not touched.
const APPLICATION_ID: i32 = 0x4f4b_5253;

/// Every layout there ever was, in order; the place is the version.
const MIGRATIONS: &[&str] = &[
    // A rowid table: new records go to the end of the file, and only the index is random. `probe`
    // is written to learn whether writing works.
    "CREATE TABLE record (
        id       BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
        revision INTEGER NOT NULL CHECK (revision > 0),
        blob     BLOB NOT NULL
     ) STRICT;
     CREATE TABLE probe (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL) STRICT;
     INSERT INTO probe VALUES (1, 0);",
];

/// How long a writer waits for another process (a backup, a curious shell) to let go.
const BUSY: Duration = Duration::from_secs(2);

/// Cached pages of the writer, in KiB (SQLite's negative numbers).
const WRITER_CACHE: i32 = -16 * 1024;

/// Up to this size the whole file is checked at start (a few tenths of a second); a larger one is
/// checked by its operator, in its own time.
const CHECKED_BYTES: u64 = 256 * 1024 * 1024;

/// What the log of recent writes shrinks to when it has been folded in.
const LOG_BYTES: i64 = 16 * 1024 * 1024;

/// Opens for writing, making and migrating what is needed.
pub(super) fn open(
    dir: &Path,
    path: &Path,
    options: &StoreOptions,
) -> Result<Connection, OpenError> {
    make_private(dir, path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    claim(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    migrate(&mut connection, options.now_ms)?;
    check(&connection, path)?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(connection)
}

/// Opens for reading.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    // not read-only: the first reader after a crash must be able to recover the log's index
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, OpenError> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(16);
    // the file is as untrusted as the host: its schema must not be able to do more than hold data
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

/// Makes directory and file, for their owner alone.
fn make_private(dir: &Path, path: &Path) -> Result<(), OpenError> {
    let told = |path: &Path| {
        let path = path.to_owned();
        move |e: std::io::Error| OpenError::File {
            path,
            reason: e.to_string(),
        }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(told(dir))?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(told(path))?;
    // one that was there already may have been made by a careless copy
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(told(path))
}

/// Refuses another program's database and marks a new one.
fn claim(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let foreign = || OpenError::Foreign(path.to_owned());
    let id: i32 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(|e| match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => foreign(),
            _ => e.into(),
        })?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id != 0 || tables != 0 {
        return Err(foreign());
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(())
}

fn migrate(connection: &mut Connection, now_ms: u64) -> Result<(), OpenError> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (
            version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL
         ) STRICT",
    )?;
    let found: u32 = transaction.query_row(
        "SELECT coalesce(max(version), 0) FROM migration",
        [],
        |row| row.get(0),
    )?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    for (version, sql) in (1..=known).zip(MIGRATIONS) {
        if version > found {
            transaction.execute_batch(sql)?;
            transaction.execute(
                "INSERT INTO migration VALUES (?1, ?2)",
                (version, i64::try_from(now_ms).unwrap_or(i64::MAX)),
            )?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    if size > CHECKED_BYTES {
        tracing::info!(
            size,
            "the record store is too large to be checked at start: run `PRAGMA quick_check` at leisure"
        );
        return Ok(());
    }
    let damaged = |detail: String| OpenError::Damaged {
        path: path.to_owned(),
        detail,
    };
    let finding: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|e| damaged(e.to_string()))?;
    if finding == "ok" {
        Ok(())
    } else {
        Err(damaged(finding))
    }
}
