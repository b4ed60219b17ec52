//! Threads that read.

use std::path::Path;

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::{Answer, DatabaseError, end, guarded};

pub(super) type Task = Box<dyn FnOnce(&Connection) + Send>;

pub(super) enum Job {
    Read { work: Task },
    Close { answer: Answer<()> },
}

/// Work with a place for its answer.
pub(super) fn task<T, E, F>(work: F, answer: Answer<T, E>) -> Task
where
    F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<DatabaseError> + Send + 'static,
{
    Box::new(|connection| {
        let _ = answer.send(guarded(|| work(connection)));
    })
}

/// Works until told to close, or until nobody can ask any more.
pub(super) fn run(connection: Connection, mut jobs: mpsc::Receiver<Job>, what: &str) {
    let mut asked = None;
    while let Some(job) = jobs.blocking_recv() {
        match job {
            Job::Read { work } => {
                work(&connection);
                if !connection.is_autocommit()
                    && let Err(error) = connection.execute_batch("ROLLBACK")
                {
                    tracing::error!(%error, "a read left a transaction that cannot be ended");
                }
            }
            Job::Close { answer } => {
                asked = Some(answer);
                break;
            }
        }
    }
    end(connection, asked, what);
}

pub(super) fn backup(connection: &Connection, to: &Path) -> Result<(), DatabaseError> {
    let told = |reason: String| DatabaseError::Failed {
        reason: format!("{}: {reason}", to.display()),
    };
    let name = to
        .to_str()
        .ok_or_else(|| told("the name is not UTF-8".to_owned()))?;
    // made first, for its owner alone; SQLite fills an empty file, and refuses any other
    std::os::unix::fs::OpenOptionsExt::mode(std::fs::OpenOptions::new().write(true), 0o600)
        .create_new(true)
        .open(to)
        .map_err(|e| told(e.to_string()))?;
    connection.pragma_update(None, "query_only", false)?;
    let copied = connection.execute("VACUUM INTO ?1", [name]).map(drop);
    connection.pragma_update(None, "query_only", true)?;
    Ok(copied?)
}
