//! Secrets that operators bring.

use openkey_protocol::message::{
    EnclaveEvent, Error, ErrorCode, Key32, OperatorRequest, Response, RootStatus, SecretOrder,
    SecretStatus,
};

use openkey_enclave::{Service, service::TOLERANCE};
use openkey_verifier::{attestation::UnixMillis, release::rfc3339};

use crate::common::{
    Deployment, TestStore, code,
    deployment::{Operator, operator, signed, soon, status},
    store::{Failure, SAYINGS},
};

async fn set(
    service: &Service<TestStore>,
    place: u32,
    order: &SecretOrder,
    by: &Operator,
) -> Result<RootStatus, Error> {
    let request = OperatorRequest::SetSecret {
        operator: place,
        order: signed(order, &by.signing),
    };
    match operator(service, request).await? {
        Response::Root(status) => Ok(status),
        other => panic!("{other:?}"),
    }
}

async fn secret(service: &Service<TestStore>, name: &str) -> Option<String> {
    let secret = service.enclave().unwrap().secret(name).await.unwrap();
    secret.map(|secret| String::from_utf8(secret.to_vec()).unwrap())
}

#[tokio::test]
async fn k4_an_operators_secret_is_kept_sealed_and_survives_a_restart() {
    let (deployment, shares) = Deployment::provisioned().await;
    let service = deployment.restored(&shares).await;
    let alice = &deployment.operators[0];
    assert_eq!(secret(&service, "oidc").await, None);
    for version in [1, 2] {
        let order = deployment.order(&service, "oidc", version);
        let status = set(&service, 0, &order, alice).await.unwrap();
        let name = "oidc".to_owned();
        assert_eq!(status.secrets, [SecretStatus { name, version }]);
    }
    let order = deployment.order(&service, "kms.backup", 1);
    let order = deployment.sealed_order(&service, 2, order, b"kms.backup 1");
    set(&service, 2, &order, &deployment.operators[2])
        .await
        .unwrap();
    assert!(deployment.has(EnclaveEvent::SecretSet));
    let service = deployment.restored(&shares).await;
    assert_eq!(secret(&service, "oidc").await.unwrap(), "oidc 2");
    assert_eq!(
        secret(&service, "kms.backup").await.unwrap(),
        "kms.backup 1"
    );
    assert_eq!(status(&service).await.secrets.len(), 2);
    // What the host keeps shows neither name nor content.
    for record in deployment.store.snapshot().values() {
        let holds = |text: &[u8]| {
            let blob = record.blob.as_slice();
            blob.windows(text.len()).any(|window| window == text)
        };
        assert!(!holds(b"oidc") && !holds(b"backup"));
    }
}

#[tokio::test]
async fn k9_only_an_operators_own_order_for_this_boot_sets_a_secret() {
    let (deployment, shares) = Deployment::provisioned().await;
    let before = deployment.restored(&shares).await;
    let service = deployment.restored(&shares).await;
    let [alice, bob, _] = deployment.operators.as_slice() else {
        panic!("three operators");
    };
    let good = deployment.order(&service, "oidc", 1);
    let refuse = async |place, order: &SecretOrder, by: &Operator, expected| {
        let refused = set(&service, place, order, by).await;
        assert_eq!(code(refused), Some(expected));
    };
    let refused = ErrorCode::OperatorRefused;
    // Another's place, nobody's place, a stranger's key.
    refuse(1, &good, alice, refused).await;
    refuse(3, &good, alice, refused).await;
    refuse(0, &good, &Operator::new("mallory", 66), refused).await;
    // Recorded before a restart, or sealed to another boot.
    refuse(0, &deployment.order(&before, "oidc", 1), alice, refused).await;
    let mut relabelled = deployment.order(&before, "oidc", 1);
    relabelled.identity = Key32(service.identity());
    refuse(0, &relabelled, alice, refused).await;
    // Names, sizes.
    let bounds = ErrorCode::OutOfBounds;
    let long = "x".repeat(65);
    for name in ["", "Oidc", "a b", "ä", "a/b", long.as_str()] {
        refuse(0, &deployment.order(&service, name, 1), alice, bounds).await;
    }
    for size in [0, 4097] {
        let order = deployment.sealed_order(&service, 0, good.clone(), &vec![7; size]);
        refuse(0, &order, alice, bounds).await;
    }
    // Versions follow one another: an order does not work twice.
    let conflict = ErrorCode::Conflict;
    for version in [0, 2, u64::MAX] {
        refuse(
            0,
            &deployment.order(&service, "oidc", version),
            alice,
            conflict,
        )
        .await;
    }
    assert!(status(&service).await.secrets.is_empty());
    set(&service, 0, &good, alice).await.unwrap();
    refuse(0, &good, alice, conflict).await;
    let next = deployment.order(&service, "oidc", 2);
    let next = deployment.sealed_order(&service, 1, next, b"x");
    set(&service, 1, &next, bob).await.unwrap();
}

