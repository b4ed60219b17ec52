//! Withdrawals: by whom, and that nothing undoes them.

use openkey_protocol::message::{
    EnclaveEvent, ErrorCode, Hash32, OperatorRequest, PendingSuccessors, UpgradeConsent,
    UpgradeWithdrawal,
};
use openkey_verifier::successors;

use super::{
    DELAY, HIDDEN, NOT_THE_OPERATOR, REFUSED, allowed, announce, consent, deployment, hash, look,
    maintainer, manifest, order_consent, other, pending, text, withdraw, withdrawn,
};
use crate::common::{
    code,
    deployment::{operator, signed, soon, status},
    store::Failure,
};

#[tokio::test]
async fn e8_what_was_withdrawn_stays_withdrawn() {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    let bad = manifest(text(), &[11, 12]);
    announce(&service, &bad).await.unwrap();
    let seen = look(&deployment, &service, &bad).await;
    let given = signed(&seen, &deployment.operators[0].signing);
    order_consent(&service, 0, given.clone()).await.unwrap();
    let announced = deployment.store.snapshot();
    withdraw(&deployment, &service, 1, &bad).await.unwrap();
    let event = EnclaveEvent::UpgradeWithdrawn { operator: 1 };
    assert!(deployment.has(event));
    deployment.pass(DELAY);
    let none = Some(PendingSuccessors::Known(successors::hash(&[]).unwrap()));
    assert_eq!(pending(&service).await, none);
    let named = successors::withdrawn_hash(&[hash(&bad)]);
    assert_eq!(withdrawn(&service).await, named);
    // The consent again, the announcement again, with other signatures too.
    let again = UpgradeConsent {
        expires_at: soon(&service),
        ..seen
    };
    let given = signed(&again, &deployment.operators[0].signing);
    assert_eq!(
        code(order_consent(&service, 0, given.clone()).await),
        REFUSED
    );
    for signers in [[11, 12], [12, 13]] {
        assert_eq!(
            code(announce(&service, &manifest(text(), &signers)).await),
            REFUSED
        );
    }
    assert_eq!(code(allowed(&service, &bad).await), REFUSED);
    // The record from before the withdrawal.
    let after = deployment.store.snapshot();
    deployment.store.restore(announced.clone());
    assert_eq!(code(allowed(&service, &bad).await), HIDDEN);
    assert_eq!(
        code(order_consent(&service, 0, given.clone()).await),
        HIDDEN
    );
    assert_eq!(code(announce(&service, &bad).await), HIDDEN);
    // Evidence names the withdrawal whatever the store shows.
    deployment.pass(11_000);
    assert_eq!(pending(&service).await, Some(PendingSuccessors::Unknown));
    assert_eq!(withdrawn(&service).await, named);
    // A replica and a later boot read it in the record.
    deployment.store.restore(after);
    let replica = deployment.restored(&shares).await;
    assert_eq!(status(&replica).await.withdrawn, [hash(&bad)]);
    assert_eq!(code(announce(&replica, &bad).await), REFUSED);
    assert_eq!(code(allowed(&replica, &bad).await), REFUSED);
    // One that starts over the older record has the announcement, and no consent: those that were
    // given before are for another boot.
    deployment.store.restore(announced);
    let restarted = deployment.restored(&shares).await;
    assert_eq!(
        code(order_consent(&restarted, 0, given).await),
        NOT_THE_OPERATOR
    );
    let refused = allowed(&restarted, &bad).await.unwrap_err();
    assert!(
        refused.message.starts_with("0 of 1 operators"),
        "{refused:?}"
    );
    withdraw(&deployment, &restarted, 1, &bad).await.unwrap();
    assert_eq!(code(allowed(&restarted, &bad).await), REFUSED);
}

