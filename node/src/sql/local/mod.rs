//! Databases as SQLite files of one directory, which several processes may serve at once.
//!
//! * `connection`, `prepared`: how SQLite is set up, and what bounds a statement.
//! * `authorizer`, `allowed`: what a statement may do.
//! * `functions`: functions of SQLite that would take too long, anew.
//! * `run`: requests, on one connection.
//! * `room`: whether the disk has some.
//! * `together`: several of them in one transaction.
//! * `pool`: open connections, kept for who comes next.
//! * `maintain`: what operators do: checking, copying.
//! * `names`: what files there are.
//!
//! Everything here blocks. What tenants ask for is done in [`workers`](super::workers), one thing at a
//! time in each process; operators' commands do it themselves.
//!
//! Writers of one database take turns. Readers run beside them. A response to what wrote is given when
//! SQLite has synced its log (`synchronous=FULL`).

mod allowed;
mod authorizer;
mod connection;
mod functions;
mod maintain;
mod names;
mod pool;
mod prepared;
mod room;
mod run;
mod together;

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use openkey_edge::turnstile::Turnstile;

pub(super) use self::authorizer::Policy;
use self::connection::Session;
pub(super) use self::maintain::EXPORT;
pub(super) use self::maintain::remove_old_exports;
pub use self::maintain::{MaintainError, NoRoom};
pub use self::names::FileOf;
use self::pool::{Kind, Pool};
use self::prepared::translate;
pub(super) use self::run::{Read, Work};
pub(super) use self::together::{Member, Write};
use super::{DatabaseId, SqlError, SqlLimits};

/// What the name of a database's file ends with.
pub(super) const SUFFIX: &str = ".sqlite3";
/// Bytes of a page: SQLite's default, with which the databases are made.
const PAGE: u64 = 4096;
/// What took longer is not tried again when memory was short.
const SHORT: Duration = Duration::from_millis(500);

/// How far a request that writes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Another process writes the database: it waits.
    Waits,
    /// It waits no more.
    Begins,
    /// Of several that are done together, the next is begun.
    Next,
    /// All is done, and becomes durable.
    Commits,
}

/// What a request that wrote did.
#[derive(Debug)]
pub(super) struct Wrote {
    /// What comes back.
    pub(super) response: Vec<u8>,
    /// Bytes of the database before.
    pub(super) before: u64,
    /// Bytes after.
    pub(super) after: u64,
}

/// Databases as SQLite files of one directory.
pub struct LocalDatabases {
    dir: PathBuf,
    limits: SqlLimits,
    pool: Pool,
    /// Places where processes take turns to write.
    turnstiles: Mutex<LruCache<DatabaseId, Turnstile>>,
}

impl core::fmt::Debug for LocalDatabases {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LocalDatabases({})", self.dir.display())
    }
}

impl LocalDatabases {
    /// Those in `dir`, which is made if it is missing, for its owner alone. Databases are made by
    /// what first writes them.
    ///
    /// # Errors
    ///
    /// [`MaintainError`]: the directory cannot be used.
    pub fn open(dir: &Path, limits: SqlLimits) -> Result<Self, MaintainError> {
        make_dir(dir)?;
        let most = std::num::NonZeroUsize::new(limits.connections);
        let most = most.unwrap_or(std::num::NonZeroUsize::MIN);
        Ok(Self {
            dir: dir.to_owned(),
            limits,
            pool: Pool::new(limits.connections),
            turnstiles: Mutex::new(LruCache::new(most)),
        })
    }

    /// Closes connections that nobody has used for long.
    pub(super) fn sweep(&self) {
        self.pool.close_idle(self.limits.idle);
    }

    /// Does work again after what is kept was given up, if memory was short and time is not.
    fn with_memory<T>(&self, mut work: impl FnMut() -> Result<T, SqlError>) -> Result<T, SqlError> {
        let began = Instant::now();
        match work() {
            Err(SqlError::Memory) if began.elapsed() < SHORT => {
                self.pool.close();
                work()
            }
            done => done,
        }
    }

    fn path(&self, id: DatabaseId) -> PathBuf {
        self.dir.join(format!("{id}{SUFFIX}"))
    }

    /// Whether the database was made. An empty file is one that is being made.
    fn exists(path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
    }

    /// Lets `work` use a connection, and keeps that for the next.
    fn with<T>(
        &self,
        kind: Kind,
        work: impl FnOnce(&mut Session) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let path = self.path(kind.database);
        let session = self.pool.take(&kind).map_or_else(
            || {
                if kind.writes {
                    Session::writer(&path)
                } else {
                    Session::reader(&path)
                }
            },
            Ok,
        );
        let mut session = session.map_err(|error| translate(&error))?;
        let done = work(&mut session);
        let is_broken = done.as_ref().is_err_and(SqlError::is_of_machine);
        if !is_broken && session.connection().is_autocommit() {
            if kind.writes {
                session.fold(&path);
            }
            self.pool.keep(kind, session);
        }
        done
    }

