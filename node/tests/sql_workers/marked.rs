//! What a write leaves in the node's store, before and after its worker has carried it out.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::process::{BOUND, Owner, Process, home, is_whole, signal};

/// How long a worker may be stopped before its node ends it, with much to spare.
const STOPPED: Duration = Duration::from_millis(1500);

/// How many transactions of the store have been synced.
fn synced(dir: &Path) -> u64 {
    let mark = std::fs::read(dir.join("node.mark")).unwrap();
    u64::from_le_bytes(mark[..8].try_into().unwrap())
}

fn stop(node: &Process, name: &str) {
    for worker in node.workers() {
        signal(worker, name);
    }
}

/// Waits until the store has synced more than it had, if it does while workers are stopped.
async fn is_synced_since(dir: &Path, before: u64) -> bool {
    let began = Instant::now();
    while synced(dir) == before {
        if began.elapsed() > STOPPED {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn h9_a_write_is_marked_as_used_on_disk_before_it_is_carried_out() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = Owner::new(node.address, 1, 2).await;
    assert_eq!(one.execute("CREATE TABLE t (n)").await.0, 200);
    let request = |action: &str, sql: &str| json!({"action": action, "sql": sql}).to_string();
    for (body, writes) in [
        (request("execute", "INSERT INTO t VALUES (1)"), true),
        (
            request("query", "INSERT INTO t VALUES (2) RETURNING n"),
            true,
        ),
        (
            request(
                "query",
                "WITH c(n) AS (SELECT 3) INSERT INTO t SELECT n FROM c",
            ),
            true,
        ),
        (
            json!({"action": "batch", "statements": [{"sql": "INSERT INTO t VALUES (4)"}]})
                .to_string(),
            true,
        ),
        (request("query", "SELECT count(*) FROM t"), false),
        (request("query", "/* a */ VALUES (1)"), false),
    ] {
        let before = synced(&dir);
        stop(&node, "-STOP");
        let asked = async {
            let done = one.invoke("sql/main", "tinycloud.sql/*", &body).await;
            assert_eq!(done.0, 200, "{body}: {}", done.1);
        };
        let watched = async {
            let is_synced = is_synced_since(&dir, before).await;
            stop(&node, "-CONT");
            assert_eq!(is_synced, writes, "{body}");
        };
        tokio::join!(asked, watched);
    }
    assert_eq!(one.value("SELECT count(*) FROM t").await, 4);
}

/// Another program has the store locked when the write has been done and is to be counted.
#[tokio::test(flavor = "multi_thread")]
async fn h2_what_was_written_is_answered_so_though_it_cannot_be_counted_yet() {
    for more in [&[][..], &["--quota-bytes", "10000000"]] {
        let (_dir, dir) = home();
        let node = Process::start(&dir, more);
        let one = Owner::new(node.address, 1, 2).await;
        assert_eq!(one.execute("CREATE TABLE t (n)").await.0, 200);
        let store = rusqlite::Connection::open(dir.join("node.sqlite3")).unwrap();
        store.busy_timeout(BOUND).unwrap();
        let before = synced(&dir);
        stop(&node, "-STOP");
        let asked = one.execute("INSERT INTO t VALUES (hex(zeroblob(40000)))");
        let locked = async {
            assert!(is_synced_since(&dir, before).await);
            store.execute_batch("BEGIN IMMEDIATE").unwrap();
            stop(&node, "-CONT");
        };
        let (done, ()) = tokio::join!(asked, locked);
        assert_eq!(done.0, 200, "{}", done.1);
        store.execute_batch("ROLLBACK").unwrap();
        assert_eq!(one.value("SELECT count(*) FROM t").await, 1);
        // and it is counted, though nobody asks again
        let pages = one.value("PRAGMA page_count").await.as_i64().unwrap();
        assert!(pages > 20);
        let counted = || -> (i64, i64) {
            let count = "SELECT bytes, (SELECT count(*) FROM sql_reservation) FROM sql_database";
            let row = store.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)));
            row.unwrap()
        };
        let began = Instant::now();
        while counted() != (pages * 4096, 0) {
            assert!(began.elapsed() < BOUND, "{:?}", counted());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(store);
        node.kill();
        assert!(is_whole(&dir));
    }
}
