//! Delegations that a node takes, and takes back.

use axum::body::Body;
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::chain::ChainError;
use openkey_capability::cid::Cid;
use openkey_capability::resource::SpaceId;
use openkey_capability::ucan::Ucan;
use openkey_node::allowance::Allowance;
use openkey_node::delegation::{delegate, revoke};
use openkey_node::error::Error;
use openkey_node::invoke::invoke;
use openkey_node::node::Node;
use openkey_node::store::{Admission, Page, StoreError};

use super::tokens::{Fixed, NOW, Says, did, headers, node, raw, space, statement, within};

/// Hosts the space that everything is about.
pub(crate) async fn hosted(node: &Node) {
    let admission = Admission {
        statement: [7; 32],
        expires_ms: i64::MAX,
        chain_expires_ms: None,
        until_ms: 0,
        chain: Vec::new(),
    };
    let hosted = node.store.host(admission, &space(), NOW * 1000).await;
    assert!(hosted.unwrap());
}

pub(crate) async fn delegated(node: &Node, says: &Says<'_>) -> Result<Ucan, Error> {
    let ucan = says.ucan();
    delegate(node, &headers(ucan.token())).await?;
    Ok(ucan)
}

/// The token by which somebody takes back a delegation.
pub(crate) fn revoking<'a>(from: u8, path: &'a str, proofs: &'a [Cid]) -> Says<'a> {
    Says {
        from,
        to: did(from),
        resource: path,
        abilities: &["tinycloud.delegation/revoke"],
        proofs,
        until: NOW + 60,
        ..Says::default()
    }
}

