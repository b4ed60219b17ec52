//! Stores that earlier programs wrote.

use openkey_node::store::sqlite::SqliteStore;
use openkey_node::store::{Content, Store, StoreError};

use super::common::{
    LATER, NOW, claim, did, fresh, get, in_blob, open, put, reservation, space, write,
};

/// What the program wrote whose store had one layout: a value in a blob and one that is not, a blob that
/// is part of no value, one that is being removed, and two invocations.
const LAYOUT_1: &str = include_str!("data/layout1.sql");

#[tokio::test]
async fn a_store_of_the_first_layout_is_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let id = space("old");
    let text = LAYOUT_1
        .replace("SPACE", &id.to_string())
        .replace("OWNER", did(1).as_str());
    let old = rusqlite::Connection::open(dir.path().join("node.sqlite3")).unwrap();
    old.execute_batch(&text).unwrap();
    drop(old);

    let store = open(dir.path());
    let large = store.value(&id, "large").await.unwrap().unwrap();
    let blob = "00000000000000000000000000000001";
    assert!(matches!(large.content, Content::Blob(name) if name == blob));
    assert_eq!(get(&store, &id, "small").await.unwrap(), b"0123456789");
    let usage = store.usage(&id).await.unwrap();
    assert_eq!((usage.bytes, usage.pending), (70_024, 0));
    assert_eq!(usage.bound, Some(200_000));
    // what was used stays used
    let mut used = fresh();
    (used.statement, used.until_ms) = ([8; 32], NOW + 300_000);
    assert_eq!(store.admit(used).await, Err(StoreError::Duplicate));
    store.tidy(NOW).await.unwrap();
    assert!(!store.is_used(&[7; 32]).await.unwrap());
    // what was part of no value is removed, and what comes after it counts
    let mut garbage = claim(&store, NOW, 10).await;
    garbage.sort();
    let expected = [2, 3].map(|number| format!("{number:032}"));
    assert_eq!(garbage, expected);
    store.removed(garbage).await.unwrap();
    store.reserve(reservation(&id, "0a", 5)).await.unwrap();
    write(&store, &id, vec![put("large", in_blob("0a", 5))])
        .await
        .unwrap();
    let usage = store.usage(&id).await.unwrap();
    assert_eq!((usage.bytes, usage.pending), (29, 70_000));
    store.removed(claim(&store, LATER, 10).await).await.unwrap();
    assert_eq!(store.usage(&id).await.unwrap().pending, 0);
    assert_eq!(store.miscounted().await.unwrap(), []);
    store.close().await;
    SqliteStore::check(dir.path()).unwrap();
}
