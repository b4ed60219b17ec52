//! Several at once, several processes, and processes that die.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod sql_common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openkey_node::sql::{Access, SqlError, SqlLimits, SqlWorkers};
use serde_json::json;
use sql_common::*;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS t (who, n)";

async fn insert(databases: &SqlWorkers, all: &Access, who: &str, n: u64) -> Result<(), SqlError> {
    let request = json!({"action": "execute", "schema": [TABLE], "sql": "INSERT INTO t VALUES (?, ?)", "params": [who, n]});
    run(databases, all, request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_two_instances_take_turns_and_readers_run_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    serve(dir.path(), open(dir.path()), open(dir.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_they_do_when_every_connection_is_closed_after_use() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SqlLimits {
        connections: 0,
        ..SqlLimits::default()
    };
    let open = || open_with(dir.path(), limits);
    serve(dir.path(), open(), open()).await;
}

async fn serve(dir: &Path, one: SqlWorkers, two: SqlWorkers) {
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let databases = if writer % 2 == 0 {
            one.clone()
        } else {
            two.clone()
        };
        tasks.spawn(async move {
            // Roles have connections of their own.
            let all = access(if writer % 3 == 0 { "*" } else { "write" });
            for n in 0..25 {
                insert(&databases, &all, &writer.to_string(), n)
                    .await
                    .unwrap();
            }
        });
    }
    for reader in 0..4 {
        let databases = if reader % 2 == 0 {
            one.clone()
        } else {
            two.clone()
        };
        tasks.spawn(async move {
            let mut last = 0;
            while last < 400 {
                let sql = "SELECT count(*) FROM sqlite_master";
                if value(&databases, &access("read"), sql).await == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
                let found = value(&databases, &access("read"), "SELECT count(*) FROM t").await;
                let found = found.as_u64().unwrap();
                assert!(found >= last);
                last = found;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let count = "SELECT count(DISTINCT who || '.' || n) FROM t";
    assert_eq!(value(&two, &access("read"), count).await, 400);
    assert!(is_whole(dir));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_writes_the_next_request_of_another_reads() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (open(dir.path()), open(dir.path()));
    let all = access("*");
    insert(&one, &all, "a", 0).await.unwrap();
    for n in 1..50 {
        insert(&one, &all, "a", n).await.unwrap();
        assert_eq!(
            value(&two, &access("read"), "SELECT max(n) FROM t").await,
            n
        );
    }
    // A table that another process has changed.
    execute(&two, &all, "ALTER TABLE t ADD COLUMN more DEFAULT 7")
        .await
        .unwrap();
    let rows = query(&one, &access("read"), "SELECT * FROM t LIMIT 1")
        .await
        .unwrap();
    assert_eq!(rows["columns"], json!(["who", "n", "more"]));
    let again = query(&two, &access("read"), "SELECT * FROM t LIMIT 1")
        .await
        .unwrap();
    assert_eq!(again, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_writer_delays_others_and_fails_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SqlLimits {
        // longer than SQLite waits for a lock
        time: Duration::from_millis(4500),
        wait: Duration::from_secs(30),
        ..SqlLimits::default()
    };
    let one = open_with(dir.path(), limits);
    let two = open_with(dir.path(), limits);
    let all = access("*");
    insert(&one, &all, "a", 0).await.unwrap();
    let ended = AtomicBool::new(false);
    let slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) INSERT INTO t SELECT 'slow', x FROM c";
    let writing = async {
        let slow = execute(&one, &all, slow).await;
        ended.store(true, Ordering::SeqCst);
        slow
    };
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(value(&two, &all, "SELECT count(*) FROM t").await, 1);
        assert!(!ended.load(Ordering::SeqCst));
        insert(&two, &all, "b", 0).await.unwrap();
    };
    let (slow, ()) = tokio::join!(writing, waiting);
    assert_eq!(slow, Err(SqlError::Time));
    assert_eq!(value(&two, &all, "SELECT count(*) FROM t").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_who_would_wait_too_long_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SqlLimits {
        waiting: 4,
        ..SqlLimits::default()
    };
    let databases = open_with(dir.path(), limits);
    let all = access("*");
    insert(&databases, &all, "a", 0).await.unwrap();
    let many = (0..50).map(|n| insert(&databases, &all, "a", n));
    let done = futures_util::future::join_all(many).await;
    assert!(done.contains(&Err(SqlError::Busy)));
    let accepted = done.iter().filter(|done| done.is_ok()).count();
    assert!(accepted >= 4);
    assert_eq!(
        value(&databases, &all, "SELECT count(*) FROM t").await,
        accepted + 1
    );
    insert(&databases, &all, "a", 0).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_many_databases_are_served_with_few_open_files() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SqlLimits {
        connections: 8,
        idle: Duration::from_millis(200),
        ..SqlLimits::default()
    };
    let databases = open_with(dir.path(), limits);
    let all = |n: usize| granted(&format!("db/{n}"), &[("*", json!([{}]))], None).unwrap();
    for n in 0..40 {
        insert(&databases, &all(n), "a", n as u64).await.unwrap();
    }
    for n in 0..40 {
        assert_eq!(value(&databases, &all(n), "SELECT n FROM t").await, n);
    }
    let open = || {
        let targets = children(std::process::id()).into_iter().flat_map(files);
        targets
            .filter(|target| {
                target.starts_with(dir.path())
                    && target.to_string_lossy().contains(".sqlite3")
                    && !target.to_string_lossy().ends_with(".next")
                    && !target.to_string_lossy().ends_with(".turn")
            })
            .count()
    };
    assert!(open() > 0 && open() <= 8 * 3 * limits.workers, "{}", open());
    let begin = Instant::now();
    while open() > 0 {
        assert!(begin.elapsed() < BOUND);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(value(&databases, &all(7), "SELECT n FROM t").await, 7);
}

/// Not a test by itself: the process that the next one kills.
#[tokio::test]
async fn child_that_writes() {
    let Some(dir) = std::env::var_os("SQL_CHILD_DIR") else {
        return;
    };
    let who = std::env::var("SQL_CHILD_NAME").unwrap();
    let databases = open(Path::new(&dir));
    let all = access("*");
    for n in 0.. {
        insert(&databases, &all, &who, n).await.unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "\nacknowledged {n}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_what_a_killed_process_acknowledged_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    let all = access("*");
    let mut mine: u64 = 0;
    for round in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes", "--nocapture"])
            .env("SQL_CHILD_DIR", dir.path())
            .env("SQL_CHILD_NAME", format!("child {round}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut last = 0;
        while last < 20 + round * 13 {
            let line = lines.next().unwrap().unwrap();
            if let Some(n) = line.strip_prefix("acknowledged ") {
                last = n.parse().unwrap();
            }
            // Both write at once.
            insert(&databases, &all, "parent", mine).await.unwrap();
            mine += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(n) = line.strip_prefix("acknowledged ") {
                last = n.parse().unwrap();
            }
        }
        insert(&databases, &all, "parent", mine).await.unwrap();
        mine += 1;
        let count =
            format!("SELECT count(DISTINCT n) FROM t WHERE who = 'child {round}' AND n <= {last}");
        assert_eq!(value(&databases, &all, &count).await, last + 1);
        assert_eq!(
            value(
                &databases,
                &all,
                "SELECT count(*) FROM t WHERE who = 'parent'"
            )
            .await,
            mine
        );
        assert!(is_whole(dir.path()));
    }
}

#[tokio::test]
async fn h2_a_database_whose_maker_was_killed_is_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    // Copied in the midst of a transaction, which is what a kill leaves: a journal to be undone.
    let source = dir.path().join("source");
    let connection = rusqlite::Connection::open(&source).unwrap();
    let made = "PRAGMA journal_mode = DELETE; CREATE TABLE t (a); INSERT INTO t VALUES ('kept');
        BEGIN; UPDATE t SET a = 'lost'; CREATE TABLE u (a);";
    connection.execute_batch(made).unwrap();
    connection.cache_flush().unwrap();
    let path = dir.path().join(format!("{}.sqlite3", id("main")));
    std::fs::copy(&source, &path).unwrap();
    let journal = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push("-journal");
        name
    };
    std::fs::copy(journal(&source), journal(&path)).unwrap();
    drop(connection);

    let databases = open(dir.path());
    let found = value(&databases, &access("read"), "SELECT a FROM t").await;
    assert_eq!(found, "kept");
}
