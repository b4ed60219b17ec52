//! Backups of a node that writes, what a check finds, and what is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

#[allow(dead_code)]
#[path = "chains/tokens.rs"]
mod tokens;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use openkey_node::invoke::invoke;
use openkey_node::node::Node;
use openkey_node::store::{Admission, Keys, Page};
use openkey_node::upkeep::{Checked, UpkeepError, backup, check, restore};
use rusqlite::Connection;
use serde_json::{Value, json};

use tokens::{Fixed, NOW, Says, did, space};

fn node(dir: &Path) -> Node {
    tokens::node(dir, &Fixed::at(NOW))
}

async fn invoked(node: &Node, resource: &str, ability: &str, body: Body) -> Bytes {
    let says = Says {
        to: did(1),
        until: NOW + 60,
        resource,
        abilities: &[ability],
        ..Says::default()
    };
    let response = invoke(node, &says.headers(), body).await.unwrap();
    to_bytes(response.into_body(), 1 << 20).await.unwrap()
}

/// Every other value is large enough for a blob.
fn content(number: u32) -> Vec<u8> {
    let size = if number.is_multiple_of(2) {
        100
    } else {
        70_000
    };
    blake3::hash(&number.to_be_bytes())
        .as_bytes()
        .iter()
        .copied()
        .cycle()
        .take(size)
        .collect()
}

async fn put(node: &Node, number: u32) {
    let key = format!("kv/{number}");
    invoked(node, &key, "tinycloud.kv/put", Body::from(content(number))).await;
}

async fn sql(node: &Node, database: &str, ability: &str, request: Value) -> Value {
    let resource = format!("sql/{database}");
    let body = Body::from(request.to_string());
    serde_json::from_slice(&invoked(node, &resource, ability, body).await).unwrap()
}

async fn execute(node: &Node, database: &str, text: &str) {
    let request = json!({ "action": "execute", "sql": text });
    sql(node, database, "tinycloud.sql/*", request).await;
}

async fn count(node: &Node, database: &str) -> Value {
    let request = json!({ "action": "query", "sql": "SELECT count(*) FROM t" });
    sql(node, database, "tinycloud.sql/read", request).await["rows"][0][0].clone()
}

/// A node with values, blobs and two databases.
async fn filled(dir: &Path) -> Node {
    let node = node(dir);
    let admission = Admission {
        statement: [7; 32],
        expires_ms: i64::MAX,
        chain_expires_ms: None,
        until_ms: i64::MAX,
        chain: Vec::new(),
    };
    let hosted = node.store.host(admission, &space(), NOW * 1000).await;
    assert!(hosted.unwrap());
    for number in 0..6 {
        put(&node, number).await;
    }
    for database in ["main", "a/main"] {
        execute(&node, database, "CREATE TABLE t (a)").await;
        let rows = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                    WHERE i < 500) SELECT hex(zeroblob(100)) || i FROM n";
        execute(&node, database, rows).await;
    }
    node
}

/// The same, ended.
async fn ended() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let node = filled(dir.path()).await;
    node.store.close().await;
    drop(node);
    dir
}

/// Every file below a directory, in order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Writes over a part of a file, its log folded in before.
fn damage(path: &Path, at: usize, length: usize) {
    let connection = Connection::open(path).unwrap();
    let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
    connection.query_row(fold, (), |_| Ok(())).unwrap();
    drop(connection);
    let mut bytes = fs::read(path).unwrap();
    assert!(
        bytes.len() >= at + length,
        "{} is too short",
        path.display()
    );
    bytes[at..at + length].fill(0x55);
    fs::write(path, bytes).unwrap();
}

async fn checked(dir: &Path) -> Checked {
    check(dir, &()).await.unwrap()
}

