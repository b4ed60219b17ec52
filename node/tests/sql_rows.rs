//! Who defines only computes with no rows, and learns and changes none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod sql_common;

use openkey_node::sql::{Access, SqlWorkers};
use serde_json::{Value, json};
use sql_common::*;

/// Texts of which no byte may come back.
const SECRETS: [&str; 3] = ["hunter2", "zebra", "pin"];

fn at(path: &str, abilities: &str) -> Access {
    let all = abilities.split_whitespace();
    let all: Vec<_> = all.map(|name| (name, json!([{}]))).collect();
    granted(path, &all, None).unwrap()
}

/// A database with every kind of thing that a definition may set in motion. The two that there are differ in
/// nothing but values.
async fn fill(databases: &SqlWorkers, path: &str, is_other: bool) {
    let values = if is_other {
        [
            "INSERT INTO t (id, secret, other) VALUES (1, 'zebra', NULL), (2, 'zebra', 2)",
            "INSERT INTO r VALUES (NULL)",
        ]
    } else {
        [
            "INSERT INTO t (id, secret, other) VALUES (1, 'hunter2-first', 1), (2, 'pin 4711', 2)",
            "INSERT INTO r VALUES (1)",
        ]
    };
    let schema = [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, secret TEXT, other)",
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (pid REFERENCES p (id) ON DELETE CASCADE)",
        "CREATE TABLE q (id INTEGER PRIMARY KEY)",
        "CREATE TABLE r (qid REFERENCES q (id))",
        "CREATE TABLE y (id INTEGER PRIMARY KEY)",
        "CREATE TABLE z (yid DEFAULT 5 REFERENCES y (id) ON DELETE SET DEFAULT)",
        "CREATE TABLE o (id INTEGER PRIMARY KEY)",
        "CREATE TABLE l (oid REFERENCES o (id) ON DELETE CASCADE)",
        "CREATE TRIGGER owners AFTER DELETE ON l BEGIN SELECT RAISE(ABORT, (SELECT group_concat(secret) FROM t)); END",
        "CREATE TABLE n (id INTEGER PRIMARY KEY, secret, up REFERENCES n (id) ON DELETE CASCADE)",
        "CREATE TRIGGER itself AFTER DELETE ON n BEGIN SELECT RAISE(ABORT, old.secret); END",
        "CREATE TABLE e (a, b, g AS (json_extract('{}', a)))",
        "CREATE VIEW w AS SELECT secret FROM t",
        "CREATE TABLE strict (a TEXT, CHECK (a NOT LIKE 'x')) STRICT",
        "INSERT INTO strict VALUES ('zebra')",
        "INSERT INTO p VALUES (1)",
        "INSERT INTO c VALUES (1)",
        "INSERT INTO q VALUES (1)",
        "INSERT INTO y VALUES (1), (5)",
        "INSERT INTO z VALUES (1)",
        "INSERT INTO o VALUES (1)",
        "INSERT INTO l VALUES (1)",
        "INSERT INTO n VALUES (1, 'zebra', NULL), (2, 'zebra', 1)",
    ];
    // with rows, it would be computed when they come
    let computed = "ALTER TABLE t ADD COLUMN v AS (json_extract('{}', secret))";
    let all = schema.into_iter().chain(values).chain([computed]);
    let all: Vec<_> = all.map(|sql| json!({ "sql": sql })).collect();
    let request = json!({"action": "batch", "statements": all});
    run(databases, &at(path, "*"), request).await.unwrap();
}

/// All rows of the tables that are still there and whose rows nobody asked to drop.
async fn rows(databases: &SqlWorkers, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for sql in [
        "SELECT id, secret, other FROM t",
        "SELECT * FROM c",
        "SELECT * FROM r",
        "SELECT * FROM z",
        "SELECT * FROM l",
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name NOT IN ('owners', 'itself')",
    ] {
        all.push(query(databases, &at(path, "*"), sql).await.unwrap()["rows"].clone());
    }
    all
}

const DROP: &str = "DROP TABLE p";

