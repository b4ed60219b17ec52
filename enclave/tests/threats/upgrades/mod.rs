//! Successors: what the release keys of the giver's own configuration signed, after its delay.

mod consents;
mod hidden;
mod waiting;
mod withdrawn;

use ed25519_dalek::{Signer, SigningKey};
use openkey_enclave::Service;
use openkey_protocol::{
    message::{
        Error, ErrorCode, Hash32, Key32, OperatorRequest, PendingSuccessors, Signed,
        UpgradeConsent, UpgradeWithdrawal,
    },
    store::RecordStore,
};
use openkey_verifier::release::{ReleaseFile, Text};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::common::{
    Deployment, TestStore,
    deployment::{binding, operator, signed, soon, status},
    evidence,
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
