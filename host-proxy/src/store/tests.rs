use std::{
    os::unix::fs::PermissionsExt as _,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use openkey_protocol::store::conformance;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

fn id(n: u32) -> RecordId {
    let mut id = [7; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    RecordId(id)
}

fn write(n: u32, expected: Option<u64>, blob: &[u8]) -> Write {
    Write {
        id: id(n),
        expected,
        blob: blob.into(),
    }
}

fn record(revision: u64, blob: &[u8]) -> Option<Record> {
    Some(Record {
        revision,
        blob: blob.into(),
    })
}

fn open(dir: &TempDir) -> SqliteStore {
    SqliteStore::open(dir.path(), StoreOptions::default()).unwrap()
}

fn raw(dir: &TempDir) -> Connection {
    Connection::open(dir.path().join(FILE_NAME)).unwrap()
}

fn is_failed(outcome: Result<(), StoreError>, reason: &str) -> bool {
    matches!(outcome, Err(StoreError::Failed { reason: r }) if r == reason)
}

#[tokio::test]
async fn it_conforms_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    conformance::run(&open(&dir)).await;
    let store = open(&dir);
    store.commit(vec![write(1, None, b"a")]).await.unwrap();
    store.close().await;
    let store = open(&dir);
    assert_eq!(store.get(vec![id(1)]).await.unwrap(), [record(1, b"a")]);
    store.commit(vec![write(1, Some(1), b"b")]).await.unwrap();
    assert_eq!(store.get(vec![id(1)]).await.unwrap(), [record(2, b"b")]);
}

#[tokio::test]
async fn files_are_their_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    let store = SqliteStore::open(&inner, StoreOptions::default()).unwrap();
    store.commit(vec![write(1, None, b"a")]).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&inner).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
        files += 1;
    }
    // the database, its log and the log's index
    assert_eq!(files, 3);
    assert!(store.size().unwrap() > 0);
}

#[tokio::test]
async fn h2_what_was_acknowledged_survives_a_kill_and_nothing_else_is_half_there() {
    let dir = tempfile::tempdir().unwrap();
    let copied = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for n in 0..50 {
        let pair = vec![
            write(2 * n, None, b"left"),
            write(2 * n + 1, None, b"right"),
        ];
        store.commit(pair).await.unwrap();
    }
    // what a kill leaves: the files as they are, the log not folded in
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copied.path().join(entry.file_name())).unwrap();
    }
    // and a transaction that had not been acknowledged, torn in the middle
    let log = copied.path().join(format!("{FILE_NAME}-wal"));
    let length = std::fs::metadata(&log).unwrap().len();
    let torn = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    torn.set_len(length - 1).unwrap();
    let store = open(&copied);
    for n in 0..49 {
        let pair = store.get(vec![id(2 * n), id(2 * n + 1)]).await.unwrap();
        assert_eq!(pair, [record(1, b"left"), record(1, b"right")]);
    }
    let pair = store.get(vec![id(98), id(99)]).await.unwrap();
    assert_eq!(pair, [None, None]);
}

#[test]
fn h2_acknowledged_means_synced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let connection = schema::open(dir.path(), &path, &StoreOptions::default()).unwrap();
    let pragma = |name| -> String {
        let value = |row: &rusqlite::Row<'_>| row.get_ref(0).map(|v| format!("{v:?}"));
        connection.pragma_query_value(None, name, value).unwrap()
    };
    assert_eq!(
        pragma("synchronous"),
        "Integer(2)",
        "FULL: a sync for each transaction"
    );
    assert_eq!(pragma("journal_mode"), "Text([119, 97, 108])", "wal");
}

#[tokio::test]
async fn h2_a_full_disk_fails_commits_whole_and_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        max_pages: Some(40),
        ..StoreOptions::default()
    };
    let store = SqliteStore::open(dir.path(), options).unwrap();
    store.commit(vec![write(0, None, b"first")]).await.unwrap();
    let large = vec![1; 20_000];
    let mut written = 0;
    let outcome = loop {
        let n = 1 + 2 * written;
        let pair = vec![write(n, None, b"small"), write(n + 1, None, &large)];
        match store.commit(pair).await {
            Ok(()) => written += 1,
            outcome => break outcome,
        }
        assert!(written < 40, "the disk never fills");
    };
    assert!(is_failed(outcome, "the disk is full"));
    let n = 1 + 2 * written;
    let ids = vec![id(0), id(n), id(n + 1)];
    let now = store.get(ids).await.unwrap();
    assert_eq!(now, [record(1, b"first"), None, None]);
    // a small one still fits, and room makes large ones fit again
    store
        .commit(vec![write(0, Some(1), b"again")])
        .await
        .unwrap();
    assert!(written > 1);
    let emptied = vec![write(2, Some(1), b""), write(4, Some(1), b"")];
    store.commit(emptied).await.unwrap();
    let pair = vec![write(n, None, b"small"), write(n + 1, None, &large)];
    store.commit(pair).await.unwrap();
}

