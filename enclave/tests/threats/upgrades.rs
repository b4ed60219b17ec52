//! Successors: what the release keys of the giver's own configuration signed, after its delay.

use ed25519_dalek::{Signer, SigningKey};
use openkey_enclave::Service;
use openkey_protocol::message::{EnclaveEvent, Error, ErrorCode, Hash32, Key32, OperatorRequest};
use openkey_verifier::{
    configuration::pcr,
    release::{ReleaseFile, Text},
};
use serde_json::json;

use crate::common::{
    Deployment, START, TestStore, code,
    deployment::{operator, status},
};

const DELAY: u64 = 3_600_000;

fn maintainer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// A manifest of the successor, valid for a week around the start.
fn text() -> Text {
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

fn manifest(text: Text, signers: &[u8]) -> Vec<u8> {
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
async fn deployment() -> (Deployment, Vec<[u8; 32]>) {
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

async fn announce(service: &Service<TestStore>, manifest: &[u8]) -> Result<(), Error> {
    let manifest = manifest.into();
    operator(service, OperatorRequest::Announce { manifest })
        .await
        .map(drop)
}

async fn allowed(service: &Service<TestStore>, manifest: &[u8]) -> Result<(), Error> {
    let enclave = service.enclave().unwrap();
    enclave.successor_allowed(manifest).await.map(drop)
}

#[tokio::test]
async fn e8_a_successor_is_allowed_when_it_was_announced_and_its_delay_is_over() {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    let good = manifest(text(), &[11, 13]);
    let refused = ErrorCode::ManifestRefused;
    assert_eq!(code(allowed(&service, &good).await), Some(refused));
    announce(&service, &good).await.unwrap();
    assert!(deployment.has(EnclaveEvent::UpgradeAnnounced { epoch: 2 }));
    let listed = status(&service).await.upgrades;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].epoch, listed[0].announced_at), (2, START));
    assert_eq!(listed[0].allowed_from, START + DELAY);

    // The host's clock does not shorten the delay, and a second announcement does not lengthen it.
    deployment.wall.set(START + 2 * DELAY);
    assert_eq!(code(allowed(&service, &good).await), Some(refused));
    deployment.wall.set(START);
    deployment.pass(DELAY - 1);
    announce(&service, &good).await.unwrap();
    assert_eq!(code(allowed(&service, &good).await), Some(refused));
    // Nor does a restart begin it anew.
    drop(service);
    let service = deployment.restored(&shares).await;
    assert_eq!(code(allowed(&service, &good).await), Some(refused));
    deployment.pass(1);
    let enclave = service.enclave().unwrap();
    let successor = enclave.successor_allowed(&good).await.unwrap();
    assert_eq!(successor.epoch, 2);
    let image = [0x11, 0x22, 0x33].map(|byte| [byte; 48]);
    assert_eq!(successor.measured.image.map(|pcr| pcr.0), image);
    let configuration = pcr(Hash32([0xcc; 32]));
    assert_eq!(successor.measured.configuration, configuration);
    // Another manifest, by the same people, was not announced.
    let mut other = text();
    other.release = "0.2.1".to_owned();
    let other = manifest(other, &[11, 12]);
    assert_eq!(code(allowed(&service, &other).await), Some(refused));
}

#[tokio::test]
async fn e8_what_too_few_signed_or_says_too_little_is_no_successor() {
    let (mut deployment, shares) = deployment().await;
    deployment.json["upgrade_delay_seconds"] = json!(0);
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
        let refused = Some(ErrorCode::ManifestRefused);
        assert_eq!(code(announce(&service, &bad).await), refused, "{why}");
        assert_eq!(code(allowed(&service, &bad).await), refused, "{why}");
    }
    assert!(status(&service).await.upgrades.is_empty());
    // One for later may be announced, and is not allowed before.
    let later = changed(|text| text.not_before = "2026-09-29T00:00:00Z".to_owned());
    announce(&service, &later).await.unwrap();
    let refused = allowed(&service, &later).await;
    assert_eq!(code(refused), Some(ErrorCode::ManifestRefused));
    // The host moves its clock behind the end: only earlier, never later.
    let good = manifest(text(), &[11, 12]);
    announce(&service, &good).await.unwrap();
    allowed(&service, &good).await.unwrap();
    deployment.wall.set(START + 30 * 86_400_000);
    let refused = allowed(&service, &good).await;
    assert_eq!(code(refused), Some(ErrorCode::ManifestRefused));
}

#[tokio::test]
async fn e8_without_release_keys_there_is_no_successor() {
    let (deployment, shares) = Deployment::provisioned().await;
    let service = deployment.restored(&shares).await;
    let good = manifest(text(), &[11, 12]);
    let refused = announce(&service, &good).await;
    assert_eq!(code(refused), Some(ErrorCode::ManifestRefused));
}

#[tokio::test]
async fn m6_announcements_are_bounded() {
    let (deployment, shares) = deployment().await;
    let service = deployment.restored(&shares).await;
    for number in 0..20 {
        let mut text = text();
        text.release = format!("0.2.{number}");
        announce(&service, &manifest(text, &[11, 12]))
            .await
            .unwrap();
    }
    let listed = status(&service).await.upgrades;
    assert_eq!(listed.len(), 16);
    assert_eq!(listed[15].release, "0.2.19");
}
