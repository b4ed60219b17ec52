//! How connections are set up, and what watches over their statements.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{Action, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, StatementStatus};

use super::allowed::MODULES;
use super::authorizer::{Denial, Policy, Seen};
use super::functions;
use super::prepared::{Prepared, translate, untold};
use super::rows;
use super::run::DEFERS;
use crate::sql::SqlError;

/// How long SQLite waits for a lock of another process: one that opens or closes the database. Who
/// writes it is decided by turns, not by waiting here.
const BUSY: Duration = Duration::from_secs(2);
/// Compiled statements kept by a connection.
const STATEMENTS: usize = 64;
/// Bytes of a compiled statement that is kept: a hundred times what people write.
const STATEMENT_BYTES: usize = 64 << 10;
/// Pages kept in memory by a connection, in KiB.
const CACHE_KIB: i64 = 1024;
/// Steps between two looks at the clock: some tens of microseconds.
const STEPS: i32 = 1000;
/// Writes a copy of the database, to a file that it can name.
const VACUUM: &str = "VACUUM";
/// Bytes of the log that stay when it is over.
const LOG_BYTES: i64 = 4 << 20;

/// Bytes of all compiled statements that are kept.
pub(super) const KEPT_BYTES: usize = 4 << 20;

/// Limits of statements. None of them is met by what people write, and each bounds a way to make
/// SQLite work long, deep or wide between two looks at the clock. SQLite grows a statement by doubling, so
/// that 21,504 is the most operations that fit into 25,000.
const LIMITS: [(Limit, i32); 13] = [
    (Limit::SQLITE_LIMIT_LENGTH, functions::MAX_VALUE as i32),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 100 << 10),
    (Limit::SQLITE_LIMIT_COLUMN, 500),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 500),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
    (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 16),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 32_766),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 16),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    (Limit::SQLITE_LIMIT_PARSER_DEPTH, 500),
];

/// A connection, and what watches over its statements.
pub(super) struct Session {
    connection: Connection,
    watch: Arc<Watch>,
    /// Pages that the database may have, as last set.
    pages: Option<u64>,
    /// Whether the database is being made.
    is_fresh: bool,
    /// Bytes of the compiled statements that are kept, at the most.
    kept: Cell<usize>,
    /// Of which version of the schema it is known whether it has constraints that are looked at when a
    /// transaction ends, and whether it has.
    defers: Cell<Option<(i64, bool)>>,
}

/// Shared with SQLite's hooks.
struct Watch {
    state: Mutex<State>,
    since: Instant,
    /// When to stop, in microseconds after `since`.
    end: AtomicU64,
    inserted: AtomicBool,
    modules: &'static BTreeSet<String>,
}

