//! Announcements that the host hides, keeps back, or crowds out.

use openkey_enclave::{Service, service::TOLERANCE};
use openkey_protocol::message::{EnclaveEvent, ErrorCode, PendingSuccessors, Write};
use openkey_verifier::successors;

use super::{
    DELAY, HIDDEN, allowed, announce, consent, deployment, hash, manifest, other, pending, text,
    withdraw,
};
use crate::common::{
    Deployment, TestStore, code,
    deployment::status,
    store::{SAYINGS, Says},
};

#[tokio::test]
async fn e8_a_hidden_announcement_is_unknown_and_gives_nothing() {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    let before = deployment.store.snapshot();
    let none = pending(&service).await;
    assert_eq!(
        none,
        Some(PendingSuccessors::Known(successors::hash(&[]).unwrap()))
    );
    let bad = manifest(text(), &[11, 12]);
    announce(&service, &bad).await.unwrap();
    // Even if an operator consented to it before the host hid it.
    consent(&deployment, &service, 0, &bad).await.unwrap();
    let shown = deployment.store.snapshot();
    deployment.store.restore(before);
    deployment.pass(DELAY);
    let said = status(&service).await;
    assert!(!said.upgrades_known);
    assert_eq!(said.upgrades[0].manifest, hash(&bad), "remembered");
    assert_eq!(pending(&service).await, Some(PendingSuccessors::Unknown));
    assert_eq!(code(allowed(&service, &bad).await), HIDDEN);
    // Nothing new is taken on top of a list that is not known.
    assert_eq!(code(announce(&service, &other("0.3.0")).await), HIDDEN);
    let refused = consent(&deployment, &service, 1, &bad).await;
    assert_eq!(code(refused), HIDDEN);
    // The evidence names the list again once it is shown.
    deployment.store.restore(shown);
    deployment.pass(1_000);
    let said = status(&service).await;
    assert!(said.upgrades_known);
    let list = successors::hash(&said.upgrades).unwrap();
    assert_eq!(
        pending(&service).await,
        Some(PendingSuccessors::Known(list))
    );
}

/// An announcement that the store keeps back after it has another one, or none.
async fn kept_back(
    says: Says,
    first: bool,
) -> (Deployment, Service<TestStore>, Vec<u8>, Vec<Write>) {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    if !first {
        announce(&service, &other("0.3.0")).await.unwrap();
    }
    let bad = manifest(text(), &[11, 12]);
    deployment.store.keep(Some(says));
    let error = announce(&service, &bad).await.unwrap_err();
    deployment.store.keep(None);
    assert_eq!(error.code, ErrorCode::OutcomeUnknown, "{says:?}");
    assert!(error.advice.contains("announce it again"), "{error:?}");
    let kept = deployment.store.kept().swap_remove(0);
    (deployment, service, bad, kept)
}

#[tokio::test]
async fn e8_an_announcement_that_was_kept_back_never_appears_with_its_delay_running() {
    for says in SAYINGS {
        for (first, by_evidence) in [(true, true), (true, false), (false, true), (false, false)] {
            let (deployment, service, bad, kept) = kept_back(says, first).await;
            deployment.pass(TOLERANCE);
            if by_evidence {
                let list = pending(&service).await;
                assert!(matches!(list, Some(PendingSuccessors::Known(_))));
            } else {
                let said = status(&service).await;
                assert!(said.upgrades_known);
                assert_eq!(said.upgrades.len(), usize::from(!first));
            }
            deployment.store.reveal(&kept);
            deployment.pass(DELAY);
            let said = status(&service).await;
            assert!(!said.upgrades_known, "{says:?} {first}");
            assert!(said.upgrades.iter().all(|it| it.manifest != hash(&bad)));
            assert_eq!(pending(&service).await, Some(PendingSuccessors::Unknown));
            assert_eq!(code(allowed(&service, &bad).await), HIDDEN);
            assert!(deployment.has(EnclaveEvent::Forked));
        }
    }
}

#[tokio::test]
async fn e8_an_announcement_that_comes_a_little_late_is_listed() {
    for says in SAYINGS {
        for first in [true, false] {
            let (deployment, service, bad, kept) = kept_back(says, first).await;
            deployment.pass(TOLERANCE - 1);
            assert!(status(&service).await.upgrades_known);
            deployment.store.reveal(&kept);
            deployment.pass(DELAY);
            let said = status(&service).await;
            assert!(said.upgrades_known, "{says:?} {first}");
            assert!(said.upgrades.iter().any(|it| it.manifest == hash(&bad)));
        }
    }
}

#[tokio::test]
async fn e8_a_later_record_without_the_announcement_is_hidden_too() {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    let before = deployment.store.snapshot();
    let bad = manifest(text(), &[11, 12]);
    announce(&service, &bad).await.unwrap();
    consent(&deployment, &service, 0, &bad).await.unwrap();
    // A replica over the older store writes as many versions as are needed.
    deployment.store.restore(before);
    let replica = deployment.restored(&shares).await;
    for release in ["0.3.0", "0.3.1"] {
        announce(&replica, &other(release)).await.unwrap();
    }
    deployment.pass(DELAY);
    let said = status(&service).await;
    assert!(!said.upgrades_known);
    assert!(said.upgrades.iter().any(|it| it.manifest == hash(&bad)));
    assert!(deployment.has(EnclaveEvent::Forked));
    for manifest in [bad, other("0.3.0")] {
        assert_eq!(code(allowed(&service, &manifest).await), HIDDEN);
    }
}

#[tokio::test]
async fn e8_no_announcement_pushes_another_one_out() {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    let known = manifest(text(), &[11, 12]);
    announce(&service, &known).await.unwrap();
    let listed = status(&service).await.upgrades;
    // The same again, whoever signed it.
    for signers in [[11, 12], [12, 13], [11, 13]] {
        for _ in 0..16 {
            deployment.pass(10_000);
            announce(&service, &manifest(text(), &signers))
                .await
                .unwrap();
        }
    }
    assert_eq!(status(&service).await.upgrades, listed);
    // Others, up to the bound, which refuses the next.
    for number in 1..16 {
        announce(&service, &other(&format!("0.3.{number}")))
            .await
            .unwrap();
    }
    let full = status(&service).await.upgrades;
    assert_eq!((full.len(), &full[0]), (16, &listed[0]));
    for number in 16..20 {
        let refused = announce(&service, &other(&format!("0.3.{number}"))).await;
        assert_eq!(code(refused), Some(ErrorCode::Full));
    }
    assert_eq!(status(&service).await.upgrades, full);
    // The first one can still be announced again, withdrawn and then replaced.
    announce(&service, &known).await.unwrap();
    withdraw(&deployment, &service, 2, &known).await.unwrap();
    announce(&service, &other("0.3.16")).await.unwrap();
    let listed = status(&service).await;
    assert_eq!(
        (listed.upgrades.len(), listed.withdrawn),
        (16, vec![hash(&known)])
    );
}
