//! A node with something of everything in it, and ways to damage it.

use std::fs;
use std::path::{Path, PathBuf};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use openkey_node::invoke::invoke;
use openkey_node::node::Node;
use openkey_node::store::Admission;
use openkey_node::upkeep::{Checked, check};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::tokens::{self, Fixed, NOW, Says, did, space};

pub(crate) fn node(dir: &Path) -> Node {
    tokens::node(dir, &Fixed::at(NOW))
}

pub(crate) async fn invoked(node: &Node, resource: &str, ability: &str, body: Body) -> Bytes {
    let says = Says {
        to: did(1),
        until: NOW + 60,
        resource,
        abilities: &[ability],
        ..Says::default()
    };
    let response = invoke(node, &says.headers(), body).await.unwrap();
    to_bytes(response.into_body(), 1 << 20).await.unwrap()
}

/// Every other value is large enough for a blob.
pub(crate) fn content(number: u32) -> Vec<u8> {
    let size = if number.is_multiple_of(2) {
        100
    } else {
        70_000
    };
    blake3::hash(&number.to_be_bytes())
        .as_bytes()
        .iter()
        .copied()
        .cycle()
        .take(size)
        .collect()
}

pub(crate) async fn put(node: &Node, number: u32) {
    let key = format!("kv/{number}");
    invoked(node, &key, "tinycloud.kv/put", Body::from(content(number))).await;
}

pub(crate) async fn sql(node: &Node, database: &str, ability: &str, request: Value) -> Value {
    let resource = format!("sql/{database}");
    let body = Body::from(request.to_string());
    serde_json::from_slice(&invoked(node, &resource, ability, body).await).unwrap()
}

pub(crate) async fn execute(node: &Node, database: &str, text: &str) {
    let request = json!({ "action": "execute", "sql": text });
    sql(node, database, "tinycloud.sql/*", request).await;
}

pub(crate) async fn count(node: &Node, database: &str) -> Value {
    let request = json!({ "action": "query", "sql": "SELECT count(*) FROM t" });
    sql(node, database, "tinycloud.sql/read", request).await["rows"][0][0].clone()
}

/// A node with values, blobs and two databases.
pub(crate) async fn filled(dir: &Path) -> Node {
    let node = node(dir);
    let admission = Admission {
        statement: [7; 32],
        expires_ms: i64::MAX,
        chain_expires_ms: None,
        until_ms: i64::MAX,
        chain: Vec::new(),
    };
    let hosted = node.store.host(admission, &space(), NOW * 1000).await;
    assert!(hosted.unwrap());
    for number in 0..6 {
        put(&node, number).await;
    }
    for database in ["main", "a/main"] {
        execute(&node, database, "CREATE TABLE t (a)").await;
        let rows = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                    WHERE i < 500) SELECT hex(zeroblob(100)) || i FROM n";
        execute(&node, database, rows).await;
    }
    node
}

/// The same, ended.
pub(crate) async fn ended() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let node = filled(dir.path()).await;
    node.store.close().await;
    drop(node);
    dir
}

/// Every file below a directory, in order.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Writes over a part of a file, its log folded in before.
pub(crate) fn damage(path: &Path, at: usize, length: usize) {
    let connection = Connection::open(path).unwrap();
    let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
    connection.query_row(fold, (), |_| Ok(())).unwrap();
    drop(connection);
    let mut bytes = fs::read(path).unwrap();
    assert!(
        bytes.len() >= at + length,
        "{} is too short",
        path.display()
    );
    bytes[at..at + length].fill(0x55);
    fs::write(path, bytes).unwrap();
}

pub(crate) async fn checked(dir: &Path) -> Checked {
    check(dir, &()).await.unwrap()
}

/// The one finding of a check.
pub(crate) async fn finding(dir: &Path) -> String {
    let found = checked(dir).await;
    assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
    found.findings[0].to_string()
}
