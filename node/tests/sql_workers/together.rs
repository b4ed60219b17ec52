//! Writes of one database that have to wait: they are made durable together, and fail one by one.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::process::{BOUND, Owner, Process, home, is_whole, signal};

pub(crate) fn stop(node: &Process, name: &str) {
    for worker in node.workers() {
        signal(worker, name);
    }
}

/// Transactions in the log of the only database.
fn transactions(dir: &Path) -> usize {
    let files = std::fs::read_dir(dir.join("sql")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let is_log = |path: &std::path::PathBuf| path.to_string_lossy().ends_with("-wal");
    // a database that was just made has none
    let Some(log) = files.find(is_log) else {
        return 0;
    };
    let log = std::fs::read(log).unwrap();
    let (head, frames) = log.split_at(32);
    let frames = frames.chunks_exact(24 + 4096);
    // of this log, and the last of a transaction
    let ends = |frame: &&[u8]| frame[8..16] == head[16..24] && frame[4..8] != [0; 4];
    frames.filter(ends).count()
}

/// Invocations that were used up.
pub(crate) fn used(dir: &Path) -> i64 {
    let store = rusqlite::Connection::open(dir.join("node.sqlite3")).unwrap();
    let count = "SELECT count(*) FROM invocation";
    store.query_row(count, [], |row| row.get(0)).unwrap()
}

/// Waits until so many more were used up than before.
pub(crate) async fn until_used(dir: &Path, before: i64, more: usize) {
    let began = Instant::now();
    while used(dir) < before + i64::try_from(more).unwrap() {
        assert!(began.elapsed() < Duration::from_millis(1500));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Has all of these wait for one database at once.
async fn at_once(node: &Process, dir: &Path, one: &Owner, bodies: &[Value]) -> Vec<(u16, String)> {
    let before = used(dir);
    stop(node, "-STOP");
    let asked = bodies.iter().enumerate().map(|(at, body)| {
        let body = body.to_string();
        async move {
            // while the first is done by itself, the others wait
            if at > 0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            one.invoke("sql/main", "tinycloud.sql/*", &body).await
        }
    });
    let go = async {
        until_used(dir, before, bodies.len()).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop(node, "-CONT");
    };
    tokio::join!(join_all(asked), go).0
}

fn execute(sql: &str) -> Value {
    json!({"action": "execute", "sql": sql})
}

async fn with_table(node: &Process) -> Owner {
    let one = Owner::new(node.address, 1, 2).await;
    let made = one
        .execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n UNIQUE)")
        .await;
    assert_eq!(made.0, 200, "{}", made.1);
    one
}

const ENDLESS: &str = "WITH RECURSIVE c(x) AS (SELECT 9000 UNION ALL SELECT x + 1 FROM c) INSERT INTO t (n) SELECT x FROM c";

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_wait_are_made_durable_together() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = with_table(&node).await;
    let before = transactions(&dir);
    let bodies: Vec<_> = (0..20)
        .map(|n| execute(&format!("INSERT INTO t (n) VALUES ({n})")))
        .collect();
    let done = at_once(&node, &dir, &one, &bodies).await;
    let mut rows = Vec::new();
    for (status, text) in done {
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["changes"], 1);
        rows.push(answer["lastInsertRowId"].as_i64().unwrap());
    }
    rows.sort_unstable();
    assert_eq!(rows, (1..=20).collect::<Vec<_>>(), "each has its own");
    assert_eq!(one.value("SELECT count(*) FROM t").await, 20);
    let took = transactions(&dir) - before;
    assert!((2..=8).contains(&took), "{took} transactions");
    node.kill();
    assert!(is_whole(&dir));
}

fn batch(first: &str, second: &str) -> Value {
    json!({"action": "batch", "statements": [{"sql": first}, {"sql": second}]})
}

