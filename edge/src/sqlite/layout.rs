//! How a database comes about, and how connections are set up.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::mark::{self, Mark};
use super::{Layout, OpenError, Options, Turnstile};

/// How long a reader, or who opens, waits for a process that takes no turns (a curious shell) to let go.
const BUSY: Duration = Duration::from_secs(2);

/// How long who opens waits for its turn: another process may be bringing a large file up to date.
const OPENING: Duration = Duration::from_secs(10);

/// Cached pages of the writer, in KiB (SQLite's negative numbers).
const WRITER_CACHE: i32 = -16 * 1024;

/// Statements kept ready on each connection: more than any of our programs has.
const STATEMENTS: usize = 64;

/// Up to this size the whole file is checked at start (a few tenths of a second); a larger one is
/// checked by its operator, in its own time.
const CHECKED_BYTES: u64 = 256 * 1024 * 1024;

/// What the log of recent writes shrinks to when it has been folded in.
const LOG_BYTES: i64 = 16 * 1024 * 1024;

/// What this module keeps beside the layout's own tables. `probe` is written to learn whether
/// writing works.
const OWN_TABLES: &str = "
    CREATE TABLE IF NOT EXISTS migration (
        version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS probe (
        one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL
    ) STRICT;
    INSERT OR IGNORE INTO probe VALUES (1, 0);";

/// Opens for writing, making and migrating what is needed.
pub(super) fn open(
    dir: &Path,
    path: &Path,
    layout: &Layout,
    options: &Options,
) -> Result<(Connection, Turnstile, Option<Mark>), OpenError> {
    make_private(dir, path)?;
    let mut turnstile = Turnstile::open(path).map_err(unusable(path))?;
    // one process at a time makes the database; the next one finds it made
    let turn = turnstile.enter(OPENING).map_err(unusable(path))?;
    let failed = OpenError::of(path);
    let mut connection = connect(path).map_err(&failed)?;
    // what is refused here is left as it is, its log included
    let keep_log = |connection: &Connection, keep| {
        let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep);
        kept.map(drop).map_err(&failed)
    };
    keep_log(&connection, true)?;
    let marked = belongs(&connection, path, layout)?;
    // also a file that is new to SQLite: it may have been emptied
    let known = mark::read(path, layout).is_some_and(|marked| marked > 0);
    if marked || known {
        mark::check(&connection, path, layout, mark::read(path, layout))?;
    }
    keep_log(&connection, false)?;
    if !marked {
        let mark = connection.pragma_update(None, "application_id", layout.application_id);
        mark.map_err(&failed)?;
    }
    set_up_writer(&connection).map_err(&failed)?;
    migrate(&mut connection, path, layout, options.now_ms)?;
    let mark = mark::path(path, layout).and_then(|mark| {
        let opened = Mark::open(&mark, &connection);
        opened
            .inspect_err(|error| tracing::warn!(%error, "cannot use {}", mark.display()))
            .ok()
    });
    drop(turn);
    check(&connection, path, layout)?;
    if let Some(pages) = options.max_pages {
        let bounded = connection.pragma_update(None, "max_page_count", pages);
        bounded.map_err(&failed)?;
    }
    Ok((connection, turnstile, mark))
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)
}

/// Opens for reading.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    reader(path).map_err(OpenError::of(path))
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    // not read-only: the first reader after a crash must be able to recover the log's index
    let connection = connect(path)?;
    // the writer folds the log in when it closes; a reader would do it out of turn
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Checks everything there is, changing nothing.
pub(super) fn check_whole(path: &Path, layout: &Layout) -> Result<(), OpenError> {
    std::fs::metadata(path).map_err(unusable(path))?;
    let marked = mark::read(path, layout);
    let connection = open_reader(path)?;
    if !belongs(&connection, path, layout)? {
        return Err(foreign(path, layout));
    }
    mark::check(&connection, path, layout, marked)?;
    version(&connection, path, layout)?;
    sound(&connection, path, "PRAGMA integrity_check(1)")
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // the file is as untrusted as the host: its schema must not be able to do more than hold data
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

/// Makes directory and file, for their owner alone.
fn make_private(dir: &Path, path: &Path) -> Result<(), OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(unusable(dir))?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(unusable(path))?;
    // one that was there already may have been made by a careless copy
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(unusable(path))?;
    // a synced file is of no use if its name is lost
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(unusable(dir))
}

fn unusable(path: &Path) -> impl Fn(std::io::Error) -> OpenError {
    |e| OpenError::File {
        path: path.to_owned(),
        reason: e.to_string(),
    }
}

fn foreign(path: &Path, layout: &Layout) -> OpenError {
    OpenError::Foreign {
        path: path.to_owned(),
        what: layout.what,
    }
}

/// Refuses another program's database. False: it is new and belongs to nobody.
fn belongs(connection: &Connection, path: &Path, layout: &Layout) -> Result<bool, OpenError> {
    let id: i32 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(|e| match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::Unknown) => {
                foreign(path, layout)
            }
            _ => OpenError::of(path)(e),
        })?;
    if id == layout.application_id {
        return Ok(true);
    }
    let count = "SELECT count(*) FROM sqlite_schema";
    let tables = connection.query_row(count, [], |row| row.get::<_, i64>(0));
    let tables = tables.map_err(OpenError::of(path))?;
    if id == 0 && tables == 0 {
        return Ok(false);
    }
    Err(foreign(path, layout))
}

/// The file's layout and the newest this program knows.
fn version(connection: &Connection, path: &Path, layout: &Layout) -> Result<(u32, u32), OpenError> {
    let newest = "SELECT coalesce(max(version), 0) FROM migration";
    let found = connection.query_row(newest, [], |row| row.get::<_, u32>(0));
    let found = found.map_err(OpenError::of(path))?;
    let known = u32::try_from(layout.migrations.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(OpenError::Newer {
            what: layout.what,
            found,
            known,
        });
    }
    Ok((found, known))
}

fn migrate(
    connection: &mut Connection,
    path: &Path,
    layout: &Layout,
    now_ms: u64,
) -> Result<(), OpenError> {
    let failed = OpenError::of(path);
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(&failed)?;
    transaction.execute_batch(OWN_TABLES).map_err(&failed)?;
    let (found, known) = version(&transaction, path, layout)?;
    for (version, sql) in (1..=known).zip(layout.migrations) {
        if version > found {
            transaction.execute_batch(sql).map_err(&failed)?;
            let row = (version, i64::try_from(now_ms).unwrap_or(i64::MAX));
            let noted = transaction.execute("INSERT INTO migration VALUES (?1, ?2)", row);
            noted.map_err(&failed)?;
        }
    }
    transaction.commit().map_err(&failed)
}

/// A quick check, if that is quick.
fn check(connection: &Connection, path: &Path, layout: &Layout) -> Result<(), OpenError> {
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    if size > CHECKED_BYTES {
        tracing::info!(
            size,
            "the {} is too large to be checked at start: check it at leisure",
            layout.what
        );
        return Ok(());
    }
    sound(connection, path, "PRAGMA quick_check(1)")
}

fn sound(connection: &Connection, path: &Path, check: &str) -> Result<(), OpenError> {
    let damaged = |detail: String| OpenError::Damaged {
        path: path.to_owned(),
        detail,
    };
    let finding: String = connection
        .query_row(check, [], |row| row.get(0))
        .map_err(|e| damaged(e.to_string()))?;
    if finding == "ok" {
        Ok(())
    } else {
        Err(damaged(finding))
    }
}