/// Definitions and questions that compute with rows that are there, or would change some.
const COMPUTES: &[&[&str]] = &[
    &["CREATE INDEX i ON t (json_extract('{}', secret))"],
    &["CREATE INDEX i ON t (json_extract('{}', substr(secret, 3))) WHERE id = 2"],
    &["CREATE INDEX i ON t (id) WHERE json_extract('{}', secret) IS NULL"],
    &["CREATE INDEX i ON t (CASE WHEN secret LIKE 'hunt%' THEN json('x{') END)"],
    &["CREATE INDEX i ON t (id, secret || 'x')"],
    &["CREATE INDEX i ON t ((secret))"],
    &["CREATE INDEX i ON t (secret COLLATE nocase, -id)"],
    &["CREATE INDEX i ON t (v)"],
    &["CREATE INDEX i ON t (\"v\" DESC)"],
    &["CREATE INDEX \"a(b\" /* ( */ ON t -- (\n (secret, json_extract('{}', secret))"],
    &["CREATE INDEX i ON t(secret)WHERE json_extract('{}',secret)"],
    &["CREATE UNIQUE INDEX i ON t (secret)"],
    &["CREATE UNIQUE INDEX i ON t ((secret LIKE '%zzz%'))"],
    &[
        "create/**/unique index if not exists main.i on main.t (secret)",
        "SELECT 1",
    ],
    &["ALTER TABLE t ADD COLUMN x CHECK (secret NOT LIKE 'pin%')"],
    &["ALTER TABLE t ADD COLUMN x CHECK (json_extract('{}', secret))"],
    &["ALTER TABLE t ADD COLUMN x AS (json_extract('{}', secret)) NOT NULL"],
    &["ALTER TABLE t ADD COLUMN x AS (json_extract('{}', secret))"],
    &["ALTER TABLE t ADD COLUMN x GENERATED ALWAYS AS (json_extract('{}', secret)) STORED"],
    &["ALTER TABLE t ADD CONSTRAINT x CHECK (json_extract('{}', secret))"],
    &["ALTER TABLE t ADD CHECK (secret NOT LIKE 'pin%')"],
    &["ALTER TABLE t ALTER COLUMN other SET NOT NULL"],
    &["ALTER TABLE t ALTER other SET NOT NULL"],
    &["ALTER TABLE strict ADD COLUMN x TEXT"],
    &[
        "ALTER TABLE t RENAME TO old",
        "CREATE UNIQUE INDEX i ON old (secret)",
        "ALTER TABLE old RENAME TO t",
    ],
    &["CREATE TABLE k AS SELECT * FROM t"],
    &["CREATE TABLE k AS SELECT count(*) FROM t"],
    &["CREATE TABLE k AS SELECT * FROM w"],
    &["CREATE TABLE k AS SELECT * FROM pragma_quick_check('t')"],
    &["CREATE TABLE k AS SELECT json('x{') FROM pragma_integrity_check"],
    &["CREATE TABLE k AS SELECT * FROM pragma_foreign_key_check"],
    &["CREATE TABLE t2 AS SELECT json_extract('{}', secret) FROM t AS t2"],
    &[
        "CREATE VIEW k AS SELECT json_extract('{}', secret) FROM t",
        "SELECT * FROM k",
        "CREATE TABLE m AS SELECT * FROM k",
    ],
    &["CREATE TRIGGER tr AFTER UPDATE ON t BEGIN SELECT RAISE(ABORT, new.secret); END"],
    &["CREATE TRIGGER tr INSTEAD OF INSERT ON w BEGIN DELETE FROM t; END"],
    &[
        "CREATE TABLE k (a)",
        "CREATE TRIGGER tr AFTER INSERT ON k BEGIN DELETE FROM t; END",
    ],
    &[
        concat!(
            "CREATE TRIGGER tr AFTER DELETE ON c BEGIN ",
            "SELECT RAISE(ABORT, (SELECT group_concat(secret) FROM t)); END"
        ),
        DROP,
    ],
    &[
        concat!(
            "CREATE TRIGGER tr AFTER DELETE ON c BEGIN ",
            "UPDATE t SET secret = 'overwritten' WHERE id = 1; END"
        ),
        DROP,
    ],
    &[
        concat!(
            "CREATE TRIGGER tr AFTER DELETE ON c BEGIN ",
            "INSERT INTO t (secret) VALUES ('planted'); END"
        ),
        DROP,
    ],
    &[DROP],
    &["DROP TABLE IF EXISTS main.p"],
    &["DROP TABLE q"],
    &["DROP TABLE y"],
    &["DROP TABLE o"],
    &["DROP TABLE n"],
    &["REINDEX"],
    &["REINDEX t"],
    &["REINDEX nocase"],
    &["CREATE INDEX i ON e (g)", "REINDEX i"],
    &["ANALYZE"],
    &["ANALYZE t"],
    &["VACUUM"],
    &["PRAGMA integrity_check"],
    &["PRAGMA quick_check(t)"],
    &["PRAGMA foreign_key_check"],
    &["PRAGMA foreign_key_check(c)"],
    &["SELECT * FROM pragma_integrity_check('t')"],
    &["SELECT * FROM w"],
    &["SELECT count(*) FROM t"],
    &["SELECT EXISTS (SELECT 1 FROM t WHERE secret LIKE 'hunt%')"],
    &["EXPLAIN CREATE INDEX i ON t (json_extract('{}', secret))"],
    &["INSERT INTO t (secret) VALUES ('planted')"],
    &["DELETE FROM t"],
    &["REPLACE INTO t (id, secret) VALUES (1, 'planted')"],
    &["UPDATE t SET secret = 'planted' RETURNING secret"],
];