#[derive(Default)]
struct State {
    /// Under which the present request is; without one, the statements are ours.
    policy: Option<Policy>,
    seen: Seen,
    denial: Option<Denial>,
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// A connection that only reads.
    pub(super) fn reader(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_query_value(None, "schema_version", |_| Ok(()))?;
            Ok(connection)
        };
        let connection = match open() {
            // Who was killed while it made the database left a journal, which is undone only by who
            // may write.
            Err(error) if is_read_only(&error) => {
                drop(Self::writer(path)?);
                open()?
            }
            opened => opened?,
        };
        Self::new(connection)
    }

    /// A connection that writes the file, which is there but may be empty.
    pub(super) fn writer(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        // What is deleted gives its room back. It has no effect when there is a table.
        connection.pragma_update(None, "auto_vacuum", "FULL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Acknowledged means synced.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        Self::new(connection)
    }

    /// A connection to a database that is being made, of which nobody knows. Nothing but its file is written.
    pub(super) fn fresh(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        // What is deleted gives its room back.
        connection.pragma_update(None, "auto_vacuum", "FULL")?;
        // what is not finished is thrown away as a whole
        connection.pragma_update(None, "journal_mode", "MEMORY")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let session = Self::new(connection)?;
        Ok(Self {
            is_fresh: true,
            ..session
        })
    }

    /// Pages of the database. One that is being made, and in which nothing was defined and no number set, has none.
    pub(super) fn pages(&self) -> rusqlite::Result<u64> {
        let ask = |name: &str| {
            let connection = &self.connection;
            connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        };
        let pages = ask("page_count")?;
        // a transaction leaves one, whatever it did
        if self.is_fresh && pages <= 1 {
            for name in ["schema_version", "user_version", "application_id"] {
                if ask(name)? != 0 {
                    return Ok(1);
                }
            }
            return Ok(0);
        }
        Ok(u64::try_from(pages).unwrap_or_default())
    }

    /// Makes it one that others may open while it is written, and closes it.
    pub(super) fn finish(self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        self.connection.close().map_err(|(_, error)| error)
    }

    /// Gives back a log that has become large. What was undone stays in it, and `journal_size_limit` is looked at
    /// by the next transaction only.
    pub(super) fn fold(&self, path: &Path) {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let most = u64::try_from(LOG_BYTES).unwrap_or_default();
        if std::fs::metadata(log).is_ok_and(|log| log.len() > most) {
            let folded = self.connection.busy_timeout(Duration::ZERO).and_then(|()| {
                let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                self.connection.query_row(sql, [], |_| Ok(()))
            });
            // whoever reads it keeps it, and the next one that writes tries again
            let _ = folded;
            let _ = self.connection.busy_timeout(BUSY);
        }
    }

    /// An empty database that only this connection has.
    pub(super) fn empty() -> rusqlite::Result<Self> {
        let session = Self::new(Connection::open_in_memory()?)?;
        session.connection.pragma_update(None, "query_only", true)?;
        Ok(session)
    }

    fn new(mut connection: Connection) -> rusqlite::Result<Self> {
        connection.busy_timeout(BUSY)?;
        for (config, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        ] {
            connection.set_db_config(config, on)?;
        }
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "mmap_size", 0)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        functions::install(&connection)?;
        for (limit, most) in LIMITS {
            connection.set_limit(limit, most)?;
        }
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let watch = Arc::new(Watch {
            state: Mutex::default(),
            since: Instant::now(),
            end: AtomicU64::new(u64::MAX),
            inserted: AtomicBool::new(false),
            modules: modules(&connection)?,
        });
        let clock = Arc::clone(&watch);
        connection.progress_handler(
            STEPS,
            Some(move || clock.micros(Instant::now()) >= clock.end.load(Ordering::Relaxed)),
        )?;
        let inserts = Arc::clone(&watch);
        connection.update_hook(Some(move |action, _: &str, _: &str, _| {
            if action == Action::SQLITE_INSERT {
                inserts.inserted.store(true, Ordering::Relaxed);
            }
        }))?;
        let asked = Arc::clone(&watch);
        connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| {
            let state = &mut *asked.state();
            let Some(policy) = &state.policy else {
                return Authorization::Allow;
            };
            match policy.allows(&context, &mut state.seen, asked.modules) {
                Ok(()) => Authorization::Allow,
                Err(denial) => {
                    state.denial.get_or_insert(denial);
                    Authorization::Deny
                }
            }
        }))?;
        Ok(Self {
            connection,
            watch,
            pages: None,
            is_fresh: false,
            kept: Cell::new(0),
            defers: Cell::new(None),
        })
    }

    /// The connection, for statements of ours.
    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sets how many pages the database may have.
    pub(super) fn limit_pages(&mut self, pages: u64) -> rusqlite::Result<()> {
        if self.pages != Some(pages) {
            self.pages = None;
            let pages = i64::try_from(pages).unwrap_or(i64::MAX);
            self.connection
                .pragma_update(None, "max_page_count", pages)?;
        }
        self.pages = Some(pages);
        Ok(())
    }

    /// Lets `work` run statements under `policy` until `end`.
    pub(super) fn under<T>(&self, policy: &Policy, end: Instant, work: impl FnOnce() -> T) -> T {
        self.watch.state().policy = Some(policy.clone());
        self.watch
            .end
            .store(self.watch.micros(end), Ordering::Relaxed);
        let done = work();
        self.watch.end.store(u64::MAX, Ordering::Relaxed);
        self.watch.state().policy = None;
        done
    }

    /// Compiles one statement under the policy, or finds it compiled.
    ///
    /// The connection is used only by those who can do the same, so what was compiled once need not
    /// be asked for again; SQLite asks again when the schema has changed.
    pub(super) fn prepare(&self, sql: &str, policy: &Policy) -> Result<Prepared<'_>, SqlError> {
        self.begin_statement();
        // The only statement that SQLite does not ask for while it compiles it.
        if sql
            .get(..VACUUM.len())
            .is_some_and(|word| word.eq_ignore_ascii_case(VACUUM))
        {
            return Err(policy.error(&Denial::Other(VACUUM.to_owned())));
        }
        let allowed = policy.allows_text(sql);
        allowed.map_err(|denial| policy.error(&denial))?;
        let mut prepared = self.compile(sql, policy);
        if prepared.is_err() && matches!(self.watch.state().denial, Some(Denial::Calls)) {
            // SQLite may have begun anew, since it knew an older schema: what is called was counted twice
            self.begin_statement();
            prepared = self.compile(sql, policy);
        }
        let prepared = prepared.map_err(|error| self.uncompiled(policy, &error))?;
        let allowed = policy.allows_whole(&self.watch.state().seen, prepared.readonly());
        allowed.map_err(|denial| policy.error(&denial))?;
        self.allow_rows(sql, policy)?;
        // it may be compiled again while it runs
        self.watch.state().seen.count_anew();
        Ok(prepared)
    }

    fn compile(&self, sql: &str, policy: &Policy) -> rusqlite::Result<Prepared<'_>> {
        if !policy.is_kept() {
            return self.connection.prepare(sql).map(Prepared::Once);
        }
        if self.kept.get() > KEPT_BYTES {
            self.forget();
        }
        let statement = self.connection.prepare_cached(sql)?;
        self.weigh(&statement);
        Ok(Prepared::Cached(statement))
    }

    /// Compiles one statement that must define.
    pub(super) fn prepare_definition(
        &self,
        sql: &str,
        policy: &Policy,
    ) -> Result<Prepared<'_>, SqlError> {
        self.begin_statement();
        let allowed = policy.allows_text(sql);
        allowed.map_err(|denial| policy.error(&denial))?;
        let prepared = self.connection.prepare(sql).map(Prepared::Once);
        let prepared = prepared.map_err(|error| self.uncompiled(policy, &error))?;
        self.allow_rows(sql, policy)?;
        if prepared.readonly() {
            return Err(SqlError::Schema(
                "only CREATE, ALTER and DROP define".into(),
            ));
        }
        let allowed = policy.allows_whole(&self.watch.state().seen, false);
        allowed.map_err(|denial| policy.error(&denial))?;
        if self.watch.state().seen.defines() {
            Ok(prepared)
        } else {
            Err(SqlError::Schema(
                "only CREATE, ALTER and DROP define".into(),
            ))
        }
    }

    /// Counts a statement that will be kept. One that is too large for that counts as too much.
    fn weigh(&self, statement: &Statement<'_>) {
        if self.watch.state().seen.compiled {
            let bytes = statement.get_status(StatementStatus::MemUsed);
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let bytes = if bytes > STATEMENT_BYTES {
                usize::MAX
            } else {
                bytes
            };
            self.kept.set(self.kept.get().saturating_add(bytes));
        }
    }

    /// Bytes of the compiled statements that are kept: what was given up for newer ones still counts.
    pub(super) fn kept(&self) -> usize {
        self.kept.get()
    }

    /// Keeps none of them.
    pub(super) fn forget(&self) {
        self.connection.flush_prepared_statement_cache();
        self.kept.set(0);
    }

    /// Whether the schema may have constraints that are looked at when a transaction ends.
    pub(super) fn defers(&self) -> Result<bool, SqlError> {
        let failed = |error: rusqlite::Error| translate(&error);
        let connection = &self.connection;
        let version = connection.pragma_query_value(None, "schema_version", |row| row.get(0));
        let version: i64 = version.map_err(failed)?;
        if let Some((known, defers)) = self.defers.get()
            && known == version
        {
            return Ok(defers);
        }
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE instr(lower(sql), ?1) > 0)";
        let defers = connection.query_row(sql, [DEFERS], |row| row.get(0));
        let defers = defers.map_err(failed)?;
        self.defers.set(Some((version, defers)));
        Ok(defers)
    }

    /// Whether a row was inserted since the statement was compiled.
    pub(super) fn has_inserted(&self) -> bool {
        self.watch.inserted.load(Ordering::Relaxed)
    }

    fn begin_statement(&self) {
        let mut state = self.watch.state();
        state.seen = Seen::default();
        state.denial = None;
        self.watch.inserted.store(false, Ordering::Relaxed);
    }

    /// Whether what was compiled may be run with the rows that there are.
    fn allow_rows(&self, sql: &str, policy: &Policy) -> Result<(), SqlError> {
        let seen = self.watch.state().seen.clone();
        if !seen.defines() {
            return Ok(());
        }
        // these statements are ours
        let before = self.watch.state().policy.take();
        let allowed = rows::allow(&self.connection, sql, policy, &seen);
        self.watch.state().policy = before;
        let allowed = allowed.map_err(|error| translate(&error))?;
        allowed.map_err(|denial| policy.error(&denial))
    }

    /// What an error of a statement means that is compiled: SQLite has read no rows, and speaks of its text.
    fn uncompiled(&self, policy: &Policy, error: &rusqlite::Error) -> SqlError {
        if let Some(denial) = &self.watch.state().denial {
            return policy.error(denial);
        }
        translate(error)
    }

    /// What an error of a statement means that is run.
    pub(super) fn error(&self, policy: &Policy, error: &rusqlite::Error) -> SqlError {
        match self.uncompiled(policy, error) {
            SqlError::Sqlite(_) if self.watch.state().denial.is_none() && !policy.is_told() => {
                SqlError::Sqlite(untold(error).to_owned())
            }
            told => told,
        }
    }
}

