//! Successors: what the release keys of the giver's own configuration signed, after its delay.

use std::sync::Arc;

use ed25519_dalek::{Signer, SigningKey};
use openkey_enclave::{Configuration, Parts, Service, boot, event::Silent, service::TOLERANCE};
use openkey_protocol::{
    message::{
        BootFiles, EnclaveEvent, Error, ErrorCode, Hash32, Key32, OperatorRequest,
        PendingSuccessors, Signed, UpgradeConsent, UpgradeWithdrawal, Write,
    },
    store::RecordStore,
};
use openkey_verifier::{
    attestation::UnixMillis,
    configuration::pcr,
    release::{ReleaseFile, Text, rfc3339},
    successors,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::common::{
    Deployment, Fixed, ORIGIN, START, TestNsm, TestStore, World, code,
    deployment::{binding, operator, signed, soon, status},
    evidence,
    store::{Failure, SAYINGS, Says},
};

pub(crate) const DELAY: u64 = 3_600_000;

fn maintainer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// A manifest of the successor, valid for a week around the start.
pub(crate) fn text() -> Text {
    let hash = |digit: &str, count| digit.repeat(count);
    Text {
        version: 1,
        name: "openkey-enclave".to_owned(),
        release: "0.2.0".to_owned(),
        epoch: 2,
        source_commit: hash("a", 40),
        cargo_lock_sha256: hash("b", 64),
        toolchain: Default::default(),
        measurements: [("0", "1"), ("1", "2"), ("2", "3")]
            .map(|(index, digit)| (index.to_owned(), hash(digit, 96)))
            .into(),
        configuration: Some(hash("c", 64)),
        page: None,
        not_before: "2026-09-20T00:00:00Z".to_owned(),
        not_after: "2026-09-30T00:00:00Z".to_owned(),
    }
}

pub(crate) fn manifest(text: Text, signers: &[u8]) -> Vec<u8> {
    let mut file = ReleaseFile::unsigned(text).unwrap();
    for seed in signers {
        let key = maintainer(*seed);
        let signature = key.sign(&file.input().unwrap()).to_bytes();
        let public = Key32(key.verifying_key().to_bytes());
        file.add(public, signature).unwrap();
    }
    file.to_json().unwrap().into_bytes()
}

/// A deployment with two of three maintainers and an hour's delay.
pub(crate) async fn deployment() -> (Deployment, Vec<[u8; 32]>) {
    let mut deployment = Deployment::new();
    let keys = [11, 12, 13].map(|seed| hex::encode(maintainer(seed).verifying_key().to_bytes()));
    deployment.json["release_keys"] = json!({ "threshold": 2, "keys": keys });
    deployment.json["upgrade_delay_seconds"] = json!(DELAY / 1000);
    let service = deployment.boot().await;
    let made = crate::common::deployment::genesis(&service, 1)
        .await
        .unwrap();
    let transcript = crate::common::deployment::read(&service, &made);
    let shares = deployment.shares(&transcript);
    deployment.adopt(&transcript);
    (deployment, shares)
}

pub(crate) async fn announce(service: &Service<TestStore>, manifest: &[u8]) -> Result<(), Error> {
    let manifest = manifest.into();
    operator(service, OperatorRequest::Announce { manifest })
        .await
        .map(drop)
}

pub(crate) async fn allowed(service: &Service<TestStore>, manifest: &[u8]) -> Result<(), Error> {
    let enclave = service.enclave().unwrap();
    enclave.successor_allowed(manifest).await.map(drop)
}

/// SHA-256 of a manifest's signed body.
pub(crate) fn hash(manifest: &[u8]) -> Hash32 {
    let body = ReleaseFile::from_json(manifest).unwrap().body().unwrap();
    Hash32(Sha256::digest(body).into())
}

/// A consent to what an enclave lists, as the operator's command makes it after a look.
async fn look(
    deployment: &Deployment,
    service: &Service<TestStore>,
    manifest: &[u8],
) -> UpgradeConsent {
    let listed = status(service).await.upgrades;
    let waits = listed.iter().find(|it| it.manifest == hash(manifest));
    UpgradeConsent {
        manifest: hash(manifest),
        root_id: deployment.configuration().root_id().unwrap(),
        announced_at: waits.unwrap().announced_at,
        identity: Key32(service.identity()),
        expires_at: soon(service),
    }
}

async fn order_consent(
    service: &Service<TestStore>,
    operator_place: u32,
    consent: Signed<UpgradeConsent>,
) -> Result<(), Error> {
    let request = OperatorRequest::Consent {
        operator: operator_place,
        consent,
    };
    operator(service, request).await.map(drop)
}

/// An operator looks and consents.
pub(crate) async fn consent(
    deployment: &Deployment,
    service: &Service<TestStore>,
    place: u32,
    manifest: &[u8],
) -> Result<(), Error> {
    let consent = look(deployment, service, manifest).await;
    let key = &deployment.operators[usize::try_from(place).unwrap()].signing;
    order_consent(service, place, signed(&consent, key)).await
}

pub(crate) async fn withdraw(
    deployment: &Deployment,
    service: &Service<TestStore>,
    place: u32,
    manifest: &[u8],
) -> Result<(), Error> {
    let order = UpgradeWithdrawal {
        manifest: hash(manifest),
        root_id: deployment.configuration().root_id().unwrap(),
        expires_at: soon(service),
    };
    let key = &deployment.operators[usize::try_from(place).unwrap()].signing;
    let request = OperatorRequest::Withdraw {
        operator: place,
        withdrawal: signed(&order, key),
    };
    operator(service, request).await.map(drop)
}

/// What fresh evidence says of successors.
pub(crate) async fn pending<S: RecordStore>(service: &Service<S>) -> Option<PendingSuccessors> {
    let evidence = evidence(service, vec![1; 16]).await.unwrap();
    binding(evidence.document.as_slice()).pending
}

/// What fresh evidence says of withdrawn manifests.
pub(crate) async fn withdrawn<S: RecordStore>(service: &Service<S>) -> Option<Hash32> {
    let evidence = evidence(service, vec![1; 16]).await.unwrap();
    binding(evidence.document.as_slice()).withdrawn
}

pub(crate) fn other(release: &str) -> Vec<u8> {
    let mut text = text();
    text.release = release.to_owned();
    manifest(text, &[11, 12])
}

pub(crate) const REFUSED: Option<ErrorCode> = Some(ErrorCode::ManifestRefused);
const NOT_THE_OPERATOR: Option<ErrorCode> = Some(ErrorCode::OperatorRefused);
const HIDDEN: Option<ErrorCode> = Some(ErrorCode::RolledBack);

#[tokio::test]
async fn e8_a_successor_is_allowed_when_it_was_announced_and_its_delay_is_over() {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    let good = manifest(text(), &[11, 13]);
    assert_eq!(code(allowed(&service, &good).await), REFUSED);
    announce(&service, &good).await.unwrap();
    assert!(deployment.has(EnclaveEvent::UpgradeAnnounced { epoch: 2 }));
    let listed = status(&service).await.upgrades;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].epoch, listed[0].announced_at), (2, START));
    assert_eq!(listed[0].allowed_from, START + DELAY);
    consent(&deployment, &service, 1, &good).await.unwrap();
    let event = EnclaveEvent::UpgradeConsented { operator: 1 };
    assert!(deployment.has(event));

    // The host's clock does not shorten the delay, and a second announcement does not lengthen it.
    deployment.wall.set(START + 2 * DELAY);
    assert_eq!(code(allowed(&service, &good).await), REFUSED);
    deployment.wall.set(START);
    deployment.pass(DELAY - 1);
    announce(&service, &good).await.unwrap();
    assert_eq!(code(allowed(&service, &good).await), REFUSED);
    // Nor does a restart begin it anew.
    drop(service);
    let service = deployment.restored(&shares).await;
    consent(&deployment, &service, 0, &good).await.unwrap();
    assert_eq!(code(allowed(&service, &good).await), REFUSED);
    deployment.pass(1);
    let enclave = service.enclave().unwrap();
    let successor = enclave.successor_allowed(&good).await.unwrap();
    assert_eq!(successor.epoch, 2);
    let image = [0x11, 0x22, 0x33].map(|byte| [byte; 48]);
    assert_eq!(successor.measured.image.map(|pcr| pcr.0), image);
    let configuration = pcr(Hash32([0xcc; 32]));
    assert_eq!(successor.measured.configuration, configuration);
    // Another manifest, by the same people, was not announced.
    assert_eq!(code(allowed(&service, &other("0.2.1")).await), REFUSED);
}

