//! Operators' orders that a host keeps back.

use openkey_enclave::Service;
use openkey_protocol::message::{
    Error, ErrorCode, Hash32, Key32, MAX_ORDER_LIFETIME, OperatorRequest, UpgradeConsent,
    UpgradeWithdrawal,
};
use openkey_verifier::release::ReleaseFile;
use sha2::{Digest, Sha256};

use crate::{
    common::{
        Deployment, TestStore, code,
        deployment::{operator, post, signed, soon, status},
        store::Failure,
    },
    upgrades,
};

const EXPIRED: Option<ErrorCode> = Some(ErrorCode::OrderExpired);
const TOO_FAR: Option<ErrorCode> = Some(ErrorCode::OperatorRefused);
/// The life of an order in these tests.
const LIFE: u64 = 300_000;

/// A deployment with a successor that waits, and the manifest's hash.
async fn announced() -> (Deployment, Service<TestStore>, Hash32) {
    let (deployment, shares) = upgrades::deployment().await;
    let service = deployment.restored(&shares).await;
    let manifest = upgrades::manifest(upgrades::text(), &[11, 12]);
    let body = ReleaseFile::from_json(&manifest).unwrap().body().unwrap();
    let manifest = manifest.as_slice().into();
    operator(&service, OperatorRequest::Announce { manifest })
        .await
        .unwrap();
    (deployment, service, Hash32(Sha256::digest(body).into()))
}

async fn consent_of(
    deployment: &Deployment,
    service: &Service<TestStore>,
    expires_at: u64,
) -> OperatorRequest {
    let waits = status(service).await.upgrades.remove(0);
    let consent = UpgradeConsent {
        manifest: waits.manifest,
        root_id: deployment.configuration().root_id().unwrap(),
        announced_at: waits.announced_at,
        identity: Key32(service.identity()),
        expires_at,
    };
    OperatorRequest::Consent {
        operator: 0,
        consent: signed(&consent, &deployment.operators[0].signing),
    }
}

async fn give(service: &Service<TestStore>, order: &OperatorRequest) -> Result<(), Error> {
    operator(service, order.clone()).await.map(drop)
}

#[tokio::test]
async fn e8_a_consent_that_was_refused_is_worth_nothing_later() {
    let (deployment, service, _) = announced().await;
    let order = consent_of(&deployment, &service, soon(&service)).await;
    // The store hides the list: the operator reads a refusal.
    deployment.pass(60_000);
    deployment.store.fail(0, Failure::Refuses);
    assert!(give(&service, &order).await.is_err());
    // The host keeps the bytes, and repeats them when the operator looks no more.
    deployment.pass(LIFE);
    assert_eq!(code(give(&service, &order).await), EXPIRED);
    let waits = status(&service).await.upgrades.remove(0);
    assert!(waits.consents.is_empty());
    // A new one counts.
    let order = consent_of(&deployment, &service, soon(&service)).await;
    give(&service, &order).await.unwrap();
}

#[tokio::test]
async fn e8_every_order_expires_and_none_lives_long() {
    let (deployment, service, manifest) = announced().await;
    let now = service.platform().now();
    let key = &deployment.operators[0].signing;
    let orders = async |expires_at| {
        let mut secret = deployment.order(&service, "oidc", 1);
        secret.expires_at = expires_at;
        let secret = deployment.sealed_order(&service, 0, secret, b"oidc");
        let withdrawal = UpgradeWithdrawal {
            manifest,
            root_id: deployment.configuration().root_id().unwrap(),
            expires_at,
        };
        [
            consent_of(&deployment, &service, expires_at).await,
            OperatorRequest::SetSecret {
                operator: 0,
                order: signed(&secret, key),
            },
            OperatorRequest::Withdraw {
                operator: 0,
                withdrawal: signed(&withdrawal, key),
            },
        ]
    };
    for (expires_at, expected) in [
        (0, EXPIRED),
        (now, EXPIRED),
        (now + MAX_ORDER_LIFETIME + 1, TOO_FAR),
        (u64::MAX, TOO_FAR),
    ] {
        for order in orders(expires_at).await {
            assert_eq!(code(give(&service, &order).await), expected, "{order:?}");
        }
    }
    let state = status(&service).await;
    assert!(state.withdrawn.is_empty() && state.secrets.is_empty());
    assert!(state.upgrades[0].consents.is_empty());
    for order in orders(now + MAX_ORDER_LIFETIME).await {
        give(&service, &order).await.unwrap();
    }
}

#[tokio::test]
async fn e7_a_share_that_was_kept_back_expires() {
    let (deployment, shares) = Deployment::provisioned().await;
    let service = deployment.boot().await;
    let expires_at = soon(&service);
    let sealed = deployment.sealed(&service, &shares[0], expires_at);
    deployment.pass(LIFE);
    // Neither as it was sent, nor with another expiry beside it: the seal binds it.
    let late = post(&service, 0, sealed.clone(), expires_at).await;
    assert_eq!(code(late), EXPIRED);
    let later = post(&service, 0, sealed, soon(&service)).await;
    assert_eq!(code(later), Some(ErrorCode::OperatorRefused));
    let far = service.platform().now() + MAX_ORDER_LIFETIME + 1;
    let sealed = deployment.sealed(&service, &shares[0], far);
    assert_eq!(code(post(&service, 0, sealed, far).await), TOO_FAR);
    deployment.post(&service, 0, &shares[0]).await.unwrap();
}