impl Watch {
    fn micros(&self, at: Instant) -> u64 {
        let micros = at.saturating_duration_since(self.since).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

fn is_read_only(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ReadOnly)
}

/// The virtual tables that SQLite has, but for those that only compute: the same for every
/// connection of the process.
fn modules(connection: &Connection) -> rusqlite::Result<&'static BTreeSet<String>> {
    static ALL: OnceLock<BTreeSet<String>> = OnceLock::new();
    if let Some(all) = ALL.get() {
        return Ok(all);
    }
    let mut statement = connection.prepare("SELECT lower(name) FROM pragma_module_list")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    let names = names.filter(|name| {
        let allowed = |name: &String| MODULES.contains(&name.as_str());
        !name.as_ref().is_ok_and(allowed)
    });
    let names = names.collect::<rusqlite::Result<_>>()?;
    Ok(ALL.get_or_init(|| names))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No test can take the power away, so this looks at the switch.
    #[test]
    fn h2_acknowledged_means_synced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("one");
        std::fs::File::create(&path).unwrap();
        let session = Session::writer(&path).unwrap();
        let ask = |name: &str| -> String {
            let ask = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            session
                .connection
                .query_row(&ask, [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(
            (ask("synchronous"), ask("journal_mode")),
            ("2".into(), "wal".into())
        );
    }
}
