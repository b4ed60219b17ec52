//! Databases as SQLite files of one directory, which several processes may serve at once.
//!
//! * `connection`, `prepared`: how SQLite is set up, and what bounds a statement.
//! * `authorizer`, `allowed`: what a statement may do.
//! * `functions`: functions of SQLite that would take too long, anew.
//! * `fresh`: databases that are made.
//! * `run`: requests, on one connection.
//! * `rows`: what definitions may compute with rows.
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
mod fresh;
mod functions;
mod maintain;
mod names;
mod pool;
mod prepared;
mod room;
mod rows;
mod run;
mod together;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use openkey_edge::turnstile::Turnstile;

pub(super) use self::authorizer::Policy;
use self::connection::Session;
use self::fresh::Fresh;
pub(super) use self::maintain::EXPORT;
pub(super) use self::maintain::remove_old_exports;
pub use self::maintain::{MaintainError, NoRoom};
pub use self::names::FileOf;
use self::pool::{Kind, Pool};
use self::prepared::translate;
pub(super) use self::run::{Read, Work};
pub(super) use self::together::{Member, Write};
use super::links::{Held, Link, Links};
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
    /// All is done, and becomes durable if what it rests on still stands.
    Asks,
}

/// Whom a request tells how far it is.
pub(super) trait Told {
    /// It has come so far.
    fn at(&mut self, stage: Stage);

    /// Asks of so many requests that are done whether what each rests on still stands.
    fn stand(&mut self, count: usize) -> Result<Vec<bool>, SqlError>;
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

    /// Whether the database was made. An empty file is one that is being made. Where the system does not tell, it
    /// is not missing: another one must not be made in its place.
    fn exists(path: &Path) -> Result<bool, SqlError> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(metadata.len() > 0),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(SqlError::Internal(error.to_string())),
        }
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
                let done = work.whole(session, policy, end, most, &mut || Ok(()));
                return done.map(Read::Done);
            }
            session.under(policy, end, || work.read(session, policy, most))
        };
        if !Self::exists(&self.path(id))? {
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
        write: &Write,
        may_create: bool,
        told: &mut dyn Told,
    ) -> Result<Wrote, SqlError> {
        self.in_turn(id, may_create, told, |told| {
            self.with_memory(|| self.try_write(id, write, may_create, told))
        })
    }

    /// Does work while no other process writes the database.
    fn in_turn<T>(
        &self,
        id: DatabaseId,
        may_create: bool,
        told: &mut dyn Told,
        work: impl FnOnce(&mut dyn Told) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let path = self.path(id);
        let failed = |error: &std::io::Error| SqlError::Internal(error.to_string());
        if !Self::exists(&path)? && !may_create && !Turnstile::is_at(&path) {
            return Err(SqlError::NotFound);
        }
        let mut turnstiles = self.turnstiles();
        let turnstile = turnstiles.try_get_or_insert_mut(id, || Turnstile::open(&path));
        let turnstile = turnstile.map_err(|error| failed(&error))?;
        // whoever waits is told of it before: another process may never end
        let waits = !turnstile.is_free().map_err(|error| failed(&error))?;
        if waits {
            told.at(Stage::Waits);
        }
        let turn = turnstile.enter(self.limits.wait);
        let turn = turn.map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => SqlError::Locked,
            _ => failed(&error),
        })?;
        if waits {
            told.at(Stage::Begins);
        }
        let done = work(told).map_err(|error| self.told_apart(error));
        if Self::exists(&path) == Ok(false) {
            // nobody needs its turnstile; an empty file is of a time when databases were made by what failed
            let _ = std::fs::remove_file(&path);
            turn.remove().map_err(|error| failed(&error))?;
        }
        done
    }

    /// Asks whether what one write rests on still stands. Nobody is told that it does not, until what comes back
    /// is dropped.
    fn asked(&self, links: &[Link], told: &mut dyn Told) -> Result<Option<Held>, SqlError> {
        if links.is_empty() {
            told.at(Stage::Commits);
            return Ok(None);
        }
        let held = self.hold(links)?;
        match told.stand(1)?[..] {
            [true] => Ok(Some(held)),
            _ => Err(SqlError::Withdrawn),
        }
    }

    fn hold<'a>(&self, links: impl IntoIterator<Item = &'a Link>) -> Result<Held, SqlError> {
        let held = Links::open(&self.dir).and_then(|file| file.hold(links));
        held.map_err(|error| SqlError::Unwritten(error.to_string()))
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
        write: &Write,
        may_create: bool,
        told: &mut dyn Told,
    ) -> Result<Wrote, SqlError> {
        let policy = &write.policy;
        let kind = Kind {
            database: id,
            can: policy.can,
            writes: true,
        };
        let bytes = write.bytes.min(self.limits.database_bytes);
        // until it is durable under its name
        let mut held = None;
        self.writing(kind, may_create, |session| {
            let limited = session.limit_pages((bytes / PAGE).max(1));
            limited.map_err(|error| translate(&error))?;
            let before = size(session)?;
            let end = Instant::now() + self.limits.time;
            let most = self.limits.response_bytes;
            let mut asked = || {
                held = self.asked(&write.links, told)?;
                Ok(())
            };
            let response = write.work.whole(session, policy, end, most, &mut asked)?;
            // it is done, whatever is learnt of it
            let after = size(session).unwrap_or(bytes);
            Ok(Wrote {
                response,
                before,
                after,
            })
        })
    }

    /// Lets `work` use a connection that writes the database. One that is not there is made beside its place, and
    /// put there when `work` has made something of it.
    fn writing<T>(
        &self,
        kind: Kind,
        may_create: bool,
        work: impl FnOnce(&mut Session) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let path = self.path(kind.database);
        if Self::exists(&path)? {
            return self.with(kind, work);
        }
        let failed = |error: std::io::Error| SqlError::Unwritten(error.to_string());
        // also what a process has left that was killed
        let fresh = Fresh::make(&self.dir, kind.database).map_err(failed)?;
        if !may_create {
            return Err(SqlError::NotFound);
        }
        let session = Session::fresh(&fresh.0);
        let mut session = session.map_err(|error| translate(&error))?;
        let done = work(&mut session)?;
        if size(&session)? > 0 {
            session.finish().map_err(|error| translate(&error))?;
            fresh.put(&path).map_err(failed)?;
        }
        Ok(done)
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
    let pages = session.pages().map_err(|error| translate(&error))?;
    Ok(pages.saturating_mul(PAGE))
}
