//! What is revoked after a request has checked what it rests on, and before it is done.

use openkey_capability::chain::ChainError;
use openkey_capability::cid::Cid;
use openkey_capability::ucan::Ucan;
use openkey_node::allowance::Allowance;
use openkey_node::delegation::{delegate, revoke};
use openkey_node::node::Node;
use openkey_node::store::NewRevocation;

use super::delegating::{chain_error, delegated, revoking};
use super::home::{Home, home};
use super::interposed::Interposed;
use super::tokens::{NOW, Says, did, headers, statement};

/// What the store keeps when the owner takes this back.
fn taken_back(target: &Ucan) -> NewRevocation {
    NewRevocation {
        target: statement(target),
        token: Vec::new(),
        revoker: did(1),
        expires_ms: None,
        chain: Vec::new(),
        now_ms: NOW * 1000,
    }
}

async fn is_revoked(node: &Node, target: &Ucan) -> bool {
    let known = node.store.revocations(&[statement(target)]).await;
    known.unwrap()[0].is_some()
}

/// The owner's leave for 5 to revoke in their name.
async fn leave(node: &Node) -> Ucan {
    let leave = Says {
        to: did(5),
        resource: "delegation",
        abilities: &["tinycloud.delegation/revoke"],
        ..Says::default()
    };
    delegated(node, &leave).await.unwrap()
}

#[tokio::test]
async fn d8_nothing_is_accepted_on_what_was_revoked_meanwhile() {
    let Home { node, .. } = &mut home().await;
    let store = Interposed::before(node);
    let root = delegated(node, &Says::default()).await.unwrap();
    let of_root = [root.cid()];
    let child = Says {
        from: 2,
        to: did(3),
        proofs: &of_root,
        ..Says::default()
    };
    let child = child.ucan();
    let of_child = [child.cid()];
    let grandchild = Says {
        from: 3,
        to: did(4),
        proofs: &of_child,
        ..Says::default()
    };
    let grandchild = grandchild.ucan();
    delegate(node, &headers(child.token())).await.unwrap();
    store.revoke_between(taken_back(&root));
    let refused = chain_error(delegate(node, &headers(grandchild.token())).await);
    let expected = ChainError::ParentsAncestorRevoked {
        ancestor: root.cid(),
        parent: child.cid(),
    };
    assert_eq!(refused, expected);
    let kept = node
        .store
        .tokens(&[grandchild.cid()], Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
    assert_eq!(kept, [None]);
}

#[tokio::test]
async fn d10_nothing_is_revoked_by_a_leave_that_was_revoked() {
    let Home { node, .. } = &mut home().await;
    let store = Interposed::before(node);
    let target = delegated(node, &Says::default()).await.unwrap();
    let path = format!("delegation/{}", target.cid());
    let attempt = async |leave: Cid| {
        let revocation = revoking(5, &path, &[leave]).headers();
        revoke(node, &revocation).await
    };
    // before the request, and between its check and its end
    let before = leave(node).await;
    node.store.revoke(taken_back(&before)).await.unwrap();
    let refused = chain_error(attempt(before.cid()).await);
    assert_eq!(refused, ChainError::InvokedRevoked(before.cid()));
    let meanwhile = leave(node).await;
    store.revoke_between(taken_back(&meanwhile));
    let refused = chain_error(attempt(meanwhile.cid()).await);
    assert_eq!(refused, ChainError::Revoker);
    assert!(!is_revoked(node, &target).await);
    // a leave that holds
    attempt(leave(node).await.cid()).await.unwrap();
    assert!(is_revoked(node, &target).await);
}

#[tokio::test]
async fn a_leave_to_revoke_takes_itself_back_also_when_somebody_else_does() {
    let Home { node, .. } = &mut home().await;
    let store = Interposed::before(node);
    let leave = leave(node).await;
    let path = format!("delegation/{}", leave.cid());
    store.revoke_between(taken_back(&leave));
    let proofs = [leave.cid()];
    let revocation = revoking(5, &path, &proofs).headers();
    revoke(node, &revocation).await.unwrap();
    assert!(is_revoked(node, &leave).await);
}