#[tokio::test]
async fn h2_a_database_that_another_process_holds_fails_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let other = raw(&dir);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let outcome = store.commit(vec![write(1, None, b"a")]).await;
    assert!(is_failed(outcome, "another process holds the database"));
    assert!(is_failed(
        store.probe().await,
        "another process holds the database"
    ));
    assert_eq!(store.get(vec![id(1)]).await.unwrap(), [None]);
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(vec![write(1, None, b"a")]).await.unwrap();
    store.probe().await.unwrap();
}

#[derive(Default)]
struct Seen {
    transactions: AtomicUsize,
    commits: AtomicUsize,
    failures: Mutex<Vec<StoreError>>,
}

impl StoreObserver for Seen {
    fn committed(&self, requests: usize, _: Duration) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.commits.fetch_add(requests, Ordering::Relaxed);
    }

    fn failed(&self, error: &StoreError) {
        self.failures.lock().unwrap().push(error.clone());
    }
}

#[tokio::test]
async fn commits_that_wait_share_a_transaction_and_conflicts_spare_the_others() {
    const WRITERS: u32 = 100;
    let dir = tempfile::tempdir().unwrap();
    let seen = Arc::new(Seen::default());
    let options = StoreOptions {
        observer: Arc::clone(&seen) as Arc<dyn StoreObserver>,
        ..StoreOptions::default()
    };
    let store = SqliteStore::open(dir.path(), options).unwrap();
    // everyone queues while the writer waits for somebody else
    let other = raw(&dir);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let first = tokio::spawn({
        let store = store.clone();
        async move { store.commit(vec![write(u32::MAX, None, &[1])]).await }
    });
    tokio::task::yield_now().await;
    while store.shared.writer.capacity() < QUEUE {
        tokio::task::yield_now().await;
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let store = store.clone();
            // every third one wants what its neighbour has
            let of = if n % 3 == 2 { n - 1 } else { n };
            tokio::spawn(async move { store.commit(vec![write(of, None, &[1])]).await })
        })
        .collect();
    while store.shared.writer.capacity() > QUEUE - WRITERS as usize {
        tokio::task::yield_now().await;
    }
    other.execute_batch("ROLLBACK").unwrap();
    first.await.unwrap().unwrap();
    let mut conflicts = 0;
    for writer in writers {
        match writer.await.unwrap() {
            Ok(()) => {}
            Err(StoreError::Conflict) => conflicts += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(conflicts, WRITERS / 3);
    assert_eq!(seen.commits.load(Ordering::Relaxed), WRITERS as usize + 1);
    // the first one, and all the others together
    assert_eq!(seen.transactions.load(Ordering::Relaxed), 2);
    assert!(
        seen.failures.lock().unwrap().is_empty(),
        "a conflict is no failure"
    );
}

#[tokio::test]
async fn a_backup_is_a_store_of_that_moment() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.commit(vec![write(1, None, b"a")]).await.unwrap();
    let to = copy.path().join(FILE_NAME);
    store.backup(to.clone()).await.unwrap();
    store.commit(vec![write(1, Some(1), b"b")]).await.unwrap();
    assert!(matches!(
        store.backup(to).await,
        Err(StoreError::Failed { .. })
    ));
    let copied = open(&copy);
    assert_eq!(copied.get(vec![id(1)]).await.unwrap(), [record(1, b"a")]);
    assert_eq!(store.get(vec![id(1)]).await.unwrap(), [record(2, b"b")]);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.close().await;
    store.close().await;
    assert!(is_failed(
        store.commit(vec![write(1, None, b"a")]).await,
        "the store is closed"
    ));
    assert!(store.get(vec![id(1)]).await.is_err());
    // folded in: nothing but the database is left
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn files_of_others_newer_layouts_and_damage_are_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    // closed before the next step: a store that is only dropped still folds its log in
    let open = async || {
        let store = SqliteStore::open(dir.path(), StoreOptions::default())?;
        store.close().await;
        Ok(())
    };

    std::fs::write(&path, [b'x'; 5000]).unwrap();
    assert_eq!(open().await, Err(OpenError::Foreign(path.clone())));
    std::fs::remove_file(&path).unwrap();

    raw(&dir).execute_batch("CREATE TABLE mine (x)").unwrap();
    assert_eq!(open().await, Err(OpenError::Foreign(path.clone())));
    std::fs::remove_file(&path).unwrap();

    assert_eq!(open().await, Ok(()));
    let connection = raw(&dir);
    connection
        .execute_batch("INSERT INTO migration VALUES (99, 0)")
        .unwrap();
    let newer = OpenError::Newer {
        found: 99,
        known: 1,
    };
    assert_eq!(open().await, Err(newer));
    connection
        .execute_batch("DELETE FROM migration WHERE version = 99; PRAGMA wal_checkpoint(truncate)")
        .unwrap();
    drop(connection);
    assert_eq!(open().await, Ok(()));

    let mut bytes = std::fs::read(&path).unwrap();
    let page = bytes.len() - 4096;
    bytes[page..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(open().await, Err(OpenError::Damaged { .. })));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let dir = file.path().join("sub");
    match SqliteStore::open(&dir, StoreOptions::default()) {
        Err(OpenError::File { path, .. }) => assert_eq!(path, dir),
        other => panic!("{other:?}"),
    }
}
