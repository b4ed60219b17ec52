//! What requests to a database are answered.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod sql_common;

use serde_json::{Value, json};
use sql_common::*;

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
        "ALTER TABLE u ADD COLUMN e TEXT NOT NULL DEFAULT 'x'",
        "ALTER TABLE u ADD COLUMN g GENERATED ALWAYS AS (id + 1) CHECK (g > 0)",
        "ALTER TABLE u RENAME COLUMN e TO f",
        "ALTER TABLE u RENAME TO u2",
        "ALTER TABLE u2 DROP COLUMN f",
        "ALTER TABLE u2 RENAME TO u",
        "REINDEX u",
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
    for sql in [
        "CREATE TABLE c AS SELECT * FROM t",
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t WHERE 0; END;",
    ] {
        assert_eq!(told(execute(&databases, &schema, sql).await).0, 403);
    }
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
async fn what_people_write_works() {
    let (_dir, databases, _) = with_table().await;
    let chain: String = (1..30)
        .map(|n| format!(", c{n} AS (SELECT a FROM c{})", n - 1))
        .collect();
    let chain = format!("WITH c0 AS (SELECT a FROM t){chain} SELECT count(*) FROM c29");
    let either = vec!["id = 1"; 300].join(" OR ");
    let rows = vec!["(NULL)"; 2000].join(", ");
    for sql in [
        "INSERT INTO t (b) VALUES (1) ON CONFLICT (b) DO UPDATE SET a = excluded.a RETURNING *",
        "CREATE TABLE s (id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP, j TEXT CHECK (json_valid(j))) STRICT",
        "INSERT INTO s (j) VALUES (json_object('a', json_array(1, 2.5, NULL)))",
        "SELECT j ->> '$.a[1]', json_extract(j, '$.a'), date(at, '+1 day'), strftime('%s', 'now') FROM s",
        "SELECT a, row_number() OVER (PARTITION BY b ORDER BY id), sum(b) OVER () FROM t",
        "SELECT group_concat(a, ';'), count(DISTINCT a), total(b) FROM t GROUP BY b HAVING count(*) > 0",
        "SELECT t.a, x.value FROM t LEFT JOIN json_each('[1]') AS x ON x.value = t.b",
        "SELECT coalesce(a, 'x') || upper(a), substr(a, 1, 2), length(a), hex(randomblob(4)) FROM t",
        "SELECT * FROM t WHERE a LIKE '%o%' AND b IN (SELECT b FROM t) ORDER BY a COLLATE NOCASE LIMIT 1 OFFSET 1",
        "SELECT name, sql FROM sqlite_master WHERE type = 'table'",
        "EXPLAIN QUERY PLAN SELECT * FROM t WHERE b = 1",
        "VALUES (1, 'a'), (2, 'b')",
        "UPDATE t SET a = (SELECT max(id) FROM t) WHERE EXISTS (SELECT 1 FROM s)",
        "CREATE TABLE IF NOT EXISTS __tinycloud_sql_migrations (id TEXT PRIMARY KEY, applied_at TEXT NOT NULL)",
        "INSERT OR REPLACE INTO __tinycloud_sql_migrations VALUES ('one', datetime('now'))",
        &chain,
        &format!("SELECT * FROM t WHERE {either}"),
        &format!("INSERT INTO t (a) VALUES {rows}"),
    ] {
        let done = query(&databases, &access("write"), sql).await;
        assert!(done.is_ok(), "{sql:.200}: {done:?}");
    }
}