#[tokio::test]
async fn k9_what_one_operator_sealed_is_good_for_that_very_order_alone() {
    let (mut deployment, shares) = Deployment::provisioned().await;
    let service = deployment.restored(&shares).await;
    let good = deployment.order(&service, "oidc", 1);
    let bent = |change: fn(&mut SecretOrder)| {
        let mut bent = good.clone();
        change(&mut bent);
        bent
    };
    let not_sealed = async |place: usize, order: &SecretOrder| {
        let by = &deployment.operators[place];
        let refused = set(&service, u32::try_from(place).unwrap(), order, by).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, ErrorCode::OperatorRefused);
        assert!(
            refused.message.contains("was not sealed for"),
            "{refused:?}"
        );
    };
    // Whoever has the host finds the order of another operator, and signs it again.
    not_sealed(1, &good).await;
    for place in [0, 1] {
        not_sealed(place, &bent(|it| it.name = "other".to_owned())).await;
        not_sealed(place, &bent(|it| it.name = "oid".to_owned())).await;
        not_sealed(place, &bent(|it| it.version = 2)).await;
        not_sealed(place, &bent(|it| it.expires_at += 1)).await;
    }
    // What is over by the clock stays over.
    deployment.pass(good.expires_at - service.platform().now());
    let late = set(&service, 0, &good, &deployment.operators[0]).await;
    assert_eq!(code(late), Some(ErrorCode::OrderExpired));
    let mut later = good;
    later.expires_at = soon(&service);
    for place in [0, 1] {
        not_sealed(place, &later).await;
    }
    // Nor is it for another root key in the same boot.
    let own = std::mem::take(&mut deployment.json["root_id"]);
    deployment.json["root_id"] = "11".repeat(32).into();
    let foreign = deployment.order(&service, "oidc", 1);
    deployment.json["root_id"] = own;
    let refused = set(&service, 0, &foreign, &deployment.operators[0]).await;
    assert_eq!(code(refused), Some(ErrorCode::OperatorRefused));
    assert!(status(&service).await.secrets.is_empty());
    let again = deployment.order(&service, "oidc", 1);
    set(&service, 0, &again, &deployment.operators[0])
        .await
        .unwrap();
}

#[tokio::test]
async fn e2_an_older_record_of_secrets_is_noticed() {
    let (deployment, shares) = Deployment::provisioned().await;
    let service = deployment.restored(&shares).await;
    let alice = &deployment.operators[0];
    let empty = deployment.store.snapshot();
    set(&service, 0, &deployment.order(&service, "oidc", 1), alice)
        .await
        .unwrap();
    let first = deployment.store.snapshot();
    set(&service, 0, &deployment.order(&service, "oidc", 2), alice)
        .await
        .unwrap();
    assert!(status(&service).await.secrets_known);
    for older in [first, empty] {
        deployment.store.restore(older);
        // Unknown is not shown as none.
        deployment.pass(60_000);
        assert!(!status(&service).await.secrets_known);
        let enclave = service.enclave().unwrap();
        let refused = enclave.secret("oidc").await;
        assert_eq!(code(refused), Some(ErrorCode::RolledBack));
        let order = deployment.order(&service, "oidc", 3);
        let refused = set(&service, 0, &order, alice).await;
        assert_eq!(code(refused), Some(ErrorCode::RolledBack));
    }
}

