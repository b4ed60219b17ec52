//! Bodies that are read elsewhere than for what is invoked, and that their invocations name.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::asking::{delegated, post};
use super::http::{own, start};
use super::tokens::{Says, space, stating, stating_of};

fn named(body: &str) -> serde_json::Value {
    json!({ "bodyHash": hex::encode(Sha256::digest(body)) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_body_that_is_named_is_the_one_that_is_read() {
    let node = start(|_| ()).await;
    assert_eq!(node.put(&own(), 10).await, 200);
    let cid = delegated(&node, &Says::default()).await;
    let url = json!({ "space": space().to_string(), "path": "a" }).to_string();
    let status = json!({ "cid": cid.to_string() }).to_string();
    let signed = |fact| stating("kv/a", "tinycloud.kv/get", fact);
    let asked = |fact| {
        stating_of(
            &format!("urn:cid:{cid}"),
            "tinycloud.delegation/status",
            fact,
        )
    };
    for (path, body) in [("/signed/kv", &url), ("/delegation/status", &status)] {
        let token = |fact| match path {
            "/signed/kv" => signed(fact),
            _ => asked(fact),
        };
        let other = format!("{body} ");
        let answer = post(&node, path, &token(named(body)), other.as_bytes()).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert!(answer.text.contains("bodyHash"), "{path}: {answer:?}");
        let answer = post(
            &node,
            path,
            &token(json!({ "bodyHash": 1 })),
            body.as_bytes(),
        )
        .await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        let answer = post(&node, path, &token(named(body)), body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}
