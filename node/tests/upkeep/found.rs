//! What a check finds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openkey_edge::sqlite::Options;
use openkey_node::clock::Clock;
use openkey_node::config::Config;
use openkey_node::node::{Node, OpenNodeError};
use openkey_node::upkeep::{UpkeepError, backup, check, restore};
use rusqlite::Connection;

use crate::filled::{checked, damage, ended, files, finding};
use crate::tokens::{Fixed, NOW, space};

#[tokio::test]
async fn a_whole_node_is_found_whole() {
    let dir = ended().await;
    let found = checked(dir.path()).await;
    assert_eq!(found.findings, []);
    assert_eq!((found.blobs, found.blob_bytes), (3, 210_000));
    assert_eq!(found.databases, 2);
    assert_eq!(checked(dir.path()).await.findings, []);
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
        let expected = format!(": its blob {}: ", name(&blobs[0]));
        assert!(found.contains(&expected), "{found}");
        assert!(found.starts_with("space tinycloud:"), "{found}");
    }
    fs::remove_file(&blobs[1]).unwrap();
    let found = checked(dir.path()).await;
    assert_eq!(found.findings.len(), 2);
    let missing = format!("its blob {} cannot be read: ", name(&blobs[1]));
    assert!(
        found
            .findings
            .iter()
            .any(|it| it.problem.starts_with(&missing))
    );
    // and a backup that would not be whole does not end
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path().join("backup");
    let refused = backup(dir.path(), &copy, &()).await.unwrap_err();
    let UpkeepError::NoWholeNode { found, .. } = refused else {
        panic!("{refused}");
    };
    assert!(
        found
            .findings
            .iter()
            .any(|it| it.problem.starts_with(&missing))
    );
    let refused = restore(&dir.path().join("new"), &copy, &()).await;
    assert!(matches!(refused, Err(UpkeepError::NoBackup(_))));
}

#[tokio::test]
async fn h7_a_node_whose_files_are_gone_does_not_start() {
    for name in ["blobs", "sql"] {
        let dir = ended().await;
        let (path, aside) = (dir.path().join(name), dir.path().join("aside"));
        fs::rename(&path, &aside).unwrap();
        let config = Config::new(dir.path().to_owned());
        let clock: Arc<dyn Clock> = Fixed::at(NOW);
        let open = || Node::open(config.clone(), Arc::clone(&clock), Options::default());
        let Err(OpenNodeError::FilesLost(lost)) = open() else {
            panic!("{name} is not missed");
        };
        assert_eq!(lost, path);
        fs::rename(&aside, &path).unwrap();
        open().unwrap().store.close().await;
    }
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
            Ok(found) => found.findings[0].to_string(),
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
    let expected = format!(
        "space {}: it holds {right} bytes, and counts 5; restore a backup",
        space()
    );
    assert_eq!(found, expected);
    store
        .execute(
            "UPDATE space SET value_bytes = ?1, database_bytes = 7",
            [right],
        )
        .unwrap();
    let found = finding(dir.path()).await;
    assert!(found.contains("and counts 7"), "{found}");
    let wrong = "UPDATE space SET database_bytes = (SELECT sum(bytes) FROM sql_database), pending_bytes = 9";
    store.execute(wrong, ()).unwrap();
    let found = finding(dir.path()).await;
    assert!(found.contains("and counts 9"), "{found}");
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
