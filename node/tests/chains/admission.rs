//! The checks that an invocation must pass, in their order.

use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use openkey_capability::chain::ChainError;
use openkey_node::admission::{authorise, explain_revoked, signed};
use openkey_node::authority::Revocations;
use openkey_node::config::LONGEST_INVOCATION;
use openkey_node::error::Error;
use openkey_node::invoke::invoke;
use openkey_node::signed::issue;
use openkey_node::store::{NewRevocation, StoreError};

use super::delegating::{delegated, hosted};
use super::tokens::{Fixed, NOW, Says, did, headers, node, space, statement};

/// Longest life of an invocation, in seconds.
const LONGEST: i64 = LONGEST_INVOCATION.as_secs() as i64;

fn checked(headers: &HeaderMap) -> Result<(), Error> {
    signed(headers, NOW * 1000, LONGEST * 1000).map(drop)
}

/// An invocation by the owner.
fn own<'a>() -> Says<'a> {
    Says {
        from: 1,
        to: did(1),
        until: NOW + 60,
        resource: "kv/a",
        abilities: &["tinycloud.kv/get"],
        ..Says::default()
    }
}

#[test]
fn g5_an_invocation_lives_from_its_beginning_to_its_end_and_not_too_long() {
    for (since, until, is_good) in [
        (None, NOW + 60, true),
        (None, NOW, true),
        (None, NOW - 1, false),
        (Some(NOW), NOW + 60, true),
        (Some(NOW + 1), NOW + 60, false),
        (None, NOW + LONGEST, true),
        (None, NOW + LONGEST + 1, false),
        (Some(NOW - 1), NOW + LONGEST, true),
    ] {
        let says = Says {
            since,
            until,
            ..own()
        };
        let found = checked(&says.headers());
        assert_eq!(found.is_ok(), is_good, "{since:?} {until}: {found:?}");
    }
}

#[test]
fn the_first_rule_that_an_invocation_breaks_is_told() {
    assert!(matches!(checked(&HeaderMap::new()), Err(Error::NoToken)));
    let mut two = own().headers();
    two.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    assert!(matches!(checked(&two), Err(Error::TwoTokens)));
    for text in ["", "Bearer ", "a.b.c", "ey", "Basic YTpi"] {
        assert!(matches!(checked(&headers(text)), Err(Error::Token(_))));
    }
    let forged = Says {
        signed_by: Some(2),
        ..own()
    };
    // signature, then how long it lives; its time before both
    for (says, expected) in [
        (
            Says {
                until: NOW - 1,
                ..forged
            },
            "time",
        ),
        (
            Says {
                since: Some(NOW + 1),
                signed_by: Some(2),
                until: NOW + 9999,
                ..own()
            },
            "time",
        ),
        (
            Says {
                signed_by: Some(2),
                until: NOW + 9999,
                ..own()
            },
            "signature",
        ),
        (
            Says {
                until: NOW + 9999,
                ..own()
            },
            "lifetime",
        ),
    ] {
        let found = match checked(&says.headers()) {
            Err(Error::Chain(ChainError::InvocationTime)) => "time",
            Err(Error::Signature) => "signature",
            Err(Error::Lifetime) => "lifetime",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn a_sign_in_is_no_invocation() {
    let cacaos = include_str!("../../../capability/tests/data/cacao.json");
    let cacaos: Vec<serde_json::Value> = serde_json::from_str(cacaos).unwrap();
    let session = cacaos.iter().find(|it| it["name"] == "session").unwrap();
    let headers = headers(session["header"].as_str().unwrap());
    assert!(matches!(checked(&headers), Err(Error::NotInvocation)));
}

#[tokio::test]
async fn a_write_that_is_refused_is_used_up() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Fixed::at(NOW);
    let node = node(dir.path(), &clock);
    // before the space is hosted, and after: whoever saw it must not be able to do it later
    let put = Says {
        abilities: &["tinycloud.kv/put"],
        ..own()
    };
    let put = put.headers();
    let refused = invoke(&node, &put, Body::from("1")).await.unwrap_err();
    assert!(matches!(refused, Error::Store(StoreError::NoSpace)));
    hosted(&node).await;
    let again = invoke(&node, &put, Body::from("1")).await.unwrap_err();
    assert!(matches!(again, Error::Store(StoreError::Duplicate)));
}

#[tokio::test]
async fn h3_the_same_statement_under_another_signature_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    let put = Says {
        abilities: &["tinycloud.kv/put"],
        ..own()
    };
    let text = put.text();
    invoke(&node, &headers(&text), Body::from("1"))
        .await
        .unwrap();
    let again = headers(&format!("Bearer {text}"));
    let again = invoke(&node, &again, Body::from("2")).await.unwrap_err();
    assert!(matches!(again, Error::Store(StoreError::Duplicate)));
}

#[tokio::test]
async fn h3_a_delegation_is_not_carried_out_by_who_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    // it ends as soon as an invocation does
    let given = Says {
        resource: "kv/a",
        abilities: &["tinycloud.kv/put"],
        until: NOW + 60,
        ..Says::default()
    };
    let given = delegated(&node, &given).await.unwrap();
    let known = headers(given.token());
    let body = format!(r#"{{"space":"{}","path":"a"}}"#, space());
    for _ in 0..2 {
        let refused = invoke(&node, &known, Body::from("1")).await.unwrap_err();
        assert!(matches!(refused, Error::Store(StoreError::Duplicate)));
        let refused = issue(&node, &known, body.clone().into()).await.unwrap_err();
        assert!(matches!(refused, Error::Store(StoreError::Duplicate)));
    }
    let by_whom_it_is_for = Says {
        from: 2,
        proofs: &[given.cid()],
        abilities: &["tinycloud.kv/put"],
        ..own()
    };
    invoke(&node, &by_whom_it_is_for.headers(), Body::from("1"))
        .await
        .unwrap();
}

#[tokio::test]
async fn g5_a_revocation_between_the_check_and_the_use_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    let link = delegated(&node, &Says::default()).await.unwrap();
    let invocation = Says {
        from: 2,
        proofs: &[link.cid()],
        ..own()
    };
    let signed = signed(&invocation.headers(), NOW * 1000, LONGEST * 1000).unwrap();
    let authorised = authorise(&node.authority, &signed, Revocations::Later, NOW * 1000).await;
    let authorised = authorised.unwrap();
    assert_eq!(authorised.admission.chain, [statement(&link)]);
    assert_eq!(authorised.invoker, did(2));
    assert_eq!(authorised.admission.last_ms(), (NOW + 60) * 1000);
    // replicas whose clocks are behind must know it, too
    assert!(authorised.admission.until_ms >= (NOW + 60 + 30) * 1000);
    let revocation = NewRevocation {
        target: statement(&link),
        token: Vec::new(),
        revoker: did(1),
        expires_ms: None,
        chain: Vec::new(),
        now_ms: NOW * 1000,
    };
    node.store.revoke(revocation).await.unwrap();
    let refused = openkey_node::admission::admit(&node.store, &authorised).await;
    let refused = refused.unwrap_err();
    assert!(matches!(
        &refused,
        Error::Store(StoreError::Revoked(which)) if *which == [statement(&link)]
    ));
    let told = explain_revoked(&node.authority, &signed, NOW * 1000, refused).await;
    assert_eq!(
        told.to_string(),
        format!("delegation-revoked: {}", link.cid())
    );
    let other = explain_revoked(&node.authority, &signed, NOW * 1000, Error::Lifetime).await;
    assert!(matches!(other, Error::Lifetime));
}

