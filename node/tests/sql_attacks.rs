//! Attacks on the sandbox of statements: refused, or bounded in time and memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod sql_common;

use std::time::{Duration, Instant};

use openkey_node::sql::{Access, LocalDatabases, SqlError, SqlLimits};
use serde_json::json;
use sql_common::*;

/// Longest time of a request in these tests, and what else they may take on a busy machine.
const TIME: Duration = Duration::from_millis(500);
const BOUND: Duration = Duration::from_secs(8);

async fn target() -> (tempfile::TempDir, LocalDatabases, Access) {
    let dir = tempfile::tempdir().unwrap();
    let limits = SqlLimits {
        time: TIME,
        heap_bytes: 256 << 20,
        ..SqlLimits::default()
    };
    let databases = LocalDatabases::open(dir.path(), limits).unwrap();
    let all = access("*");
    for sql in ["CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)"] {
        execute(&databases, &all, sql).await.unwrap();
    }
    (dir, databases, all)
}

/// Each is refused with this status, as a query, as something to execute and in a batch, also by
/// somebody who may do everything, and again.
async fn refused(statements: &[&str], status: u16) {
    let (dir, databases, all) = target().await;
    for sql in statements {
        for request in [
            json!({"action": "query", "sql": sql}),
            json!({"action": "execute", "sql": sql}),
            json!({"action": "batch", "statements": [{"sql": sql}, {"sql": sql}]}),
        ] {
            for _ in 0..2 {
                let done = run(&databases, &all, request.clone()).await;
                let error = done.expect_err(sql);
                assert_eq!(error.status(), status, "{sql}: {error}");
            }
        }
    }
    let names = std::fs::read_dir(dir.path()).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| name.starts_with(&id("main").to_string())));
    works(&databases, &all).await;
}

/// Each ends by an error soon, and the database is as it was.
async fn bounded(statements: &[&str]) {
    let (_dir, databases, all) = target().await;
    for sql in statements {
        for action in ["query", "execute"] {
            let begin = Instant::now();
            let done = run(&databases, &all, json!({"action": action, "sql": sql})).await;
            let took = begin.elapsed();
            eprintln!(
                "{took:?} {action} {:.60}: {:.100}",
                sql,
                format!("{done:?}")
            );
            assert!(took < BOUND, "{took:?} {sql:.100}");
            assert!(done.is_err() || took < TIME * 4, "{sql:.100}");
            works(&databases, &all).await;
        }
    }
}

async fn works(databases: &LocalDatabases, all: &Access) {
    assert_eq!(value(databases, all, "SELECT count(*) FROM t").await, 2);
    execute(databases, all, "UPDATE t SET a = a").await.unwrap();
}

#[tokio::test]
async fn h4_other_files_cannot_be_reached() {
    refused(
        &[
            "ATTACH '/etc/passwd' AS x",
            "ATTACH DATABASE ':memory:' AS x",
            "ATTACH ('file:' || 'x?mode=rwc') AS x",
            "DETACH main",
            "VACUUM INTO 'copy.sqlite3'",
            "VACUUM",
            "EXPLAIN ATTACH 'x' AS x",
            "/**/vacuum",
            "PRAGMA temp_store_directory = '/tmp'",
        ],
        403,
    )
    .await;
    refused(
        &[
            "SELECT readfile('/etc/passwd')",
            "SELECT writefile('x', 'y')",
            "SELECT edit('x')",
        ],
        400,
    )
    .await;
}

#[tokio::test]
async fn h4_functions_are_those_that_compute() {
    refused(
        &[
            "SELECT load_extension('x')",
            "SELECT fts3_tokenizer('simple')",
            "SELECT sqlite_compileoption_get(1)",
            "SELECT sqlite_log(1, 'x')",
            "SELECT json_patch('{}', '{}')",
            "SELECT json_pretty('[]')",
            "SELECT unhex('', '')",
            "INSERT INTO t VALUES (load_extension('x'))",
            "CREATE TABLE u (a DEFAULT (load_extension('x')))",
        ],
        403,
    )
    .await;
    // Also not from what is defined first and used later.
    let (_dir, databases, all) = target().await;
    for sql in [
        "CREATE VIEW v AS SELECT load_extension('x')",
        "CREATE VIEW w AS SELECT json_patch('{}', '{}')",
        "CREATE TRIGGER tr AFTER INSERT ON t WHEN new.a = 5 BEGIN SELECT json_patch('{}', '{}'); END",
    ] {
        execute(&databases, &all, sql).await.unwrap();
    }
    assert!(query(&databases, &all, "SELECT * FROM v").await.is_err());
    let denied = (403, "Permission denied: the function json_patch".to_owned());
    assert_eq!(
        told(query(&databases, &all, "SELECT * FROM w").await),
        denied
    );
    assert_eq!(
        told(execute(&databases, &all, "INSERT INTO t VALUES (5)").await),
        denied
    );
}

