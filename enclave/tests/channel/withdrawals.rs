//! A withdrawal and a hand-over that meet: E8.

use std::time::Duration;

use ed25519_dalek::Signer;
use openkey_protocol::message::{
    AccountId, Action, Error, ErrorCode, HandOver, Hash32, OperatorRequest, Propose, Request,
    Response, RootState, RootStatus, Sealed, Signed, UpgradeWithdrawal, UserHandle,
};
use openkey_verifier::release::ReleaseFile;
use sha2::{Digest, Sha256};

use crate::{
    deployment::{DELAY_SECONDS, Deployment, Running, maintainer, operator_key},
    hand_over::{SUCCESSOR, announce, ask_as, consent, consenting, manifest},
};

async fn status(giver: &Running) -> RootStatus {
    match giver.ask(&Request::Status).await {
        Ok(Response::Status(status)) => status.root,
        other => panic!("{other:?}"),
    }
}

fn hash(manifest: &[u8]) -> Hash32 {
    let body = ReleaseFile::from_json(manifest).unwrap().body().unwrap();
    Hash32(Sha256::digest(body).into())
}

async fn withdraw(
    deployment: &Deployment,
    giver: &Running,
    manifest: &[u8],
) -> Result<Response, Error> {
    let order = UpgradeWithdrawal {
        manifest: hash(manifest),
        root_id: deployment.root_id,
        expires_at: deployment.time.now().0 + 300_000,
    };
    let withdrawal = Signed::new(&order, |input| operator_key().sign(input).to_bytes()).unwrap();
    let order = OperatorRequest::Withdraw {
        operator: 0,
        withdrawal,
    };
    giver.ask(&Request::Operator(order)).await
}

/// A giver, and the manifest of a successor of this image to whom it may give its root key now.
async fn allowed(deployment: &Deployment, image: u8, giver: &Running) -> Vec<u8> {
    let good = manifest(deployment, 2, image, Some(&maintainer()));
    announce(giver, &good).await;
    consent(deployment, giver).await;
    good
}

/// A successor asks for the root key.
async fn ask(
    deployment: &Deployment,
    giver: &Running,
    image: u8,
    manifest: &[u8],
) -> Result<Sealed, Error> {
    let asked = HandOver {
        root_id: deployment.root_id,
        manifest: Some(manifest.into()),
    };
    let nsm = deployment.nsm(image);
    ask_as(deployment, giver, &nsm, (2, deployment.root_id), asked).await
}

#[tokio::test]
async fn e8_a_withdrawal_that_arrives_between_evidence_and_sealing_stops_the_hand_over() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let bad = allowed(&deployment, SUCCESSOR, &giver).await;
    deployment.time.pass(DELAY_SECONDS * 1000 + 1);
    // Nothing but the hand-over itself needs random bytes after this: the clock was read, and the channel's
    // own evidence is fresh.
    let early = ask(&deployment, &giver, SUCCESSOR, b"{}").await;
    assert!(early.is_err());

    // All is checked, and the giver waits for its NSM.
    deployment.time.hold_random();
    let withdrawing = async {
        while !deployment.time.holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let withdrawn = withdraw(&deployment, &giver, &bad).await;
        deployment.time.let_go();
        withdrawn
    };
    let (given, withdrawn) = tokio::join!(ask(&deployment, &giver, SUCCESSOR, &bad), withdrawing);
    assert!(matches!(withdrawn, Ok(Response::Root(_))), "{withdrawn:?}");
    let refused = given.expect_err("the root key went to a withdrawn successor");
    assert_eq!(refused.code, ErrorCode::HandOverRefused);
    assert!(
        refused.message.contains("has just withdrawn"),
        "{refused:?}"
    );
    // The giver has lost nothing, and goes on.
    let status = status(&giver).await;
    assert_eq!(status.state, RootState::Ready);
    assert_eq!(status.withdrawn, [hash(&bad)]);
}

#[tokio::test]
async fn e8_a_withdrawal_after_the_hand_over_is_refused() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let good = allowed(&deployment, SUCCESSOR, &giver).await;
    let other = allowed(&deployment, SUCCESSOR + 1, &giver).await;
    deployment.time.pass(DELAY_SECONDS * 1000 + 1);
    ask(&deployment, &giver, SUCCESSOR, &good).await.unwrap();
    assert_eq!(status(&giver).await.state, RootState::HandedOver);

    for manifest in [&good, &other] {
        let refused = withdraw(&deployment, &giver, manifest).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Superseded);
        assert!(
            refused.message.contains("went to a successor"),
            "{refused:?}"
        );
        assert!(
            refused.advice.contains("at the enclaves of the successor"),
            "{refused:?}"
        );
    }
    // Refused, and held to: the root key is still in this enclave's memory, and goes there no more.
    for (image, manifest) in [(SUCCESSOR, &good), (SUCCESSOR + 1, &other)] {
        let refused = ask(&deployment, &giver, image, manifest).await;
        let refused = refused.expect_err("given after the withdrawal");
        assert!(refused.message.contains("withdrew"), "{refused:?}");
    }
}

#[tokio::test]
async fn e8_the_root_key_goes_to_one_successor_and_no_other() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let good = allowed(&deployment, SUCCESSOR, &giver).await;
    let other = allowed(&deployment, SUCCESSOR + 1, &giver).await;
    deployment.time.pass(DELAY_SECONDS * 1000 + 1);
    ask(&deployment, &giver, SUCCESSOR, &good).await.unwrap();

    // Announced, waited for and consented to, and too late all the same.
    let refused = ask(&deployment, &giver, SUCCESSOR + 1, &other).await;
    let refused = refused.expect_err("given to two successors");
    assert_eq!(refused.code, ErrorCode::HandOverRefused);
    assert!(refused.message.contains("successor"), "{refused:?}");
    // Nothing new waits here.
    let third = manifest(&deployment, 2, SUCCESSOR + 2, Some(&maintainer()));
    let announcing = OperatorRequest::Announce {
        manifest: third.as_slice().into(),
    };
    for order in [announcing, consenting(&deployment, &giver).await] {
        let refused = giver.ask(&Request::Operator(order)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Superseded);
        assert!(
            refused.advice.contains("the enclaves of the successor"),
            "{refused:?}"
        );
    }
    // Another replica of the successor gets it.
    ask(&deployment, &giver, SUCCESSOR, &good).await.unwrap();
    assert_eq!(status(&giver).await.state, RootState::HandedOver);
}

#[tokio::test]
async fn e8_a_request_that_the_store_held_back_is_not_answered_after_the_hand_over() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let good = allowed(&deployment, SUCCESSOR, &giver).await;
    deployment.time.pass(DELAY_SECONDS * 1000 + 1);
    let propose = Request::Propose(Propose {
        account: AccountId([1; 32]),
        user_handle: UserHandle([2; 16]),
        token: None,
        origin: "http://localhost:7100".to_owned(),
        head: None,
        action: Action::Confirm {
            receipt: Hash32([3; 32]),
        },
    });
    let unknown = giver.ask(&propose).await.unwrap_err();
    assert_eq!(unknown.code, ErrorCode::UnknownAccount);

    let hold = giver.store.hold();
    let (late, ()) = tokio::join!(giver.ask(&propose), async {
        hold.waits.notified().await;
        ask(&deployment, &giver, SUCCESSOR, &good).await.unwrap();
        assert_eq!(status(&giver).await.state, RootState::HandedOver);
        hold.release.notify_one();
    });
    assert_eq!(late.unwrap_err().code, ErrorCode::Superseded);
}
