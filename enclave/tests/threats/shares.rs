//! Waiting for the root key: operators' shares, and sources that give the wrong one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use openkey_enclave::{Platform, RootKey, RootKeySource, SourceError, root::Obtaining};
use openkey_protocol::message::{
    EnclaveEvent, ErrorCode, OperatorRequest, Request, RootSource, RootState,
};
use serde_json::json;

use crate::common::{
    Deployment, Person, ask, code,
    deployment::{binding, operator, post, soon, status},
    evidence,
    person::{sign_in, text},
};

#[tokio::test]
async fn k1_two_of_three_shares_make_the_root_key_again() {
    let (deployment, shares) = Deployment::provisioned().await;
    let service = deployment.boot().await;
    let message = async || sign_in(&service).await.err().unwrap().message;
    assert_eq!(message().await, "waiting for root key: 0 of 2 shares");
    let refused = sign_in(&service).await;
    assert_eq!(code(refused), Some(ErrorCode::AwaitingRootKey));

    let posted = deployment.post(&service, 2, &shares[2]).await.unwrap();
    assert_eq!(posted.state, RootState::Waiting { have: 1, need: 2 });
    assert_eq!(posted.sources[1].explanation, "1 of 2 shares.");
    assert_eq!(message().await, "waiting for root key: 1 of 2 shares");
    // The same share again is still one.
    let posted = deployment.post(&service, 2, &shares[2]).await.unwrap();
    assert_eq!(posted.state, RootState::Waiting { have: 1, need: 2 });
    let before = evidence(&service, vec![1; 16]).await.unwrap();
    assert_eq!(binding(before.document.as_slice()).root_source, None);

    let posted = deployment.post(&service, 0, &shares[0]).await.unwrap();
    assert_eq!(posted.state, RootState::Ready);
    let source = RootSource::Operators;
    assert!(deployment.has(EnclaveEvent::RootReady { source }));
    let after = evidence(&service, vec![1; 16]).await.unwrap();
    let said = binding(after.document.as_slice());
    assert_eq!(said.root_source, Some(source));
    assert_eq!(said.root_id, deployment.configuration().root_id());
    // A late share, good or not, changes nothing, and nobody is told that it was taken.
    for share in [&shares[1], &[0; 32]] {
        let late = deployment.post(&service, 1, share).await.unwrap_err();
        assert_eq!(late.code, ErrorCode::OperatorRefused);
        assert!(late.message.contains("was not opened"), "{late:?}");
    }
    assert_eq!(status(&service).await.state, RootState::Ready);

    // Whichever two: the records open again.
    let mut person = Person::register(&service, 1).await;
    drop(service);
    for (one, two) in [(0, 1), (1, 2), (2, 0)] {
        let service = deployment.boot().await;
        for place in [one, two] {
            let share = &shares[usize::try_from(place).unwrap()];
            deployment.post(&service, place, share).await.unwrap();
        }
        person.sign_in(&service).await.unwrap();
        person.act(&service, text("x")).await.unwrap();
    }
}

#[tokio::test]
async fn k9_a_wrong_share_names_its_operator_and_counts_for_nothing() {
    let (deployment, shares) = Deployment::provisioned().await;
    let service = deployment.boot().await;
    deployment.post(&service, 0, &shares[0]).await.unwrap();
    let mut bent = shares[1];
    bent[31] ^= 1;
    let wrong = "Share of operator bob: it is not the one that was made at the genesis.";
    for (place, share, message) in [
        (1, &bent[..], wrong),
        (1, &shares[0][..], wrong),
        (1, &shares[2][..], wrong),
        (1, &[0; 32][..], wrong),
        (
            1,
            &[][..],
            "Share of operator bob: it has not the length of a share.",
        ),
        (
            1,
            &[1; 33][..],
            "Share of operator bob: it has not the length of a share.",
        ),
        (3, &shares[1][..], "There is no such operator."),
        (u32::MAX, &shares[1][..], "There is no such operator."),
    ] {
        let refused = deployment.post(&service, place, share).await.err().unwrap();
        assert_eq!(refused.code, ErrorCode::OperatorRefused);
        assert_eq!(refused.message, message);
        assert_eq!(
            status(&service).await.state,
            RootState::Waiting { have: 1, need: 2 }
        );
    }
    let event = EnclaveEvent::Share {
        operator: 1,
        good: false,
    };
    assert!(deployment.has(event));
    // A wrong one does not push a good one out either.
    deployment.post(&service, 0, &bent).await.unwrap_err();
    let posted = deployment.post(&service, 1, &shares[1]).await.unwrap();
    assert_eq!(posted.state, RootState::Ready);
}

