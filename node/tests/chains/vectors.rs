//! A day in the life of a space, with the tokens of present clients: hosted, delegated, invoked, revoked.

use std::sync::atomic::Ordering;

use axum::body::{Body, to_bytes};
use axum::http::HeaderMap;
use bytes::Bytes;
use openkey_capability::chain::ChainError;
use openkey_capability::cid::Cid;
use openkey_capability::resource::SpaceId;
use openkey_node::delegation::{self, Standing};
use openkey_node::error::Error;
use openkey_node::invoke::invoke;
use openkey_node::node::Node;
use openkey_node::store::{
    Admission, Change, Condition, Content, StoreError, StoredValue, ValueWrite,
};
use serde_json::{Value, json};

use super::tokens::{Fixed, headers, node};

/// Within the times of all of them, and not too far before the end of the invocation.
const NOW: i64 = 1_893_360_000;
const SPACE: &str = "tinycloud:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:default";

/// The token of a vector.
fn token(name: &str) -> HeaderMap {
    let cacaos: Vec<Value> =
        serde_json::from_str(include_str!("../../../capability/tests/data/cacao.json")).unwrap();
    let ucans: Vec<Value> =
        serde_json::from_str(include_str!("../../../capability/tests/data/ucan.json")).unwrap();
    let found = cacaos
        .iter()
        .chain(&ucans)
        .find(|vector| vector["name"] == name)
        .unwrap();
    let text = found.get("token").unwrap_or(&found["header"]);
    headers(text.as_str().unwrap())
}

const HOST: &str = "host";
const SESSION: &str = "session";
const DELEGATION: &str = "a session key delegates to another DID";
const INVOCATION: &str = "that DID invokes";
const REVOCATION: &str = "revocation";

const DELEGATION_CID: &str = "bafkr4ibd36zpr4fthqrancc6xvtfgl5zyuvwhmi32rk2xr7zd72wtlpxji";
const SESSION_CID: &str = "bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima";
const HOST_CID: &str = "bafkr4if4wjqp74v7kub2mola4ejj2j42xdfoosfsrp3a5tbp5cl3eoysea";

/// A node with the key that the wallet named.
fn start(dir: &std::path::Path, now: i64) -> (Node, std::sync::Arc<Fixed>) {
    let clock = Fixed::at(now);
    std::fs::write(dir.join("node.key"), "03".repeat(32)).unwrap();
    (node(dir, &clock), clock)
}

async fn delegate(node: &Node, name: &str) -> Result<Value, Error> {
    let delegated = delegation::delegate(node, &token(name)).await?;
    Ok(serde_json::to_value(delegated).unwrap())
}

async fn get(node: &Node) -> Result<Bytes, Error> {
    let response = invoke(node, &token(INVOCATION), Body::empty()).await?;
    assert_eq!(response.status(), 200);
    Ok(to_bytes(response.into_body(), 1000).await.unwrap())
}

async fn fill(node: &Node) {
    let bytes = Bytes::from_static(b"shared by its owner");
    let value = StoredValue {
        hash: *blake3::hash(&bytes).as_bytes(),
        size: bytes.len() as u64,
        headers: "[]".to_owned(),
        content: Content::Inline(bytes),
    };
    let write = ValueWrite {
        admission: Admission {
            statement: [9; 32],
            expires_ms: i64::MAX,
            chain_expires_ms: None,
            until_ms: 0,
            chain: Vec::new(),
        },
        begun: false,
        space: SpaceId::parse(SPACE).unwrap(),
        changes: vec![(
            "docs/shared/a.txt".to_owned(),
            Condition::Any,
            Change::Put(value),
        )],
        default_bound: None,
    };
    node.store.write(write).await.unwrap();
}

