//! Delegations that are accepted, and revoked.

use openkey_node::store::{Accepted, Revoked, Store, StoreError};

use super::common::{
    NOW, delegation, did, first, hosted, resting, revocation, space, space_of, statement,
};

pub(crate) async fn a_delegation_is_kept_once(store: &dyn Store) {
    let id = hosted(store, "once").await;
    let new = delegation(&id);
    let unknown = statement();
    store.accept(new.clone()).await.unwrap();
    let mut again = new.clone();
    again.token = b"something else".to_vec();
    again.delegatee = did(9);
    again.now_ms += 1;
    let accepted = store.accept(again).await.unwrap();
    assert_eq!(accepted.activated, std::slice::from_ref(&id));
    let cids = [
        openkey_capability::cid::Cid::of(&unknown),
        new.cid,
        openkey_capability::cid::Cid::of(b""),
    ];
    let tokens = store.tokens(&cids).await.unwrap();
    assert_eq!(tokens, [None, Some(new.token), None]);
    let rows = store.delegations_in(&id, first(10)).await.unwrap();
    assert_eq!(rows.len(), 1);
}

pub(crate) async fn a_delegation_is_activated_once_its_space_is_hosted(store: &dyn Store) {
    let (here, there) = (hosted(store, "here").await, space("there"));
    let mut new = delegation(&here);
    new.spaces.push(there.clone());
    let accepted = |activated: &[_], skipped: &[_]| Accepted {
        kept: true,
        activated: activated.to_vec(),
        skipped: skipped.to_vec(),
    };
    let before = accepted(std::slice::from_ref(&here), std::slice::from_ref(&there));
    assert_eq!(store.accept(new.clone()).await.unwrap(), before);
    assert_eq!(store.accept(new.clone()).await.unwrap(), before);
    let mut hosting = delegation(&there);
    hosting.hosts = vec![there.clone()];
    let activated = accepted(std::slice::from_ref(&there), &[]);
    assert_eq!(store.accept(hosting).await.unwrap(), activated);
    let after = accepted(&[here, there], &[]);
    assert_eq!(store.accept(new).await.unwrap(), after);
}

pub(crate) async fn g5_nothing_is_accepted_on_what_was_revoked(store: &dyn Store) {
    let id = space("revoked");
    let chain = [statement(), statement()];
    for target in chain {
        let mut new = delegation(&id);
        new.chain = chain.to_vec();
        new.hosts = vec![id.clone()];
        let cid = new.cid;
        store.revoke(revocation(target)).await.unwrap();
        let refused = store.accept(new).await.unwrap_err();
        assert!(matches!(refused, StoreError::Revoked(found) if found.contains(&target)));
        assert_eq!(store.tokens(&[cid]).await.unwrap(), [None]);
        assert_eq!(store.space(&id).await.unwrap(), None);
        let rows = store.delegations_in(&id, first(10)).await.unwrap();
        assert!(rows.is_empty());
    }
}

pub(crate) async fn revoking_twice_changes_nothing(store: &dyn Store) {
    let (target, other) = (statement(), statement());
    store.revoke(revocation(target)).await.unwrap();
    let mut again = revocation(target);
    again.revoker = did(2);
    again.now_ms += 1;
    store.revoke(again).await.unwrap();
    let revoked = Revoked {
        at_ms: NOW,
        by: did(1),
    };
    let known = store.revocations(&[other, target, target]).await.unwrap();
    assert_eq!(known, [None, Some(revoked.clone()), Some(revoked)]);
    // and time forgets none
    store.tidy(i64::MAX).await.unwrap();
    let admitted = store.admit(resting(&[target])).await;
    assert_eq!(admitted, Err(StoreError::Revoked(vec![target])));
}

pub(crate) async fn g5_nothing_is_revoked_on_what_was_revoked(store: &dyn Store) {
    let (proof, target) = (statement(), statement());
    store.revoke(revocation(proof)).await.unwrap();
    let mut new = revocation(target);
    new.chain = vec![proof];
    let refused = store.revoke(new).await;
    assert_eq!(refused, Err(StoreError::Revoked(vec![proof])));
    assert_eq!(store.revocations(&[target]).await.unwrap(), [None]);
    let id = space_of(&did(2), "any");
    store.accept(delegation(&id)).await.unwrap();
}