/// A request that fails, its status, and what its answer says.
type Failing = (Value, u16, &'static str);

/// Has each of these wait both before and behind others, which are done all the same.
async fn fail_among_others(fails: &[Failing]) {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &["--quota-bytes", "2000000"]);
    let one = with_table(&node).await;
    assert_eq!(one.execute("INSERT INTO t (n) VALUES (-1)").await.0, 200);
    let mut bodies = Vec::new();
    for (at, (body, ..)) in fails.iter().enumerate() {
        for n in 0..4 {
            let n = at * 10 + n;
            bodies.push(execute(&format!("INSERT INTO t (n) VALUES ({n})")));
        }
        bodies.push(body.clone());
    }
    bodies.push(json!({"action": "query", "sql": "INSERT INTO t (n) VALUES (500) RETURNING n"}));
    bodies.push(execute("CREATE TABLE u (a)"));
    bodies.push(batch(
        "INSERT INTO t (n) VALUES (600)",
        "INSERT INTO t (n) VALUES (601)",
    ));
    let done = at_once(&node, &dir, &one, &bodies).await;
    for (body, (status, text)) in bodies.iter().zip(done) {
        let failing = fails.iter().find(|(failing, ..)| failing == body);
        let (expected, says) = failing.map_or((200, ""), |(_, status, says)| (*status, *says));
        assert_eq!(status, expected, "{body} {text}");
        assert!(text.contains(says), "{body} {text}");
    }
    let own = fails.len() * 4;
    let count = "SELECT count(*) FROM t WHERE n >= 0 AND n < 500";
    assert_eq!(one.value(count).await, own);
    assert_eq!(one.value("SELECT count(*) FROM t").await, own + 4);
    assert_eq!(one.value("SELECT count(*) FROM u").await, 0);
    let rest = [execute("DELETE FROM t"), execute("DROP TABLE u")];
    let rest = at_once(&node, &dir, &one, &rest).await;
    assert!(rest.iter().all(|done| done.0 == 200));
    node.kill();
    assert!(is_whole(&dir));
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_a_write_that_fails_takes_no_other_with_it() {
    let fails = [
        (execute("INSERT INTO t (n) VALUES (-1)"), 400, "UNIQUE"),
        (
            execute("INSERT INTO nowhere VALUES (1)"),
            400,
            "no such table",
        ),
        (
            batch(
                "INSERT INTO t (n) VALUES (-2)",
                "INSERT INTO t (n) VALUES (-1)",
            ),
            400,
            "UNIQUE",
        ),
        (execute("COMMIT"), 403, "transactions"),
    ];
    fail_among_others(&fails).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_a_write_that_ends_the_transaction_takes_no_other_with_it() {
    let long = ENDLESS.replace("SELECT x FROM c", "SELECT max(x) FROM c");
    let fails = [
        (
            execute("INSERT OR ROLLBACK INTO t (n) VALUES (-1)"),
            400,
            "UNIQUE",
        ),
        (
            execute("INSERT INTO t (n) VALUES (zeroblob(3000000))"),
            429,
            "Quota",
        ),
        (execute(&long), 400, "interrupted"),
    ];
    fail_among_others(&fails).await;
}

/// Its worker does not go on in the middle of it, and is killed: the others' writes are made all the same.
#[tokio::test(flavor = "multi_thread")]
async fn h8_a_write_that_never_ends_takes_no_other_with_it() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = with_table(&node).await;
    let mut bodies: Vec<_> = (0..8)
        .map(|n| execute(&format!("INSERT INTO t (n) VALUES ({n})")))
        .collect();
    bodies.insert(4, execute(ENDLESS));
    let workers = node.workers();
    let stopped = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        stop(&node, "-STOP");
    };
    let began = Instant::now();
    let (done, ()) = tokio::join!(at_once(&node, &dir, &one, &bodies), stopped);
    for (body, (status, text)) in bodies.iter().zip(done) {
        let expected = if *body == execute(ENDLESS) { 400 } else { 200 };
        assert_eq!(status, expected, "{body} {text}");
    }
    assert!(began.elapsed() < BOUND);
    assert_ne!(node.workers(), workers, "it was killed");
    assert_eq!(one.value("SELECT count(*) FROM t").await, 8);
    node.kill();
    assert!(is_whole(&dir));
}

/// What is looked at when a transaction ends is looked at for each.
#[tokio::test(flavor = "multi_thread")]
async fn h2_a_deferred_constraint_is_that_of_one_write() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = with_table(&node).await;
    let child = "CREATE TABLE c (t REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)";
    assert_eq!(one.execute(child).await.0, 200);
    let mut bodies = Vec::new();
    for n in 0..6 {
        bodies.push(execute(&format!("INSERT INTO c VALUES ({})", 100 + n)));
        // whichever comes first, the other one does not hold
        bodies.push(execute("DELETE FROM c"));
    }
    let done = at_once(&node, &dir, &one, &bodies).await;
    for (at, (status, text)) in done.iter().enumerate() {
        let expected = if at % 2 == 0 { 400 } else { 200 };
        assert_eq!(*status, expected, "{text}");
    }
    assert_eq!(one.value("SELECT count(*) FROM c").await, 0);
}

/// A worker that ends in the middle of one of several: only that one is answered so.
#[tokio::test(flavor = "multi_thread")]
async fn h2_a_worker_that_ends_fails_the_one_write_that_it_was_at() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = with_table(&node).await;
    let mut bodies: Vec<_> = (0..8)
        .map(|n| execute(&format!("INSERT INTO t (n) VALUES ({n})")))
        .collect();
    let slow = execute(&ENDLESS.replace("SELECT x FROM c", "SELECT max(x) FROM c"));
    bodies.insert(4, slow.clone());
    let workers = node.workers();
    let killed = async {
        // it has gone on for long by then, and has much time left
        tokio::time::sleep(Duration::from_secs(3)).await;
        stop(&node, "-KILL");
    };
    let (done, ()) = tokio::join!(at_once(&node, &dir, &one, &bodies), killed);
    for (body, (status, text)) in bodies.iter().zip(done) {
        let expected = if *body == slow { 500 } else { 200 };
        assert_eq!(status, expected, "{body} {text}");
        assert!(!text.contains("not known"), "{text}");
    }
    assert_ne!(node.workers(), workers);
    assert_eq!(one.value("SELECT count(*) FROM t").await, 8);
}

/// All of them have room, though one that needs more is given all that is left while it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn h10_writes_that_have_room_together_find_it() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &["--quota-bytes", "300000"]);
    let one = Owner::new(node.address, 1, 2).await;
    assert_eq!(one.execute("CREATE TABLE t (b)").await.0, 200);
    let insert = execute("INSERT INTO t VALUES (zeroblob(12000))");
    let bodies = vec![insert; 15];
    for (status, text) in at_once(&node, &dir, &one, &bodies).await {
        assert_eq!(status, 200, "{text}");
    }
    assert_eq!(one.value("SELECT count(*) FROM t").await, 15);
    // and what has none is refused
    let large = one.execute("INSERT INTO t VALUES (zeroblob(200000))").await;
    assert!(matches!(large.0, 402 | 429), "{} {}", large.0, large.1);
}
