//! Signed URLs: for one value, as it was, for some time, and only while what they rest on stands.

use std::sync::atomic::Ordering;

use axum::http::HeaderMap;
use openkey_capability::cid::Cid;
use openkey_capability::resource::SpaceId;
use openkey_node::delegation::revoke;
use openkey_node::error::Error;
use openkey_node::node::Node;
use openkey_node::signed;
use openkey_node::standing::{Nearness, Standing};
use openkey_node::store::Ticket;
use serde_json::{Value, json};

use super::delegating::delegated;
use super::home::{GET, Home, PUT, home, own, put, status, text};
use super::tokens::{NOW, Says, did, space};

async fn sign(node: &Node, says: &Says<'_>, more: Value) -> Result<String, Error> {
    let mut body = json!({ "space": space().to_string(), "path": "docs/a" });
    let members = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    let body = body.to_string();
    let signed = signed::issue(node, &says.headers(), body.into()).await?;
    let signed = serde_json::to_value(signed).unwrap();
    let url = signed["url"].as_str().unwrap();
    Ok(url.strip_prefix("/signed/kv/").unwrap().to_owned())
}

#[tokio::test]
async fn a_signed_url_reads_one_value_for_its_time() {
    let Home { node, clock, .. } = &home().await;
    let ticket = sign(node, &own("kv/docs/a", GET), json!({})).await.unwrap();
    let read = async || signed::read(node, &ticket, &HeaderMap::new()).await;
    let response = read().await.unwrap();
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(response.headers().contains_key("content-security-policy"));
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    assert_eq!(text(response).await, "of a");
    // as long as the token that made it, however long was asked for
    clock.set(NOW + 60);
    read().await.unwrap();
    clock.0.fetch_add(1, Ordering::Relaxed);
    assert_eq!(status(read().await), 401);
    clock.set(NOW);
    let long = Says {
        until: NOW + 300,
        ..own("kv/docs/a", GET)
    };
    for (ttl, seconds) in [
        (json!({ "ttlSeconds": 5 }), 5),
        (json!({ "ttlSeconds": 9999 }), 300),
    ] {
        clock.set(NOW);
        let ticket = sign(node, &long, ttl).await.unwrap();
        clock.set(NOW + seconds);
        signed::read(node, &ticket, &HeaderMap::new())
            .await
            .unwrap();
        clock.set(NOW + seconds + 1);
        let late = signed::read(node, &ticket, &HeaderMap::new()).await;
        assert_eq!(status(late), 401);
    }
    clock.set(NOW);
    let now = sign(node, &long, json!({ "ttlSeconds": 0 })).await;
    assert_eq!(status(now), 401);
    for ticket in ["", "AAAA", &"A".repeat(43), "é"] {
        let refused = signed::read(node, ticket, &HeaderMap::new()).await;
        assert_eq!(status(refused), 401, "{ticket}");
    }
}

#[tokio::test]
async fn a_signed_url_is_for_the_value_that_was_there() {
    let Home { node, .. } = &home().await;
    let ticket = sign(node, &own("kv/docs/a", GET), json!({})).await.unwrap();
    let hash = blake3::hash(b"of a").to_hex();
    for (pin, expected) in [
        (json!({ "contentHash": hash.as_str() }), None),
        (json!({ "contentHash": "00".repeat(32) }), Some(412)),
        (json!({ "contentHash": "00" }), Some(400)),
        (json!({ "etag": format!("\"blake3-{hash}\"") }), None),
        (json!({ "etag": format!("W/\"blake3-{hash}\"") }), Some(400)),
        (
            json!({ "etag": format!("\"blake3-{hash}\""), "contentHash": "00".repeat(32) }),
            Some(400),
        ),
        (json!({ "maxUses": 1 }), Some(400)),
        (json!({ "path": "docs/b" }), Some(401)),
        (json!({ "path": "" }), Some(400)),
        (json!({ "path": "docs/../a" }), Some(400)),
        (json!({ "space": "x" }), Some(400)),
    ] {
        let found = sign(node, &own("kv/docs/a", GET), pin.clone()).await;
        let found = found.err().map(|error| error.status().as_u16());
        // what the token does not say is refused as such, whether it is there or not
        let expected = if pin["path"] == "docs/b" {
            Some(403)
        } else {
            expected
        };
        assert_eq!(found, expected, "{pin}");
    }
    put(node, "docs/a", "changed", &[]).await;
    let refused = signed::read(node, &ticket, &HeaderMap::new()).await;
    assert_eq!(status(refused), 412);
}