#[tokio::test]
async fn e8_the_delay_waited_out_at_a_replica_that_nobody_knows_gives_nothing() {
    let (mut deployment, shares) = deployment().await;
    let known = deployment.restored(&shares).await;
    deployment.store = TestStore::default();
    let hidden = deployment.restored(&shares).await;
    let bad = manifest(text(), &[11, 12]);
    announce(&hidden, &bad).await.unwrap();
    deployment.pass(DELAY);
    assert!(status(&known).await.upgrades.is_empty());
    let refused = allowed(&hidden, &bad).await.unwrap_err();
    assert!(
        refused.message.starts_with("0 of 1 operators"),
        "{refused:?}"
    );

    // An operator's consent at the enclave they know is worth nothing at the other one, not even if
    // the host announces at both in the same millisecond.
    let later = other("0.3.0");
    announce(&hidden, &later).await.unwrap();
    announce(&known, &later).await.unwrap();
    let seen = look(&deployment, &known, &later).await;
    assert_eq!(
        seen.announced_at,
        look(&deployment, &hidden, &later).await.announced_at
    );
    let given = signed(&seen, &deployment.operators[0].signing);
    order_consent(&known, 0, given.clone()).await.unwrap();
    let refused = order_consent(&hidden, 0, given).await;
    assert_eq!(code(refused), NOT_THE_OPERATOR);
    deployment.pass(DELAY);
    allowed(&known, &later).await.unwrap();
    assert_eq!(code(allowed(&hidden, &later).await), REFUSED);
}

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

