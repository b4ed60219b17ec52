//! The one thread that writes.

use std::time::Instant;

use openkey_protocol::{message::Write, store::StoreError};
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::{Answer, StoreObserver, failed};

/// Commits in one transaction: enough that the sync no longer counts, few enough that the first
/// one is not kept waiting.
const MAX_BATCH: usize = 256;

pub(super) enum Job {
    Commit {
        writes: Vec<Write>,
        answer: Answer<()>,
    },
    Probe {
        answer: Answer<()>,
    },
    Close {
        answer: Answer<()>,
    },
}

/// Works until told to close, or until nobody can ask any more. Returns who wants to know.
pub(super) fn run(
    connection: &Connection,
    mut jobs: mpsc::Receiver<Job>,
    observer: &dyn StoreObserver,
) -> Option<Answer<()>> {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut closing = None;
    while closing.is_none() && jobs.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        let started = Instant::now();
        let (mut commits, mut answers) = (Vec::new(), Vec::new());
        for job in batch.drain(..) {
            match job {
                Job::Commit { writes, answer } => {
                    commits.push(writes);
                    answers.push(answer);
                }
                Job::Probe { answer } => {
                    // whoever asked may have left
                    let _ = answer.send(probe(connection).map_err(|error| failed(&error)));
                }
                Job::Close { answer } => closing = Some(answer),
            }
        }
        if commits.is_empty() {
            continue;
        }
        let outcomes = transact(connection, &commits);
        observer.committed(commits.len(), started.elapsed());
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            if let Err(error @ (StoreError::Failed { .. } | StoreError::Unknown { .. })) = &outcome
            {
                observer.failed(error);
            }
            let _ = answer.send(outcome);
        }
    }
    jobs.close();
    // what fails here is done again at the next start
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the log could not be folded into the record store");
    }
    closing
}

type Outcome = Result<(), StoreError>;

/// One transaction for all, one savepoint for each. Unless the transaction is on disk at the end,
/// everyone is told that it failed: even a conflict may have been with a write that is undone.
fn transact(connection: &Connection, commits: &[Vec<Write>]) -> Vec<Outcome> {
    let outcomes = match prepare(connection, commits) {
        Ok(outcomes) => execute(connection, "COMMIT")
            .map(|()| outcomes)
            .map_err(|error| uncertain(&error)),
        Err(error) => Err(failed(&error)),
    };
    outcomes.unwrap_or_else(|error| {
        if !connection.is_autocommit()
            && let Err(error) = execute(connection, "ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction could not be rolled back");
        }
        commits.iter().map(|_| Err(error.clone())).collect()
    })
}

/// What a failed `COMMIT` means. Without room or without the lock nothing was begun; after any
/// other failure the transaction may yet be found on disk when the log is read again.
fn uncertain(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(
            rusqlite::ErrorCode::DiskFull
            | rusqlite::ErrorCode::DatabaseBusy
            | rusqlite::ErrorCode::DatabaseLocked,
        ) => failed(error),
        _ => StoreError::Unknown {
            reason: error.to_string(),
        },
    }
}

fn prepare(connection: &Connection, commits: &[Vec<Write>]) -> rusqlite::Result<Vec<Outcome>> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let mut outcomes = Vec::with_capacity(commits.len());
    for writes in commits {
        execute(connection, "SAVEPOINT request")?;
        let applied = apply(connection, writes);
        if !matches!(applied, Ok(true)) {
            if connection.is_autocommit() {
                // the error has ended the whole transaction: there is nothing to go back to
                return Err(applied.err().unwrap_or(rusqlite::Error::InvalidQuery));
            }
            execute(connection, "ROLLBACK TO request")?;
        }
        execute(connection, "RELEASE request")?;
        outcomes.push(match applied {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Conflict),
            Err(error) => Err(failed(&error)),
        });
    }
    Ok(outcomes)
}

/// False: a record is not at the expected revision.
fn apply(connection: &Connection, writes: &[Write]) -> rusqlite::Result<bool> {
    for write in writes {
        let changed = match write.expected.map(i64::try_from) {
            None => connection
                .prepare_cached(
                    "INSERT INTO record (id, revision, blob) VALUES (?1, 1, ?2)
                     ON CONFLICT (id) DO NOTHING",
                )?
                .execute((write.id.as_bytes(), write.blob.as_slice()))?,
            Some(Ok(expected)) => connection
                .prepare_cached(
                    "UPDATE record SET revision = revision + 1, blob = ?3
                     WHERE id = ?1 AND revision = ?2",
                )?
                .execute((write.id.as_bytes(), expected, write.blob.as_slice()))?,
            // no record has been written that often
            Some(Err(_)) => 0,
        };
        if changed != 1 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn probe(connection: &Connection) -> rusqlite::Result<()> {
    execute(connection, "UPDATE probe SET count = count + 1")
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