/// The one finding of a check.
async fn finding(dir: &Path) -> String {
    let found = checked(dir).await;
    assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
    found.findings[0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_node_that_writes_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copy, new) = (
        dir.path().join("node"),
        dir.path().join("backup"),
        dir.path().join("new"),
    );
    let node = filled(&home).await;
    let (stop, written) = (AtomicBool::new(false), AtomicU32::new(6));
    let write = async {
        while !stop.load(Ordering::Relaxed) {
            let number = written.load(Ordering::Relaxed);
            put(&node, number).await;
            // an overwritten blob is still there for the backup that names it
            put(&node, number - 1).await;
            execute(&node, "main", "INSERT INTO t VALUES (1)").await;
            written.store(number + 1, Ordering::Relaxed);
        }
    };
    let copying = async {
        while written.load(Ordering::Relaxed) < 12 {
            tokio::task::yield_now().await;
        }
        let before = written.load(Ordering::Relaxed);
        let copied = backup(&home, &copy, &()).await;
        stop.store(true, Ordering::Relaxed);
        (before, copied.unwrap())
    };
    let ((), (before, copied)) = tokio::join!(write, copying);
    assert_eq!(copied.databases, 2);
    assert!(copied.blobs >= u64::from(before / 2));
    for path in files(&copy).into_iter().chain([copy.clone()]) {
        if path.ends_with("openkey-node-backup") {
            continue;
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    // the node is still itself
    assert_eq!(checked(&home).await.findings, Vec::<String>::new());

    let taken = restore(&new, &copy, &()).unwrap();
    assert_eq!(
        (taken.blobs, taken.databases),
        (copied.blobs, copied.databases)
    );
    let found = checked(&new).await;
    assert_eq!(found.findings, Vec::<String>::new());
    assert_eq!((found.blobs, found.databases), (copied.blobs, 2));
    let restored = tokens::node(&new, &Fixed::at(NOW));
    assert_eq!(restored.keys.node_id(), node.keys.node_id());
    assert_eq!(restored.keys.host(&space()), node.keys.host(&space()));
    let page = Page {
        after: None,
        limit: 10_000,
    };
    let keys = restored
        .store
        .keys(&space(), &Keys::With(String::new()), page)
        .await
        .unwrap();
    assert!(keys.len() >= before as usize);
    for key in &keys {
        let resource = format!("kv/{key}");
        let value = invoked(&restored, &resource, "tinycloud.kv/get", Body::empty()).await;
        assert_eq!(value, content(key.parse().unwrap()), "{key}");
    }
    assert_eq!(count(&restored, "a/main").await, 500);
    assert!(count(&restored, "main").await.as_i64().unwrap() >= 506);
    put(&restored, 1).await;
    execute(&restored, "main", "INSERT INTO t VALUES (1)").await;
}

/// While somebody copies or checks, blobs of replaced values stay; what was refused does not.
#[tokio::test]
async fn h7_replaced_blobs_wait_for_who_copies_them() {
    let dir = tempfile::tempdir().unwrap();
    let node = filled(dir.path()).await;
    put(&node, 1).await;
    let blobs = || files(&dir.path().join("blobs")).len();
    assert_eq!(blobs(), 4);
    let later = Fixed::at(NOW + 300);
    let beside = tokens::node(dir.path(), &later);
    let lock = fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.path().join("blobs.lock"))
        .unwrap();
    lock.lock_shared().unwrap();
    beside.tidy().await.unwrap();
    assert_eq!(blobs(), 4);
    lock.unlock().unwrap();
    beside.tidy().await.unwrap();
    assert_eq!(blobs(), 3);
    // and both wait for who removes blobs
    lock.lock().unwrap();
    let copy = dir.path().join("backup");
    let mut copying = Box::pin(async {
        check(dir.path(), &()).await.unwrap();
        backup(dir.path(), &copy, &()).await
    });
    let soon = std::time::Duration::from_millis(300);
    tokio::time::timeout(soon, &mut copying).await.unwrap_err();
    lock.unlock().unwrap();
    copying.await.unwrap();
    assert_eq!(checked(dir.path()).await.findings, Vec::<String>::new());
}

#[tokio::test]
async fn a_whole_node_is_found_whole() {
    let dir = ended().await;
    let found = checked(dir.path()).await;
    assert_eq!(found.findings, Vec::<String>::new());
    assert_eq!((found.blobs, found.blob_bytes), (3, 210_000));
    assert_eq!(found.databases, 2);
    assert_eq!(checked(dir.path()).await.findings, Vec::<String>::new());
}

#[tokio::test]
async fn a_changed_blob_and_a_missing_one_are_found() {
    let dir = ended().await;
    let blobs = files(&dir.path().join("blobs"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let good = fs::read(&blobs[0]).unwrap();
    let mut changed = good.clone();
    changed[69_999] ^= 1;
    for bytes in [&changed[..], &good[..69_999], b""] {
        fs::write(&blobs[0], bytes).unwrap();
        let found = finding(dir.path()).await;
        assert_eq!(
            found,
            format!(
                "blob {} does not hold the value that was written",
                name(&blobs[0])
            )
        );
    }
    fs::remove_file(&blobs[1]).unwrap();
    let found = checked(dir.path()).await;
    assert_eq!(found.findings.len(), 2);
    let missing = format!("blob {} cannot be read: ", name(&blobs[1]));
    assert!(found.findings[1].starts_with(&missing));
    // and a backup that would not be whole does not end
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path().join("backup");
    let refused = backup(dir.path(), &copy, &()).await.unwrap_err();
    assert!(refused.to_string().contains(&name(&blobs[1])), "{refused}");
    let refused = restore(&dir.path().join("new"), &copy, &());
    assert!(matches!(refused, Err(UpkeepError::NoBackup(_))));
}

#[tokio::test]
async fn a_damaged_database_is_found() {
    let dir = ended().await;
    let sql = files(&dir.path().join("sql"));
    let is_database = |path: &&PathBuf| path.extension().is_some_and(|it| it == "sqlite3");
    let path = sql.iter().find(is_database).unwrap();
    damage(path, 8192, 4096);
    let found = finding(dir.path()).await;
    assert!(found.contains(path.to_str().unwrap()), "{found}");
    assert!(found.contains("is damaged: "), "{found}");
}

#[tokio::test]
async fn a_damaged_store_is_found() {
    for (at, length) in [(8192, 4096), (0, 100), (40, 60)] {
        let dir = ended().await;
        let path = dir.path().join("node.sqlite3");
        damage(&path, at, length);
        let text = match check(dir.path(), &()).await {
            Ok(found) => found.findings.join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(text.contains(dir.path().to_str().unwrap()), "{at}: {text}");
    }
}

#[tokio::test]
async fn changed_counts_are_found() {
    let dir = ended().await;
    let store = Connection::open(dir.path().join("node.sqlite3")).unwrap();
    let right: i64 = store
        .query_row("SELECT value_bytes FROM space", (), |row| row.get(0))
        .unwrap();
    store
        .execute("UPDATE space SET value_bytes = 5", ())
        .unwrap();
    let found = finding(dir.path()).await;
    let expected = format!("{} holds {right} bytes, and counts 5", space());
    assert_eq!(found, expected);
    store
        .execute(
            "UPDATE space SET value_bytes = ?1, database_bytes = 7",
            [right],
        )
        .unwrap();
    let found = finding(dir.path()).await;
    assert!(found.ends_with("and counts 7"), "{found}");
    let wrong = "UPDATE space SET database_bytes = (SELECT sum(bytes) FROM sql_database), pending_bytes = 9";
    store.execute(wrong, ()).unwrap();
    let found = finding(dir.path()).await;
    assert!(found.ends_with("and counts 9"), "{found}");
}

#[tokio::test]
async fn a_changed_secret_is_found_and_a_missing_one_is_not_made() {
    let dir = ended().await;
    let key = dir.path().join("node.key");
    fs::write(&key, "changed").unwrap();
    let found = finding(dir.path()).await;
    assert!(found.contains("restore it from a backup"), "{found}");
    fs::remove_file(&key).unwrap();
    let refused = check(dir.path(), &()).await.unwrap_err();
    assert!(matches!(refused, UpkeepError::NoNode(_)));
    assert!(!key.exists());
    // nor is a store made where none is
    let dir = ended().await;
    fs::remove_file(dir.path().join("node.sqlite3")).unwrap();
    check(dir.path(), &()).await.unwrap_err();
    let copy = dir.path().join("backup");
    backup(dir.path(), &copy, &()).await.unwrap_err();
    assert!(!dir.path().join("node.sqlite3").exists());
    assert!(!copy.exists());
}

#[tokio::test]
async fn nothing_is_overwritten_and_what_is_refused_is_told() {
    let dir = ended().await;
    let outside = tempfile::tempdir().unwrap();
    let copy = outside.path().join("backup");
    let told = |result: Result<_, UpkeepError>, path: &Path, advice: &str| {
        let text = result.map(drop).unwrap_err().to_string();
        let expected = format!("{}{advice}", path.display());
        assert_eq!(text, expected);
    };
    let no_node = " holds no node: name its directory with --dir";
    let refused = backup(outside.path(), &copy, &()).await;
    told(refused, outside.path(), no_node);
    assert!(!copy.exists());
    let refused = check(outside.path(), &()).await.map(|_| Default::default());
    told(refused, outside.path(), no_node);

    // even an empty directory may be somebody's
    let exists = " exists: name a directory that is not there yet";
    fs::create_dir(&copy).unwrap();
    told(backup(dir.path(), &copy, &()).await, &copy, exists);
    fs::remove_dir(&copy).unwrap();
    backup(dir.path(), &copy, &()).await.unwrap();
    let before = files(&copy);
    told(backup(dir.path(), &copy, &()).await, &copy, exists);
    assert_eq!(files(&copy), before);

    let not_empty = " is not empty: name a directory that is empty or not there yet";
    let before = files(dir.path());
    told(restore(dir.path(), &copy, &()), dir.path(), not_empty);
    assert_eq!(files(dir.path()), before);
    let new = outside.path().join("new");
    fs::create_dir(&new).unwrap();
    restore(&new, &copy, &()).unwrap();
    told(restore(&new, &copy, &()), &new, not_empty);

    let other = outside.path().join("other");
    let no_backup =
        " is no backup that was finished: name a directory that `openkey-node backup` made";
    told(restore(&other, dir.path(), &()), dir.path(), no_backup);
    fs::remove_file(copy.join("openkey-node-backup")).unwrap();
    told(restore(&other, &copy, &()), &copy, no_backup);
    assert!(!other.exists());
}
