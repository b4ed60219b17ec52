//! Statements that would take long or much: bounded in time and memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod sql_common;

use std::time::{Duration, Instant};

use openkey_node::sql::{SqlError, SqlLimits};
use serde_json::json;
use sql_common::*;

/// Each ends by an error soon, and the database is as it was.
async fn bounded(statements: &[&str]) {
    let (_dir, databases, all) = target().await;
    for sql in statements {
        for action in ["query", "execute"] {
            let begin = Instant::now();
            let done = run(&databases, &all, json!({"action": action, "sql": sql})).await;
            let took = begin.elapsed();
            assert!(took < BOUND, "{took:?} {sql:.100}");
            assert!(done.is_err() || took < TIME * 4, "{sql:.100}");
            works(&databases, &all).await;
        }
    }
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

#[tokio::test]
async fn h4_what_needs_a_gigabyte_fails_long_before_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SqlLimits {
        heap_bytes: 256 << 20,
        time: Duration::from_secs(60),
        ..SqlLimits::default()
    };
    let databases = open_with(dir.path(), limits);
    let all = access("*");
    let sorted = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1000)
        SELECT x, length(z) FROM (SELECT x, randomblob(1000000) AS z FROM c ORDER BY 2)";
    assert_eq!(query(&databases, &all, sorted).await, Err(SqlError::Memory));
    let long = query(&databases, &all, "SELECT length(zeroblob(4194305))").await;
    assert_eq!(
        told(long),
        (400, "SQLite error: string or blob too big".into())
    );
    let longest = value(&databases, &all, "SELECT length(zeroblob(4194304))").await;
    assert_eq!(longest, 4_194_304);
}
