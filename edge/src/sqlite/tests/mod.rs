use std::{
    os::unix::fs::PermissionsExt as _,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use rusqlite::OptionalExtension as _;
use tempfile::TempDir;

use super::*;

mod batch;
mod files;
mod turns;

const LAYOUT: Layout = Layout {
    file_name: "words.sqlite3",
    application_id: 0x7465_7374,
    migrations: &["CREATE TABLE word (id INTEGER PRIMARY KEY, text BLOB NOT NULL) STRICT"],
    mark: None,
    what: "word list",
};

#[derive(Debug, PartialEq, Eq)]
enum Error {
    Taken,
    Database(DatabaseError),
}

impl<E: Into<DatabaseError>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

/// Adds words; one whose number is taken spoils all of them.
fn add(
    words: Vec<(u32, Vec<u8>)>,
) -> impl FnOnce(&Connection) -> Result<(), Error> + Send + 'static {
    move |connection| {
        for word in words {
            let added = connection
                .prepare_cached("INSERT INTO word VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                .execute(word)?;
            if added != 1 {
                return Err(Error::Taken);
            }
        }
        Ok(())
    }
}

async fn write(database: &Database, id: u32, text: &[u8]) -> Result<(), Error> {
    let words = vec![(id, text.to_vec())];
    database.write(Durability::Synced, add(words)).await
}

async fn word(database: &Database, id: u32) -> Option<Vec<u8>> {
    let read = move |connection: &Connection| -> Result<_, Error> {
        Ok(connection
            .query_row("SELECT text FROM word WHERE id = ?1", [id], |row| {
                row.get(0)
            })
            .optional()?)
    };
    database.read(read).await.unwrap()
}

async fn count(database: &Database) -> u32 {
    let read = |connection: &Connection| -> Result<_, Error> {
        Ok(connection.query_row("SELECT count(*) FROM word", [], |row| row.get(0))?)
    };
    database.read(read).await.unwrap()
}

fn open_at(dir: &Path) -> Result<Database, OpenError> {
    Database::open(dir, &LAYOUT, Options::default())
}

fn open(dir: &TempDir) -> Database {
    open_at(dir.path()).unwrap()
}

fn raw(dir: &TempDir) -> Connection {
    Connection::open(dir.path().join(LAYOUT.file_name)).unwrap()
}

fn failed(reason: &str) -> DatabaseError {
    DatabaseError::Failed {
        reason: reason.to_owned(),
    }
}

#[derive(Default)]
struct Seen {
    transactions: AtomicUsize,
    writes: AtomicUsize,
    failures: Mutex<Vec<DatabaseError>>,
}

impl Observer for Seen {
    fn committed(&self, writes: usize, _: Duration) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(writes, Ordering::Relaxed);
    }

    fn failed(&self, error: &DatabaseError) {
        self.failures.lock().unwrap().push(error.clone());
    }
}

fn observed(dir: &TempDir, max_pages: Option<u32>) -> (Database, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let options = Options {
        observer: Arc::clone(&seen) as Arc<dyn Observer>,
        max_pages,
        ..Options::default()
    };
    (Database::open(dir.path(), &LAYOUT, options).unwrap(), seen)
}

/// A task of a write, polled until the writer or the queue has it.
async fn queued<T, F>(database: &Database, durability: Durability, work: F) -> Waiting<T>
where
    F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    T: Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let task = writer::task(work, answer);
    let asked = Instant::now();
    let job = writer::Job::Write {
        asked,
        durability,
        task,
    };
    assert!(database.shared.writer.send(job).await.is_ok());
    answered
}

type Waiting<T> = oneshot::Receiver<Result<T, Error>>;

/// Keeps the writer out until it is dropped, so that what comes meanwhile is one batch.
struct Held(std::sync::mpsc::Sender<()>, Waiting<()>);

async fn held(database: &Database) -> Held {
    let (go, gone) = std::sync::mpsc::channel();
    let (began, begun) = oneshot::channel();
    let work = move |_: &Connection| -> Result<(), Error> {
        began.send(()).unwrap();
        gone.recv().unwrap();
        Ok(())
    };
    let waiting = queued(database, Durability::Process, work).await;
    begun.await.unwrap();
    Held(go, waiting)
}

impl Held {
    async fn release(self) {
        self.0.send(()).unwrap();
        self.1.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_was_written_is_read_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let database = open(&dir);
    write(&database, 1, b"a").await.unwrap();
    assert_eq!(write(&database, 1, b"b").await, Err(Error::Taken));
    let first = word(&database, 1).await;
    database.close().await;
    let database = open(&dir);
    assert_eq!(word(&database, 1).await, first);
    assert_eq!(first, Some(b"a".to_vec()));
    write(&database, 2, b"b").await.unwrap();
    assert_eq!(count(&database).await, 2);
}

#[tokio::test]
async fn a_read_cannot_write_and_leaves_no_transaction_behind() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        readers: 0,
        ..Options::default()
    };
    let database = Database::open(dir.path(), &LAYOUT, options).unwrap();
    let outcome = database.read(add(vec![(1, b"a".to_vec())])).await;
    assert!(matches!(outcome, Err(Error::Database(_))), "{outcome:?}");
    let moment = |c: &Connection| -> Result<(), Error> {
        c.execute_batch("BEGIN; SELECT count(*) FROM word")?;
        panic!("on purpose")
    };
    let outcome = database.read(moment).await;
    assert_eq!(outcome, Err(failed("the work panicked").into()));
    write(&database, 1, b"a").await.unwrap();
    // the one reader is not stuck in the past
    assert_eq!(word(&database, 1).await, Some(b"a".to_vec()));
}
