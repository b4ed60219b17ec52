//! What requests to a database are answered.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod sql_common;

use openkey_node::sql::{Access, Databases, LocalDatabases, SqlError};
use serde_json::{Value, json};
use sql_common::*;
use std::io::Read as _;

const SCHEMA: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b UNIQUE)";

async fn with_table() -> (tempfile::TempDir, LocalDatabases, Access) {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    let all = access("*");
    execute(&databases, &all, SCHEMA).await.unwrap();
    execute(
        &databases,
        &all,
        "INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)",
    )
    .await
    .unwrap();
    (dir, databases, all)
}

#[tokio::test]
async fn each_action_has_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    let all = access("*");
    for (request, answer) in [
        (
            json!({"action": "query", "sql": "SELECT 1 AS a, 'x' AS b"}),
            json!({"columns": ["a", "b"], "rows": [[1, "x"]], "rowCount": 1}),
        ),
        (
            json!({"action": "execute", "schema": [SCHEMA, "CREATE INDEX i ON t (a);"], "sql": "INSERT INTO t (a, b) VALUES (?, ?)", "params": ["one", 1]}),
            json!({"changes": 1, "lastInsertRowId": 1}),
        ),
        (
            json!({"action": "batch", "statements": [
                {"sql": "INSERT INTO t (a) VALUES (?1), (?1)", "params": [true]},
                {"sql": "UPDATE t SET a = 5 WHERE id > 1; -- both"},
                {"sql": "CREATE TABLE u (a)"},
                {"sql": "SELECT * FROM t"},
                {"sql": "DELETE FROM t WHERE id = 3"},
                {"sql": "CREATE TABLE w (a PRIMARY KEY) WITHOUT ROWID"},
                {"sql": "INSERT INTO w VALUES (1)"}]}),
            json!({"results": [
                {"changes": 2, "lastInsertRowId": 3},
                {"changes": 2, "lastInsertRowId": null},
                {"changes": 0, "lastInsertRowId": null},
                {"changes": 0, "lastInsertRowId": null},
                {"changes": 1, "lastInsertRowId": null},
                {"changes": 0, "lastInsertRowId": null},
                {"changes": 1, "lastInsertRowId": null}]}),
        ),
        (
            json!({"action": "batch", "statements": []}),
            json!({"results": []}),
        ),
        (
            json!({"action": "query", "sql": "SELECT * FROM t ORDER BY id"}),
            json!({"columns": ["id", "a", "b"], "rows": [[1, "one", 1], [2, 5, null]], "rowCount": 2}),
        ),
        (
            json!({"action": "query", "sql": "SELECT a, id FROM t WHERE id = :id", "params": [7]}),
            json!({"columns": ["a", "id"], "rows": [], "rowCount": 0}),
        ),
        (
            json!({"action": "query", "sql": "INSERT INTO t (a) VALUES (8) RETURNING id"}),
            json!({"columns": ["id"], "rows": [[3]], "rowCount": 1}),
        ),
        (
            json!({"action": "query", "sql": "SELECT count(*) FROM t"}),
            json!({"columns": ["count(*)"], "rows": [[3]], "rowCount": 1}),
        ),
    ] {
        assert_eq!(
            run(&databases, &all, request.clone()).await,
            Ok(answer),
            "{request}"
        );
    }
}

#[tokio::test]
async fn values_go_in_and_out_as_they_are() {
    let (_dir, databases, all) = with_table().await;
    for (given, back) in [
        (json!(null), json!(null)),
        (json!(true), json!(1)),
        (json!(false), json!(0)),
        (json!(i64::MAX), json!(i64::MAX)),
        (json!(i64::MIN), json!(i64::MIN)),
        (json!(1.5), json!(1.5)),
        (json!(1.0), json!(1.0)),
        (json!("é\u{0}\""), json!("é\u{0}\"")),
        (json!([0, 255]), json!([0, 255])),
        (json!([]), json!([])),
    ] {
        let request = json!({"action": "query", "sql": "SELECT ?", "params": [given]});
        let answer = run(&databases, &all, request).await.unwrap();
        assert_eq!(answer["rows"], json!([[back]]));
    }
    let infinite = value(&databases, &all, "SELECT 9e999").await;
    assert_eq!(infinite, Value::Null);
    for params in [
        json!([{}]),
        json!([[256]]),
        json!([["a"]]),
        json!([]),
        json!([1, 2]),
    ] {
        let request = json!({"action": "query", "sql": "SELECT ?", "params": params});
        assert_eq!(
            told(run(&databases, &all, request).await).0,
            400,
            "{params}"
        );
    }
}

