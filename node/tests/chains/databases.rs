//! Databases as invocations reach them, and what a node tidies.

use axum::body::Body;
use openkey_node::error::Error;
use openkey_node::invoke::invoke;
use openkey_node::node::Node;
use openkey_node::store::StoreError;
use serde_json::{Value, json};

use super::home::{GET, Home, home, own, put, status, text};
use super::tokens::{NOW, Says, space};

async fn run(node: &Node, says: &Says<'_>, action: &str, sql: &str) -> Result<Value, Error> {
    let body = json!({ "action": action, "sql": sql }).to_string();
    let response = invoke(node, &says.headers(), Body::from(body)).await?;
    Ok(serde_json::from_str(&text(response).await).unwrap())
}

#[tokio::test]
async fn h3_an_invocation_of_a_database_is_used_once() {
    let Home { node, .. } = &home().await;
    let all = own("sql/main", &["tinycloud.sql/*"]);
    run(node, &all, "execute", "CREATE TABLE t (a)")
        .await
        .unwrap();
    let headers = all.headers();
    let body = json!({ "action": "execute", "sql": "INSERT INTO t VALUES (1)" }).to_string();
    invoke(node, &headers, Body::from(body.clone()))
        .await
        .unwrap();
    let again = invoke(node, &headers, Body::from(body)).await.unwrap_err();
    assert!(matches!(again, Error::Store(StoreError::Duplicate)));
    let found = run(node, &all, "query", "SELECT count(*) FROM t").await;
    assert_eq!(found.unwrap()["rows"][0][0], 1);
}

#[tokio::test]
async fn a_database_grows_as_far_as_its_space_has_room() {
    let Home { node, .. } = &home().await;
    let all = own("sql/main", &["tinycloud.sql/*"]);
    run(node, &all, "execute", "CREATE TABLE t (a)")
        .await
        .unwrap();
    let usage = node.store.usage(&space()).await.unwrap();
    assert!(usage.bytes > 4, "the database counts");
    let bound = usage.bytes + 20_000;
    node.store.bound(&space(), Some(bound)).await.unwrap();
    let fill = "INSERT INTO t SELECT hex(zeroblob(4000)) FROM (VALUES (1), (2))";
    let mut filled = 0;
    let refused = loop {
        match run(node, &all, "execute", fill).await {
            Ok(_) => filled += 1,
            Err(error) => break error,
        }
        assert!(filled < 10, "a bound that is none");
    };
    assert!(refused.to_string().contains("uota exceeded"), "{refused}");
    let usage = node.store.usage(&space()).await.unwrap();
    assert!(usage.bytes <= bound);
    // full, nothing is written, and everything read
    node.store.bound(&space(), Some(1)).await.unwrap();
    let refused = run(node, &all, "execute", "INSERT INTO t VALUES (1)").await;
    assert_eq!(status(refused), 402);
    let found = run(node, &all, "query", "SELECT count(*) FROM t").await;
    assert_eq!(found.unwrap()["rows"][0][0], filled * 2);
}

#[tokio::test]
async fn an_upload_has_its_time_and_then_is_tidied() {
    let Home { node, clock, .. } = &home().await;
    put(node, "large", &"x".repeat(100_000), &[]).await;
    let name = openkey_node::blobs::new_name().unwrap();
    node.store.stage(&name, NOW * 1000).await.unwrap();
    let mut writer = node.blobs.create(&name).await.unwrap();
    writer.write("begun".into()).await.unwrap();
    let is_there = async || node.blobs.read(&name, 0..1).await.is_ok();
    for hours in [0, 1, 6] {
        clock.set(NOW + hours * 3600);
        node.tidy().await.unwrap();
        assert!(is_there().await, "{hours}");
    }
    clock.set(NOW + 6 * 3600 + 1);
    node.tidy().await.unwrap();
    assert!(!is_there().await);
    node.tidy().await.unwrap();
    clock.set(NOW);
    let headers = own("kv/large", GET).headers();
    let found = invoke(node, &headers, Body::empty()).await.unwrap();
    assert_eq!(text(found).await.len(), 100_000);
}
