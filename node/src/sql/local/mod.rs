//! Databases as SQLite files of one directory, which several processes may serve at once.
//!
//! * `connection`: how SQLite is set up, and what bounds a statement.
//! * `authorizer`, `allowed`: what a statement may do.
//! * `functions`: functions of SQLite that would take too long, anew.
//! * `run`: requests, on one connection.
//! * `pool`, `door`: open connections, and who may use them when.
//! * `maintain`: what operators do: checking, copying.
//! * `names`: what files there are.
//!
//! Writers of one database take turns, those of one process and then the processes. Readers run
//! beside them. A response to what wrote is given when SQLite has synced its log
//! (`synchronous=FULL`).

mod allowed;
mod authorizer;
mod connection;
mod door;
mod functions;
mod maintain;
mod names;
mod pool;
mod run;

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use openkey_edge::lock::WAIT;
use openkey_edge::turnstile::Turnstile;

use self::authorizer::Policy;
use self::connection::{Session, translate};
use self::door::Doors;
pub use self::maintain::{Finding, MaintainError};
pub use self::names::FileOf;
use self::pool::{Kind, Pool};
use self::run::{Read, Work};
use super::{Access, DatabaseId, Databases, Done, Export, Request, Response, Sizes, SqlError};

/// What the name of a database's file ends with.
const SUFFIX: &str = ".sqlite3";
/// Bytes of a page: SQLite's default, with which the databases are made.
const PAGE: u64 = 4096;

/// How much requests may take.
#[derive(Clone, Copy, Debug)]
pub struct SqlLimits {
    /// Longest time of a request, without waiting for its turn.
    pub time: Duration,
    /// Largest response, in bytes.
    pub response_bytes: u64,
    /// Largest database, in bytes.
    pub database_bytes: u64,
    /// Memory that SQLite may use in this process, all databases and requests together, and all
    /// other uses of SQLite in this process too. What needs more fails, and nothing else does: it is
    /// tried again when it is alone.
    pub heap_bytes: u64,
    /// Requests that run at a time.
    pub threads: usize,
    /// Requests that read one database at a time.
    pub readers: usize,
    /// Requests that may wait for one database.
    pub waiting: usize,
    /// Exports at a time.
    pub exports: usize,
    /// Open connections that nobody uses.
    pub connections: usize,
    /// How long an open connection is kept without use.
    pub idle: Duration,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(5),
            response_bytes: 10 << 20,
            database_bytes: 1 << 30,
            heap_bytes: 1 << 30,
            threads: 16,
            readers: 8,
            waiting: 256,
            exports: 2,
            connections: 256,
            idle: Duration::from_secs(60),
        }
    }
}

/// Databases as SQLite files of one directory. Clones share it.
#[derive(Clone)]
pub struct LocalDatabases(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    limits: SqlLimits,
    pool: Pool,
    doors: Doors,
    /// Who needs much memory waits here for who else does.
    alone: tokio::sync::Mutex<()>,
}

impl core::fmt::Debug for LocalDatabases {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LocalDatabases({})", self.0.dir.display())
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
        let mut builder = std::fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(dir);
        made.map_err(|error| MaintainError::new(dir, &error))?;
        let removed = maintain::remove_old_exports(dir);
        removed.map_err(|error| MaintainError::new(dir, &error))?;
        // SQLite keeps one bound for the whole process, the lowest that was ever set.
        let heap = rusqlite::Connection::open_in_memory().and_then(|connection| {
            let bytes = i64::try_from(limits.heap_bytes).unwrap_or(i64::MAX);
            connection.pragma_update(None, "hard_heap_limit", bytes)
        });
        heap.map_err(|error| MaintainError::new(dir, &error))?;
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            limits,
            pool: Pool::new(limits.connections),
            doors: Doors::new(&limits),
            alone: tokio::sync::Mutex::new(()),
        });
        let weak = Arc::downgrade(&shared);
        let sweep = move || {
            while let Some(shared) = weak.upgrade() {
                shared.pool.close_idle(shared.limits.idle);
                let pause = (shared.limits.idle / 2).min(Duration::from_secs(5));
                drop(shared);
                std::thread::sleep(pause.max(Duration::from_millis(10)));
            }
        };
        let thread = std::thread::Builder::new().name("sql-idle".to_owned());
        thread
            .spawn(sweep)
            .map_err(|error| MaintainError::new(dir, &error))?;
        Ok(Self(shared))
    }

    /// Does work in a thread that may wait.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let shared = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or_else(|error| Err(SqlError::Internal(error.to_string())))
    }

    async fn attempt(
        &self,
        id: DatabaseId,
        access: &Access,
        work: &Arc<Work>,
    ) -> Result<Done, SqlError> {
        let policy = Arc::new(Policy::new(access));
        // Who may not write neither makes a database nor waits for those who write it.
        if matches!(**work, Work::Rows { .. }) || policy.can.only_reads() {
            let permit = self.0.doors.read(id).await?;
            let (work, policy) = (Arc::clone(work), Arc::clone(&policy));
            let read = self.blocking(move |shared| {
                let _permit = permit;
                shared.read(id, &work, &policy)
            });
            match read.await? {
                Read::Done(response) => {
                    return Ok(Done {
                        response: Response::Json(response),
                        sizes: None,
                    });
                }
                Read::Writes => {}
            }
        }
        let permit = self.0.doors.write(id).await?;
        let (work, may_create) = (Arc::clone(work), access.may_create);
        let own = self.0.limits.database_bytes;
        let bytes = access.max_bytes.map_or(own, |bytes| bytes.min(own));
        self.blocking(move |shared| {
            let mut permit = permit;
            let done = shared.write(id, &work, &policy, &mut permit, may_create, bytes);
            done.map(|(response, before, after)| Done {
                response: Response::Json(response),
                sizes: Some(Sizes::new(before, after, permit.one())),
            })
        })
        .await
    }
}