#[tokio::test]
async fn what_a_chain_allows_ends_with_its_first_end() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    let short = Says {
        until: NOW + 10,
        ..Says::default()
    };
    let link = delegated(&node, &short).await.unwrap();
    let invocation = Says {
        from: 2,
        proofs: &[link.cid()],
        ..own()
    };
    let signed = signed(&invocation.headers(), NOW * 1000, LONGEST * 1000).unwrap();
    let authorised = authorise(&node.authority, &signed, Revocations::Asked, NOW * 1000).await;
    assert_eq!(authorised.unwrap().admission.last_ms(), (NOW + 10) * 1000);
}

#[tokio::test]
async fn g5_only_what_is_covered_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    let docs = Says {
        resource: "kv/docs/",
        abilities: &["tinycloud.kv/get"],
        ..Says::default()
    };
    let link = delegated(&node, &docs).await.unwrap();
    let other = delegated(&node, &Says { to: did(3), ..docs })
        .await
        .unwrap();
    let invoked = async |says: Says<'_>| {
        let refused = invoke(&node, &says.headers(), Body::empty()).await;
        refused.unwrap_err()
    };
    let within = |resource: &'static str, ability: &'static [&'static str]| Says {
        from: 2,
        resource,
        abilities: ability,
        ..own()
    };
    let get: &[&str] = &["tinycloud.kv/get"];
    let proofs = [link.cid()];
    let good = Says {
        proofs: &proofs,
        ..within("kv/docs/a", get)
    };
    assert_eq!(invoked(good).await.to_string(), "Key not found");
    for (resource, abilities) in [
        ("kv/docsX", get),
        ("kv/", get),
        ("sql/docs/a", get),
        ("kv/docs/a", &["tinycloud.kv/put"][..]),
        ("kv/docs/a", &["tinycloud.kv/get", "tinycloud.kv/del"][..]),
    ] {
        let says = Says {
            proofs: &proofs,
            ..within(resource, abilities)
        };
        let refused = invoked(says).await;
        let text = format!("Unauthorized Action: {}/{resource} / ", space());
        assert!(refused.to_string().starts_with(&text), "{refused}");
    }
    let others = [other.cid()];
    let says = Says {
        proofs: &others,
        ..within("kv/docs/a", get)
    };
    assert_eq!(invoked(says).await.to_string(), "Unauthorized Invoker");
    let refused = invoked(within("kv/docs/a", get)).await;
    assert_eq!(refused.status(), 401);
}
