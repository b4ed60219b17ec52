//! The sealed-record store on SQLite.
//!
//! One thread writes, a few read. Everything that waits for the writer while a transaction is
//! being synced to disk goes into the next one together (group commit), each request in its own
//! savepoint: acknowledged means synced, and one sync serves many.
//!
//! The store is trusted with nothing. Its compare-and-swap settles races and crashes; whether a
//! record is the right one is for the enclave to find out.

mod reader;
mod schema;
mod writer;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use openkey_protocol::{
    message::{Record, RecordId, Write},
    store::{RecordStore, StoreError, check_commit, check_get},
};
use tokio::sync::{mpsc, oneshot};

/// Name of the database in the store's directory.
pub(crate) const FILE_NAME: &str = "records.sqlite3";

/// Requests that may wait for a store thread; more wait at the sender.
const QUEUE: usize = 1024;

/// Threads that read. Reads are short and mostly from memory.
const READERS: usize = 2;

/// Why the store cannot be opened or copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory or file cannot be used.
    #[error("cannot use {path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is a database of some other program.
    #[error("{0} is not a record store: it belongs to another program; choose another directory")]
    Foreign(PathBuf),
    /// A newer program has changed the file's layout.
    #[error(
        "the record store has layout {found}, this program knows up to {known}: use a newer one"
    )]
    Newer {
        /// The file's.
        found: u32,
        /// This program's.
        known: u32,
    },
    /// The file is damaged.
    #[error("{path} is damaged ({detail}): restore a backup")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// The first finding.
        detail: String,
    },
    /// Anything else SQLite reports.
    #[error("database: {0}")]
    Database(String),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// What SQLite reports while it serves, in the words of [`RecordStore`]: nothing was written.
fn failed(error: &rusqlite::Error) -> StoreError {
    let reason = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => "the disk is full".to_owned(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            "another process holds the database".to_owned()
        }
        _ => error.to_string(),
    };
    StoreError::Failed { reason }
}

fn closed() -> StoreError {
    StoreError::Failed {
        reason: "the store is closed".to_owned(),
    }
}

/// Is told how the store fares.
pub trait StoreObserver: Send + Sync + 'static {
    /// A transaction of `requests` commits ended after `took`, the sync included.
    fn committed(&self, requests: usize, took: Duration);

    /// A commit failed.
    fn failed(&self, error: &StoreError);
}

/// Tells nobody.
impl StoreObserver for () {
    fn committed(&self, _: usize, _: Duration) {}
    fn failed(&self, _: &StoreError) {}
}

/// What a store is told when it opens.
pub struct StoreOptions {
    /// Milliseconds since 1970, for the migration table.
    pub now_ms: u64,
    /// Is told how the store fares.
    pub observer: Arc<dyn StoreObserver>,
    /// Most pages of the database; `None`: as many as the disk holds. For tests of a full disk.
    pub max_pages: Option<u32>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            now_ms: 0,
            observer: Arc::new(()),
            max_pages: None,
        }
    }
}

/// The sealed-record store. Clones share it; it closes with the last one, or by
/// [`SqliteStore::close`].
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    writer: mpsc::Sender<writer::Job>,
    readers: Vec<mpsc::Sender<reader::Job>>,
    turn: AtomicUsize,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteStore({})", self.shared.path.display())
    }
}

impl SqliteStore {
    /// Opens the store in `dir`, making both if they are missing (modes 0700 and 0600), brings
    /// its layout up to date and checks its integrity.
    ///
    /// # Errors
    ///
    /// [`OpenError`], saying what to do.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let path = dir.join(FILE_NAME);
        let connection = schema::open(dir, &path, &options)?;
        let (writer, jobs) = mpsc::channel(QUEUE);
        let observer = options.observer;
        spawn("store-writer", &path, move || {
            let asked = writer::run(&connection, jobs, observer.as_ref());
            end(connection, asked);
        })?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let connection = schema::open_reader(&path)?;
            let (reader, jobs) = mpsc::channel(QUEUE);
            spawn("store-reader", &path, move || {
                let asked = reader::run(&connection, jobs);
                end(connection, asked);
            })?;
            readers.push(reader);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                path,
                writer,
                readers,
                turn: AtomicUsize::new(0),
            }),
        })
    }

    /// Writes something of no meaning, to learn whether writing works.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`], as a commit would meet it.
    pub async fn probe(&self) -> Result<(), StoreError> {
        ask(&self.shared.writer, |answer| writer::Job::Probe { answer }).await
    }

    /// Copies the store, as of one moment and while it is in use, into a new file.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`]; an existing file is not overwritten.
    pub async fn backup(&self, to: PathBuf) -> Result<(), StoreError> {
        ask(self.reader()?, |answer| reader::Job::Backup { to, answer }).await
    }

    /// Bytes on disk, the log of recent writes included.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the file is gone.
    pub fn size(&self) -> io::Result<u64> {
        let main = std::fs::metadata(&self.shared.path)?.len();
        let mut log = self.shared.path.clone().into_os_string();
        log.push("-wal");
        Ok(main + std::fs::metadata(log).map_or(0, |m| m.len()))
    }

    /// Ends the threads after what they are doing and folds the log into the database.
    pub async fn close(&self) {
        for reader in &self.shared.readers {
            // a thread that has ended already is as closed as can be
            let _ = ask(reader, |answer| reader::Job::Close { answer }).await;
        }
        let _ = ask(&self.shared.writer, |answer| writer::Job::Close { answer }).await;
    }

    /// The readers take turns.
    fn reader(&self) -> Result<&mpsc::Sender<reader::Job>, StoreError> {
        let turn = self.shared.turn.fetch_add(1, Ordering::Relaxed);
        let readers = &self.shared.readers;
        readers.get(turn % READERS).ok_or_else(closed)
    }
}

impl RecordStore for SqliteStore {
    async fn get(&self, ids: Vec<RecordId>) -> Result<Vec<Option<Record>>, StoreError> {
        check_get(&ids)?;
        ask(self.reader()?, |answer| reader::Job::Get { ids, answer }).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        check_commit(&writes)?;
        if writes.is_empty() {
            return Ok(());
        }
        ask(&self.shared.writer, |answer| writer::Job::Commit {
            writes,
            answer,
        })
        .await
    }
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

async fn ask<J, T>(
    queue: &mpsc::Sender<J>,
    job: impl FnOnce(Answer<T>) -> J,
) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    queue.send(job(answer)).await.map_err(|_| closed())?;
    answered.await.map_err(|_| StoreError::Unknown {
        reason: "the store ended meanwhile".to_owned(),
    })?
}

/// Closes a thread's connection, and only then tells whoever asked for it: the last one to close
/// removes the log.
fn end(connection: rusqlite::Connection, asked: Option<Answer<()>>) {
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "the record store did not close cleanly");
    }
    if let Some(answer) = asked {
        // whoever asked may have left
        let _ = answer.send(Ok(()));
    }
}

fn spawn(name: &str, path: &Path, work: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|e| OpenError::File {
            path: path.to_owned(),
            reason: e.to_string(),
        })
}

#[cfg(test)]
mod tests;
