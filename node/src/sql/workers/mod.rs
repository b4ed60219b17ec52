//! Databases of tenants, served by processes of their own.
//!
//! A statement can be stopped for certain only by ending its process, and what it allocates, opens or
//! breaks is its process's. So the node itself never opens a tenant's database: workers do, each for one owner
//! as long as it lives, and a few of them at a time. They hold no key, no store and no connection, see no file but databases, and share
//! with the node neither SQLite's heap nor its limits on memory and open files.
//!
//! * `process`: workers as the node sees them.
//! * `wire`: what both say to each other.
//! * `worker`, `confine`: the worker's side, and what it gives up before it begins.
//! * `queue`, `spent`, `turns`: who has a worker when.
//! * `lease`: a request, or several, at a worker.
//! * `together`: requests that write one database.

mod confine;
mod lease;
mod process;
mod queue;
mod spent;
mod together;
mod turns;
mod wire;
mod worker;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use self::lease::{Called, Lease};
use self::process::Keeper;
pub use self::process::WorkerProgram;
use self::queue::Queue;
use self::together::{Group, Writers};
use self::turns::Turns;
use self::wire::{Frame, Kind, Outcome, Settings, Task, What};
pub use self::worker::serve;
use super::access::Who;
use super::links::{Link, Links};
use super::local::{EXPORT, Policy, SUFFIX, Work, make_dir, remove_old_exports};
use super::{
    Access, DatabaseId, Databases, Done, Export, Request, Response, Sizes, SqlError, SqlLimits,
};

/// How often somebody who waits looks whether a worker could be taken from whoever has used more.
const PATIENCE: Duration = Duration::from_millis(200);

/// How often whoever revokes something looks whether what rested on it has ended.
const LOOK: Duration = Duration::from_millis(2);
/// Memory of its own that a worker may have and be kept.
const IDLE_BYTES: u64 = 16 << 20;

/// Databases as SQLite files of one directory, which workers open. They are started when they are needed.
/// Several processes may serve one directory. Clones share the workers.
#[derive(Clone)]
pub struct SqlWorkers(Arc<Pool>);

struct Pool {
    dir: PathBuf,
    limits: SqlLimits,
    program: WorkerProgram,
    /// The frame that tells it to a worker.
    settings: Vec<u8>,
    keeper: Keeper,
    queue: Mutex<Queue>,
    turns: Turns,
    writers: Writers,
    exports: Arc<Semaphore>,
}

impl core::fmt::Debug for SqlWorkers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SqlWorkers({})", self.0.dir.display())
    }
}

impl SqlWorkers {
    /// Those of `dir`, which is made if it is missing, for its owner alone. Databases are made by what
    /// first writes them.
    ///
    /// # Errors
    ///
    /// Why the directory cannot be used, or no thread be started, in words.
    pub fn open(dir: &Path, limits: SqlLimits, program: WorkerProgram) -> Result<Self, String> {
        let failed = |error: &dyn core::fmt::Display| format!("{}: {error}", dir.display());
        make_dir(dir).map_err(|error| error.to_string())?;
        // workers do not begin where the node does
        let dir = dir.canonicalize().map_err(|error| failed(&error))?;
        remove_old_exports(&dir).map_err(|error| failed(&error))?;
        let settings = Settings {
            dir: dir.clone(),
            limits,
        };
        let settings = wire::frame(&settings, &[]).map_err(|error| failed(&error))?;
        Ok(Self(Arc::new(Pool {
            dir,
            program,
            settings,
            keeper: Keeper::start().map_err(|error| failed(&error))?,
            queue: Mutex::new(Queue::new(&limits)),
            turns: Turns::default(),
            writers: Writers::default(),
            exports: Arc::new(Semaphore::new(limits.exports)),
            limits,
        })))
    }