#[tokio::test]
async fn e7_a_share_for_one_boot_is_worth_nothing_at_another() {
    let (deployment, shares) = Deployment::provisioned().await;
    let first = deployment.boot().await;
    let second = deployment.boot().await;
    let expires_at = soon(&first);
    let sealed = deployment.sealed(&first, &shares[0], expires_at);
    let refused = post(&second, 0, sealed.clone(), expires_at)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code, ErrorCode::OperatorRefused);
    assert_eq!(
        refused.message,
        "Share of operator alice: it was not sealed for this boot, root id and expiry."
    );
    assert!(post(&first, 0, sealed, expires_at).await.is_ok());
}

#[tokio::test]
async fn f10_shares_for_the_right_configuration_do_not_open_under_another() {
    let (deployment, shares) = Deployment::provisioned().await;
    let right = deployment.boot().await;
    let changes = [
        ("rp_name", json!("Mallory's")),
        ("origins", json!(["http://localhost:6666"])),
        ("upgrade_delay_seconds", json!(1)),
        ("identity_providers", json!(["mallory.example"])),
        ("root_sources", json!(["operators"])),
    ];
    for (member, value) in changes {
        // The genuine program over the genuine descriptor, with one value changed.
        let mut changed = Deployment::new();
        changed.json = deployment.json.clone();
        changed.json[member] = value;
        changed.files = deployment.files.clone();
        let service = changed.boot().await;
        // What an operator's command compares before it posts.
        let measured = |service: &openkey_enclave::Service<_>| *service.platform().measured();
        assert_ne!(
            measured(&service).configuration,
            measured(&right).configuration
        );
        let (there, here) = (
            service.platform().binding(None),
            right.platform().binding(None),
        );
        assert_ne!(there.configuration, here.configuration, "{member}");
        // What was sealed for the right one does not open.
        for (place, share) in (0..).zip(&shares) {
            let expires_at = soon(&right);
            let sealed = deployment.sealed(&right, share, expires_at);
            let refused = post(&service, place, sealed, expires_at).await;
            assert_eq!(code(refused), Some(ErrorCode::OperatorRefused), "{member}");
        }
        assert_eq!(
            status(&service).await.state,
            RootState::Waiting { have: 0, need: 2 }
        );
    }
}

#[tokio::test]
async fn h2_a_restart_between_shares_begins_anew_and_keeps_nothing() {
    let (deployment, shares) = Deployment::provisioned().await;
    let service = deployment.boot().await;
    deployment.post(&service, 0, &shares[0]).await.unwrap();
    drop(service);
    assert!(deployment.store.snapshot().is_empty());
    let service = deployment.boot().await;
    assert_eq!(
        status(&service).await.state,
        RootState::Waiting { have: 0, need: 2 }
    );
    deployment.post(&service, 1, &shares[1]).await.unwrap();
    assert!(sign_in(&service).await.is_err());
    deployment.post(&service, 0, &shares[0]).await.unwrap();
    assert!(sign_in(&service).await.is_ok());
}