async fn attack(
    databases: &SqlWorkers,
    access: &Access,
    all: &[&str],
    action: &str,
) -> Vec<String> {
    let mut answers = Vec::new();
    for sql in all {
        let request = match action {
            "batch" => json!({"action": action, "statements": [{"sql": sql}]}),
            "schema" => json!({"action": "execute", "schema": [sql], "sql": "SELECT 1"}),
            _ => json!({"action": action, "sql": sql}),
        };
        answers.push(match run(databases, access, request).await {
            Ok(answer) => answer.to_string(),
            Err(error) => format!("{} {error}", error.status()),
        });
    }
    answers
}

#[tokio::test]
async fn a5_who_defines_only_learns_and_changes_no_row_by_a_definition() {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    let actions = ["execute", "query", "batch", "schema"];
    let abilities = ["schema", "admin"];
    let mut count = 0;
    for ability in abilities {
        for (at_, all) in COMPUTES.iter().enumerate() {
            let action = actions[count % actions.len()];
            count += 1;
            let mut both = Vec::new();
            for is_other in [false, true] {
                // every twin is made once, and again after something was defined in it
                let path = format!("{ability}{at_}{is_other}").replace(' ', "");
                fill(&databases, &path, is_other).await;
                let before = rows(&databases, &path).await;
                let answers = attack(&databases, &at(&path, ability), all, action).await;
                let told = answers.join("\n");
                for secret in SECRETS {
                    let is_own = all.iter().any(|sql| sql.contains(secret));
                    assert!(
                        is_own || !told.contains(secret),
                        "{ability}: {action} {all:?}: {told}"
                    );
                }
                assert_eq!(
                    before,
                    rows(&databases, &path).await,
                    "{ability}: {action} {all:?}: {told}"
                );
                both.push(told.replace(&path, ""));
            }
            assert_eq!(both[0], both[1], "{ability}: {action} {all:?}");
        }
    }
}

/// Whoever reads all may compute with all, and changes nothing all the same.
#[tokio::test]
async fn a5_who_reads_and_defines_changes_no_row_by_a_definition() {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    for (at_, all) in COMPUTES.iter().enumerate() {
        let path = format!("d{at_}");
        fill(&databases, &path, false).await;
        let before = rows(&databases, &path).await;
        // what was compiled while a table had no row is no way around
        let access = at(&path, "read schema admin");
        let answers = attack(&databases, &access, all, "execute").await;
        assert_eq!(
            before,
            rows(&databases, &path).await,
            "{all:?}: {answers:?}"
        );
    }
    let path = "d0";
    assert!(
        execute(
            &databases,
            &at(path, "read schema"),
            "CREATE UNIQUE INDEX u ON t (secret)"
        )
        .await
        .is_ok()
    );
}