#[async_trait::async_trait]
impl Databases for LocalDatabases {
    async fn run(
        &self,
        database: &DatabaseId,
        access: &Access,
        request: Request,
    ) -> Result<Done, SqlError> {
        if *database != access.database {
            return Err(SqlError::denied("the access is to another database"));
        }
        let Some(work) = Work::new(access, request)? else {
            if !access.can.read || access.narrowed.hides() {
                return Err(SqlError::denied("exporting needs to read everything"));
            }
            return Ok(Done {
                response: Response::Export(self.export(database).await?),
                sizes: None,
            });
        };
        let work = Arc::new(work);
        let mut done = self.attempt(*database, access, &work).await;
        if matches!(done, Err(SqlError::Memory)) {
            // Somebody else may have used it up.
            let _alone = self.0.alone.lock().await;
            done = self.attempt(*database, access, &work).await;
        }
        if let Err(SqlError::Internal(reason)) = &done {
            tracing::error!(%database, reason, "a database failed");
        }
        done
    }

    async fn export(&self, database: &DatabaseId) -> Result<Export, SqlError> {
        let id = *database;
        // Each takes as much of the disk as the database.
        let export = self.0.doors.export().await?;
        let permit = self.0.doors.read(id).await?;
        self.blocking(move |shared| {
            let _permits = (permit, export);
            shared.export(id)
        })
        .await
    }
}

impl Shared {
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
        let is_broken = matches!(done, Err(SqlError::Internal(_) | SqlError::Memory));
        if !is_broken && session.connection().is_autocommit() {
            self.pool.keep(kind, session);
        }
        done
    }

    fn read(&self, id: DatabaseId, work: &Work, policy: &Policy) -> Result<Read, SqlError> {
        let end = Instant::now() + self.limits.time;
        let most = self.limits.response_bytes;
        let read = |session: &mut Session| {
            if matches!(work, Work::Changes { .. }) {
                let done = work.whole(session, policy, end, most);
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

    /// Does it, and says how many bytes the database had before and has after it.
    fn write(
        &self,
        id: DatabaseId,
        work: &Work,
        policy: &Policy,
        turnstile: &mut door::Writing,
        may_create: bool,
        bytes: u64,
    ) -> Result<(Vec<u8>, u64, u64), SqlError> {
        let path = self.path(id);
        let failed = |error: &std::io::Error| SqlError::Internal(error.to_string());
        if !Self::exists(&path) && !may_create {
            return Err(SqlError::NotFound);
        }
        let turnstile = turnstile.get(|| Turnstile::open(&path));
        let turnstile = turnstile.map_err(|error| failed(&error))?;
        let _turn = turnstile.enter(WAIT).map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => {
                tracing::error!("a database cannot be written: {error}");
                SqlError::Busy
            }
            _ => failed(&error),
        })?;
        let is_new = !Self::exists(&path);
        if is_new {
            self.make(&path).map_err(|error| failed(&error))?;
        }
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
            let response = work.whole(session, policy, end, self.limits.response_bytes)?;
            Ok((response, before, size(session)?))
        })
    }

    /// Makes an empty file, for its owner alone, whose name is durable.
    fn make(&self, path: &Path) -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        options.open(path)?;
        std::fs::File::open(&self.dir)?.sync_all()
    }
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