pub(crate) fn chain_error<T: std::fmt::Debug>(result: Result<T, Error>) -> ChainError {
    match result {
        Err(Error::Chain(error) | Error::Revocation(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn d17_a_space_is_hosted_for_whom_its_owner_named() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    let host = node.keys.host(&space());
    let hosting = |resource, to: &_| Says {
        resource,
        to: Clone::clone(to),
        abilities: &["tinycloud.space/host"],
        ..Says::default()
    };
    let is_hosted = async || node.store.space(&space()).await.unwrap().is_some();
    // for another, and for this node but not by the owner
    let refused = delegated(&node, &hosting("space", &did(2))).await;
    assert!(matches!(refused, Err(Error::Unauthorized(_))));
    let refused = delegated(&node, &hosting("space", node.keys.node_id())).await;
    assert!(matches!(refused, Err(Error::Unauthorized(_))));
    let by_another = Says {
        from: 2,
        ..hosting("space", &host)
    };
    delegated(&node, &by_another).await.unwrap_err();
    assert!(!is_hosted().await);
    // what only looks like it is kept and hosts nothing
    for resource in ["space/", "space/a", "kv", "space?a=b", "space#a"] {
        delegated(&node, &hosting(resource, &host)).await.unwrap();
        assert!(!is_hosted().await, "{resource}");
    }
    let other = Says {
        abilities: &["tinycloud.space/info", "tinycloud.space/*"],
        ..hosting("space", &host)
    };
    delegated(&node, &other).await.unwrap();
    assert!(!is_hosted().await);
    delegated(&node, &hosting("space", &host)).await.unwrap();
    assert!(is_hosted().await);
}

#[tokio::test]
async fn d17_a_session_that_may_have_a_space_hosted_hosts_nothing_by_that() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    let is_hosted = async || node.store.space(&space()).await.unwrap().is_some();
    // it is kept because it is about another space, too, which is hosted
    let other = SpaceId::new(&did(1), "other").unwrap();
    let admission = Admission {
        statement: [7; 32],
        expires_ms: i64::MAX,
        chain_expires_ms: None,
        until_ms: 0,
        chain: Vec::new(),
    };
    node.store.host(admission, &other, 0).await.unwrap();
    let ability = |name| Ability::parse(name).unwrap();
    let grant = Attenuation::new()
        .with(within("space"), ability("tinycloud.space/host"))
        .with(within("space"), ability("tinycloud.space/info"))
        .with(format!("{other}/kv"), ability("tinycloud.kv/get"));
    let session = raw(1, &did(2), NOW + 3600, &[], grant);
    delegate(&node, &headers(&session)).await.unwrap();
    let session = Ucan::decode(&session).unwrap();
    assert!(!is_hosted().await);
    // it says so to the node
    let of_session = [session.cid()];
    let hosting = |to| Says {
        from: 2,
        to,
        resource: "space",
        abilities: &["tinycloud.space/host"],
        proofs: &of_session,
        ..Says::default()
    };
    let refused = delegated(&node, &hosting(did(3))).await;
    assert!(matches!(refused, Err(Error::Unauthorized(_))));
    assert!(!is_hosted().await);
    delegated(&node, &hosting(node.keys.host(&space())))
        .await
        .unwrap();
    assert!(is_hosted().await);
}

#[tokio::test]
async fn owners_that_a_node_does_not_serve_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = node(dir.path(), &Fixed::at(NOW));
    node.config.owners = Some([did(9)].into());
    let says = Says {
        resource: "space",
        to: node.keys.host(&space()),
        abilities: &["tinycloud.space/host"],
        ..Says::default()
    };
    let refused = delegated(&node, &says).await.unwrap_err();
    assert!(matches!(refused, Error::Forbidden(_)));
    let create = Says {
        resource: "space",
        abilities: &["tinycloud.space/create"],
        until: NOW + 60,
        ..Says::default()
    };
    let refused = invoke(&node, &create.headers(), Body::empty()).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
    assert!(node.store.space(&space()).await.unwrap().is_none());
    node.config.owners = Some([did(9), did(1)].into());
    delegated(&node, &says).await.unwrap();
    assert!(node.store.space(&space()).await.unwrap().is_some());
}

#[tokio::test]
async fn g5_only_what_is_signed_and_in_its_time_and_covered_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    let forged = Says {
        signed_by: Some(2),
        ..Says::default()
    };
    let refused = delegated(&node, &forged).await;
    assert!(matches!(refused, Err(Error::Signature)));
    for (since, until) in [(None, NOW - 1), (Some(NOW + 1), NOW + 60)] {
        let says = Says {
            since,
            until,
            ..Says::default()
        };
        let refused = chain_error(delegated(&node, &says).await);
        assert_eq!(refused, ChainError::DelegationTime);
    }
    let not_theirs = Says {
        from: 2,
        to: did(3),
        ..Says::default()
    };
    delegated(&node, &not_theirs).await.unwrap_err();
    let page = Page {
        after: None,
        limit: 10,
    };
    let kept = node
        .store
        .delegations_in(&space(), page, Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
    assert!(kept.is_empty());
}

#[tokio::test]
async fn d8_what_rests_on_a_revoked_delegation_can_neither_be_used_nor_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    let root = delegated(&node, &Says::default()).await.unwrap();
    let (of_root, child) = ([root.cid()], did(3));
    let passed_on = || Says {
        from: 2,
        to: child.clone(),
        proofs: &of_root,
        ..Says::default()
    };
    let child = delegated(&node, &passed_on()).await.unwrap();
    let path = format!("delegation/{}", root.cid());
    revoke(&node, &revoking(1, &path, &[]).headers())
        .await
        .unwrap();
    let refused = chain_error(delegated(&node, &passed_on()).await);
    assert_eq!(refused, ChainError::ParentRevoked(root.cid()));
    let of_child = [child.cid()];
    let use_it = Says {
        from: 3,
        proofs: &of_child,
        resource: "kv/a",
        abilities: &["tinycloud.kv/get"],
        until: NOW + 60,
        ..Says::default()
    };
    let refused = chain_error(invoke(&node, &use_it.headers(), Body::empty()).await);
    let expected = ChainError::InvokedsAncestorRevoked {
        ancestor: root.cid(),
        invoked: child.cid(),
    };
    assert_eq!(refused, expected);
    // that comes before whatever else is wrong
    let longer = Says {
        until: NOW + 9999,
        resource: "sql",
        ..passed_on()
    };
    let refused = chain_error(delegated(&node, &longer).await);
    assert_eq!(refused, ChainError::ParentRevoked(root.cid()));
    let elsewhere = Says {
        to: did(3),
        abilities: &["tinycloud.kv/del"],
        ..use_it
    };
    let refused = chain_error(invoke(&node, &elsewhere.headers(), Body::empty()).await);
    assert_eq!(refused, expected);
    // the same again stays what it is: kept, and revoked
    delegate(&node, &headers(root.token())).await.unwrap();
    let use_it = Says {
        from: 2,
        proofs: &of_root,
        ..use_it
    };
    let refused = chain_error(invoke(&node, &use_it.headers(), Body::empty()).await);
    assert_eq!(refused, ChainError::InvokedRevoked(root.cid()));
}

