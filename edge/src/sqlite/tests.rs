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

const LAYOUT: Layout = Layout {
    file_name: "words.sqlite3",
    application_id: 0x7465_7374,
    migrations: &["CREATE TABLE word (id INTEGER PRIMARY KEY, text BLOB NOT NULL) STRICT"],
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
async fn files_are_their_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    let database = open_at(&inner).unwrap();
    write(&database, 1, b"a").await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&inner).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
        files += 1;
    }
    // the database, its log and the log's index, and two for turns
    assert_eq!(files, 5);
    assert!(database.size().unwrap() > 0);
}

#[tokio::test]
async fn h2_what_was_acknowledged_survives_a_kill_and_nothing_else_is_half_there() {
    let dir = tempfile::tempdir().unwrap();
    let copied = tempfile::tempdir().unwrap();
    let database = open(&dir);
    for n in 0..50 {
        let pair = vec![(2 * n, b"left".to_vec()), (2 * n + 1, b"right".to_vec())];
        database.write(Durability::Synced, add(pair)).await.unwrap();
    }
    // what a kill leaves: the files as they are, the log not folded in
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copied.path().join(entry.file_name())).unwrap();
    }
    // and a transaction that had not been acknowledged, torn in the middle
    let log = copied.path().join(format!("{}-wal", LAYOUT.file_name));
    let length = std::fs::metadata(&log).unwrap().len();
    let torn = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    torn.set_len(length - 1).unwrap();
    let database = open(&copied);
    assert_eq!(count(&database).await, 98);
    assert_eq!(word(&database, 97).await, Some(b"right".to_vec()));
    assert_eq!(word(&database, 98).await, None);
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
    let job = writer::Job::Write { durability, task };
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

fn synchronous(connection: &Connection) -> Result<i32, Error> {
    Ok(connection.pragma_query_value(None, "synchronous", |row| row.get(0))?)
}