#[tokio::test]
async fn e2_a_secret_that_was_kept_back_cannot_be_revealed_once_the_status_was_given() {
    for says in SAYINGS {
        for (passed, expected) in [(TOLERANCE - 1, None), (TOLERANCE, Some(ErrorCode::Forked))] {
            let (deployment, shares) = Deployment::provisioned().await;
            let service = deployment.restored(&shares).await;
            let alice = &deployment.operators[0];
            deployment.store.keep(Some(says));
            let refused = set(&service, 0, &deployment.order(&service, "oidc", 1), alice).await;
            assert_eq!(code(refused), Some(ErrorCode::OutcomeUnknown));
            deployment.store.keep(None);
            deployment.pass(passed);
            assert!(status(&service).await.secrets.is_empty());
            let kept = deployment.store.kept();
            deployment.store.reveal(&kept[0]);
            let read = service.enclave().unwrap().secret("oidc").await;
            assert_eq!(code(read), expected, "{says:?}");
        }
    }
}

#[tokio::test]
async fn e2_the_advice_of_an_unconfirmed_order_says_from_when_a_look_is_final() {
    for says in SAYINGS {
        for is_late in [false, true] {
            let (deployment, shares) = Deployment::provisioned().await;
            let service = deployment.restored(&shares).await;
            let alice = &deployment.operators[0];
            let order = deployment.order(&service, "oidc", 1);
            deployment.store.keep(Some(says));
            let error = set(&service, 0, &order, alice).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::OutcomeUnknown);
            deployment.store.keep(None);
            let settled = UnixMillis(order.expires_at + TOLERANCE + 60_000);
            let words = format!("after {}", rfc3339(settled));
            assert!(error.advice.contains(&words), "{words} in {error:?}");
            if is_late {
                let now = service.platform().now();
                deployment.pass(settled.0 - now);
                assert!(status(&service).await.secrets.is_empty());
                // Neither the order again, nor what the store kept back.
                let again = set(&service, 0, &order, alice).await;
                assert_eq!(code(again), Some(ErrorCode::OrderExpired));
                let kept = deployment.store.kept();
                deployment.store.reveal(&kept[0]);
                let read = service.enclave().unwrap().secret("oidc").await;
                assert_eq!(code(read), Some(ErrorCode::Forked), "{says:?}");
            } else {
                // A look in three minutes is none: the host has the order, and brings it again.
                deployment.pass(TOLERANCE + 60_000);
                assert!(status(&service).await.secrets.is_empty());
                set(&service, 0, &order, alice).await.unwrap();
                assert_eq!(secret(&service, "oidc").await.unwrap(), "oidc 1");
            }
        }
    }
}

#[tokio::test]
async fn h2_a_failing_store_loses_no_acknowledged_secret() {
    for failure in [
        Failure::Refuses,
        Failure::LosesCommit,
        Failure::LosesAnswer,
        Failure::Conflicts,
    ] {
        let (deployment, shares) = Deployment::provisioned().await;
        let service = deployment.restored(&shares).await;
        let alice = &deployment.operators[0];
        // Read, then commit.
        deployment.store.fail(1, failure);
        let order = deployment.order(&service, "oidc", 1);
        let done = set(&service, 0, &order, alice).await.is_ok();
        assert!(deployment.store.has_failed());
        let written = secret(&service, "oidc").await.is_some();
        assert_eq!(done, written, "{failure:?}");
        let next = if written { 2 } else { 1 };
        let order = deployment.order(&service, "oidc", next);
        set(&service, 0, &order, alice).await.unwrap();
    }
}