#[tokio::test]
async fn m6_shares_and_secrets_are_not_taken_where_they_do_not_belong() {
    let mut deployment = Deployment::new();
    let service = deployment.boot().await;
    deployment.json["root_id"] = json!("11".repeat(32));
    let refused = deployment.post(&service, 0, &[1; 32]).await.err().unwrap();
    assert_eq!(refused.message, "This enclave awaits no shares.");
    let announce = OperatorRequest::Announce {
        manifest: b"{}".as_slice().into(),
    };
    let refused = operator(&service, announce).await;
    assert_eq!(code(refused), Some(ErrorCode::AwaitingRootKey));
    let hand_over = Request::HandOver(openkey_protocol::message::HandOver {
        root_id: openkey_protocol::message::Hash32([1; 32]),
        manifest: None,
    });
    let refused = ask(&service, &hand_over).await;
    assert_eq!(code(refused), Some(ErrorCode::HandOverRefused));

    // A configuration that takes its root key from peers only.
    let (mut deployment, shares) = Deployment::provisioned().await;
    deployment.json["root_sources"] = json!(["hand_over"]);
    let service = deployment.boot().await;
    let refused = deployment.post(&service, 0, &shares[0]).await;
    assert_eq!(code(refused), Some(ErrorCode::OperatorRefused));
}

/// A source that gives these keys in turn.
struct Giving {
    source: RootSource,
    keys: Vec<Option<[u8; 32]>>,
    asked: Arc<AtomicUsize>,
}

impl RootKeySource for Giving {
    fn source(&self) -> RootSource {
        self.source
    }

    fn obtain<'a>(&'a self, _: &'a Platform) -> Obtaining<'a, RootKey> {
        let at = self.asked.fetch_add(1, Ordering::SeqCst);
        let key = self.keys.get(at).copied().flatten();
        Box::pin(async move {
            let error = || SourceError::new("Nobody answers.");
            key.map(|key| RootKey::new(&key)).ok_or_else(error)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn e4_a_source_with_a_wrong_or_trivial_key_is_explained_and_asked_again() {
    // The attacker replaced the wrapped key: the pinned commitment tells.
    let (mut deployment, shares) = Deployment::provisioned().await;
    deployment.json["root_sources"] = json!(["operators", "hand_over"]);
    let asked = Arc::new(AtomicUsize::new(0));
    let keys = vec![
        None,
        Some([7; 32]),
        Some(core::array::from_fn(|at| at as u8)),
    ];
    let source = Giving {
        source: RootSource::HandOver,
        keys,
        asked: asked.clone(),
    };
    let service = deployment.try_boot(vec![Box::new(source)]).await.unwrap();
    let wrong = "What it gives is not the root key of the configured root_id.";
    for explanation in ["Nobody answers.", "What it gives is no proper key.", wrong] {
        let before = asked.load(Ordering::SeqCst);
        for _ in 0..100 {
            if asked.load(Ordering::SeqCst) > before {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        tokio::task::yield_now().await;
        let sources = status(&service).await.sources;
        assert_eq!(
            sources[0].source,
            RootSource::Operators,
            "the configured order"
        );
        assert_eq!(sources[1].explanation, explanation);
        assert!(sign_in(&service).await.is_err());
    }
    let source = RootSource::HandOver;
    assert!(deployment.has(EnclaveEvent::RootSourceFailed { source }));
    // Meanwhile the operators' shares are taken.
    deployment.post(&service, 0, &shares[0]).await.unwrap();
    deployment.post(&service, 1, &shares[1]).await.unwrap();
    assert_eq!(status(&service).await.state, RootState::Ready);
    // And then nobody is asked any more.
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    let after = asked.load(Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    assert_eq!(asked.load(Ordering::SeqCst), after);
}

#[tokio::test]
async fn k1_sources_that_the_configuration_does_not_name_are_not_asked() {
    let (mut deployment, _) = Deployment::provisioned().await;
    deployment.json["root_sources"] = json!(["operators"]);
    let asked = Arc::new(AtomicUsize::new(0));
    let source = Giving {
        source: RootSource::Kms,
        keys: Vec::new(),
        asked: asked.clone(),
    };
    let service = deployment.try_boot(vec![Box::new(source)]).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_eq!(status(&service).await.sources.len(), 1);
}