    /// Does work that does not write.
    pub(super) fn read(
        &self,
        id: DatabaseId,
        work: &Work,
        policy: &Policy,
    ) -> Result<Read, SqlError> {
        let read = self.with_memory(|| self.try_read(id, work, policy));
        read.map_err(|error| self.told_apart(error))
    }

    fn try_read(&self, id: DatabaseId, work: &Work, policy: &Policy) -> Result<Read, SqlError> {
        let end = Instant::now() + self.limits.time;
        let most = self.limits.response_bytes;
        let read = |session: &mut Session| {
            if matches!(work, Work::Changes { .. }) {
                let done = work.whole(session, policy, end, most, &mut |_| {});
                return done.map(Read::Done);
            }
            session.under(policy, end, || work.read(session, policy, most))
        };
        if !Self::exists(&self.path(id)) {
            let session = Session::empty();
            return read(&mut session.map_err(|error| translate(&error))?);
        }
        let kind = Kind {
            database: id,
            can: policy.can,
            writes: false,
        };
        self.with(kind, read)
    }

    /// Does work in one transaction: durable when it returns. Says how far it is.
    pub(super) fn write(
        &self,
        id: DatabaseId,
        work: &Work,
        policy: &Policy,
        may_create: bool,
        bytes: u64,
        told: &mut dyn FnMut(Stage),
    ) -> Result<Wrote, SqlError> {
        let bytes = bytes.min(self.limits.database_bytes);
        self.in_turn(id, may_create, told, |told| {
            self.with_memory(|| self.try_write(id, work, policy, bytes, told))
        })
    }

    /// Does work while no other process writes the database.
    fn in_turn<T>(
        &self,
        id: DatabaseId,
        may_create: bool,
        told: &mut dyn FnMut(Stage),
        work: impl FnOnce(&mut dyn FnMut(Stage)) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let path = self.path(id);
        let failed = |error: &std::io::Error| SqlError::Internal(error.to_string());
        if !Self::exists(&path) && !may_create {
            return Err(SqlError::NotFound);
        }
        let mut turnstiles = self.turnstiles();
        let turnstile = turnstiles.try_get_or_insert_mut(id, || Turnstile::open(&path));
        let turnstile = turnstile.map_err(|error| failed(&error))?;
        // whoever waits is told of it before: another process may never end
        let waits = !turnstile.is_free().map_err(|error| failed(&error))?;
        if waits {
            told(Stage::Waits);
        }
        let turn = turnstile.enter(self.limits.wait);
        let _turn = turn.map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => SqlError::Locked,
            _ => failed(&error),
        })?;
        if waits {
            told(Stage::Begins);
        }
        work(told).map_err(|error| self.told_apart(error))
    }

    /// Whether it is for want of room that something was not written.
    fn told_apart(&self, error: SqlError) -> SqlError {
        room::told_apart(error, || room::try_room(&self.dir))
    }

    fn turnstiles(&self) -> std::sync::MutexGuard<'_, LruCache<DatabaseId, Turnstile>> {
        self.turnstiles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Does it, while no other process writes the database.
    fn try_write(
        &self,
        id: DatabaseId,
        work: &Work,
        policy: &Policy,
        bytes: u64,
        told: &mut dyn FnMut(Stage),
    ) -> Result<Wrote, SqlError> {
        let is_new = self.made(id)?;
        let kind = Kind {
            database: id,
            can: policy.can,
            writes: true,
        };
        self.with(kind, |session| {
            let limited = session.limit_pages((bytes / PAGE).max(1));
            limited.map_err(|error| translate(&error))?;
            let before = if is_new { 0 } else { size(session)? };
            let end = Instant::now() + self.limits.time;
            let most = self.limits.response_bytes;
            let response = work.whole(session, policy, end, most, told)?;
            Ok(Wrote {
                response,
                before,
                after: size(session)?,
            })
        })
    }

    /// Makes the file of a database if it is missing. True: it was.
    fn made(&self, id: DatabaseId) -> Result<bool, SqlError> {
        let path = self.path(id);
        let is_new = !Self::exists(&path);
        if is_new {
            let made = self.make(&path);
            made.map_err(|error| SqlError::Internal(error.to_string()))?;
        }
        Ok(is_new)
    }

    /// Makes an empty file, for its owner alone, whose name is durable.
    fn make(&self, path: &Path) -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        options.open(path)?;
        std::fs::File::open(&self.dir)?.sync_all()
    }
}

/// Makes the directory of databases, for its owner alone, if it is missing.
pub(super) fn make_dir(dir: &Path) -> Result<(), MaintainError> {
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(dir);
    made.map_err(|error| MaintainError::new(dir, &error))
}

/// How many bytes a database has.
fn size(session: &Session) -> Result<u64, SqlError> {
    let connection = session.connection();
    let pages = connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0));
    let pages = pages.map_err(|error| translate(&error))?;
    Ok(u64::try_from(pages)
        .unwrap_or_default()
        .saturating_mul(PAGE))
}