#[tokio::test]
async fn e8_a_withdrawal_holds_where_it_arrives_whatever_the_store_does() {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    let empty = deployment.store.snapshot();
    let bad = manifest(text(), &[11, 12]);
    announce(&service, &bad).await.unwrap();
    consent(&deployment, &service, 0, &bad).await.unwrap();
    deployment.pass(DELAY);
    allowed(&service, &bad).await.unwrap();
    let announced = deployment.store.snapshot();
    // The store does not answer, or hides the list, when the withdrawal comes.
    deployment.store.fail(0, Failure::Refuses);
    let failed = withdraw(&deployment, &service, 1, &bad).await;
    assert_eq!(code(failed), Some(ErrorCode::Unavailable));
    let none = successors::withdrawn_hash(&[]);
    assert_eq!(withdrawn(&service).await, none);
    assert_eq!(code(allowed(&service, &bad).await), REFUSED);
    deployment.store.restore(empty.clone());
    let failed = withdraw(&deployment, &service, 1, &bad).await;
    assert_eq!(code(failed), HIDDEN);
    deployment.store.restore(announced.clone());
    assert_eq!(code(allowed(&service, &bad).await), REFUSED);
    // It is written with the next change, or when it comes again.
    for failure in [
        Failure::LosesCommit,
        Failure::LosesAnswer,
        Failure::Conflicts,
    ] {
        deployment.store.restore(announced.clone());
        let boot = deployment.restored(&shares).await;
        deployment.store.fail(1, failure);
        let _ = withdraw(&deployment, &boot, 1, &bad).await;
        withdraw(&deployment, &boot, 1, &bad).await.unwrap();
        let replica = deployment.restored(&shares).await;
        assert_eq!(
            status(&replica).await.withdrawn,
            [hash(&bad)],
            "{failure:?}"
        );
    }
    // Before the announcement: it is refused then, and forgotten by no restart.
    deployment.store.restore(empty);
    let boot = deployment.restored(&shares).await;
    withdraw(&deployment, &boot, 2, &bad).await.unwrap();
    assert_eq!(code(announce(&boot, &bad).await), REFUSED);
    let replica = deployment.restored(&shares).await;
    assert_eq!(code(announce(&replica, &bad).await), REFUSED);
}

#[tokio::test]
async fn e8_a_withdrawal_is_an_operators_own() {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    let good = manifest(text(), &[11, 12]);
    announce(&service, &good).await.unwrap();
    let order = |root_id| UpgradeWithdrawal {
        manifest: hash(&good),
        root_id,
        expires_at: soon(&service),
    };
    let own = deployment.configuration().root_id().unwrap();
    let maintainer = maintainer(11);
    let alice = &deployment.operators[0].signing;
    for (place, order, key) in [
        (0, order(own), &maintainer),
        (1, order(own), alice),
        (3, order(own), alice),
        (0, order(Hash32([1; 32])), alice),
    ] {
        let request = OperatorRequest::Withdraw {
            operator: place,
            withdrawal: signed(&order, key),
        };
        let refused = operator(&service, request).await;
        assert_eq!(code(refused), NOT_THE_OPERATOR);
    }
    assert_eq!(status(&service).await.upgrades.len(), 1);
    assert!(status(&service).await.withdrawn.is_empty());
}

#[tokio::test]
async fn e8_the_list_is_complete_in_evidence_of_an_enclave_with_its_root_key_only() {
    let (deployment, shares) = deployment().await;
    let waiting = deployment.boot().await;
    assert_eq!(pending(&waiting).await, None);
    assert_eq!(withdrawn(&waiting).await, None);
    assert!(!status(&waiting).await.upgrades_known);
    // A store that does not answer leaves evidence, and hides the list.
    let service = deployment.restored(&shares).await;
    announce(&service, &other("0.3.0")).await.unwrap();
    deployment.pass(10_000);
    deployment.store.fail(0, Failure::Refuses);
    assert_eq!(pending(&service).await, Some(PendingSuccessors::Unknown));
    // What another replica announces shows within ten seconds.
    deployment.pass(1_000);
    let replica = deployment.restored(&shares).await;
    let before = pending(&replica).await;
    announce(&service, &other("0.3.1")).await.unwrap();
    deployment.pass(10_000);
    assert_ne!(pending(&replica).await, before);
    assert_eq!(pending(&replica).await, pending(&service).await);
}