#[tokio::test]
async fn a_signed_url_is_within_what_its_token_says() {
    let Home { node, .. } = &home().await;
    put(node, "docs", "of docs", &[]).await;
    for (resource, abilities, is_good) in [
        ("kv/docs/a", GET, true),
        ("kv/docs/", GET, true),
        ("kv/docs", GET, true),
        ("kv", GET, true),
        ("kv/docs/a/b", GET, false),
        ("kv/doc", GET, false),
        ("kv/docs/a", PUT, false),
        ("kv/docs/a", &["tinycloud.kv/metadata"], false),
        ("sql/docs/a", GET, false),
    ] {
        let found = sign(node, &own(resource, abilities), json!({})).await;
        assert_eq!(found.is_ok(), is_good, "{resource} {abilities:?}");
    }
    // another's space, however the token is signed
    let says = own("kv/docs/a", GET);
    let other = SpaceId::new(&did(2), "s").unwrap().to_string();
    let refused = sign(node, &says, json!({ "space": other })).await;
    assert_eq!(status(refused), 403);
}

#[tokio::test]
async fn d8_a_signed_url_ends_with_what_it_rests_on() {
    let Home { node, clock, .. } = &home().await;
    let link = Says {
        until: NOW + 30,
        ..Says::default()
    };
    let link = delegated(node, &link).await.unwrap();
    let proofs = [link.cid()];
    let theirs = Says {
        from: 2,
        proofs: &proofs,
        ..own("kv/docs/a", GET)
    };
    let ticket = sign(node, &theirs, json!({})).await.unwrap();
    let read = async || signed::read(node, &ticket, &HeaderMap::new()).await;
    clock.set(NOW + 30);
    read().await.unwrap();
    clock.set(NOW + 31);
    assert_eq!(status(read().await), 401);
    clock.set(NOW);
    let path = format!("delegation/{}", link.cid());
    let taken_back = own(&path, &["tinycloud.delegation/revoke"]);
    revoke(node, &taken_back.headers()).await.unwrap();
    let refused = read().await.unwrap_err();
    assert_eq!(refused.status(), 401);
    assert!(refused.to_string().contains("revoked"), "{refused}");
    let refused = sign(node, &theirs, json!({})).await;
    assert_eq!(status(refused), 401);
}

#[tokio::test]
async fn h10_all_below_one_share_link_ask_for_signed_urls_in_one_name() {
    let Home { node, .. } = &home().await;
    let session = delegated(node, &Says::default()).await.unwrap();
    let of_session = [session.cid()];
    let link = Says {
        from: 2,
        to: did(3),
        proofs: &of_session,
        ..Says::default()
    };
    let link = delegated(node, &link).await.unwrap();
    let of_link = [link.cid()];
    let below = Says {
        from: 3,
        to: did(4),
        proofs: &of_link,
        ..Says::default()
    };
    let below = delegated(node, &below).await.unwrap();
    // as many as one name may have
    let holder = Standing {
        nearness: Nearness::Shared,
        principal: *blake3::hash(did(3).as_str().as_bytes()).as_bytes(),
    };
    for seed in 0..1000_u16 {
        let ticket = Ticket {
            id: *blake3::hash(&seed.to_le_bytes()).as_bytes(),
            space: space(),
            key: "docs/a".to_owned(),
            hash: [0; 32],
            until_ms: (NOW + 60) * 1000,
            chain: Vec::new(),
        };
        node.store.issue(ticket, holder).await.unwrap();
    }
    let asks = async |from, proofs: &[Cid]| {
        let says = Says {
            from,
            proofs,
            ..own("kv/docs/a", GET)
        };
        sign(node, &says, json!({})).await
    };
    assert_eq!(status(asks(3, &of_link).await), 403);
    assert_eq!(status(asks(4, &[below.cid()]).await), 403);
    asks(2, &of_session).await.unwrap();
    asks(1, &[]).await.unwrap();
}
