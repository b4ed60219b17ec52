//! One SQLite database: one thread that writes, a few that read.
//!
//! Everything that waits for the writer while a transaction is being synced to disk goes into the
//! next one together (group commit), each write in its own savepoint: acknowledged means durable,
//! and one sync serves many. Several processes may serve one file; their writers take turns.

mod error;
mod layout;
mod mark;
mod others;
mod reader;
mod writer;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

pub use error::{DatabaseError, OpenError};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::turnstile::Turnstile;

/// Requests that may wait for a thread; more wait at the sender.
const QUEUE: usize = 1024;

/// What a database holds and how it is told from others.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Name of the file in its directory.
    pub file_name: &'static str,
    /// Number in the file's header: a database of another program is not touched. Not zero.
    pub application_id: i32,
    /// SQL of every layout there ever was, in order; the place is the version. The tables
    /// `migration` and `probe` are this module's own.
    pub migrations: &'static [&'static str],
    /// Name of the file beside it that says what was acknowledged last, so that a lost or damaged log is
    /// told; `None`: there is none.
    pub mark: Option<&'static str>,
    /// What it is, for messages: "record store".
    pub what: &'static str,
}

/// Is told how a database fares.
pub trait Observer: Send + Sync + 'static {
    /// A transaction of `writes` writes ended after `took`, waiting for its turn and the sync
    /// included, well or not.
    fn committed(&self, writes: usize, took: Duration);

    /// A write was told this, because the transaction it shared with others failed. What a write's
    /// own work returns is not told here.
    fn failed(&self, error: &DatabaseError);
}

/// Tells nobody.
impl Observer for () {
    fn committed(&self, _: usize, _: Duration) {}
    fn failed(&self, _: &DatabaseError) {}
}

/// What a database is told when it opens.
#[derive(Clone)]
pub struct Options {
    /// Milliseconds since 1970, for the migration table.
    pub now_ms: u64,
    /// Is told how the database fares.
    pub observer: Arc<dyn Observer>,
    /// Most pages of the database; `None`: as many as the disk holds. For tests of a full disk.
    pub max_pages: Option<u32>,
    /// Threads that read, each with a connection; at least one.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            now_ms: 0,
            observer: Arc::new(()),
            max_pages: None,
            // reads are short and mostly from memory
            readers: 2,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("now_ms", &self.now_ms)
            .field("max_pages", &self.max_pages)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk when it is acknowledged.
    Synced,
    /// It survives the process's death at once, and the machine's with the next synced write.
    Process,
}

/// An open database. Clones share it; it closes with the last one, or by [`Database::close`].
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    writer: mpsc::Sender<writer::Job>,
    readers: Vec<mpsc::Sender<reader::Job>>,
    turn: AtomicUsize,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.shared.path.display())
    }
}

impl Database {
    /// Opens the database in `dir`, making both if they are missing (modes 0700 and 0600), brings
    /// its layout up to date and checks its integrity, unless it is large. Other processes may do
    /// the same at the same time. It blocks.
    ///
    /// # Errors
    ///
    /// [`OpenError`], saying what to do.
    pub fn open(dir: &Path, layout: &Layout, options: Options) -> Result<Self, OpenError> {
        let path = dir.join(layout.file_name);
        let (connection, turnstile, mark) = layout::open(dir, &path, layout, &options)?;
        let (writer, jobs) = mpsc::channel(QUEUE);
        let (observer, what) = (options.observer, layout.what);
        let file = path.clone();
        spawn("sqlite-writer", &path, move || {
            let files = writer::Files {
                path: file,
                turnstile,
                mark,
            };
            writer::run(connection, files, jobs, observer.as_ref(), what);
        })?;
        let readers = (0..options.readers.max(1))
            .map(|_| {
                let connection = layout::open_reader(&path)?;
                let (reader, jobs) = mpsc::channel(QUEUE);
                spawn("sqlite-reader", &path, move || {
                    reader::run(connection, jobs, what);
                })?;
                Ok(reader)
            })
            .collect::<Result<_, OpenError>>()?;
        Ok(Self {
            shared: Arc::new(Shared {
                path,
                writer,
                readers,
                turn: AtomicUsize::new(0),
            }),
        })
    }