#[tokio::test]
async fn tokens_of_present_clients_are_hosted_delegated_invoked_and_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let (node, clock) = start(dir.path(), NOW);
    let space = SpaceId::parse(SPACE).unwrap();

    // nothing rests on what is not there
    let missing = Err(ChainError::Missing);
    let chain_error = |error: Error| match error {
        Error::Chain(error) | Error::Revocation(error) => error,
        error => panic!("{error}"),
    };
    let refused = delegate(&node, DELEGATION).await.map_err(chain_error);
    assert_eq!(refused.map(drop), missing);
    let refused = get(&node).await.map(drop).unwrap_err();
    assert_eq!(refused.to_string(), "Space not found");
    let refused = delegation::revoke(&node, &token(REVOCATION)).await;
    assert_eq!(refused.map_err(chain_error).map(drop), missing);

    let answer = |cid: &str, activated: bool| {
        let (here, none) = (json!([SPACE]), json!([]));
        let (activated, skipped) = if activated {
            (here, none)
        } else {
            (none, here)
        };
        json!({ "cid": cid, "activated": activated, "skipped": skipped })
    };
    let skipped = delegate(&node, SESSION).await.unwrap();
    assert_eq!(skipped, answer(SESSION_CID, false));
    assert!(node.store.space(&space).await.unwrap().is_none());
    let hosted = delegate(&node, HOST).await.unwrap();
    assert_eq!(hosted, answer(HOST_CID, true));
    assert!(node.store.space(&space).await.unwrap().is_some());
    let activated = delegate(&node, SESSION).await.unwrap();
    assert_eq!(activated, answer(SESSION_CID, true));
    let delegated = delegate(&node, DELEGATION).await.unwrap();
    assert_eq!(delegated, answer(DELEGATION_CID, true));

    fill(&node).await;
    // it lives 60 seconds from now: five minutes before its end is soon enough, and a moment earlier is not
    clock
        .0
        .store((NOW + 60 - 300) * 1000 - 1, Ordering::Relaxed);
    assert!(matches!(get(&node).await, Err(Error::Lifetime)));
    clock.set(NOW + 60 - 300);
    assert_eq!(get(&node).await.unwrap(), "shared by its owner");
    clock.set(NOW);
    let again = get(&node).await.unwrap_err();
    assert!(matches!(again, Error::Store(StoreError::Duplicate)));
    assert_eq!(again.status(), 409);

    let cid = Cid::parse(DELEGATION_CID).unwrap();
    let link = node.authority.link(cid).await.unwrap().unwrap();
    let standing = Standing::of(&node, &link, NOW * 1000).await.unwrap();
    assert!(standing.is_active());
    for _ in 0..2 {
        let revoked = delegation::revoke(&node, &token(REVOCATION)).await.unwrap();
        let revoked = serde_json::to_value(revoked).unwrap();
        assert_eq!(revoked, json!({ "revoked": true, "cid": DELEGATION_CID }));
    }
    let refused = get(&node).await.unwrap_err();
    assert_eq!(refused.status(), 401);
    let expected = format!("delegation-revoked: {DELEGATION_CID}");
    assert_eq!(refused.to_string(), expected);
    let standing = Standing::of(&node, &link, NOW * 1000).await.unwrap();
    assert!(standing.revoked.is_some() && !standing.is_active());

    // another process, which remembers nothing, says the same
    node.store.close().await;
    drop(node);
    let (again, _) = start(dir.path(), NOW);
    assert_eq!(get(&again).await.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn d17_a_node_with_another_key_hosts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    let refused = delegate(&node, HOST).await.unwrap_err();
    assert_eq!(refused.status(), 401);
    let own = node.keys.host(&SpaceId::parse(SPACE).unwrap());
    assert!(refused.to_string().contains(own.as_str()), "{refused}");
    let space = SpaceId::parse(SPACE).unwrap();
    assert!(node.store.space(&space).await.unwrap().is_none());
}

#[tokio::test]
async fn g5_every_time_of_a_chain_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (node, clock) = start(dir.path(), NOW);
    for name in [HOST, SESSION, DELEGATION] {
        delegate(&node, name).await.unwrap();
    }
    clock.set(NOW + 61);
    let refused = get(&node).await.unwrap_err();
    assert!(matches!(refused, Error::Chain(ChainError::InvocationTime)));
    // the delegation ends at 1893369600, the session at 1893456000
    clock.set(1_893_369_600);
    delegate(&node, DELEGATION).await.unwrap();
    clock.0.fetch_add(1, Ordering::Relaxed);
    let refused = delegate(&node, DELEGATION).await.unwrap_err();
    assert!(matches!(refused, Error::Chain(ChainError::DelegationTime)));
    clock.set(1_893_456_000);
    delegate(&node, SESSION).await.unwrap();
    clock.0.fetch_add(1, Ordering::Relaxed);
    delegate(&node, SESSION).await.unwrap_err();
    delegate(&node, HOST).await.unwrap();
}
