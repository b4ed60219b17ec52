//! Backups, and what they are restored to.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::body::Body;
use openkey_node::allowance::Allowance;
use openkey_node::store::{Keys, Page};
use openkey_node::upkeep::{UpkeepError, backup, check, restore};

use crate::filled::{checked, content, count, ended, execute, files, filled, invoked, put};
use crate::tokens::{self, Fixed, NOW, space};

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
    assert_eq!(checked(&home).await.findings, []);

    let taken = restore(&new, &copy, &()).await.unwrap();
    assert_eq!(
        (taken.blobs, taken.databases),
        (copied.blobs, copied.databases)
    );
    let found = checked(&new).await;
    assert_eq!(found.findings, []);
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
        .keys(&space(), &Keys::With(String::new()), page, Allowance::any())
        .await
        .unwrap()
        .all()
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
    let outside = tempfile::tempdir().unwrap();
    let copy = outside.path().join("backup");
    let mut copying = Box::pin(async {
        check(dir.path(), &()).await.unwrap();
        backup(dir.path(), &copy, &()).await
    });
    let soon = std::time::Duration::from_millis(300);
    tokio::time::timeout(soon, &mut copying).await.unwrap_err();
    lock.unlock().unwrap();
    copying.await.unwrap();
    assert_eq!(checked(dir.path()).await.findings, []);
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
    told(restore(dir.path(), &copy, &()).await, dir.path(), not_empty);
    assert_eq!(files(dir.path()), before);
    let new = outside.path().join("new");
    fs::create_dir(&new).unwrap();
    restore(&new, &copy, &()).await.unwrap();
    told(restore(&new, &copy, &()).await, &new, not_empty);

    let other = outside.path().join("other");
    let no_backup =
        " is no backup that was finished: name a directory that `openkey-node backup` made";
    told(
        restore(&other, dir.path(), &()).await,
        dir.path(),
        no_backup,
    );
    fs::remove_file(copy.join("openkey-node-backup")).unwrap();
    told(restore(&other, &copy, &()).await, &copy, no_backup);
    assert!(!other.exists());
}
