//! What caveats, granted or one's own, leave.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod sql_common;

use openkey_node::sql::{Access, SqlWorkers};
use serde_json::{Value, json};
use sql_common::*;

async fn with_tables() -> (tempfile::TempDir, SqlWorkers) {
    let dir = tempfile::tempdir().unwrap();
    let databases = open(dir.path());
    let all = access("*");
    for sql in [
        "CREATE TABLE t (owner, a)",
        "INSERT INTO t VALUES ('me', 1), ('you', 2)",
        "CREATE TABLE hidden (a)",
        "INSERT INTO hidden VALUES (7)",
        "CREATE VIEW v AS SELECT a FROM hidden",
    ] {
        execute(&databases, &all, sql).await.unwrap();
    }
    (dir, databases)
}

fn statements(list: Value) -> Value {
    json!([{"mode": "constrained-statements", "readOnly": true, "statements": list}])
}

fn constrained() -> Access {
    let list = statements(json!([
        {"name": "mine", "sql": "SELECT a FROM t WHERE owner = ?1 AND a >= ?2", "fixedParams": [{"index": 0, "value": "me"}]},
        {"name": "last", "sql": "SELECT ?1, ?2", "fixedParams": [{"index": 1, "value": 5}]},
        {"name": "all", "sql": "SELECT a FROM t ORDER BY a;"},
        {"name": "any", "sql": "SELECT ?1"},
        {"name": "beyond", "sql": "SELECT ?1", "fixedParams": [{"index": 3, "value": 5}]},
        {"name": "writes", "sql": "DELETE FROM t"},
        {"name": "defines", "sql": "DROP TABLE IF EXISTS missing"},
        {"name": "two", "sql": "SELECT 1; DELETE FROM t"},
        {"name": "attach", "sql": "ATTACH 'x' AS x"},
        {"name": "pragma", "sql": "PRAGMA table_info(t)"},
    ]));
    granted(
        "main",
        &[("*", list)],
        Some(&json!({"readOnly": false, "statements": [{"name": "own", "sql": "SELECT 1"}]})),
    )
    .unwrap()
}

fn named(name: &str, params: Value) -> Value {
    json!({"action": "executeStatement", "name": name, "params": params})
}

#[tokio::test]
async fn constrained_statements_are_all_that_can_be_run() {
    let (_dir, databases) = with_tables().await;
    let access = constrained();
    for (request, code) in [
        (
            json!({"action": "query", "sql": "SELECT a FROM t ORDER BY a;"}),
            "sql-raw-query-blocked",
        ),
        (
            json!({"action": "execute", "sql": "DELETE FROM t"}),
            "sql-raw-execute-blocked",
        ),
        (
            json!({"action": "batch", "statements": []}),
            "sql-batch-blocked",
        ),
        (json!({"action": "export"}), "sql-export-blocked"),
        (named("none", json!([])), "sql-statement-not-allowed"),
        (named("own", json!([])), "sql-statement-not-allowed"),
        (named("mine", json!(["you", 0])), "sql-fixed-param-override"),
        (named("last", json!([1, 6])), "sql-fixed-param-override"),
        (named("writes", json!([])), "sql-write-blocked"),
        (named("defines", json!([])), "sql-write-blocked"),
        (named("two", json!([])), "sql-multistatement-blocked"),
        (named("attach", json!([])), "sql-escape-blocked"),
        (named("pragma", json!([])), "sql-escape-blocked"),
        (named("any", json!([[1]])), "sql-non-primitive-bind"),
        (named("any", json!([{"a": 1}])), "sql-non-primitive-bind"),
    ] {
        let done = run(&databases, &access, request.clone()).await;
        assert_eq!(done.as_ref().unwrap_err().code(), code, "{request}");
        assert_eq!(told(done), (403, code.to_owned()));
    }
    for (request, rows) in [
        (named("all", json!([])), json!([[1], [2]])),
        (named("mine", json!([0])), json!([[1]])),
        (named("mine", json!([null, 0])), json!([[1]])),
        (named("mine", json!(["me", 2])), json!([])),
        (named("last", json!([1])), json!([[1, 5]])),
        (named("last", json!([1, null])), json!([[1, 5]])),
        (named("any", json!(["x"])), json!([["x"]])),
    ] {
        let done = run(&databases, &access, request.clone()).await.unwrap();
        assert_eq!(done["rows"], rows, "{request}");
    }
    for (request, status) in [
        (named("mine", json!([])), 400),
        (named("mine", json!([1, 2, 3])), 400),
        (named("beyond", json!([1])), 403),
    ] {
        let done = run(&databases, &access, request.clone()).await;
        assert_eq!(told(done).0, status, "{request}");
    }
}

