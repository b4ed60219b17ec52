//! Bodies that their invocations are bound to.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use openkey_node::error::Error;
use openkey_node::invoke::invoke;
use openkey_node::node::Node;
use serde_json::{Value, json};

use super::home::{GET, Home, home, own, status, text, with};
use super::tokens::stating;

/// SHA-256 of `abc`, the example of FIPS 180-4.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// And of nothing.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn put(fact: Value) -> HeaderMap {
    stating("kv/b", "tinycloud.kv/put", fact)
}

async fn sent(
    node: &Node,
    headers: &HeaderMap,
    pieces: &[&'static str],
) -> Result<StatusCode, Error> {
    let pieces: Vec<_> = pieces
        .iter()
        .map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())))
        .collect();
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    Ok(invoke(node, headers, body).await?.status())
}

async fn value(node: &Node) -> Option<String> {
    let read = invoke(node, &own("kv/b", GET).headers(), Body::empty()).await;
    match read {
        Ok(response) => Some(text(response).await),
        Err(_) => None,
    }
}

#[tokio::test]
async fn a_body_that_is_named_is_the_one_that_takes_effect() {
    let Home { node, .. } = &home().await;
    let headers = put(json!({ "bodyHash": ABC }));
    for other in [&["abd"][..], &["abc", "d"], &["ab"], &[]] {
        let refused = sent(node, &headers, other).await;
        assert_eq!(status(refused), 400, "{other:?}");
        assert_eq!(value(node).await, None);
    }
    // what was refused is not used up: the sender's own still arrives
    assert_eq!(sent(node, &headers, &["a", "", "bc"]).await.unwrap(), 200);
    assert_eq!(value(node).await.as_deref(), Some("abc"));
    assert_eq!(status(sent(node, &headers, &["abc"]).await), 409);
    let empty = put(json!({ "bodyHash": NOTHING }));
    assert_eq!(sent(node, &empty, &[]).await.unwrap(), 200);
    assert_eq!(value(node).await.as_deref(), Some(""));
}

#[tokio::test]
async fn a_statement_that_is_not_the_named_one_is_not_run() {
    let Home { node, .. } = &home().await;
    let headers = stating("sql/main", "tinycloud.sql/*", json!({ "bodyHash": ABC }));
    let other = r#"{"action":"execute","sql":"CREATE TABLE t (a)","params":[]}"#;
    let refused = sent(node, &headers, &[other]).await.unwrap_err();
    assert_eq!(refused.status(), 400);
    assert!(refused.to_string().contains("bodyHash"), "{refused}");
}

#[tokio::test]
async fn a_name_of_a_body_is_kept_to_or_refused() {
    let Home { node, .. } = &home().await;
    for hash in [
        json!(ABC.to_uppercase()),
        json!(&ABC[1..]),
        json!(""),
        json!(1),
        json!(null),
    ] {
        let refused = sent(node, &put(json!({ "bodyHash": hash })), &["abc"]).await;
        assert_eq!(status(refused), 400, "{hash}");
    }
    // parts of a form end before the body does
    let form = with(
        put(json!({ "bodyHash": ABC })),
        &[(CONTENT_TYPE, "multipart/form-data; boundary=x")],
    );
    let part = "--x\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nevil\r\n--x--\r\n";
    assert_eq!(status(sent(node, &form, &[part, "abc"]).await), 400);
    assert_eq!(value(node).await, None);
    // other facts mean other things
    for fact in [
        json!({ "type": "x", "bodyHash": ABC }),
        json!({}),
        json!("bodyHash"),
    ] {
        assert_eq!(sent(node, &put(fact), &["else"]).await.unwrap(), 200);
    }
}