    /// Has a worker do something, and keeps `keep` until it is done, whether somebody still waits for it
    /// or not.
    async fn call<K: Send + 'static>(
        &self,
        waiting: Waiting,
        kind: Kind,
        frame: Frame,
        keep: K,
    ) -> (Called, Frame, K) {
        let lease = match self.0.lease(waiting.who, Some(waiting.end), kind).await {
            Ok(lease) => lease,
            Err(error) => return (Err(error), frame, keep),
        };
        drop(waiting);
        let work = tokio::spawn(async move {
            let done = lease.call(kind, frame.bytes(), &[]).await;
            (done, frame, keep)
        });
        match work.await {
            Ok(done) => done,
            // the runtime ends, and with it whoever would be answered
            Err(_) => std::future::pending().await,
        }
    }

    async fn export(&self, id: DatabaseId, who: Who, end: Instant) -> Result<Export, SqlError> {
        let failed = |error: &dyn core::fmt::Display| SqlError::Internal(error.to_string());
        // processes of several containers may have the same number
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| failed(&error))?;
        let name = format!("{id}.{}{EXPORT}", hex::encode(number));
        let task = Task {
            id,
            what: What::Export(name.clone()),
        };
        let frame = Frame::new(Kind::Export, &task).map_err(|error| failed(&error))?;
        let waiting = Waiting::enter(&self.0, who, frame.bytes().len(), end)?;
        // Each takes as much of the disk as the database.
        let permit = Arc::clone(&self.0.exports).acquire_owned();
        let permit = timeout_at(end, permit).await.map_err(|_| SqlError::Busy)?;
        let permit = permit.map_err(|error| failed(&error))?;
        // made here: whatever the worker puts in its place is not what is sent
        let copy = Copy::make(self.0.dir.join(name)).map_err(|error| failed(&error))?;
        let (done, _, (copy, _)) = self
            .call(waiting, Kind::Export, frame, (copy, permit))
            .await;
        match done? {
            (Outcome::Exported, _) => {}
            other => return Err(unexpected(&other.0)),
        }
        let file = copy.file.try_clone().map_err(|error| failed(&error))?;
        let bytes = file.metadata().map_err(|error| failed(&error))?.len();
        Ok(Export { file, bytes })
    }

    async fn work(&self, work: Work, access: &Access, end: Instant) -> Result<Done, SqlError> {
        let failed = |error: &dyn core::fmt::Display| SqlError::Internal(error.to_string());
        let policy = Policy::new(access);
        // Who may not write neither makes a database nor waits for those who write it.
        let only_reads = policy.can.only_reads();
        let reads = matches!(work, Work::Rows { .. }) || only_reads;
        let group = Group {
            database: access.database,
            who: access.who,
            can: policy.can,
        };
        let is_alone = !work.is_sociable() || only_reads || !access.may_create;
        let links = access.rests.iter().flat_map(|rests| rests.statements());
        let task = Task {
            id: access.database,
            what: What::Work {
                work,
                policy: Box::new(policy),
                may_create: access.may_create,
                bytes: access.max_bytes.unwrap_or(u64::MAX),
                links: links.map(Link::of).collect(),
            },
        };
        let mut frame = Frame::new(Kind::Read, &task).map_err(|error| failed(&error))?;
        drop(task);
        let wait = || Waiting::enter(&self.0, access.who, frame.bytes().len(), end);
        let mut waiting = wait()?;
        if reads {
            let (done, again, ()) = self.call(waiting, Kind::Read, frame, ()).await;
            frame = again;
            match done? {
                (Outcome::Read, response) => {
                    return Ok(Done {
                        response: Response::Json(response),
                        sizes: None,
                    });
                }
                // whoever may not write has no connection that could
                (Outcome::Writes, _) if only_reads => return Err(SqlError::ReadOnly),
                (Outcome::Writes, _) => {}
                other => return Err(unexpected(&other.0)),
            }
            let end = Instant::now() + self.0.limits.wait;
            waiting = Waiting::enter(&self.0, access.who, frame.bytes().len(), end)?;
        }
        let frame = frame.again(Kind::Write);
        let request = (frame, access.rests.clone());
        let written = together::write(&self.0, group, request, waiting, is_alone).await?;
        match written {
            (Outcome::Wrote { before, after }, response, turn) => Ok(Done {
                response: Response::Json(response),
                sizes: Some(Sizes::new(before, after, turn)),
            }),
            other => Err(unexpected(&other.0)),
        }
    }
}