#[tokio::test]
async fn caveats_are_read_as_narrowly_as_they_can_be() {
    let (_dir, databases) = with_tables().await;
    let select = |kind: &str, value: &str| json!({"type": "xyz.tinycloud.resource/selector", "kind": kind, "value": value});
    let one = statements(json!([{"name": "one", "sql": "SELECT 1"}]));
    let other = statements(json!([{"name": "one", "sql": "SELECT 2"}]));
    let two = statements(json!([{"name": "two", "sql": "SELECT 2"}]));
    for caveats in [
        json!([select("exact", "a/main")]),
        json!([select("prefix", "a")]),
        json!([{}, select("prefix", "a")]),
        json!([select("exact", "b"), select("prefix", "a/")]),
    ] {
        assert!(
            granted("a/main", &[("*", caveats.clone())], None).is_ok(),
            "{caveats}"
        );
    }
    for caveats in [
        json!([{"x": 1}]),
        json!([{}, {"x": 1}]),
        json!([select("exact", "a")]),
        json!([{}, select("prefix", "b")]),
        json!([select("other", "a/main")]),
        json!([{"mode": "constrained-statements", "readOnly": false, "statements": []}]),
        json!([one[0], other[0]]),
        json!([one[0], select("exact", "b")]),
    ] {
        let denied = granted(
            "a/main",
            &[("read", json!([{}])), ("write", caveats.clone())],
            None,
        );
        let (status, text) = told(denied);
        assert!(
            status == 403 && text.starts_with("Permission denied: a caveat")
                || text.starts_with("Permission denied: two caveats"),
            "{caveats} {text}"
        );
    }
    assert!(granted("main", &[("read", one.clone()), ("write", other)], None).is_err());
    for grants in [
        vec![("read", json!([one[0], two[0]]))],
        vec![("read", one.clone()), ("write", two)],
        vec![("*", json!([{}])), ("read", json!([one[0], {}]))],
    ] {
        let access = granted("main", &grants, None).unwrap();
        assert!(access.only_reads());
        assert!(
            run(&databases, &access, named("one", json!([])))
                .await
                .is_ok()
        );
        assert_eq!(told(query(&databases, &access, "SELECT 1").await).0, 403);
    }
    let defines = granted("main", &[("schema", one)], None).unwrap();
    assert_eq!(
        told(run(&databases, &defines, named("one", json!([]))).await).0,
        403
    );
}

