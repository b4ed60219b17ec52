//! The one thread that writes.

use std::path::PathBuf;
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::mpsc;

use super::mark::{self, Mark};
use super::others::Others;
use super::{Answer, DatabaseError, Durability, Observer, end, guarded};
use crate::lock::WAIT;
use crate::turnstile::Turnstile;

/// Writes in one transaction: enough that the sync no longer counts, few enough that the first
/// one is not kept waiting.
const MAX_BATCH: usize = 256;

/// Pages of the log after which it is folded in while the disk has little room.
const LOW_PAGES: u32 = 64;

/// Where fewer bytes are free, a disk counts as full.
const LITTLE: u64 = 1024 * 1024;

pub(super) enum Job {
    Write {
        asked: Instant,
        durability: Durability,
        task: Box<dyn Task>,
    },
    Probe {
        asked: Instant,
        answer: Answer<()>,
    },
    Spare {
        /// Of the log, while the disk has room.
        pages: u32,
        is_low: bool,
        answer: Answer<()>,
    },
    Close {
        answer: Answer<()>,
    },
}

impl Job {
    const fn asked(&self) -> Option<Instant> {
        match self {
            Self::Write { asked, .. } | Self::Probe { asked, .. } => Some(*asked),
            Self::Spare { .. } | Self::Close { .. } => None,
        }
    }
}

/// A write of any type.
pub(super) trait Task: Send {
    /// Does the work and keeps what came of it. False: it is to be undone.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Tells who waits what came of it, if the transaction is durable.
    fn answer(self: Box<Self>, transaction: Result<(), DatabaseError>);
}

struct Pending<T, E, F> {
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    answer: Answer<T, E>,
}

/// Work with a place for its answer.
pub(super) fn task<T, E, F>(work: F, answer: Answer<T, E>) -> Box<dyn Task>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<DatabaseError> + Send + 'static,
{
    Box::new(Pending {
        work: Some(work),
        outcome: None,
        answer,
    })
}

impl<T, E, F> Task for Pending<T, E, F>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<DatabaseError> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        self.outcome = self.work.take().map(|work| guarded(|| work(connection)));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, transaction: Result<(), DatabaseError>) {
        let outcome = match (transaction, self.outcome) {
            (Ok(()), Some(outcome)) => Some(outcome),
            (Ok(()), None) => None,
            (Err(error), _) => Some(Err(error.into())),
        };
        if let Some(outcome) = outcome {
            let _ = self.answer.send(outcome);
        }
    }
}

/// What a writer has besides its connection.
pub(super) struct Files {
    pub(super) path: PathBuf,
    pub(super) turnstile: Turnstile,
    pub(super) mark: Option<Mark>,
}

/// Works until told to close, or until nobody can ask any more.
pub(super) fn run(
    connection: Connection,
    files: Files,
    mut jobs: mpsc::Receiver<Job>,
    observer: &dyn Observer,
    what: &'static str,
) {
    let Files {
        path,
        mut turnstile,
        mut mark,
    } = files;
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut asked = None;
    let mut others = Others::new(path, what);
    let mut syncing = Syncing(None);
    while asked.is_none() && jobs.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        let started = Instant::now();
        // Whoever waits longest says until when; who came later would wait for the same.
        let oldest = batch.iter().filter_map(Job::asked).min();
        let until = oldest.unwrap_or(started) + WAIT;
        let turn = others.enter(&mut turnstile, until);
        // who came while others had their turn need not wait for the next
        while batch.len() < MAX_BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let entered = turn.as_ref().map(drop).map_err(Clone::clone);
        let (mut tasks, mut synced) = (Vec::new(), false);
        for job in batch.drain(..) {
            match job {
                Job::Write {
                    durability, task, ..
                } => {
                    synced |= durability == Durability::Synced;
                    tasks.push(task);
                }
                Job::Probe { answer, .. } => {
                    let probed = entered.clone().and_then(|()| {
                        wait_until(&connection, until)?;
                        probe(&connection, &mut syncing)
                    });
                    others.told(probed.as_ref());
                    let _ = answer.send(probed);
                }
                Job::Spare {
                    pages,
                    is_low,
                    answer,
                } => {
                    let spared = entered
                        .clone()
                        .and_then(|()| spare(&connection, is_low, pages));
                    let _ = answer.send(spared);
                }
                Job::Close { answer } => asked = Some(answer),
            }
        }
        if tasks.is_empty() {
            continue;
        }
        let outcome = entered.map_err(Failure::from).and_then(|()| {
            wait_until(&connection, until)?;
            syncing.set(&connection, synced)?;
            transact(&connection, &mut tasks, mark.as_mut().filter(|_| synced))
        });
        others.told(outcome.as_ref().map_err(|failure| &failure.error));
        if let Err(Failure {
            error: DatabaseError::Full,
            ..
        }) = &outcome
        {
            // what is folded in is written over by what comes next
            recycle(&connection, what);
        }
        drop(turn);
        observer.committed(tasks.len(), started.elapsed());
        answer(tasks, outcome, observer);
    }
    jobs.close();
    // in turn: who opens meanwhile must not meet a log that is being removed
    let turn = turnstile.enter(WAIT);
    match &turn {
        Ok(_) => fold(&connection, what),
        Err(error) => {
            tracing::warn!(%error, "the log is not folded into the {what}");
            let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            if let Err(error) = kept {
                tracing::warn!(%error, "the {what} is closed out of turn");
            }
        }
    }
    end(connection, asked, what);
    drop(turn);
}