#[async_trait::async_trait]
impl Databases for SqlWorkers {
    async fn run(
        &self,
        database: &DatabaseId,
        access: &Access,
        request: Request,
    ) -> Result<Done, SqlError> {
        if *database != access.database {
            return Err(SqlError::denied("the access is to another database"));
        }
        let end = Instant::now() + self.0.limits.wait;
        let done = match Work::new(access, request)? {
            Some(work) => self.work(work, access, end).await,
            None if !access.can.read || access.narrowed.hides() => {
                return Err(SqlError::denied("exporting needs to read everything"));
            }
            None => {
                let export = self.export(*database, access.who, end).await;
                export.map(|export| Done {
                    response: Response::Export(export),
                    sizes: None,
                })
            }
        };
        match &done {
            Err(SqlError::Internal(reason) | SqlError::Unknown(reason)) => {
                tracing::error!(%database, reason, "a database failed");
            }
            // a worker sees no other process
            Err(SqlError::Locked) => {
                let turn = self.0.dir.join(format!("{database}{SUFFIX}.turn"));
                let holder = openkey_edge::lock::writer_of(&[&turn]);
                tracing::error!(%database, "{holder} holds it and makes no progress");
            }
            _ => {}
        }
        done
    }

    async fn ended(&self, statement: &[u8; 32]) -> Result<(), SqlError> {
        let failed = |error: std::io::Error| SqlError::Internal(error.to_string());
        let end = Instant::now() + self.0.limits.wait;
        let Some(links) = Links::find(&self.0.dir).map_err(failed)? else {
            return Ok(());
        };
        let link = Link::of(statement);
        loop {
            if !links.is_held(link).map_err(failed)? {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(SqlError::Ending);
            }
            sleep(LOOK).await;
        }
    }
}

fn unexpected(outcome: &Outcome) -> SqlError {
    SqlError::Internal(format!("a worker answered {outcome:?}"))
}

impl Pool {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a worker, until then or until nobody wants it any more.
    async fn lease(
        self: &Arc<Self>,
        who: Who,
        end: Option<Instant>,
        kind: Kind,
    ) -> Result<Lease, SqlError> {
        let (number, mut receive, undelivered) = {
            let mut queue = self.queue();
            let (number, receive) = queue.wait(who, kind != Kind::Export);
            (number, receive, queue.dispatch(self))
        };
        drop(undelivered);
        let _place = Place {
            pool: self,
            who,
            number,
        };
        loop {
            let now = Instant::now();
            let patience = now + PATIENCE;
            let until = end.map_or(patience, |end| end.min(patience));
            match timeout_at(until, &mut receive).await {
                Ok(lease) => return lease.map_err(|error| SqlError::Internal(error.to_string())),
                Err(_) if end.is_some_and(|end| until >= end) => return Err(SqlError::Busy),
                Err(_) => drop(self.queue().push(who)),
            }
        }
    }

    /// Takes a worker back.
    fn done(self: &Arc<Self>, slot: usize, process: Option<process::Process>, micros: Option<u64>) {
        // one that holds much gives it back with its end
        let process = process.filter(|process| process.own_bytes() <= IDLE_BYTES);
        let (ended, undelivered) = {
            let mut queue = self.queue();
            let ended = queue.done(slot, process, micros);
            (ended, queue.dispatch(self))
        };
        drop((ended, undelivered));
    }
}

/// A request that waits, counted; over when dropped.
struct Waiting {
    pool: Arc<Pool>,
    who: Who,
    bytes: usize,
    /// Until when.
    end: Instant,
}

impl Waiting {
    fn enter(pool: &Arc<Pool>, who: Who, bytes: usize, end: Instant) -> Result<Self, SqlError> {
        pool.queue().enter(who, bytes)?;
        let pool = Arc::clone(pool);
        Ok(Self {
            pool,
            who,
            bytes,
            end,
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.pool.queue().leave(self.who, self.bytes);
    }
}

/// A place in the queue; given up when dropped.
struct Place<'a> {
    pool: &'a Pool,
    who: Who,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pool.queue().remove(self.who, self.number);
    }
}

/// A copy of a database that is being made; its name is gone when this is dropped.
struct Copy {
    path: PathBuf,
    file: File,
}

impl Copy {
    fn make(path: PathBuf) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "an export could not be removed");
        }
    }
}
