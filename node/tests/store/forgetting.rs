//! How much is forgotten at once.

use std::path::Path;

use openkey_node::store::Store as _;

use super::common::{NOW, delegation, hosted, open};

/// Rows of delegations, and of which hangs under which.
fn rows(dir: &Path) -> [i64; 2] {
    let store = rusqlite::Connection::open(dir.join("node.sqlite3")).unwrap();
    ["delegation", "delegation_above"].map(|table| {
        let count = format!("SELECT count(*) FROM {table}");
        store.query_row(&count, (), |row| row.get(0)).unwrap()
    })
}

/// As many rows as others would wait for long, if all went at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h10_what_hangs_under_what_has_ended_is_let_go_in_parts() {
    const ROOTS: i64 = 5;
    const EACH: i64 = 7000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = hosted(&store, "many").await;
    for _ in 0..ROOTS {
        let mut new = delegation(&id);
        new.expires_ms = Some(NOW + 1);
        store.accept(new).await.unwrap();
    }
    let raw = rusqlite::Connection::open(dir.path().join("node.sqlite3")).unwrap();
    raw.execute_batch(&format!(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {EACH})
         INSERT INTO delegation (cid, statement, token, depth)
         SELECT unhex(printf('%064x', n * 1000 + root.id)), unhex(printf('%064x', n * 1000 + root.id)), x'00', 1
         FROM number, delegation AS root;
         INSERT INTO delegation_above (ancestor, delegation)
         SELECT root.id, under.id FROM delegation AS root JOIN delegation AS under
         ON root.depth = 0 AND under.depth = 1 AND under.id % {ROOTS} = root.id % {ROOTS};
         UPDATE delegation SET
            below = (SELECT count(*) FROM delegation_above WHERE ancestor = delegation.id),
            below_bytes = (SELECT count(*) FROM delegation_above WHERE ancestor = delegation.id);"
    ))
    .unwrap();
    let mut before = rows(dir.path());
    assert_eq!(before, [ROOTS * EACH + ROOTS, ROOTS * EACH]);
    let mut rounds = 0;
    loop {
        let more = store.tidy(NOW + 100_000).await.unwrap();
        let after = rows(dir.path());
        let gone = before[0] - after[0] + before[1] - after[1];
        assert!(gone <= 10_010, "{gone}");
        assert_eq!(store.miscounted().await.unwrap(), []);
        (before, rounds) = (after, rounds + 1);
        if !more {
            break;
        }
        assert!(rounds < 20, "without end");
    }
    assert_eq!(before, [ROOTS * EACH, 0]);
    assert!(rounds >= 4, "{rounds}");
}
