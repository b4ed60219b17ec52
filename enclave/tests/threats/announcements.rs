//! Which announcements and withdrawals of successors count where, and what evidence says of them.

use openkey_protocol::message::{ErrorCode, PendingSuccessors};
use openkey_verifier::{release::Text, successors};
use serde_json::json;

use crate::{
    common::{TestNsm, code, deployment::status, store::SAYINGS},
    upgrades::{
        DELAY, REFUSED, allowed, announce, consent, deployment, hash, manifest, other, pending,
        text, withdraw, withdrawn,
    },
};

#[tokio::test]
async fn e8_what_runs_is_no_successor_and_fills_no_list() {
    let (deployment, shares) = deployment().await;
    let nsm = TestNsm::new(&deployment.monotonic).measuring(7);
    let service = deployment.boot_on(nsm, Vec::new()).await.unwrap();
    for place in [0, 2] {
        let share = &shares[usize::try_from(place).unwrap()];
        deployment.post(&service, place, share).await.unwrap();
    }
    let measured = *service.platform().measured();
    let own = |release: String, epoch| {
        let image = (0..).zip(measured.image);
        let text = Text {
            release,
            epoch,
            measurements: image
                .map(|(index, pcr): (u8, _)| (index.to_string(), hex::encode(pcr.0)))
                .collect(),
            configuration: Some(hex::encode(deployment.configuration().hash().0)),
            ..text()
        };
        manifest(text, &[11, 12])
    };
    let before = deployment.store.snapshot();
    // Epochs too: what measures the same has the same one, whatever a manifest says.
    for epoch in [1, 2, 7] {
        for number in 0..24 {
            let refused = announce(&service, &own(format!("1.{epoch}.{number}"), epoch)).await;
            let refused = refused.unwrap_err();
            assert_eq!(refused.code, ErrorCode::ManifestRefused);
            assert!(
                refused
                    .message
                    .contains("this very image and configuration"),
                "{refused:?}"
            );
        }
    }
    assert!(
        deployment.store.snapshot() == before,
        "something was stored"
    );
    // Everything that was taken is shown, and the next one finds room.
    for number in 0..16 {
        announce(&service, &other(&format!("0.3.{number}")))
            .await
            .unwrap();
    }
    let listed = status(&service).await.upgrades;
    assert_eq!(listed.len(), 16);
    let named = successors::hash(&listed).unwrap();
    assert_eq!(
        pending(&service).await,
        Some(PendingSuccessors::Known(named))
    );
}

#[tokio::test]
async fn e8_a_successor_starts_without_the_announcements_of_its_predecessor() {
    let (mut deployment, shares) = deployment().await;
    let before = deployment.restored(&shares).await;
    let (bad, gone) = (other("0.3.0"), other("0.3.1"));
    for manifest in [&bad, &gone] {
        announce(&before, manifest).await.unwrap();
    }
    withdraw(&deployment, &before, 1, &gone).await.unwrap();
    for number in 0..15 {
        announce(&before, &other(&format!("0.4.{number}")))
            .await
            .unwrap();
    }
    let waits = status(&before).await.upgrades;
    deployment.pass(DELAY);

    // The same image with another configuration, over the same records: another successor.
    deployment.json["rp_name"] = json!("Elsewhere");
    let after = deployment.restored(&shares).await;
    let said = status(&after).await;
    assert!(said.upgrades_known && said.upgrades.is_empty(), "{said:?}");
    let none = successors::hash(&[]).unwrap();
    assert_eq!(pending(&after).await, Some(PendingSuccessors::Known(none)));
    let refused = allowed(&after, &bad).await.unwrap_err();
    assert_eq!(refused.message, "The successor was not announced.");
    // What was withdrawn stays withdrawn.
    assert_eq!(said.withdrawn, [hash(&gone)]);
    assert_eq!(code(announce(&after, &gone).await), REFUSED);

    // Announced here, the delay begins here.
    announce(&after, &bad).await.unwrap();
    let listed = status(&after).await.upgrades;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].announced_at, after.platform().now());
    assert_eq!(listed[0].allowed_from, after.platform().now() + DELAY);
    consent(&deployment, &after, 0, &bad).await.unwrap();
    let refused = allowed(&after, &bad).await.unwrap_err();
    assert_eq!(refused.message, "The successor's delay is not over.");
    deployment.pass(DELAY);
    allowed(&after, &bad).await.unwrap();
    // And the predecessor, while it runs, loses nothing.
    let said = status(&before).await;
    assert!(said.upgrades_known);
    assert_eq!(said.upgrades, waits);
}

#[tokio::test]
async fn e8_a_withdrawal_that_was_not_written_is_confirmed_by_nothing() {
    for says in SAYINGS {
        let (deployment, shares) = deployment().await;
        let service = deployment.restored(&shares).await;
        let bad = other("0.3.0");
        announce(&service, &bad).await.unwrap();
        consent(&deployment, &service, 0, &bad).await.unwrap();
        deployment.pass(DELAY);
        // Another program has the store's lock, or its disk is full: it reads, and takes nothing.
        deployment.store.keep(Some(says));
        for _ in 0..2 {
            let failed = withdraw(&deployment, &service, 1, &bad).await.unwrap_err();
            assert_eq!(failed.code, ErrorCode::OutcomeUnknown, "{says:?}");
            assert!(
                failed
                    .message
                    .contains("until this enclave restarts, and comes back then"),
                "{failed:?}"
            );
            assert!(
                failed.advice.contains("again when the store works"),
                "{failed:?}"
            );
            // It holds here, and is no word to anybody.
            assert_eq!(code(allowed(&service, &bad).await), REFUSED);
            assert_eq!(withdrawn(&service).await, successors::withdrawn_hash(&[]));
            let said = status(&service).await;
            assert!(said.upgrades_known && said.withdrawn.is_empty(), "{said:?}");
            assert_eq!(said.upgrades[0].manifest, hash(&bad), "it would be back");
        }
        deployment.store.keep(None);
        let restarted = deployment.restored(&shares).await;
        assert_eq!(status(&restarted).await.upgrades[0].manifest, hash(&bad));

        // Again, with a store that works.
        withdraw(&deployment, &service, 1, &bad).await.unwrap();
        let named = successors::withdrawn_hash(&[hash(&bad)]);
        assert_eq!(withdrawn(&service).await, named);
        let restarted = deployment.restored(&shares).await;
        let said = status(&restarted).await;
        assert!(said.upgrades.is_empty());
        assert_eq!(said.withdrawn, [hash(&bad)]);
    }
}
