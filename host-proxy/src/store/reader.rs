//! Threads that read.

use std::path::{Path, PathBuf};

use openkey_protocol::{
    message::{Bytes, Record, RecordId},
    store::StoreError,
};
use rusqlite::{Connection, OptionalExtension as _};
use tokio::sync::mpsc;

use super::{Answer, failed};

pub(super) enum Job {
    Get {
        ids: Vec<RecordId>,
        answer: Answer<Vec<Option<Record>>>,
    },
    Backup {
        to: PathBuf,
        answer: Answer<()>,
    },
    Close {
        answer: Answer<()>,
    },
}

/// Works until told to close, or until nobody can ask any more. Returns who wants to know.
pub(super) fn run(connection: &Connection, mut jobs: mpsc::Receiver<Job>) -> Option<Answer<()>> {
    while let Some(job) = jobs.blocking_recv() {
        // whoever asked may have left
        match job {
            Job::Get { ids, answer } => {
                let _ = answer.send(get(connection, &ids).map_err(|error| failed(&error)));
            }
            Job::Backup { to, answer } => {
                let _ = answer.send(backup(connection, &to));
            }
            Job::Close { answer } => return Some(answer),
        }
    }
    None
}

/// All records as of one moment.
fn get(connection: &Connection, ids: &[RecordId]) -> rusqlite::Result<Vec<Option<Record>>> {
    let moment = match ids {
        [_] => None,
        _ => Some(connection.unchecked_transaction()?),
    };
    let mut select =
        connection.prepare_cached("SELECT revision, blob FROM record WHERE id = ?1")?;
    let records = ids
        .iter()
        .map(|id| {
            select
                .query_row([id.as_bytes()], |row| {
                    let revision: i64 = row.get(0)?;
                    Ok(Record {
                        revision: u64::try_from(revision)
                            .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, revision))?,
                        blob: Bytes(row.get(1)?),
                    })
                })
                .optional()
        })
        .collect();
    drop(select);
    if let Some(moment) = moment {
        moment.commit()?;
    }
    records
}

fn backup(connection: &Connection, to: &Path) -> Result<(), StoreError> {
    let told = |reason: String| StoreError::Failed {
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
    let copy = || {
        connection.pragma_update(None, "query_only", false)?;
        let copied = connection.execute("VACUUM INTO ?1", [name]).map(drop);
        connection.pragma_update(None, "query_only", true)?;
        copied
    };
    copy().map_err(|error| failed(&error))
}
