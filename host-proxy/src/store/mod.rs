//! The sealed-record store on SQLite.
//!
//! The store is trusted with nothing. Its compare-and-swap settles races and crashes; whether a
//! record is the right one is for the enclave to find out. How it becomes durable is
//! [`openkey_edge::sqlite`]'s business.

use std::{fmt, io, path::Path, path::PathBuf, sync::Arc};

use openkey_edge::sqlite::{
    Database, DatabaseError, Durability, Layout, Observer, OpenError, Options,
};
use openkey_protocol::{
    message::{Bytes, Record, RecordId, Write},
    store::{RecordStore, StoreError, check_commit, check_get},
};
use rusqlite::{Connection, OptionalExtension as _};

const LAYOUT: Layout = Layout {
    file_name: "records.sqlite3",
    // "OKRS"
    application_id: 0x4f4b_5253,
    migrations: &[
        // A rowid table: new records go to the end of the file, and only the index is random.
        "CREATE TABLE record (
            id       BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
            revision INTEGER NOT NULL CHECK (revision > 0),
            blob     BLOB NOT NULL
         ) STRICT;",
    ],
    mark: None,
    what: "record store",
};

/// The sealed-record store. Clones share it; it closes with the last one, or by
/// [`SqliteStore::close`].
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
    observer: Arc<dyn Observer>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteStore({:?})", self.database)
    }
}

impl SqliteStore {
    /// Opens the store in `dir`, making both if they are missing (modes 0700 and 0600), brings
    /// its layout up to date and checks its integrity. The observer is told every failure, also
    /// that of one commit alone.
    ///
    /// # Errors
    ///
    /// [`OpenError`], saying what to do.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let observer = Arc::clone(&options.observer);
        Ok(Self {
            database: Database::open(dir, &LAYOUT, options)?,
            observer,
        })
    }

    /// Writes something of no meaning, to learn whether writing works.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`], as a commit would meet it.
    pub async fn probe(&self) -> Result<(), StoreError> {
        Ok(self.database.probe().await.map_err(Error::from)?)
    }

    /// Copies the store, as of one moment and while it is in use, into a new file.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`]; an existing file is not overwritten.
    pub async fn backup(&self, to: PathBuf) -> Result<(), StoreError> {
        Ok(self.database.backup(to).await.map_err(Error::from)?)
    }

    /// Bytes on disk, the log of recent writes included.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the file is gone.
    pub fn size(&self) -> io::Result<u64> {
        self.database.size()
    }

    /// Ends what the store is doing and folds the log into the database.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

impl RecordStore for SqliteStore {
    async fn get(&self, ids: Vec<RecordId>) -> Result<Vec<Option<Record>>, StoreError> {
        check_get(&ids)?;
        let records = self.database.read(move |connection| {
            let records = get(connection, &ids).map_err(DatabaseError::from)?;
            Ok::<_, Error>(records)
        });
        Ok(records.await?)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        check_commit(&writes)?;
        if writes.is_empty() {
            return Ok(());
        }
        let observer = Arc::clone(&self.observer);
        let commit = move |connection: &Connection| match apply(connection, &writes) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error(StoreError::Conflict)),
            Err(error) => {
                let error = DatabaseError::from(error);
                observer.failed(&error);
                Err(error.into())
            }
        };
        Ok(self.database.write(Durability::Synced, commit).await?)
    }
}

/// A failure of the database in the words of [`RecordStore`].
struct Error(StoreError);

impl From<DatabaseError> for Error {
    fn from(error: DatabaseError) -> Self {
        Self(match error {
            DatabaseError::Unknown { reason } => StoreError::Unknown { reason },
            // nothing was written
            failed => StoreError::Failed {
                reason: failed.to_string(),
            },
        })
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        error.0
    }
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

#[cfg(test)]
mod tests;
