//! The one thread that writes.

use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::{Answer, DatabaseError, Durability, Observer, end, guarded};
use crate::turnstile::Turnstile;

/// Writes in one transaction: enough that the sync no longer counts, few enough that the first
/// one is not kept waiting.
const MAX_BATCH: usize = 256;

pub(super) enum Job {
    Write {
        durability: Durability,
        task: Box<dyn Task>,
    },
    Probe {
        answer: Answer<()>,
    },
    Close {
        answer: Answer<()>,
    },
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

/// Works until told to close, or until nobody can ask any more.
pub(super) fn run(
    connection: Connection,
    mut turnstile: Turnstile,
    mut jobs: mpsc::Receiver<Job>,
    observer: &dyn Observer,
    what: &str,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut asked = None;
    while asked.is_none() && jobs.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        let started = Instant::now();
        let turn = turnstile.enter().map_err(|error| DatabaseError::Failed {
            reason: format!("no turn to write: {error}"),
        });
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
                Job::Write { durability, task } => {
                    synced |= durability == Durability::Synced;
                    tasks.push(task);
                }
                Job::Probe { answer } => {
                    let probed = entered.clone().and_then(|()| probe(&connection));
                    let _ = answer.send(probed);
                }
                Job::Close { answer } => asked = Some(answer),
            }
        }
        if tasks.is_empty() {
            continue;
        }
        let outcome = entered
            .map_err(Failure::from)
            .and_then(|()| transact(&connection, &mut tasks, synced));
        drop(turn);
        observer.committed(tasks.len(), started.elapsed());
        answer(tasks, outcome, observer);
    }
    jobs.close();
    // in turn: who opens meanwhile must not meet a log that is being removed
    let turn = turnstile.enter();
    fold(&connection, what);
    end(connection, asked, what);
    drop(turn);
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

/// One transaction for all, one savepoint for each.
fn transact(
    connection: &Connection,
    tasks: &mut [Box<dyn Task>],
    synced: bool,
) -> Result<(), Failure> {
    let outcome = prepare(connection, tasks, synced).and_then(|()| {
        execute(connection, "COMMIT").map_err(|e| Failure::from(DatabaseError::of_commit(e)))
    });
    if outcome.is_err()
        && !connection.is_autocommit()
        && let Err(error) = execute(connection, "ROLLBACK")
    {
        tracing::error!(%error, "a failed transaction could not be rolled back");
    }
    outcome
}

fn prepare(
    connection: &Connection,
    tasks: &mut [Box<dyn Task>],
    synced: bool,
) -> Result<(), Failure> {
    // NORMAL leaves the sync of the log to the next transaction that is FULL
    let mode = if synced { "full" } else { "normal" };
    connection.pragma_update(None, "synchronous", mode)?;
    execute(connection, "BEGIN IMMEDIATE")?;
    for (index, task) in tasks.iter_mut().enumerate() {
        execute(connection, "SAVEPOINT write_of_one")?;
        let done = task.run(connection);
        if connection.is_autocommit() {
            // an error has ended the whole transaction: there is nothing to go back to
            return Err(Failure {
                error: DatabaseError::Failed {
                    reason: "another write ended the transaction, as one does that finds the \
                             disk full"
                        .to_owned(),
                },
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

fn probe(connection: &Connection) -> Result<(), DatabaseError> {
    connection.pragma_update(None, "synchronous", "full")?;
    execute(connection, "UPDATE probe SET count = count + 1")?;
    Ok(())
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
