//! Databases that are made, and names of databases that never are.

use std::path::Path;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::process::{Owner, Process, home, is_whole};

/// Files of databases, and beside them.
fn files(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir.join("sql")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "links.lock").collect()
}

async fn execute(by: &Owner, name: &str, sql: &str) -> (u16, String) {
    let body = json!({"action": "execute", "sql": sql}).to_string();
    let resource = format!("sql/{name}");
    by.invoke(&resource, "tinycloud.sql/*", &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn h10_what_fails_on_a_new_name_leaves_no_file() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = Owner::new(node.address, 1, 2).await;
    for n in 0..100 {
        let (by, name) = (&one, format!("db/{n}"));
        // together with others, and by itself
        let failing = [
            "INSERT INTO nowhere VALUES (1)",
            "INSERT OR ROLLBACK INTO nowhere VALUES (1)",
            "DROP TABLE nowhere -- deferred",
        ];
        let several = n % 10 == 0;
        let failing = &failing[if several { 0..3 } else { 0..2 }];
        let failing = failing.iter().map(|sql| execute(by, &name, sql));
        for (status, text) in join_all(failing).await {
            assert_eq!(status, 400, "{text}");
        }
        // what makes nothing makes no database
        if several {
            let (resource, nothing) = (
                format!("sql/{name}"),
                r#"{"action":"batch","statements":[]}"#,
            );
            let done = one.invoke(&resource, "tinycloud.sql/*", nothing).await;
            assert_eq!(done.0, 200, "{}", done.1);
        }
    }
    assert_eq!(files(&dir), Vec::<String>::new());
    // and what makes one finds no trace of them
    assert_eq!(execute(&one, "db/1", "CREATE TABLE t (n)").await.0, 200);
    assert_eq!(
        execute(&one, "db/1", "INSERT INTO t VALUES (1)").await.0,
        200
    );
    let failed = execute(&one, "db/1", "INSERT INTO nowhere VALUES (1)").await;
    assert_eq!(failed.0, 400, "{}", failed.1);
    assert_eq!(one.query_in("db/1", "SELECT n FROM t").await.0, 200);
    node.kill();
    assert!(is_whole(&dir));
}

/// Some fail, some make the database, and some find that it is made: of what is acknowledged all is there.
#[tokio::test(flavor = "multi_thread")]
async fn h10_two_processes_that_make_one_database_lose_nothing() {
    let (_dir, dir) = home();
    let nodes = [Process::start(&dir, &[]), Process::start(&dir, &[])];
    let one = Owner::new(nodes[0].address, 1, 2).await;
    let both = nodes.each_ref().map(|node| one.at(node.address));
    for round in 0..30 {
        let name = format!("db/{round}");
        let asked = (0..12).map(|n: usize| {
            let (by, name) = (&both[n % 2], &name);
            async move {
                let failed = execute(by, name, "INSERT INTO nowhere VALUES (1)").await;
                assert_eq!(failed.0, 400, "{}", failed.1);
                let (status, text) = by.query_in(name, "SELECT count(*) FROM t").await;
                assert!(status == 200 || text.contains("no such table"), "{text}");
                let make = "CREATE TABLE IF NOT EXISTS t (n)";
                let insert = format!("INSERT INTO t VALUES ({n})");
                let body =
                    json!({"action": "batch", "statements": [{"sql": make}, {"sql": insert}]});
                let resource = format!("sql/{name}");
                let done = by
                    .invoke(&resource, "tinycloud.sql/*", &body.to_string())
                    .await;
                assert_eq!(done.0, 200, "{}", done.1);
            }
        });
        join_all(asked).await;
        for by in &both {
            let (status, text) = by.query_in(&name, "SELECT count(*) FROM t").await;
            assert_eq!(status, 200, "{text}");
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(answer["rows"][0][0], 12, "{name}");
        }
    }
    for node in nodes {
        node.kill();
    }
    assert!(is_whole(&dir));
}
