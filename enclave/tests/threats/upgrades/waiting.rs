//! A successor is allowed once its delay is over, where it was announced in sight; without operators,
//! that is all.

use std::sync::Arc;

use openkey_enclave::{Configuration, Parts, boot, event::Silent};
use openkey_protocol::message::{BootFiles, EnclaveEvent, Hash32};
use openkey_verifier::{
    attestation::UnixMillis,
    configuration::pcr,
    release::{Text, rfc3339},
};
use serde_json::json;

use super::{
    DELAY, NOT_THE_OPERATOR, REFUSED, allowed, announce, consent, deployment, look, maintainer,
    manifest, order_consent, other, text,
};
use crate::common::{
    Deployment, Fixed, ORIGIN, START, TestNsm, TestStore, World, code,
    deployment::{signed, status},
};

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