#[tokio::test]
async fn h4_pragmas_only_tell() {
    refused(
        &[
            "PRAGMA journal_mode = DELETE",
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA writable_schema = ON",
            "PRAGMA trusted_schema = ON",
            "PRAGMA foreign_keys = OFF",
            "PRAGMA max_page_count = 1000000000",
            "PRAGMA hard_heap_limit = 0",
            "PRAGMA temp_store = FILE",
            "PRAGMA cache_size = 1000000000",
            "PRAGMA query_only = OFF",
            "PRAGMA locking_mode = EXCLUSIVE",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "PRAGMA wal_checkpoint",
            "PRAGMA mmap_size = 1000000000",
            "PRAGMA database_list",
            "PRAGMA module_list",
            "PRAGMA incremental_vacuum",
            "PRAGMA optimize",
            "PRAGMA schema_version = 7",
            "PRAGMA page_size = 512",
            "PRAGMA encoding = 'UTF-16'",
            "PRAGMA case_sensitive_like = 1",
            "SELECT * FROM pragma_database_list",
            "SELECT * FROM pragma_optimize",
        ],
        403,
    )
    .await;
    let (_dir, databases, all) = target().await;
    for sql in [
        "PRAGMA table_info(t)",
        "SELECT * FROM pragma_table_info('t')",
        "PRAGMA user_version",
        "PRAGMA user_version = 3",
        "PRAGMA integrity_check",
        "PRAGMA foreign_key_check",
        "PRAGMA journal_mode",
    ] {
        assert!(query(&databases, &all, sql).await.is_ok(), "{sql}");
        let write = access("write read schema");
        assert_eq!(told(query(&databases, &write, sql).await).0, 401, "{sql}");
    }
    assert_eq!(value(&databases, &all, "PRAGMA user_version").await, 3);
    assert_eq!(value(&databases, &all, "PRAGMA journal_mode").await, "wal");
    let asks = access("admin");
    assert_eq!(
        told(query(&databases, &access("read"), "PRAGMA page_count").await).0,
        401
    );
    assert!(query(&databases, &asks, "PRAGMA page_count").await.is_ok());
}

#[tokio::test]
async fn h4_virtual_and_temporary_tables_are_refused() {
    refused(
        &[
            "CREATE VIRTUAL TABLE v USING fts5(a)",
            "CREATE VIRTUAL TABLE v USING fts3(a)",
            "CREATE VIRTUAL TABLE v USING rtree(a, b, c)",
            "CREATE VIRTUAL TABLE v USING dbstat(main)",
            "SELECT * FROM dbstat",
            "SELECT * FROM fts3tokenize('simple', 'a b')",
            "CREATE TEMP TABLE x (a)",
            "CREATE TEMPORARY VIEW x AS SELECT 1",
            "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TABLE temp.x (a)",
        ],
        403,
    )
    .await;
    let (_dir, databases, all) = target().await;
    let each = value(
        &databases,
        &all,
        "SELECT sum(value) FROM json_each('[1,2]')",
    )
    .await;
    assert_eq!(each, 3);
}

