//! Attacks on the sandbox of statements: refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod sql_common;

use serde_json::json;
use sql_common::*;

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