#[tokio::test]
async fn e8_without_operators_release_keys_and_host_need_only_wait() {
    let world = World::new();
    let keys = [11, 12].map(|seed| hex::encode(maintainer(seed).verifying_key().to_bytes()));
    let configuration = json!({
        "rp_id": "localhost",
        "rp_name": "OpenKey tests",
        "origins": [ORIGIN],
        "release_keys": { "threshold": 2, "keys": keys },
        "upgrade_delay_seconds": DELAY / 1000,
    });
    let service = boot(Parts {
        nsm: TestNsm::new(&world.monotonic),
        sources: vec![Box::new(Fixed(world.root))],
        files: BootFiles::default(),
        configuration: Configuration::from_json(configuration.to_string().as_bytes()).unwrap(),
        store: world.store.clone(),
        monotonic: world.monotonic.clone(),
        wall: world.wall.clone(),
        events: Arc::new(Silent),
        release: "test".to_owned(),
        epoch: 1,
        capacity: world.capacity,
    })
    .await
    .unwrap();
    let good = manifest(text(), &[11, 12]);
    announce(&service, &good).await.unwrap();
    assert_eq!(status(&service).await.upgrades[0].consents_needed, 0);
    assert_eq!(code(allowed(&service, &good).await), REFUSED);
    world.pass(DELAY);
    allowed(&service, &good).await.unwrap();
}

#[tokio::test]
async fn e8_what_too_few_signed_or_says_too_little_is_no_successor() {
    let (mut deployment, shares) = deployment().await;
    deployment.json["upgrade_delay_seconds"] = json!(1);
    deployment.epoch = 2;
    let service = deployment.restored(&shares).await;
    let changed = |change: fn(&mut Text)| {
        let mut text = text();
        change(&mut text);
        manifest(text, &[11, 12])
    };
    let mut tampered = String::from_utf8(manifest(text(), &[11, 12])).unwrap();
    tampered = tampered.replace("0.2.0", "0.2.9");
    for (why, bad) in [
        ("one signature", manifest(text(), &[11])),
        ("no signature", manifest(text(), &[])),
        ("a stranger's second signature", manifest(text(), &[11, 66])),
        ("changed after signing", tampered.into_bytes()),
        ("a lower epoch", changed(|text| text.epoch = 1)),
        (
            "another program",
            changed(|text| text.name = "openkey-node".to_owned()),
        ),
        (
            "no configuration",
            changed(|text| text.configuration = None),
        ),
        (
            "over",
            changed(|text| text.not_after = "2026-09-21T00:00:00Z".to_owned()),
        ),
        ("no manifest", b"{}".to_vec()),
        ("nothing", Vec::new()),
    ] {
        assert_eq!(code(announce(&service, &bad).await), REFUSED, "{why}");
        assert_eq!(code(allowed(&service, &bad).await), REFUSED, "{why}");
    }
    assert!(status(&service).await.upgrades.is_empty());
    // One for later may be announced, and is not allowed before.
    let later = changed(|text| text.not_before = "2026-09-29T00:00:00Z".to_owned());
    announce(&service, &later).await.unwrap();
    let listed = status(&service).await.upgrades;
    let first = rfc3339(UnixMillis(listed[0].allowed_from));
    assert_eq!(first, "2026-09-29T00:00:00Z", "not before its first moment");
    consent(&deployment, &service, 0, &later).await.unwrap();
    deployment.pass(1_000);
    assert_eq!(code(allowed(&service, &later).await), REFUSED);
    // The host moves its clock behind the end: only earlier, never later.
    let good = manifest(text(), &[11, 12]);
    announce(&service, &good).await.unwrap();
    consent(&deployment, &service, 0, &good).await.unwrap();
    deployment.pass(1_000);
    allowed(&service, &good).await.unwrap();
    deployment.wall.set(START + 30 * 86_400_000);
    assert_eq!(code(allowed(&service, &good).await), REFUSED);
}

#[tokio::test]
async fn e8_without_release_keys_there_is_no_successor() {
    let (deployment, shares) = Deployment::provisioned().await;
    let service = deployment.restored(&shares).await;
    let good = manifest(text(), &[11, 12]);
    assert_eq!(code(announce(&service, &good).await), REFUSED);
}