#[tokio::test]
async fn h2_acknowledged_means_synced() {
    const NORMAL: i32 = 1;
    const FULL: i32 = 2;
    let dir = tempfile::tempdir().unwrap();
    let database = open(&dir);
    let mode: String = database
        .read(|c| -> Result<_, Error> {
            Ok(c.pragma_query_value(None, "journal_mode", |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(mode, "wal");
    for (durability, expected) in [
        (Durability::Synced, FULL),
        (Durability::Process, NORMAL),
        (Durability::Synced, FULL),
    ] {
        let found = database.write(durability, synchronous).await;
        assert_eq!(found, Ok(expected), "{durability:?}");
    }
    // one who asks is enough for all
    let held = held(&database).await;
    let first = queued(&database, Durability::Process, synchronous).await;
    let second = queued(&database, Durability::Synced, synchronous).await;
    held.release().await;
    assert_eq!(first.await.unwrap(), Ok(FULL));
    assert_eq!(second.await.unwrap(), Ok(FULL));
}

#[tokio::test]
async fn writes_that_wait_share_a_transaction_and_who_fails_spares_the_others() {
    const WRITERS: u32 = 100;
    let dir = tempfile::tempdir().unwrap();
    let (database, seen) = observed(&dir, None);
    let held = held(&database).await;
    let mut waiting = Vec::new();
    for n in 0..WRITERS {
        // every third one wants what its neighbour has, and has done something before
        let (own, of) = if n % 3 == 2 {
            (n, n - 1)
        } else {
            (n, n + 1000)
        };
        let words = vec![(own, b"own".to_vec()), (of, b"of".to_vec())];
        waiting.push(queued(&database, Durability::Synced, add(words)).await);
    }
    // and one panics
    let work = |c: &Connection| -> Result<(), Error> {
        add(vec![(5000, b"half".to_vec())])(c)?;
        panic!("on purpose")
    };
    let panics = queued(&database, Durability::Synced, work).await;
    held.release().await;
    let mut refused = 0;
    for (n, waiting) in (0..).zip(waiting) {
        match waiting.await.unwrap() {
            Ok(()) => assert_ne!(word(&database, n).await, None),
            Err(Error::Taken) => {
                refused += 1;
                assert_eq!(word(&database, n).await, None, "half of {n} is there");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(refused, WRITERS / 3);
    let panicked = Error::Database(failed("the work panicked"));
    assert_eq!(panics.await.unwrap(), Err(panicked));
    assert_eq!(word(&database, 5000).await, None);
    // the one that held the writer, and all the others together
    assert_eq!(seen.writes.load(Ordering::Relaxed), WRITERS as usize + 2);
    assert_eq!(seen.transactions.load(Ordering::Relaxed), 2);
    let failures = seen.failures.lock().unwrap();
    assert!(failures.is_empty(), "what work returns is no failure");
}

#[tokio::test]
async fn h2_a_write_that_ends_the_transaction_takes_the_others_with_it_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (database, seen) = observed(&dir, None);
    let held = held(&database).await;
    let before = queued(&database, Durability::Synced, add(vec![(1, b"a".to_vec())])).await;
    let work = |c: &Connection| -> Result<(), Error> {
        c.execute_batch("ROLLBACK")?;
        Err(Error::Taken)
    };
    let ends = queued(&database, Durability::Synced, work).await;
    let after = queued(&database, Durability::Synced, add(vec![(2, b"b".to_vec())])).await;
    held.release().await;
    for waiting in [before, after] {
        match waiting.await.unwrap() {
            Err(Error::Database(DatabaseError::Failed { .. })) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ends.await.unwrap(), Err(Error::Taken));
    assert_eq!(count(&database).await, 0);
    assert_eq!(seen.failures.lock().unwrap().len(), 2);
    write(&database, 1, b"a").await.unwrap();
}

#[tokio::test]
async fn h2_a_full_disk_fails_writes_whole_and_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (database, _) = observed(&dir, Some(40));
    write(&database, 0, b"first").await.unwrap();
    let large = vec![1; 20_000];
    let mut written = 0;
    let outcome = loop {
        let n = 1 + 2 * written;
        let pair = vec![(n, b"small".to_vec()), (n + 1, large.clone())];
        match database.write(Durability::Synced, add(pair)).await {
            Ok(()) => written += 1,
            outcome => break outcome,
        }
        assert!(written < 40, "the disk never fills");
    };
    assert!(written > 1);
    assert_eq!(outcome, Err(failed("the disk is full").into()));
    let n = 1 + 2 * written;
    assert_eq!(word(&database, 0).await, Some(b"first".to_vec()));
    assert_eq!(word(&database, n).await, None);
    assert_eq!(word(&database, n + 1).await, None);
    // a small one still fits, and room makes large ones fit again
    write(&database, 9999, b"small").await.unwrap();
    let make_room = |c: &Connection| -> Result<_, Error> {
        Ok(c.execute("DELETE FROM word WHERE id IN (2, 4)", [])?)
    };
    assert_eq!(database.write(Durability::Synced, make_room).await, Ok(2));
    write(&database, n + 1, &large).await.unwrap();
}

#[tokio::test]
async fn h2_a_database_that_another_process_holds_fails_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let (database, seen) = observed(&dir, None);
    let other = raw(&dir);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = failed("another process holds the database");
    assert_eq!(write(&database, 1, b"a").await, Err(held.clone().into()));
    assert_eq!(*seen.failures.lock().unwrap(), [held.clone()]);
    assert_eq!(database.probe().await, Err(held));
    assert_eq!(word(&database, 1).await, None);
    other.execute_batch("ROLLBACK").unwrap();
    write(&database, 1, b"a").await.unwrap();
    database.probe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2_two_who_write_one_file_take_turns_and_neither_fails() {
    const EACH: u32 = 2000;
    const TASKS: u32 = 40;
    let dir = tempfile::tempdir().unwrap();
    let mut tasks = Vec::new();
    for (base, database) in [(0, open(&dir)), (EACH, open(&dir))] {
        for task in 0..TASKS {
            let database = database.clone();
            tasks.push(tokio::spawn(async move {
                for n in (task..EACH).step_by(TASKS as usize) {
                    write(&database, base + n, b"word").await.unwrap();
                    assert_ne!(word(&database, base + n).await, None);
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&open(&dir)).await, 2 * EACH);
}

#[tokio::test]
async fn many_may_open_and_close_one_directory_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let inner = dir.path().join("new");
        std::thread::scope(|scope| {
            for n in 0..6 {
                let inner = &inner;
                scope.spawn(move || {
                    let database = open_at(inner).unwrap();
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    runtime.block_on(async {
                        write(&database, n, b"a").await.unwrap();
                        assert_eq!(word(&database, n).await, Some(b"a".to_vec()));
                        database.close().await;
                    });
                });
            }
        });
        let database = open_at(&inner).unwrap();
        assert_eq!(count(&database).await, 6);
        database.close().await;
        std::fs::remove_dir_all(&inner).unwrap();
    }
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

#[tokio::test]
async fn a_backup_is_the_database_of_that_moment() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let database = open(&dir);
    write(&database, 1, b"a").await.unwrap();
    let to = copy.path().join(LAYOUT.file_name);
    database.backup(to.clone()).await.unwrap();
    write(&database, 2, b"b").await.unwrap();
    let again = database.backup(to).await;
    assert!(matches!(again, Err(DatabaseError::Failed { .. })));
    let copied = open(&copy);
    assert_eq!(count(&copied).await, 1);
    assert_eq!(word(&copied, 1).await, Some(b"a".to_vec()));
}

#[tokio::test]
async fn a_closed_database_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let database = open(&dir);
    write(&database, 1, b"a").await.unwrap();
    database.close().await;
    database.close().await;
    let closed: Error = failed("the store is closed").into();
    assert_eq!(write(&database, 2, b"b").await, Err(closed));
    let read = database.read(|c| synchronous(c)).await;
    assert_eq!(read, Err(failed("the store is closed").into()));
    // folded in: nothing but the database and the two files for turns is left
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[tokio::test]
async fn files_of_others_newer_layouts_and_damage_are_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(LAYOUT.file_name);
    // closed before the next step: a database that is only dropped still folds its log in
    let open = async || {
        let checked = Database::check(dir.path(), &LAYOUT);
        let database = open_at(dir.path())?;
        database.close().await;
        // whoever may open it finds it sound, if it was there
        let missing = matches!(checked, Err(OpenError::File { .. }));
        assert!(checked == Ok(()) || missing, "{checked:?}");
        Ok(())
    };
    let foreign = OpenError::Foreign {
        path: path.clone(),
        what: "word list",
    };

    std::fs::write(&path, [b'x'; 5000]).unwrap();
    assert_eq!(open().await, Err(foreign.clone()));
    std::fs::remove_file(&path).unwrap();

    raw(&dir).execute_batch("CREATE TABLE mine (x)").unwrap();
    assert_eq!(open().await, Err(foreign.clone()));
    assert_eq!(Database::check(dir.path(), &LAYOUT), Err(foreign));
    std::fs::remove_file(&path).unwrap();

    assert_eq!(open().await, Ok(()));
    assert_eq!(Database::check(dir.path(), &LAYOUT), Ok(()));
    let connection = raw(&dir);
    connection
        .execute_batch("INSERT INTO migration VALUES (99, 0)")
        .unwrap();
    let newer = OpenError::Newer {
        what: "word list",
        found: 99,
        known: 1,
    };
    assert_eq!(open().await, Err(newer.clone()));
    assert_eq!(Database::check(dir.path(), &LAYOUT), Err(newer));
    connection
        .execute_batch("DELETE FROM migration WHERE version = 99; PRAGMA wal_checkpoint(truncate)")
        .unwrap();
    drop(connection);
    assert_eq!(open().await, Ok(()));

    let mut bytes = std::fs::read(&path).unwrap();
    let page = bytes.len() - 4096;
    bytes[page..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let checked = Database::check(dir.path(), &LAYOUT);
    assert!(matches!(checked, Err(OpenError::Damaged { .. })));
    assert!(matches!(open().await, Err(OpenError::Damaged { .. })));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let dir = file.path().join("sub");
    match open_at(&dir) {
        Err(OpenError::File { path, .. }) => assert_eq!(path, dir),
        other => panic!("{other:?}"),
    }
}