#[tokio::test]
async fn h4_the_schema_cannot_be_written() {
    let (_dir, databases, all) = target().await;
    execute(
        &databases,
        &all,
        "CREATE TABLE c (a INTEGER PRIMARY KEY AUTOINCREMENT)",
    )
    .await
    .unwrap();
    for sql in [
        "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 2, 'CREATE TABLE x (a)')",
        "UPDATE sqlite_schema SET sql = 'x'",
        "DELETE FROM sqlite_master",
        "UPDATE sqlite_sequence SET seq = 9223372036854775807",
        "DELETE FROM sqlite_sequence",
        "DROP TABLE sqlite_sequence",
        "DROP TABLE sqlite_master",
        "CREATE TABLE sqlite_x (a)",
        "CREATE TABLE pragma_table_info (a)",
        "CREATE TABLE sqlite_stat1 (tbl, idx, stat)",
        "CREATE TRIGGER x AFTER INSERT ON sqlite_sequence BEGIN SELECT 1; END",
        "ALTER TABLE sqlite_sequence ADD COLUMN x",
    ] {
        for abilities in ["*", "write", "schema", "read"] {
            let error = execute(&databases, &access(abilities), sql)
                .await
                .expect_err(sql);
            assert!(matches!(error.status(), 400 | 403), "{sql}: {error}");
        }
    }
    works(&databases, &all).await;
}

#[tokio::test]
async fn h4_a_reader_writes_nothing() {
    let (_dir, databases, all) = target().await;
    let read = access("read");
    for sql in [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "REPLACE INTO t VALUES (1)",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "INSERT INTO t VALUES (1) RETURNING a",
        "CREATE TABLE u (a)",
        "CREATE TABLE IF NOT EXISTS t (a)",
        "DROP TABLE t",
        "DROP TABLE IF EXISTS missing",
        "ALTER TABLE t ADD COLUMN b",
    ] {
        // What others have compiled is no way around.
        let _ = run(
            &databases,
            &all,
            json!({"action": "batch", "statements": [{"sql": sql}, {"sql": "nonsense"}]}),
        )
        .await;
        for action in ["query", "execute"] {
            let done = run(&databases, &read, json!({"action": action, "sql": sql})).await;
            assert!(done.is_err(), "{sql}");
            assert_eq!(told(done), (403, "Read-only violation".into()), "{sql}");
        }
    }
    works(&databases, &all).await;
}

#[tokio::test]
async fn h4_endless_statements_end() {
    let join = format!(
        "SELECT count(*) FROM t{}",
        ", t".repeat(40).replace("t", "t AS x")
    );
    let mut names = 0;
    let join: String = join
        .split("AS x")
        .map(|part| {
            names += 1;
            format!("{part}AS x{names}")
        })
        .collect();
    let join = join
        .trim_end_matches(char::is_alphanumeric)
        .trim_end_matches("AS ")
        .to_owned();
    bounded(&[
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION SELECT x + 1 FROM c) SELECT count(*) FROM c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) INSERT INTO t SELECT x FROM c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT * FROM c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c ORDER BY random()",
        &join,
    ])
    .await;
}

#[tokio::test]
async fn h4_memory_is_bounded() {
    bounded(&[
        "SELECT zeroblob(1000000000)",
        "SELECT randomblob(2000000000)",
        "SELECT printf('%1000000000d', 1)",
        "SELECT hex(zeroblob(4000000))",
        "SELECT replace(hex(zeroblob(1000000)), '0', hex(zeroblob(1000000)))",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT group_concat(hex(zeroblob(1000))) FROM c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) SELECT x, zeroblob(1000000) AS z FROM c ORDER BY z, x DESC",
        "WITH RECURSIVE c(x) AS (SELECT zeroblob(1000000) UNION ALL SELECT randomblob(1000000) FROM c) SELECT count(*) FROM (SELECT DISTINCT x FROM c)",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) SELECT json_group_array(hex(zeroblob(100000))) FROM c",
    ])
    .await;
}

#[tokio::test]
async fn h4_others_are_answered_while_one_uses_up_the_memory() {
    let (_dir, databases, all) = target().await;
    let bomb = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) SELECT x, zeroblob(1000000) AS z FROM c ORDER BY z, x DESC";
    let attack = async {
        for _ in 0..3 {
            assert!(query(&databases, &all, bomb).await.is_err());
        }
    };
    let others = async {
        for _ in 0..50 {
            works(&databases, &all).await;
        }
    };
    tokio::join!(attack, others);
}