#[tokio::test]
async fn ones_own_fact_restricts_oneself() {
    let (_dir, databases) = with_tables().await;
    let own = |fact: Value| granted("main", &[("*", json!([{}]))], Some(&fact));
    let ok = (200, "");
    for (fact, sql, expected) in [
        (json!({}), "DELETE FROM t WHERE 0", ok),
        (json!(null), "SELECT a FROM hidden", ok),
        (json!({"readOnly": false}), "DELETE FROM t WHERE 0", ok),
        (json!({"readOnly": true}), "SELECT a FROM hidden", ok),
        (
            json!({"readOnly": true}),
            "DELETE FROM t WHERE 0",
            (403, "Read-only violation"),
        ),
        (
            json!({"readOnly": true}),
            "PRAGMA table_info(t)",
            (401, "Unauthorized Action: "),
        ),
        (json!({"tables": ["T"]}), "SELECT a FROM t AS x", ok),
        (json!({"tables": ["t"]}), "UPDATE T SET a = a", ok),
        (
            json!({"tables": ["t"]}),
            "SELECT 1 FROM hidden",
            (403, "Permission denied: the table hidden"),
        ),
        (
            json!({"tables": ["t"]}),
            "SELECT count(*) FROM hidden",
            (403, "Permission denied: the table hidden"),
        ),
        (
            json!({"tables": ["t", "v"]}),
            "SELECT a FROM v",
            (403, "Permission denied: the table hidden"),
        ),
        (
            json!({"tables": ["t"]}),
            "SELECT a FROM t UNION SELECT a FROM hidden",
            (403, "Permission denied: the table hidden"),
        ),
        (
            json!({"tables": ["t"]}),
            "SELECT (SELECT a FROM hidden) FROM t",
            (403, "Permission denied: the table hidden"),
        ),
        (
            json!({"tables": ["t"]}),
            "DELETE FROM hidden",
            (403, "Permission denied: the table hidden"),
        ),
        (
            json!({"tables": ["t"]}),
            "INSERT INTO hidden VALUES (1)",
            (403, "Permission denied: the table hidden"),
        ),
        (
            json!({"tables": ["t"]}),
            "DROP TABLE hidden",
            (403, "Permission denied: the table hidden"),
        ),
        (
            json!({"tables": ["t"]}),
            "ALTER TABLE hidden RENAME TO t2",
            (403, "Permission denied: the table hidden"),
        ),
        (
            json!({"tables": ["t"]}),
            "CREATE TABLE other (a)",
            (403, "Permission denied: the table other"),
        ),
        (
            json!({"tables": ["t"]}),
            "SELECT sql FROM sqlite_master",
            (403, "Permission denied: the table sqlite_master"),
        ),
        (
            json!({"tables": ["t"]}),
            "PRAGMA table_info(hidden)",
            (403, "Permission denied: pragmas"),
        ),
        (
            json!({"tables": ["t"]}),
            "SELECT 1 FROM t JOIN hidden USING (a)",
            (403, "Permission denied: NATURAL and USING"),
        ),
        (
            json!({"tables": ["t"]}),
            "SELECT t.a FROM t NATURAL JOIN hidden",
            (403, "Permission denied: NATURAL and USING"),
        ),
        (
            json!({"tables": ["t"]}),
            "CREATE TRIGGER copies AFTER INSERT ON t BEGIN UPDATE t SET a = (SELECT a FROM hidden); END",
            (
                403,
                "Permission denied: triggers where tables are restricted",
            ),
        ),
        (
            json!({"columns": ["owner"]}),
            "WITH c (owner, a) AS (VALUES (0, 1)) SELECT c.owner FROM c JOIN t USING (a)",
            (403, "Permission denied: NATURAL and USING"),
        ),
        (
            json!({"columns": ["a"]}),
            "SELECT t.a FROM t JOIN hidden ON t.a = hidden.a",
            ok,
        ),
        (
            json!({"tables": []}),
            "SELECT a FROM t",
            (403, "Permission denied: the table t"),
        ),
        (json!({"columns": ["a"]}), "SELECT a FROM t", ok),
        (json!({"columns": ["t.A"]}), "SELECT a FROM t", ok),
        (
            json!({"columns": ["t.a"]}),
            "SELECT a FROM hidden",
            (403, "Permission denied: the column hidden.a"),
        ),
        (
            json!({"columns": ["a"]}),
            "SELECT * FROM t",
            (403, "Permission denied: the column t.owner"),
        ),
        (
            json!({"columns": ["a"]}),
            "SELECT a FROM t WHERE owner = 'me'",
            (403, "Permission denied: the column t.owner"),
        ),
        (
            json!({"columns": ["a"]}),
            "SELECT rowid FROM t",
            (403, "Permission denied: the column t."),
        ),
        (
            json!({"columns": ["a"]}),
            "UPDATE t SET owner = 1",
            (403, "Permission denied: the column t.owner"),
        ),
        (
            json!({"columns": ["a"]}),
            "INSERT INTO t (a) VALUES (1)",
            (403, "Permission denied: inserting"),
        ),
        (
            json!({"columns": ["a"]}),
            "DELETE FROM t",
            (403, "Permission denied: inserting"),
        ),
        (
            json!({"columns": ["a"]}),
            "ALTER TABLE t RENAME owner TO a2",
            (403, "Permission denied: definitions"),
        ),
    ] {
        // What another has compiled is no way around.
        query(&databases, &access("*"), "SELECT 1 FROM hidden")
            .await
            .unwrap();
        let access = own(fact.clone()).unwrap();
        let found = match query(&databases, &access, sql).await {
            Ok(_) => (200, String::new()),
            Err(error) => (error.status(), error.to_string()),
        };
        assert_eq!(found.0, expected.0, "{fact} {sql}: {}", found.1);
        assert!(found.1.starts_with(expected.1), "{fact} {sql}: {}", found.1);
    }
    for fact in [
        json!({"tables": "t"}),
        json!({"rows": []}),
        json!({"readOnly": 1}),
        json!([]),
        json!({"statements": [{"name": "a"}]}),
        json!({"statements": [{"name": "a", "sql": "x"}, {"name": "a", "sql": "x"}]}),
    ] {
        assert_eq!(told(own(fact.clone())).0, 403, "{fact}");
    }
    let access = own(json!({"tables": ["t"]})).unwrap();
    assert_eq!(
        told(run(&databases, &access, json!({"action": "export"})).await).0,
        403
    );
}

