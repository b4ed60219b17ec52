//! Delegations that are accepted, and revoked.

use openkey_capability::cid::Cid;
use openkey_node::allowance::Allowance;
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
    let tokens = store
        .tokens(&cids, Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
    assert_eq!(tokens, [None, Some(new.token), None]);
    let rows = store
        .delegations_in(&id, first(10), Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
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
        assert_eq!(
            store
                .tokens(&[cid], Allowance::any())
                .await
                .unwrap()
                .all()
                .unwrap(),
            [None]
        );
        assert_eq!(store.space(&id).await.unwrap(), None);
        let rows = store
            .delegations_in(&id, first(10), Allowance::any())
            .await
            .unwrap()
            .all()
            .unwrap();
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

pub(crate) async fn h10_spellings_of_one_statement_are_one_delegation(store: &dyn Store) {
    let id = hosted(store, "spelled").await;
    let new = delegation(&id);
    let spelled = |number: u8| {
        let token = vec![number; 50];
        openkey_node::store::NewDelegation {
            cid: Cid::of(&token),
            token,
            ..new.clone()
        }
    };
    store.accept(new.clone()).await.unwrap();
    for number in 0..3 {
        for _ in 0..2 {
            assert!(store.accept(spelled(number)).await.unwrap().kept);
        }
    }
    let refused = store.accept(spelled(3)).await;
    assert!(
        matches!(refused, Err(StoreError::Crowded(_))),
        "{refused:?}"
    );
    // each is found by its name, and all of them are one
    let cids = [new.cid, spelled(0).cid, spelled(2).cid, spelled(3).cid];
    let tokens = store
        .tokens(&cids, Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
    let expected = [
        Some(new.token.clone()),
        Some(vec![0; 50]),
        Some(vec![2; 50]),
        None,
    ];
    assert_eq!(tokens, expected);
    assert_eq!(
        store
            .delegations_in(&id, first(10), Allowance::any())
            .await
            .unwrap()
            .all()
            .unwrap()
            .len(),
        1
    );
    store.revoke(revocation(new.statement)).await.unwrap();
    store.accept(spelled(1)).await.unwrap();
    let refused = store.accept(spelled(3)).await;
    assert_eq!(refused, Err(StoreError::Revoked(vec![new.statement])));
}

pub(crate) async fn h10_delegations_count_for_their_space(store: &dyn Store) {
    const MIB: u64 = 1 << 20;
    let id = hosted(store, "counted").await;
    let large = |bounds| openkey_node::store::NewDelegation {
        token: vec![0; 300 * 1024],
        default_bounds: openkey_node::store::DefaultBounds {
            public: None,
            others: bounds,
        },
        ..delegation(&id)
    };
    // a mebibyte of them is free: a full space is signed in to
    for _ in 0..3 {
        store.accept(large(Some(1))).await.unwrap();
    }
    assert_eq!(store.usage(&id).await.unwrap().bytes, 0);
    let more = 1200 * 1024 - MIB;
    let (used, limit) = (0, more - 1);
    let refused = store.accept(large(Some(limit))).await;
    assert_eq!(refused, Err(StoreError::Room { used, limit }));
    store.accept(large(Some(more))).await.unwrap();
    assert_eq!(store.usage(&id).await.unwrap().bytes, more);
    let (used, limit) = (more, more);
    let refused = store.accept(large(Some(limit))).await;
    assert_eq!(refused, Err(StoreError::Full { used, limit }));
    store.accept(large(None)).await.unwrap();
    assert_eq!(store.usage(&id).await.unwrap().bytes, more + 300 * 1024);
}