    /// Writes. `work` runs in a savepoint of a transaction that it shares with others, on the
    /// writing thread: it should not compute for long, and must not begin or end a transaction.
    /// If it returns an error (or panics), its changes are undone. `Ok` is returned only when the
    /// transaction is as durable as asked. A caller that leaves does not stop the write.
    ///
    /// # Errors
    ///
    /// What `work` returns, or a [`DatabaseError`] if the shared transaction failed;
    /// [`DatabaseError::Locked`] after [`lock::WAIT`](crate::lock::WAIT) if another process kept it from
    /// being begun.
    pub async fn write<T, E, F>(&self, durability: Durability, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let asked = Instant::now();
        ask(&self.shared.writer, |answer| writer::Job::Write {
            asked,
            durability,
            task: writer::task(work, answer),
        })
        .await
    }

    /// Reads, on one of the reading threads. It sees what was acknowledged before; all of it is
    /// as of one moment only if `work` opens a transaction itself.
    ///
    /// # Errors
    ///
    /// What `work` returns, or a [`DatabaseError`] if the database is closed.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        // the readers take turns; there is at least one
        let turn = self.shared.turn.fetch_add(1, Ordering::Relaxed);
        let readers = &self.shared.readers;
        let reader = readers
            .get(turn % readers.len().max(1))
            .ok_or_else(|| E::from(closed()))?;
        ask(reader, |answer| reader::Job::Read {
            work: reader::task(work, answer),
        })
        .await
    }

    /// Reads at once, on a connection of its own. It blocks: for who has just opened it.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn look<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, OpenError> {
        let connection = layout::open_reader(&self.shared.path)?;
        work(&connection).map_err(OpenError::of(&self.shared.path))
    }

    /// Writes something of no meaning, to learn whether writing works.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`], as a write would meet it.
    pub async fn probe(&self) -> Result<(), DatabaseError> {
        let asked = Instant::now();
        ask(&self.shared.writer, |answer| writer::Job::Probe {
            asked,
            answer,
        })
        .await
    }

    /// Folds the log in after so many pages, or sooner while the disk has little room.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn spare(&self, is_low: bool, pages: u32) -> Result<(), DatabaseError> {
        ask(&self.shared.writer, |answer| writer::Job::Spare {
            pages,
            is_low,
            answer,
        })
        .await
    }

    /// Copies the database, as of one moment and while it is in use, into a new file.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Failed`]; an existing file is not overwritten.
    pub async fn backup(&self, to: PathBuf) -> Result<(), DatabaseError> {
        self.read(move |connection| reader::backup(connection, &to))
            .await
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
        // a thread that has ended already is as closed as can be
        for reader in &self.shared.readers {
            let _: Result<(), DatabaseError> =
                ask(reader, |answer| reader::Job::Close { answer }).await;
        }
        // the last one: whoever closes last removes the log
        let _: Result<(), DatabaseError> =
            ask(&self.shared.writer, |answer| writer::Job::Close { answer }).await;
    }

    /// Checks the whole database in `dir`, indexes included, however large it is and also while
    /// others use it. It changes nothing. For commands: it blocks.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the file is missing, of another program or layout, or damaged.
    pub fn check(dir: &Path, layout: &Layout) -> Result<(), OpenError> {
        layout::check_whole(&dir.join(layout.file_name), layout)
    }
}

/// Where an answer goes; whoever asked may have left.
type Answer<T, E = DatabaseError> = oneshot::Sender<Result<T, E>>;

async fn ask<J, T, E: From<DatabaseError>>(
    queue: &mpsc::Sender<J>,
    job: impl FnOnce(Answer<T, E>) -> J,
) -> Result<T, E> {
    let (answer, answered) = oneshot::channel();
    queue.send(job(answer)).await.map_err(|_| closed())?;
    answered.await.map_err(|_| DatabaseError::Unknown {
        reason: "the store ended meanwhile".to_owned(),
    })?
}

fn closed() -> DatabaseError {
    DatabaseError::Failed {
        reason: "the store is closed".to_owned(),
    }
}

/// Runs what a caller gave us. Its panic is its caller's failure, not the thread's end.
fn guarded<T, E: From<DatabaseError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    // what it may have left half done is undone by the savepoint or transaction around it
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(E::from(DatabaseError::Failed {
            reason: "the work panicked".to_owned(),
        }))
    })
}

/// Closes a thread's connection, and only then tells whoever asked for it.
fn end(connection: Connection, asked: Option<Answer<()>>, what: &str) {
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "the {what} did not close cleanly");
    }
    if let Some(answer) = asked {
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
