//! Databases as a whole: how large, where, and copied.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod sql_common;

use std::future::poll_fn;
use std::io::Read as _;
use std::task::Poll;

use openkey_node::sql::{Databases as _, Request, Response, Sizes, SqlError, SqlLimits};
use serde_json::{Value, json};
use sql_common::*;

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
    let request = Request::Export;
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
    let export = async || run(&databases, &all, json!({"action": "export"})).await;
    assert_eq!(told(export().await), not_found);
    let reader = access("read");
    assert_eq!(told(execute(&databases, &reader, SCHEMA).await).0, 403);
    let nothing = json!({"changes": 0, "lastInsertRowId": null});
    assert_eq!(execute(&databases, &reader, "SELECT 1").await, Ok(nothing));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let refused = execute(&databases, &all.clone().may_create(false), SCHEMA).await;
    assert_eq!(told(refused), not_found);
    assert_eq!(told(execute(&databases, &all, "nonsense").await).0, 400);
    assert_eq!(told(export().await), not_found);
    let size = sizes(&databases, &all, SCHEMA).await.after;
    let done = databases.run(&id("main"), &all, Request::Export).await;
    let Response::Export(mut export) = done.unwrap().response else {
        panic!("no export");
    };
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
    let Sizes { before, after, .. } = sizes(&databases, &all, fill).await;
    assert!(before <= 100 * 4096 && before > 60 * 4096, "{before}");
    assert!(after > before, "{after}");
    let emptied = sizes(&databases, &small, "DELETE FROM t").await;
    assert_eq!(emptied.before, after);
    assert!(emptied.after < 10 * 4096);
    let small_again = emptied.after;
    drop(emptied);
    let filled = sizes(&databases, &small, fill).await;
    assert_eq!(filled.before, small_again);
}

#[tokio::test]
async fn sizes_are_known_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SqlLimits {
        waiting: 1,
        ..SqlLimits::default()
    };
    let databases = open_with(dir.path(), limits);
    let all = access("*");
    let first = sizes(&databases, &all, SCHEMA).await;
    assert_eq!(first.before, 0);
    // while the first is not counted yet the second waits, and that is as many as may
    let mut second = std::pin::pin!(sizes(&databases, &all, "INSERT INTO t (a) VALUES (1)"));
    let begun = poll_fn(|context| Poll::Ready(second.as_mut().poll(context)));
    assert!(begun.await.is_pending());
    let third = execute(&databases, &all, "INSERT INTO t (a) VALUES (2)").await;
    assert_eq!(third, Err(SqlError::Busy));
    let made = first.after;
    drop(first);
    let second = second.await;
    assert_eq!(second.before, made);
    // what only reads waits for nobody
    let reading = query(&databases, &all, "SELECT count(*) FROM t").await;
    assert_eq!(reading.unwrap()["rows"][0][0], 1);
}