#[tokio::test]
async fn ones_own_statements_are_run_by_name() {
    let (_dir, databases) = with_tables().await;
    let fact = json!({"statements": [
        {"name": "read", "sql": "SELECT a FROM t WHERE a = ?"},
        {"name": "add", "sql": "INSERT INTO t VALUES ('me', ?);"},
        {"name": "two", "sql": "SELECT 1; SELECT 2"}]});
    let all = granted("main", &[("write", json!([{}]))], Some(&fact)).unwrap();
    let read = granted("main", &[("read", json!([{}]))], Some(&fact)).unwrap();
    for action in ["executeStatement", "execute_statement"] {
        let request = |name: &str| json!({"action": action, "name": name, "params": [2]});
        let rows = json!({"columns": ["a"], "rows": [[2]], "rowCount": 1});
        assert_eq!(run(&databases, &read, request("read")).await, Ok(rows));
        let added = run(&databases, &all, request("add")).await.unwrap();
        assert_eq!(added["changes"], 1);
        assert!(added["lastInsertRowId"].as_i64().unwrap() > 2);
        assert_eq!(
            told(run(&databases, &read, request("add")).await),
            (403, "Read-only violation".into())
        );
        assert_eq!(
            told(run(&databases, &all, request("none")).await),
            (403, "sql-statement-not-allowed".into())
        );
        assert_eq!(told(run(&databases, &all, request("two")).await).0, 400);
        execute(&databases, &all, "DELETE FROM t WHERE owner = 'me'")
            .await
            .unwrap();
    }
}

/// Whoever may only define and ask pragmas learns no value of a table.
#[tokio::test]
async fn a5_a_join_by_names_reads_nothing_for_whom_nothing_may_be_read() {
    let (_dir, databases) = with_tables().await;
    for abilities in ["admin", "schema"] {
        let access = access(abilities);
        for sql in [
            "SELECT 1 FROM hidden JOIN t USING (a)",
            "SELECT 1 FROM hidden NATURAL JOIN t",
            "SELECT 1 FROM (SELECT 7 AS a) \u{feff}NATURAL JOIN hidden",
            "SELECT 1 FROM hidden JOIN t USING \u{b}(a)",
            "SELECT 1 FROM t JOIN (SELECT 7 AS a) ON 1NATURAL JOIN hidden",
        ] {
            let (status, text) = told(query(&databases, &access, sql).await);
            assert_eq!(status, 403, "{abilities}: {sql}: {text}");
        }
        let sql = "CREATE TABLE w AS SELECT 1 FROM hidden JOIN t USING (a)";
        let (status, text) = told(execute(&databases, &access, sql).await);
        assert_eq!(status, 403, "{abilities}: {text}");
    }
    let all = access("*");
    let rows = query(&databases, &all, "SELECT a FROM t JOIN hidden USING (a)").await;
    assert_eq!(rows.unwrap()["rowCount"], 0);
}