#[tokio::test]
async fn d10_only_whom_it_concerns_takes_a_delegation_back() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    let root = delegated(&node, &Says::default()).await.unwrap();
    let path = format!("delegation/{}", root.cid());
    let is_revoked = async || {
        let known = node.store.revocations(&[statement(&root)]).await;
        known.unwrap()[0].is_some()
    };
    let stranger = chain_error(revoke(&node, &revoking(5, &path, &[]).headers()).await);
    assert_eq!(stranger, ChainError::Revoker);
    let forged = Says {
        signed_by: Some(5),
        ..revoking(1, &path, &[])
    };
    let refused = revoke(&node, &forged.headers()).await.unwrap_err();
    assert_eq!(refused.status(), 403);
    for (since, until) in [(None, NOW - 1), (Some(NOW + 1), NOW + 60)] {
        let says = Says {
            since,
            until,
            ..revoking(1, &path, &[])
        };
        let refused = chain_error(revoke(&node, &says.headers()).await);
        assert_eq!(refused, ChainError::RevocationTime);
    }
    let missing = format!("delegation/{}", Cid::of(b"missing"));
    let refused = revoke(&node, &revoking(5, &missing, &[]).headers()).await;
    assert_eq!(refused.unwrap_err().status(), 404);
    assert!(!is_revoked().await);
    // for whom it is may give it back
    revoke(&node, &revoking(2, &path, &[]).headers())
        .await
        .unwrap();
    assert!(is_revoked().await);
}

#[tokio::test]
async fn g5_a_revoked_statement_is_not_let_in_under_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    let root = Says::default().ucan();
    let revocation = openkey_node::store::NewRevocation {
        target: statement(&root),
        token: Vec::new(),
        revoker: did(1),
        expires_ms: None,
        chain: Vec::new(),
        now_ms: NOW * 1000,
    };
    node.store.revoke(revocation).await.unwrap();
    let refused = chain_error(delegate(&node, &headers(root.token())).await);
    assert_eq!(refused, ChainError::InvokedRevoked(root.cid()));
    assert_eq!(
        node.store
            .tokens(&[root.cid()], Allowance::any())
            .await
            .unwrap()
            .all()
            .unwrap(),
        [None]
    );
}

#[tokio::test]
async fn b4_an_ability_of_another_service_means_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    for (resource, ability) in [
        ("kv/a", "tinycloud.sql/read"),
        ("sql/a", "tinycloud.kv/get"),
        ("kv/a", "tinycloud.space/create"),
        ("space", "tinycloud.kv/put"),
    ] {
        let says = Says {
            resource,
            abilities: &[ability],
            until: NOW + 60,
            ..Says::default()
        };
        let refused = invoke(&node, &says.headers(), Body::empty()).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::Bad(_)), "{refused}");
    }
    let nothing = Says {
        resource: "kv/",
        abilities: &["tinycloud.kv/put"],
        until: NOW + 60,
        ..Says::default()
    };
    let refused = invoke(&node, &nothing.headers(), Body::empty()).await;
    assert!(matches!(refused, Err(Error::Bad(_))));
    let missing = Says {
        resource: "kv/a",
        abilities: &["tinycloud.kv/del"],
        until: NOW + 60,
        ..Says::default()
    };
    let refused = invoke(&node, &missing.headers(), Body::empty()).await;
    assert!(matches!(refused, Err(Error::Store(StoreError::NoKey(_)))));
}