#[tokio::test]
async fn abilities_allow_what_they_say() {
    let (_dir, databases, _) = with_table().await;
    const READ_ONLY: (u16, &str) = (403, "Read-only violation");
    const PRAGMA: (u16, &str) = (
        401,
        "Unauthorized Action: tinycloud:a:b:c/sql/main / tinycloud.sql/admin",
    );
    const DENIED: (u16, &str) = (403, "Permission denied: ");
    // An update reads, too: which of both is refused first is not promised.
    const FORBIDDEN: (u16, &str) = (403, "");
    const OK: (u16, &str) = (200, "");
    let read = "SELECT a FROM t";
    let write = "UPDATE t SET a = a";
    let define = "CREATE INDEX IF NOT EXISTS i ON t (a)";
    let pragma = "PRAGMA table_info(t)";
    for (abilities, expected) in [
        ("read", [OK, READ_ONLY, READ_ONLY, PRAGMA]),
        ("select", [OK, READ_ONLY, READ_ONLY, PRAGMA]),
        ("write", [OK, OK, OK, PRAGMA]),
        ("schema", [DENIED, DENIED, OK, PRAGMA]),
        ("admin", [DENIED, DENIED, OK, OK]),
        ("*", [OK, OK, OK, OK]),
        ("read schema", [OK, DENIED, OK, PRAGMA]),
        ("write admin", [OK, OK, OK, OK]),
        ("read admin", [OK, DENIED, OK, OK]),
        ("export execute", [DENIED, FORBIDDEN, READ_ONLY, PRAGMA]),
        ("", [DENIED, FORBIDDEN, READ_ONLY, PRAGMA]),
    ] {
        let access = access(abilities);
        for (sql, (status, text)) in [read, write, define, pragma].into_iter().zip(expected) {
            for _ in 0..2 {
                for action in ["query", "execute", "batch"] {
                    let request = match action {
                        "batch" => json!({"action": action, "statements": [{"sql": sql}]}),
                        _ => json!({"action": action, "sql": sql}),
                    };
                    let found = match run(&databases, &access, request).await {
                        Ok(_) => (200, String::new()),
                        Err(error) => (error.status(), error.to_string()),
                    };
                    assert_eq!(found.0, status, "{abilities}: {action} {sql}: {}", found.1);
                    assert!(
                        found.1.starts_with(text),
                        "{abilities}: {action} {sql}: {}",
                        found.1
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn definitions_of_every_kind_work_for_who_defines_only() {
    let (_dir, databases, all) = with_table().await;
    let schema = access("schema");
    for sql in [
        "CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, t REFERENCES t (id), c CHECK (c > 0), d DEFAULT (1 + 1))",
        "CREATE TABLE IF NOT EXISTS u (a)",
        "CREATE UNIQUE INDEX ui ON u (t, lower(c)) WHERE c > 1",
        "CREATE VIEW v AS SELECT a, count(*) AS n FROM t GROUP BY a",
        "CREATE TRIGGER tr AFTER INSERT ON u BEGIN INSERT INTO t (a) VALUES (new.id); DELETE FROM t WHERE 0; END;",
        "ALTER TABLE u ADD COLUMN e TEXT NOT NULL DEFAULT 'x'",
        "ALTER TABLE u ADD COLUMN g GENERATED ALWAYS AS (id + 1) CHECK (g > 0)",
        "ALTER TABLE u RENAME COLUMN e TO f",
        "ALTER TABLE u RENAME TO u2",
        "ALTER TABLE u2 DROP COLUMN f",
        "ALTER TABLE u2 RENAME TO u",
        "REINDEX u",
        "DROP TRIGGER tr",
        "DROP VIEW v",
        "DROP INDEX ui",
        "DROP TABLE u",
        "DROP TABLE IF EXISTS u",
    ] {
        let done = execute(&databases, &schema, sql).await;
        assert_eq!(
            done,
            Ok(json!({"changes": 0, "lastInsertRowId": null})),
            "{sql}"
        );
    }
    let copy = execute(&databases, &schema, "CREATE TABLE c AS SELECT * FROM t").await;
    assert_eq!(told(copy).0, 403);
    // With a foreign key to it, rows are deleted before their table.
    execute(&databases, &all, "CREATE TABLE r (a REFERENCES t (id))")
        .await
        .unwrap();
    execute(&databases, &schema, "DROP TABLE t").await.unwrap();
    for (sql, status) in [
        ("INSERT INTO r VALUES (1)", 400),
        ("SELECT 1; SELECT 2", 400),
    ] {
        let done = run(
            &databases,
            &all,
            json!({"action": "execute", "schema": [sql], "sql": "SELECT 1"}),
        );
        assert_eq!(told(done.await).0, status);
    }
    let not_one = run(
        &databases,
        &all,
        json!({"action": "execute", "schema": ["SELECT 1"], "sql": "SELECT 1"}),
    );
    assert_eq!(
        told(not_one.await),
        (
            400,
            "Schema error: only CREATE, ALTER and DROP define".into()
        )
    );
}

#[tokio::test]
async fn errors_have_their_status_and_text() {
    let (_dir, databases, all) = with_table().await;
    for (sql, status, text) in [
        ("SELEC", 400, "SQLite error: near \"SELEC\": syntax error"),
        (
            "SELECT * FROM none",
            400,
            "SQLite error: no such table: none",
        ),
        (
            "INSERT INTO t (b) VALUES (1)",
            400,
            "SQLite error: UNIQUE constraint failed: t.b",
        ),
        (
            "SELECT 1; SELECT 2",
            400,
            "Parse error: more than one statement: send a batch",
        ),
        (
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; SELECT 2",
            400,
            "Parse error: more than one statement: send a batch",
        ),
        ("-- nothing", 400, "Parse error: no statement"),
        (
            "SELECT nope(1)",
            400,
            "SQLite error: no such function: nope",
        ),
        (
            "ATTACH ':memory:' AS x",
            403,
            "Permission denied: ATTACH and VACUUM",
        ),
        (
            "BEGIN",
            403,
            "Permission denied: transactions: a batch is one",
        ),
        (
            "COMMIT",
            403,
            "Permission denied: transactions: a batch is one",
        ),
        (
            "SAVEPOINT s",
            403,
            "Permission denied: transactions: a batch is one",
        ),
        ("ANALYZE", 403, "Permission denied: the name sqlite_stat1"),
    ] {
        for _ in 0..2 {
            assert_eq!(
                told(query(&databases, &all, sql).await),
                (status, text.into()),
                "{sql}"
            );
        }
        assert_eq!(
            told(execute(&databases, &all, sql).await),
            (status, text.into()),
            "{sql}"
        );
    }
    let unknown = run(&databases, &all, json!({"action": "drop"})).await;
    assert_eq!(told(unknown), (400, "Parse error: unknown action".into()));
}

#[tokio::test]
async fn what_is_too_large_is_an_error() {
    let (_dir, databases, all) = with_table().await;
    let ask = |sql: &str, rows: Value, bytes: Value| json!({"action": "query", "sql": sql, "maxRows": rows, "maxBytes": bytes});
    let two = "SELECT a FROM t";
    let whole = run(&databases, &all, ask(two, json!(2), Value::Null))
        .await
        .unwrap();
    let bytes = whole.to_string().len();
    run(&databases, &all, ask(two, Value::Null, json!(bytes)))
        .await
        .unwrap();
    for (request, text) in [
        (
            ask(two, json!(1), Value::Null),
            "Response too large: more than 1 rows".to_owned(),
        ),
        (
            ask(two, Value::Null, json!(bytes - 1)),
            format!("Response too large: more than {} bytes", bytes - 1),
        ),
        (
            ask(
                "SELECT hex(randomblob(1000000)) FROM t a, t b, t c, t d",
                Value::Null,
                Value::Null,
            ),
            "Response too large: more than 10485760 bytes".to_owned(),
        ),
    ] {
        assert_eq!(told(run(&databases, &all, request).await), (413, text));
    }
    let write = ask(
        "INSERT INTO t (a) VALUES (3), (4) RETURNING a",
        json!(1),
        Value::Null,
    );
    assert_eq!(told(run(&databases, &all, write).await).0, 413);
    assert_eq!(value(&databases, &all, "SELECT count(*) FROM t").await, 2);
}

#[tokio::test]
async fn a_batch_is_done_whole_or_not_at_all() {
    let (_dir, databases, all) = with_table().await;
    for last in [
        "INSERT INTO t (b) VALUES (1)",
        "INSERT OR ROLLBACK INTO t (b) VALUES (1)",
        "INSERT OR FAIL INTO t (b) VALUES (7), (1)",
        "ATTACH 'x' AS x",
        "nonsense",
        "COMMIT",
        "ROLLBACK",
    ] {
        let statements = json!([{"sql": "DELETE FROM t"}, {"sql": "INSERT INTO t (b) VALUES (1)"}, {"sql": "CREATE TABLE u (a)"}, {"sql": last}]);
        let done = run(
            &databases,
            &all,
            json!({"action": "batch", "statements": statements}),
        )
        .await;
        assert!(done.is_err(), "{last}");
        assert_eq!(
            value(&databases, &all, "SELECT count(*) FROM t").await,
            2,
            "{last}"
        );
        assert_eq!(
            value(&databases, &all, "SELECT count(*) FROM sqlite_master").await,
            2
        );
    }
    let done = run(&databases, &all, json!({"action": "execute", "schema": ["CREATE TABLE u (a)"], "sql": "INSERT INTO t (b) VALUES (1)"})).await;
    assert_eq!(told(done).0, 400);
    assert_eq!(
        value(&databases, &all, "SELECT count(*) FROM sqlite_master").await,
        2
    );
}

#[tokio::test]
async fn b11_two_paths_with_the_same_last_segment_are_two_databases() {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    let grants = [("*", json!([{}]))];
    let (a, b) = (
        granted("a/main", &grants, None).unwrap(),
        granted("b/main", &grants, None).unwrap(),
    );
    execute(&databases, &a, "CREATE TABLE secret (a)")
        .await
        .unwrap();
    assert_eq!(
        value(&databases, &b, "SELECT count(*) FROM sqlite_master").await,
        0
    );
    let request = openkey_node::sql::Request::Export;
    let crossed = databases.run(&a.database(), &b, request).await;
    assert_eq!(told(crossed).0, 403);
}

#[tokio::test]
async fn a_database_that_was_never_written_is_empty_and_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    let all = access("*");
    assert_eq!(value(&databases, &all, "SELECT 1").await, 1);
    assert_eq!(
        told(query(&databases, &all, "SELECT * FROM t").await).0,
        400
    );
    let not_found = (404, "Database not found".to_owned());
    assert_eq!(told(databases.export(&id("main")).await), not_found);
    assert_eq!(databases.size(&id("main")).await, Ok(0));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let refused = execute(&databases, &all.clone().may_create(false), SCHEMA).await;
    assert_eq!(told(refused), not_found);
    assert_eq!(told(execute(&databases, &all, "nonsense").await).0, 400);
    assert_eq!(told(databases.export(&id("main")).await), not_found);
    execute(&databases, &all, SCHEMA).await.unwrap();
    let size = databases.size(&id("main")).await.unwrap();
    let mut export = databases.export(&id("main")).await.unwrap();
    let mut bytes = Vec::new();
    export.file.read_to_end(&mut bytes).unwrap();
    assert!(bytes.starts_with(b"SQLite format 3\0") && bytes.len() as u64 == export.bytes);
    assert!(size >= 3 * 4096 && size % 4096 == 0);
    let names = std::fs::read_dir(dir.path()).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(
        names.all(|name| name.starts_with(&id("main").to_string()) && !name.ends_with("export"))
    );
    for (abilities, status) in [
        ("read", 200),
        ("write", 200),
        ("schema", 403),
        ("admin", 403),
        ("", 403),
    ] {
        let done = run(&databases, &access(abilities), json!({"action": "export"})).await;
        assert_eq!(
            done.map_or_else(|error| error.status(), |_| 200),
            status,
            "{abilities}"
        );
    }
}

#[tokio::test]
async fn a_database_grows_to_its_bound_and_gives_room_back() {
    let (_dir, databases, all) = with_table().await;
    let small = all.clone().max_bytes(100 * 4096);
    let fill = "INSERT INTO t (a) VALUES (randomblob(50000))";
    let mut last = Ok(Value::Null);
    for _ in 0..20 {
        last = execute(&databases, &small, fill).await;
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last.unwrap_err(), SqlError::Quota);
    assert_eq!(SqlError::Quota.status(), 429);
    let full = databases.size(&id("main")).await.unwrap();
    assert!(full <= 100 * 4096 && full > 60 * 4096, "{full}");
    execute(&databases, &all, fill).await.unwrap();
    execute(&databases, &small, "DELETE FROM t").await.unwrap();
    assert!(databases.size(&id("main")).await.unwrap() < 10 * 4096);
    execute(&databases, &small, fill).await.unwrap();
}

#[tokio::test]
async fn databases_are_checked_and_copied_while_they_are_served() {
    let (dir, databases, all) = with_table().await;
    let mut told = Vec::new();
    assert_eq!(
        databases.check(&mut |done, of| told.push((done, of))),
        Ok(vec![])
    );
    assert_eq!(told, [(0, 1), (1, 1)]);
    let to = dir.path().join("copy");
    databases.backup(&to, &mut |_, _| {}).unwrap();
    assert!(databases.backup(&to, &mut |_, _| {}).is_err());
    execute(&databases, &all, "DELETE FROM t").await.unwrap();
    assert_eq!(value(&open(&to), &all, "SELECT count(*) FROM t").await, 2);
    let file = to.join(format!("{}.sqlite3", id("main")));
    let mut bytes = std::fs::read(&file).unwrap();
    let end = bytes.len() - 4096;
    bytes[end..].fill(7);
    std::fs::remove_file(to.join(format!("{}.sqlite3-wal", id("main")))).ok();
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(open(&to).check(&mut |_, _| {}).unwrap().len(), 1);
}