/// Lets SQLite wait for who takes no turns, as long as there is time.
fn wait_until(connection: &Connection, until: Instant) -> rusqlite::Result<()> {
    connection.busy_timeout(until.saturating_duration_since(Instant::now()))
}

/// Why a transaction failed, and the write that ended it if one did.
struct Failure {
    error: DatabaseError,
    by: Option<usize>,
}

impl<E: Into<DatabaseError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            by: None,
        }
    }
}

/// Unless the transaction is durable, everyone is told that it failed: even a write's own refusal
/// may be due to a write that is undone. Only who ended it knows better.
fn answer(tasks: Vec<Box<dyn Task>>, outcome: Result<(), Failure>, observer: &dyn Observer) {
    for (index, task) in tasks.into_iter().enumerate() {
        match &outcome {
            Err(failure) if failure.by != Some(index) => {
                observer.failed(&failure.error);
                task.answer(Err(failure.error.clone()));
            }
            _ => task.answer(Ok(())),
        }
    }
}

/// Whether the connection syncs what it commits, if that is known.
struct Syncing(Option<bool>);

impl Syncing {
    /// It says so only where it changes: SQLite compiles it as any statement.
    fn set(&mut self, connection: &Connection, synced: bool) -> rusqlite::Result<()> {
        if self.0 != Some(synced) {
            self.0 = None;
            // NORMAL leaves the sync of the log to the next transaction that is FULL
            let mode = if synced { "full" } else { "normal" };
            connection.pragma_update(None, "synchronous", mode)?;
            self.0 = Some(synced);
        }
        Ok(())
    }
}

/// One transaction for all, one savepoint for each. What is not synced is not marked: it may be lost without
/// being missed.
fn transact(
    connection: &Connection,
    tasks: &mut [Box<dyn Task>],
    mark: Option<&mut Mark>,
) -> Result<(), Failure> {
    let before = connection.total_changes();
    let prepared = prepare(connection, tasks).and_then(|()| match mark {
        // what changes nothing is neither written nor synced
        Some(mark) if connection.total_changes() != before => {
            Ok(Some((mark::advance(connection)?, mark)))
        }
        _ => Ok(None),
    });
    let outcome = prepared.and_then(|marked| {
        let committed = execute(connection, "COMMIT");
        committed.map_err(|e| Failure::from(DatabaseError::of_commit(e)))?;
        if let Some((count, mark)) = marked {
            mark.write(count);
        }
        Ok(())
    });
    if outcome.is_err()
        && !connection.is_autocommit()
        && let Err(error) = execute(connection, "ROLLBACK")
    {
        tracing::error!(%error, "a failed transaction could not be rolled back");
    }
    outcome
}

fn prepare(connection: &Connection, tasks: &mut [Box<dyn Task>]) -> Result<(), Failure> {
    execute(connection, "BEGIN IMMEDIATE")?;
    for (index, task) in tasks.iter_mut().enumerate() {
        execute(connection, "SAVEPOINT write_of_one")?;
        let done = task.run(connection);
        if connection.is_autocommit() {
            // an error has ended the whole transaction: there is nothing to go back to
            return Err(Failure {
                error: ended(connection),
                by: (!done).then_some(index),
            });
        }
        if !done {
            execute(connection, "ROLLBACK TO write_of_one")?;
        }
        execute(connection, "RELEASE write_of_one")?;
    }
    Ok(())
}

/// What is told to the others when a write has ended their transaction, as one does that finds no room.
fn ended(connection: &Connection) -> DatabaseError {
    let disk = connection
        .path()
        .and_then(|path| rustix::fs::statvfs(path).ok());
    match disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)) {
        Some(free) if free < LITTLE => DatabaseError::Full,
        _ => DatabaseError::Failed {
            reason: "another write ended the transaction".to_owned(),
        },
    }
}

fn probe(connection: &Connection, syncing: &mut Syncing) -> Result<(), DatabaseError> {
    syncing.set(connection, true)?;
    execute(connection, "UPDATE probe SET count = count + 1")?;
    Ok(())
}

/// Lets the log grow less before it is folded in, and folds it in at once: that takes room itself.
fn spare(connection: &Connection, is_low: bool, pages: u32) -> Result<(), DatabaseError> {
    let pages = if is_low { LOW_PAGES } else { pages };
    connection.pragma_update(None, "wal_autocheckpoint", pages)?;
    if is_low {
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    }
    Ok(())
}

/// Folds in what can be of the log, which then grows no further: also where what is held back of the disk is
/// given up now, the log must leave some of it for the database.
fn recycle(connection: &Connection, what: &str) {
    let folded = connection
        .pragma_update(None, "wal_autocheckpoint", LOW_PAGES)
        .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())));
    if let Err(error) = folded {
        tracing::warn!(%error, "the log could not be folded into the {what}");
    }
}

/// Folds the log into the database, unless that means waiting for others who read.
fn fold(connection: &Connection, what: &str) {
    let folded = connection
        .busy_timeout(std::time::Duration::ZERO)
        .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    // what fails here is done again at the next start
    if let Err(error) = folded {
        tracing::warn!(%error, "the log could not be folded into the {what}");
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
