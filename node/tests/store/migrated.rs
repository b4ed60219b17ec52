//! Stores that earlier programs wrote.

use std::path::Path;

use openkey_capability::cid::Cid;
use openkey_capability::resource::SpaceId;
use openkey_capability::ucan::Ucan;
use openkey_node::allowance::Allowance;
use openkey_node::store::sqlite::SqliteStore;
use openkey_node::store::{Content, Store, StoreError};

use super::common::{
    LATER, NOW, claim, delegation, did, fresh, get, in_blob, open, put, reservation, space, write,
};
use super::tokens::{self, Says};

/// What the program wrote whose store had one layout: a value in a blob and one that is not, a blob that
/// is part of no value, one that is being removed, and two invocations.
const LAYOUT_1: &str = include_str!("data/layout1.sql");

/// A store of the first layout, with this space.
fn old(dir: &Path, id: &SpaceId) -> rusqlite::Connection {
    let text = LAYOUT_1
        .replace("SPACE", &id.to_string())
        .replace("OWNER", did(1).as_str());
    let old = rusqlite::Connection::open(dir.join("node.sqlite3")).unwrap();
    old.execute_batch(&text).unwrap();
    old
}

/// Keeps a token as that program did, and answers its name.
fn accept(old: &rusqlite::Connection, says: &Says<'_>) -> Ucan {
    let ucan = says.ucan();
    let statement = tokens::statement(&ucan);
    old.execute(
        "INSERT INTO delegation (cid, statement, token) VALUES (?1, ?2, ?3)",
        (ucan.cid().digest(), statement, ucan.token().as_bytes()),
    )
    .unwrap();
    let row = old.last_insert_rowid();
    let name = tokens::space().to_string();
    old.execute("INSERT INTO delegation_space VALUES (?1, ?2)", (name, row))
        .unwrap();
    for (whose, direction) in [(did(says.from), 0), (says.to.clone(), 1)] {
        old.execute(
            "INSERT INTO delegation_party VALUES (?1, ?2, ?3, ?4)",
            (whose.as_str(), direction, i64::MIN, row),
        )
        .unwrap();
    }
    ucan
}

#[tokio::test]
async fn h10_delegations_of_before_end_and_count() {
    let dir = tempfile::tempdir().unwrap();
    let id = tokens::space();
    let old = old(dir.path(), &id);
    let root = accept(&old, &Says::default());
    let of_root = [root.cid()];
    let link = |to: u8| Says {
        from: 2,
        to: did(to),
        proofs: &of_root,
        ..Says::default()
    };
    let held = accept(&old, &link(3));
    let of_held = [held.cid()];
    let mut below = Vec::new();
    for number in 0..1100 {
        let says = Says {
            from: 3,
            to: did(4),
            until: tokens::NOW + 1 + number % 2 * 1000,
            proofs: &of_held,
            ..Says::default()
        };
        below.push(accept(&old, &says));
    }
    // one that was taken back, and what is none
    let gone = accept(&old, &link(5));
    old.execute(
        "INSERT INTO revocation VALUES (?1, ?2, 1000, x'00')",
        (tokens::statement(&gone), did(2).as_str()),
    )
    .unwrap();
    let damaged = [0xee_u8; 32];
    old.execute(
        "INSERT INTO delegation (cid, statement, token) VALUES (?1, ?1, x'ff')",
        [damaged],
    )
    .unwrap();
    drop(old);

    let store = open(dir.path());
    let raw = rusqlite::Connection::open(dir.path().join("node.sqlite3")).unwrap();
    let row = |ucan: &Ucan| -> (Option<i64>, i64, i64) {
        raw.query_row(
            "SELECT expires_ms, depth, below FROM delegation WHERE cid = ?1",
            [ucan.cid().digest()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap()
    };
    let mut rounds = 0;
    while store.tidy(NOW).await.unwrap() {
        rounds += 1;
        assert!(rounds < 100, "without end");
    }
    assert!(rounds > 10, "a few at a time: {rounds}");
    let end_ms = (tokens::NOW + 3600) * 1000;
    assert_eq!(row(&root), (Some(end_ms), 0, 1101));
    assert_eq!(row(&held), (Some(end_ms), 1, 1100));
    assert_eq!(row(&below[0]), (Some(NOW + 1000), 2, 0));
    assert_eq!(row(&gone), (Some(end_ms), 1, 0));
    assert_eq!(store.miscounted().await.unwrap(), []);
    // as many as there may be hang there, until some have ended
    let chain = [&root, &held].map(tokens::statement);
    let more = || {
        let mut new = delegation(&id);
        new.chain = chain.to_vec();
        new
    };
    let refused = store.accept(more()).await;
    assert!(
        matches!(refused, Err(StoreError::Crowded(_))),
        "{refused:?}"
    );
    while store.tidy(NOW + 70_000).await.unwrap() {}
    assert_eq!(row(&held).2, 550);
    let kept = store
        .tokens(
            &[below[0].cid(), below[1].cid(), Cid::from_digest(damaged)],
            Allowance::any(),
        )
        .await
        .unwrap()
        .all()
        .unwrap();
    assert_eq!(
        kept.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, true]
    );
    store.accept(more()).await.unwrap();
    assert_eq!(store.miscounted().await.unwrap(), []);
}

#[tokio::test]
async fn a_store_of_the_first_layout_is_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let id = space("old");
    drop(old(dir.path(), &id));

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
