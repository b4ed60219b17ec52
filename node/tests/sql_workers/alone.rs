//! Programs that are no workers, and statements that are too large.

use std::path::PathBuf;

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Caveats;
use openkey_capability::resource::{Resource, SpaceResource};
use openkey_node::sql::{
    Access, Databases as _, Request, SqlError, SqlLimits, SqlWorkers, WorkerProgram,
};
use serde_json::{Value, json};

use super::process::{Owner, Process, home};

fn resource() -> SpaceResource {
    match Resource::parse("tinycloud:a:b:c/sql/main").unwrap() {
        Resource::Space(resource) => resource,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn h4_a_worker_that_makes_no_sense_is_no_worker() {
    let dir = tempfile::tempdir().unwrap();
    let ability = Ability::parse("tinycloud.sql/*").unwrap();
    let caveats: Caveats = serde_json::from_value(json!([{}])).unwrap();
    let all = Access::new(&resource(), [(&ability, &caveats)], None).unwrap();
    for (path, arguments) in [
        ("/nowhere", &[][..]),
        ("/bin/true", &[]),
        // says what it is told
        ("/bin/cat", &[]),
        ("/bin/sh", &["-c", "head -c 100000000 /dev/urandom >&0"]),
    ] {
        let program = WorkerProgram {
            path: PathBuf::from(path),
            arguments: arguments.iter().map(Into::into).collect(),
        };
        let databases = SqlWorkers::open(dir.path(), SqlLimits::default(), program).unwrap();
        for _ in 0..3 {
            let request = Request::parse(br#"{"action":"query","sql":"SELECT 1"}"#).unwrap();
            let done = databases.run(&all.database(), &all, request).await;
            let error = done.unwrap_err();
            assert!(matches!(error, SqlError::Internal(_)), "{path}: {error:?}");
        }
    }
}

#[tokio::test]
async fn h4_a_statement_has_its_bounds() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = Owner::new(node.address, 1, 2).await;
    let create = "CREATE TABLE t (a, b, c, d, e)";
    assert_eq!(one.execute(create).await.0, 200);
    let list = |what: &str, count: usize| vec![what; count].join(", ");
    for (sql, within) in [
        (format!("SELECT /* {} */ 1", "x".repeat(100 << 10)), false),
        (format!("SELECT /* {} */ 1", "x".repeat(99 << 10)), true),
        (format!("SELECT {}", list("abs(1)", 65)), false),
        (format!("SELECT {}", list("abs(1)", 64)), true),
        (format!("SELECT max({})", list("1", 17)), false),
        (format!("SELECT max({})", list("1", 16)), true),
        // more than 25,000 operations
        (format!("SELECT {} FROM t", list("a+b+c", 480)), true),
        (
            format!("INSERT INTO t (a) VALUES {}", list("(1)", 14_000)),
            false,
        ),
        (
            format!("INSERT INTO t (a) VALUES {}", list("(1)", 1_000)),
            true,
        ),
    ] {
        let (status, text) = one.execute(&sql).await;
        assert_eq!(status == 200, within, "{sql:.60}: {text}");
        assert!(matches!(status, 200 | 400), "{sql:.60}: {text}");
    }
    // what is called by a view counts where it is used
    let view = format!("CREATE VIEW v AS SELECT {}", list("abs(1)", 40));
    assert_eq!(one.execute(&view).await.0, 200);
    assert_eq!(one.query("SELECT * FROM v").await.0, 200);
    let twice = one.query("SELECT * FROM v, v AS w").await;
    assert!(twice.1.contains("too many function calls"), "{}", twice.1);
}

/// A connection that knows an older schema compiles a statement again as it begins to run it, or while it is
/// being compiled if it names what is new.
#[tokio::test]
async fn calls_are_counted_once_though_a_statement_is_compiled_again() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = Owner::new(node.address, 1, 2).await;
    assert_eq!(one.execute("CREATE TABLE t (a)").await.0, 200);
    let calls = vec!["abs(1)"; 40].join(", ");
    for (change, sql) in [
        (
            "ALTER TABLE t ADD COLUMN b",
            format!("SELECT {calls} FROM t"),
        ),
        (
            "ALTER TABLE t ADD COLUMN c",
            format!("SELECT c, {calls} FROM t"),
        ),
    ] {
        assert_eq!(one.query("SELECT * FROM t").await.0, 200);
        assert_eq!(one.execute(change).await.0, 200);
        let done = one.query(&sql).await;
        assert_eq!(done.0, 200, "{change}: {}", done.1);
    }
    let many = vec!["abs(1)"; 65].join(", ");
    assert_eq!(one.query(&format!("SELECT {many} FROM t")).await.0, 400);
}

/// What drivers and mappers of ordinary programs send.
#[tokio::test]
async fn ordinary_batches_are_within_the_bounds() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = Owner::new(node.address, 1, 2).await;
    assert_eq!(one.execute("CREATE TABLE t (a, b, c, d, e)").await.0, 200);
    let many = |sql: &str, params: usize| {
        let params: Vec<Value> = (0..params).map(Value::from).collect();
        json!({"action": "execute", "sql": sql, "params": params}).to_string()
    };
    let rows = |count: usize| vec!["(?, ?, ?, ?, ?)"; count].join(", ");
    for count in [200, 1000, 2000] {
        let sql = format!("INSERT INTO t VALUES {}", rows(count));
        let body = many(&sql, count * 5);
        let done = one.invoke("sql/main", "tinycloud.sql/*", &body).await;
        assert_eq!(done.0, 200, "{count}: {}", done.1);
    }
    let sql = format!(
        "SELECT count(*) FROM t WHERE a IN ({})",
        vec!["?"; 5000].join(", ")
    );
    let body = many(&sql, 5000).replace("execute", "query");
    let done = one.invoke("sql/main", "tinycloud.sql/*", &body).await;
    assert_eq!(done.0, 200, "{}", done.1);
    let statements: Vec<_> = (0..5000)
        .map(|n| format!("INSERT INTO t (a) VALUES ({n})"))
        .collect();
    let done = one.batch(&statements).await;
    assert_eq!(done.0, 200, "{}", done.1);
    assert_eq!(one.value("SELECT count(*) FROM t").await, 8200);
}
