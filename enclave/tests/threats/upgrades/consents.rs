//! An operator's consent: for what, where and by whom it counts.

use openkey_protocol::message::{PendingSuccessors, Signed, UpgradeConsent, UpgradeWithdrawal};
use openkey_verifier::successors;
use serde_json::json;

use super::{
    DELAY, NOT_THE_OPERATOR, REFUSED, allowed, announce, consent, deployment, look, manifest,
    order_consent, other, pending, text,
};
use crate::common::{
    code,
    deployment::{signed, status},
};

#[tokio::test]
async fn e8_a_consent_is_for_one_manifest_deployment_announcement_boot_and_operator() {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    let good = manifest(text(), &[11, 12]);
    announce(&service, &good).await.unwrap();
    announce(&service, &other("0.3.0")).await.unwrap();
    deployment.pass(DELAY);
    let seen = look(&deployment, &service, &good).await;
    let bent = |change: fn(&mut UpgradeConsent)| {
        let mut bent = seen.clone();
        change(&mut bent);
        bent
    };
    let (alice, bob) = (&deployment.operators[0], &deployment.operators[1]);
    for (why, place, expected, consent) in [
        (
            "another deployment",
            0,
            NOT_THE_OPERATOR,
            bent(|it| it.root_id.0[0] ^= 1),
        ),
        (
            "earlier",
            0,
            NOT_THE_OPERATOR,
            bent(|it| it.announced_at -= 1),
        ),
        (
            "later",
            0,
            NOT_THE_OPERATOR,
            bent(|it| it.announced_at += 1),
        ),
        (
            "another boot",
            0,
            NOT_THE_OPERATOR,
            bent(|it| it.identity.0[0] ^= 1),
        ),
        (
            "not announced",
            0,
            REFUSED,
            bent(|it| it.manifest.0[0] ^= 1),
        ),
        ("another operator's key", 1, NOT_THE_OPERATOR, seen.clone()),
        ("no operator", 3, NOT_THE_OPERATOR, seen.clone()),
    ] {
        let refused = order_consent(&service, place, signed(&consent, &alice.signing)).await;
        assert_eq!(code(refused), expected, "{why}");
        assert_eq!(code(allowed(&service, &good).await), REFUSED, "{why}");
    }
    // A signature over another kind of statement, and a changed one.
    let withdrawal = UpgradeWithdrawal {
        manifest: seen.manifest,
        root_id: seen.root_id,
        expires_at: seen.expires_at,
    };
    let withdrawal = signed(&withdrawal, &alice.signing);
    let retyped = Signed::from_parts(withdrawal.body, withdrawal.signature);
    let refused = order_consent(&service, 0, retyped).await;
    assert_eq!(code(refused), NOT_THE_OPERATOR);
    let own = signed(&seen, &bob.signing);
    let foreign = signed(&seen, &alice.signing);
    let mixed = Signed::from_parts(own.body, foreign.signature);
    assert_eq!(
        code(order_consent(&service, 1, mixed).await),
        NOT_THE_OPERATOR
    );
    assert!(
        status(&service)
            .await
            .upgrades
            .iter()
            .all(|it| it.consents.is_empty())
    );

    // The right one is for this successor alone, and the list in the evidence says so.
    order_consent(&service, 1, signed(&seen, &bob.signing))
        .await
        .unwrap();
    let listed = status(&service).await.upgrades;
    assert_eq!(
        (&listed[0].consents, &listed[1].consents),
        (&vec![1], &vec![])
    );
    let list = successors::hash(&listed).unwrap();
    assert_eq!(
        pending(&service).await,
        Some(PendingSuccessors::Known(list))
    );
    allowed(&service, &good).await.unwrap();
    assert_eq!(code(allowed(&service, &other("0.3.0")).await), REFUSED);
}

#[tokio::test]
async fn e8_as_many_different_operators_consent_as_the_configuration_says() {
    let (mut deployment, shares) = deployment().await;
    deployment.json["upgrade_consent"] = json!(2);
    let service = deployment.restored(&shares).await;
    let good = manifest(text(), &[11, 12]);
    announce(&service, &good).await.unwrap();
    deployment.pass(DELAY);
    for _ in 0..2 {
        consent(&deployment, &service, 2, &good).await.unwrap();
        let refused = allowed(&service, &good).await.unwrap_err();
        assert!(
            refused.message.starts_with("1 of 2 operators"),
            "{refused:?}"
        );
    }
    consent(&deployment, &service, 0, &good).await.unwrap();
    allowed(&service, &good).await.unwrap();
    let listed = status(&service).await.upgrades;
    assert_eq!(
        (&listed[0].consents, listed[0].consents_needed),
        (&vec![0, 2], 2)
    );
}