#[tokio::test]
async fn definitions_that_compute_nothing_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    fill(&databases, "main", false).await;
    let schema = access("schema");
    for sql in [
        "CREATE TABLE IF NOT EXISTS t (a)",
        "CREATE TABLE k (a PRIMARY KEY, b UNIQUE, c CHECK (c > 0), d AS (a + 1), e REFERENCES t (id))",
        "CREATE UNIQUE INDEX k1 ON k (lower(a)) WHERE b > 1",
        "CREATE INDEX i1 ON t (secret)",
        "CREATE INDEX IF NOT EXISTS main.\"i 2\" ON [t] (`secret` COLLATE NOCASE DESC, other ASC, \"id\")",
        "CREATE INDEX IF NOT EXISTS i1 ON t (secret)",
        "CREATE INDEX e1 ON e (g, a || b)",
        "REINDEX e1",
        "ALTER TABLE e ADD COLUMN x CHECK (x > 0)",
        "ALTER TABLE t ADD COLUMN added TEXT NOT NULL DEFAULT 'x'",
        "ALTER TABLE t ADD added2 INTEGER REFERENCES p (id)",
        "ALTER TABLE t RENAME COLUMN other TO another",
        "ALTER TABLE t DROP COLUMN added",
        "CREATE VIEW seen AS SELECT secret FROM t",
        "DROP INDEX i1",
        "DROP VIEW seen",
        "DROP TRIGGER owners",
        "DROP TABLE strict",
        "DROP TABLE k",
        "DROP TABLE e",
        "DROP TABLE IF EXISTS missing",
    ] {
        let done = execute(&databases, &schema, sql).await;
        assert!(done.is_ok(), "{sql}: {done:?}");
    }
}

fn named(name: &str) -> Value {
    json!({"action": "executeStatement", "name": name, "params": []})
}

fn constrained(list: &[(&str, &str)]) -> Value {
    let list: Vec<_> = list
        .iter()
        .map(|(name, sql)| json!({"name": name, "sql": sql}))
        .collect();
    json!([{"mode": "constrained-statements", "readOnly": true, "statements": list}])
}

/// What SQLite says of an expression holds values that it met.
#[tokio::test]
async fn b9_errors_carry_no_value_to_whom_not_everything_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    fill(&databases, "main", false).await;
    let fact = |fact: Value| granted("main", &[("*", json!([{}]))], Some(&fact)).unwrap();
    let list = constrained(&[("one", "SELECT id FROM t WHERE v IS NULL")]);
    let limited = granted("main", &[("read", list)], None).unwrap();
    for (access, request) in [
        (
            fact(json!({"columns": ["id", "v"]})),
            json!({"action": "query", "sql": "SELECT v FROM t"}),
        ),
        (
            fact(json!({"tables": ["t"]})),
            json!({"action": "execute", "sql": "UPDATE t SET other = v"}),
        ),
        (
            fact(json!({"readOnly": true, "columns": ["v"]})),
            json!({"action": "query", "sql": "SELECT v FROM t"}),
        ),
        (limited, named("one")),
    ] {
        let (status, text) = told(run(&databases, &access, request.clone()).await);
        assert_eq!(status, 400, "{request}: {text}");
        assert!(!text.contains("hunter2"), "{request}: {text}");
    }
    let (_, text) = told(query(&databases, &access("read"), "SELECT v FROM t").await);
    assert!(text.contains("hunter2"), "who reads all is told: {text}");
}

#[tokio::test]
async fn a5_constrained_statements_write_under_no_ability() {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    fill(&databases, "main", false).await;
    let writes = [
        ("ddl", "CREATE TABLE q2 (a)"),
        ("if", "CREATE TABLE IF NOT EXISTS t (a)"),
        ("ins", "INSERT INTO t (secret) VALUES ('planted')"),
        ("ret", "UPDATE t SET other = 'x' RETURNING id"),
        ("drop", "DROP TABLE t"),
        ("idx", "CREATE INDEX z2 ON t (json_extract('{}', secret))"),
    ];
    let before = rows(&databases, "main").await;
    for ability in ["read", "write", "schema", "admin", "*", "execute"] {
        let access = granted("main", &[(ability, constrained(&writes))], None).unwrap();
        assert!(access.only_reads(), "{ability}");
        for (name, sql) in writes {
            let done = run(&databases, &access, named(name)).await;
            assert_eq!(
                told(done),
                (403, "sql-write-blocked".to_owned()),
                "{ability}: {sql}"
            );
        }
        let list = constrained(&[("set", "PRAGMA user_version = 5")]);
        let access = granted("main", &[(ability, list)], None).unwrap();
        let done = run(&databases, &access, named("set")).await;
        assert_eq!(
            told(done),
            (403, "sql-escape-blocked".to_owned()),
            "{ability}"
        );
    }
    let all = access("*");
    assert_eq!(before, rows(&databases, "main").await);
    assert_eq!(value(&databases, &all, "PRAGMA user_version").await, 0);
    let made = "SELECT count(*) FROM sqlite_schema WHERE name IN ('q2', 'z2')";
    assert_eq!(value(&databases, &all, made).await, 0);
}