#[tokio::test]
async fn h4_single_steps_are_short() {
    let twice = |f: &str| {
        f.replace("LONG", "hex(zeroblob(500000))")
            .replace("HALF", "hex(zeroblob(250000))")
    };
    let statements = [
        twice("SELECT instr(LONG, HALF || '1')"),
        twice("SELECT replace(LONG, HALF || '1', '')"),
        twice("SELECT trim(LONG, replace(HALF, '0', '1') || '0')"),
        twice("SELECT LONG LIKE '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%1'"),
        twice("SELECT LONG GLOB '*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*1'"),
        twice("SELECT json_extract(replace(HALF, '0', '['), '$[0]')"),
        twice("SELECT json('[' || replace(HALF, '0', '1,') || '1]')"),
        format!("SELECT 'a' LIKE '{}'", "%a".repeat(200)),
    ];
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    bounded(&statements).await;
}

#[tokio::test]
async fn h4_compiling_is_bounded() {
    let twofold = |depth: usize, body: &str| {
        let table = |n: usize| body.replace("LAST", &format!("c{}", n - 1));
        let tables: String = (1..=depth)
            .map(|n| format!(", c{n} AS ({})", table(n)))
            .collect();
        format!("WITH c0 AS (SELECT a FROM t){tables} SELECT count(*) FROM c{depth}")
    };
    let [joined, united] = [
        "SELECT x.a FROM LAST x, LAST y",
        "SELECT a FROM LAST UNION ALL SELECT a FROM LAST",
    ];
    let statements = [
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT {}1", "-".repeat(100_000).replace('-', "- ")),
        format!("SELECT 1{}", " + 1".repeat(100_000)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(10_000)),
        format!("SELECT {}1", "1,".repeat(100_000)),
        format!("SELECT max({}1)", "1,".repeat(100_000)),
        format!("SELECT {}1{}", "(SELECT ".repeat(1000), ")".repeat(1000)),
        format!("SELECT 1{}", ";".repeat(1_000_000)),
        format!(
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END{} SELECT 1",
            ";".repeat(900_000)
        ),
        format!(
            "CREATE TABLE x (a{})",
            (0..5000).map(|n| format!(", c{n}")).collect::<String>()
        ),
        format!("SELECT * FROM t WHERE a IN ({}1)", "1,".repeat(400_000)),
        format!(
            "SELECT {}",
            (0..100_000)
                .map(|n| format!("\"{n}\"."))
                .collect::<String>()
        ),
        "SELECT ?999999999".to_owned(),
        twofold(10, joined),
        twofold(16, joined),
        twofold(20, joined),
        twofold(29, joined),
        twofold(10, united),
        twofold(16, united),
        twofold(20, united),
        twofold(29, united),
    ];
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    bounded(&statements).await;
}

#[tokio::test]
async fn h4_triggers_do_not_run_away() {
    let (_dir, databases, all) = target().await;
    for sql in [
        "CREATE TABLE bomb (a)",
        "CREATE TRIGGER one AFTER INSERT ON bomb BEGIN INSERT INTO bomb SELECT a FROM bomb; INSERT INTO other SELECT a FROM bomb; END",
        "CREATE TABLE other (a)",
        "CREATE TRIGGER two AFTER INSERT ON other BEGIN INSERT INTO bomb SELECT a FROM other; END",
    ] {
        execute(&databases, &all, sql).await.unwrap();
    }
    let begin = Instant::now();
    for _ in 0..2 {
        let _ = execute(
            &databases,
            &all,
            "INSERT INTO bomb VALUES (1), (2), (3), (4), (5)",
        )
        .await;
    }
    assert!(begin.elapsed() < BOUND);
    works(&databases, &all).await;
}

#[tokio::test]
async fn h4_time_is_up_for_a_whole_request() {
    let (_dir, databases, all) = target().await;
    let slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) INSERT INTO t SELECT max(x) FROM c";
    let statements: Vec<_> = (0..1000).map(|_| json!({"sql": slow})).collect();
    let begin = Instant::now();
    let done = run(
        &databases,
        &all,
        json!({"action": "batch", "statements": statements}),
    )
    .await;
    assert_eq!(done, Err(SqlError::Time));
    assert!(begin.elapsed() < BOUND);
    works(&databases, &all).await;
}
