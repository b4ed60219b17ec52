use std::{sync::Mutex, time::Duration};

use openkey_protocol::store::conformance;
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
    SqliteStore::open(dir.path(), Options::default()).unwrap()
}

fn raw(dir: &TempDir) -> Connection {
    Connection::open(dir.path().join(LAYOUT.file_name)).unwrap()
}

fn failed(reason: &str) -> StoreError {
    StoreError::Failed {
        reason: reason.to_owned(),
    }
}

#[derive(Default)]
struct Seen(Mutex<Vec<DatabaseError>>);

impl Observer for Seen {
    fn committed(&self, _: usize, _: Duration) {}

    fn failed(&self, error: &DatabaseError) {
        self.0.lock().unwrap().push(error.clone());
    }
}

fn observed(dir: &TempDir, max_pages: Option<u32>) -> (SqliteStore, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let options = Options {
        observer: Arc::clone(&seen) as Arc<dyn Observer>,
        max_pages,
        ..Options::default()
    };
    (SqliteStore::open(dir.path(), options).unwrap(), seen)
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
async fn h2_a_full_disk_fails_commits_whole_and_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (store, seen) = observed(&dir, Some(40));
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
    assert_eq!(outcome, Err(failed("the disk is full")));
    assert_eq!(seen.0.lock().unwrap().len(), 1);
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
    let (store, seen) = observed(&dir, None);
    let other = raw(&dir);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = failed("another process holds the database");
    let outcome = store.commit(vec![write(1, None, b"a")]).await;
    assert_eq!(outcome, Err(held.clone()));
    assert_eq!(seen.0.lock().unwrap().len(), 1);
    assert_eq!(store.probe().await, Err(held));
    assert_eq!(store.get(vec![id(1)]).await.unwrap(), [None]);
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(vec![write(1, None, b"a")]).await.unwrap();
    store.probe().await.unwrap();
}

#[tokio::test]
async fn a_conflict_undoes_the_whole_commit_and_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let (store, seen) = observed(&dir, None);
    store.commit(vec![write(1, None, b"a")]).await.unwrap();
    for expected in [None, Some(2), Some(u64::MAX)] {
        let pair = vec![write(2, None, b"b"), write(1, expected, b"b")];
        assert_eq!(store.commit(pair).await, Err(StoreError::Conflict));
        assert_eq!(store.get(vec![id(2)]).await.unwrap(), [None]);
    }
    assert!(seen.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_backup_is_a_store_of_that_moment() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.commit(vec![write(1, None, b"a")]).await.unwrap();
    let to = copy.path().join(LAYOUT.file_name);
    store.backup(to.clone()).await.unwrap();
    store.commit(vec![write(1, Some(1), b"b")]).await.unwrap();
    let again = store.backup(to).await;
    assert!(matches!(again, Err(StoreError::Failed { .. })));
    let copied = open(&copy);
    assert_eq!(copied.get(vec![id(1)]).await.unwrap(), [record(1, b"a")]);
    assert_eq!(store.get(vec![id(1)]).await.unwrap(), [record(2, b"b")]);
}

#[tokio::test]
async fn a_damaged_store_is_no_reason_to_begin_with_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.commit(vec![write(1, None, b"a")]).await.unwrap();
    store.close().await;
    let path = dir.path().join(LAYOUT.file_name);
    let good = std::fs::read(&path).unwrap();
    for (at, length) in [(0, 16), (40, 60), (68, 4)] {
        let mut bytes = good.clone();
        bytes[at..at + length].fill(0x55);
        std::fs::write(&path, bytes).unwrap();
        let refused = SqliteStore::open(dir.path(), Options::default());
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("records.sqlite3"), "{at}: {said}");
        assert!(said.contains("damaged"), "{at}: {said}");
        assert!(said.contains("restore a backup"), "{at}: {said}");
    }
}

/// Stores of the first releases made these two tables themselves.
#[tokio::test]
async fn a_store_from_before_is_opened_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let before = raw(&dir);
    before
        .execute_batch(&format!(
            "PRAGMA application_id = {};
             PRAGMA journal_mode = wal;
             CREATE TABLE migration (
                version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL
             ) STRICT;
             {}
             CREATE TABLE probe (
                one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL
             ) STRICT;
             INSERT INTO probe VALUES (1, 41);
             INSERT INTO migration VALUES (1, 0);
             INSERT INTO record VALUES (zeroblob(32), 3, x'61');",
            LAYOUT.application_id, LAYOUT.migrations[0]
        ))
        .unwrap();
    drop(before);
    let store = open(&dir);
    store.probe().await.unwrap();
    let records = store.get(vec![RecordId([0; 32])]).await.unwrap();
    assert_eq!(records, [record(3, b"a")]);
    let count: u32 = raw(&dir)
        .query_row("SELECT count FROM probe", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 42);
}
