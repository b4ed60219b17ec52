//! To whom the root key goes: K8, E8, P2, F10, and that it goes nowhere else.

use std::{collections::BTreeMap, sync::Arc};

use ed25519_dalek::{Signer, SigningKey};
use openkey_protocol::{
    client::{Client, ClientOptions},
    message::{
        Bare, Class, Error, ErrorCode, HandOver, Hash32, Key32, OperatorRequest, Reply, Request,
        Response, RootSource, Sealed, SignIn, Signed, UpgradeConsent, Verdict,
    },
};
use openkey_verifier::{
    channel::{Attested, Connector, provider},
    release::{ReleaseFile, Text},
};
use rcgen::KeyPair;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use serde_json::json;

use crate::{
    deployment::{DELAY_SECONDS, Deployment, IMAGE, Running, call, maintainer, operator_key},
    evidence::{binding, certificate, document_by, extension, tls_key},
    nsm::SigningNsm,
};

#[tokio::test]
async fn k8_an_equal_enclave_gets_the_root_key() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let asker = deployment.asker(IMAGE, 1, None, &giver).await;
    assert!(asker.becomes_ready().await, "{}", asker.explanation().await);
    let platform = asker.service.platform();
    assert_eq!(platform.root_source(), Some(RootSource::HandOver));
    assert_ne!(platform.identity(), giver.service.identity());
}

#[tokio::test]
async fn f10_the_genuine_program_with_one_changed_value_gets_nothing() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    for (member, value) in [
        ("rp_name", json!("There")),
        ("origins", json!(["http://localhost:7101"])),
        ("upgrade_delay_seconds", json!(DELAY_SECONDS + 1)),
        ("identity_providers", json!(["login.example"])),
    ] {
        let other = deployment.with(member, value);
        let asker = other.asker(IMAGE, 1, None, &giver).await;
        assert!(!asker.becomes_ready().await, "{member}");
        let why = asker.explanation().await;
        assert!(why.contains("differs in PCR16"), "{member}: {why}");
    }
}

#[tokio::test]
async fn k8_another_image_or_root_key_gets_nothing() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let other = deployment.asker(IMAGE + 1, 1, None, &giver).await;
    assert!(!other.becomes_ready().await);
    // Under another root: nobody under this one talks to it.
    let mut stranger = deployment.clone();
    stranger.pki = crate::enclaves::Enclave::simulator();
    let asker = stranger.asker(IMAGE, 1, None, &giver).await;
    assert!(!asker.becomes_ready().await);
    let why = asker.explanation().await;
    assert!(why.contains("unknown_root"), "{why}");
}

#[tokio::test]
async fn p2_the_root_key_does_not_go_to_a_lower_epoch() {
    let deployment = Deployment::new();
    let giver = deployment.giver(3).await;
    let asker = deployment.asker(IMAGE, 2, None, &giver).await;
    assert!(!asker.becomes_ready().await);
    let why = asker.explanation().await;
    assert!(why.contains("epoch 2"), "{why}");
}

/// The root key is asked for on the channel by an enclave, and by nobody else.
#[tokio::test]
async fn k8_without_evidence_there_is_no_root_key() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let request = Request::HandOver(HandOver {
        root_id: deployment.root_id,
        manifest: None,
    });
    let refused = giver.ask(&request).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::HandOverRefused);

    let connector = Connector::new(deployment.policy(), deployment.clock()).unwrap();
    let attested = Attested {
        transport: giver.address.clone(),
        connector,
        peer: "giver".to_owned(),
    };
    let client = Client::new(attested, ClientOptions::default());
    let wait = std::time::Duration::from_secs(20);
    let reply = client.call(Class::Request, call(&request), wait).await;
    let reply = openkey_protocol::cbor::decode(&reply.unwrap()).unwrap();
    let refused = given(reply).expect_err("given to a stranger");
    assert_eq!(refused.code, ErrorCode::HandOverRefused);
}

/// Asks for a root key with evidence that was made by hand.
async fn ask_with(
    deployment: &Deployment,
    giver: &Running,
    nsm: &SigningNsm,
    of: Hash32,
    asked: Hash32,
) -> Result<Sealed, Error> {
    let asked = HandOver {
        root_id: asked,
        manifest: None,
    };
    ask_as(deployment, giver, nsm, (1, of), asked).await
}

/// The same in every respect: with this epoch and root id in the evidence.
pub(crate) async fn ask_as(
    deployment: &Deployment,
    giver: &Running,
    nsm: &SigningNsm,
    (epoch, of): (u32, Hash32),
    asked: HandOver,
) -> Result<Sealed, Error> {
    let key = KeyPair::generate().unwrap();
    let mut binding = binding(deployment, Some(tls_key(&key)));
    binding.root_id = Some(of);
    binding.epoch = epoch;
    let document = document_by(nsm, deployment, binding, None);
    let (certificate, secret) = certificate(&key, vec![extension(&document)]);
    let secret = provider().key_provider.load_private_key(secret).unwrap();
    let own = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], secret));
    let connector =
        Connector::mutual(deployment.policy(), deployment.clock(), Arc::new(own)).unwrap();
    let attested = Attested {
        transport: giver.address.clone(),
        connector,
        peer: "giver".to_owned(),
    };
    let client = Client::new(attested, ClientOptions::default());
    let request = Request::HandOver(asked);
    let wait = std::time::Duration::from_secs(20);
    let reply = client.call(Class::Request, call(&request), wait).await;
    given(openkey_protocol::cbor::decode(&reply.unwrap()).unwrap())
}

/// What a reply gives, or why it gives nothing.
fn given(reply: Reply) -> Result<Sealed, Error> {
    match reply {
        Reply::Bare(Bare::HandedOver(sealed)) => Ok(sealed),
        Reply::Bare(other) => panic!("{other:?}"),
        Reply::Answer(answer) => match answer.unverified().unwrap().result {
            Verdict::Refused(error) => Err(error),
            Verdict::Ok(other) => panic!("{other:?}"),
        },
    }
}

#[tokio::test]
async fn k8_every_register_and_both_root_ids_must_be_the_givers() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let (own, other) = (deployment.root_id, Hash32([1; 32]));
    let equal = deployment.nsm(IMAGE);
    let given = ask_with(&deployment, &giver, &equal, own, own).await;
    assert!(given.is_ok(), "{given:?}");
    let refused = |reply: Result<Sealed, Error>, why: &str| match reply {
        Err(error) => assert!(error.message.contains(why), "{why}: {error:?}"),
        Ok(_) => panic!("given in spite of {why}"),
    };
    for index in 0..3 {
        let differs = deployment.nsm(IMAGE).with(index, IMAGE + 1);
        let reply = ask_with(&deployment, &giver, &differs, own, own).await;
        refused(reply, &format!("differs in PCR{index},"));
    }
    for (of, asked) in [(other, own), (own, other), (other, other)] {
        let equal = deployment.nsm(IMAGE);
        let reply = ask_with(&deployment, &giver, &equal, of, asked).await;
        refused(reply, "another root_id");
    }
}

pub(crate) const SUCCESSOR: u8 = 0xb2;

pub(crate) fn manifest(
    deployment: &Deployment,
    epoch: u32,
    image: u8,
    by: Option<&SigningKey>,
) -> Vec<u8> {
    let pcr = hex::encode([image; 48]);
    let text = Text {
        version: 1,
        name: "openkey-enclave".to_owned(),
        release: "2.0.0".to_owned(),
        epoch,
        source_commit: "0".repeat(40),
        cargo_lock_sha256: "0".repeat(64),
        toolchain: BTreeMap::new(),
        measurements: ["0", "1", "2"].map(|n| (n.to_owned(), pcr.clone())).into(),
        configuration: Some(hex::encode(deployment.configuration().hash().0)),
        page: None,
        not_before: "2025-10-01T00:00:00Z".to_owned(),
        not_after: "2025-11-01T00:00:00Z".to_owned(),
    };
    let mut file = ReleaseFile::unsigned(text).unwrap();
    if let Some(by) = by {
        let signature = by.sign(&file.input().unwrap()).to_bytes();
        file.add(Key32(by.verifying_key().to_bytes()), signature)
            .unwrap();
    }
    file.to_json().unwrap().into_bytes()
}

/// Announces a successor.
pub(crate) async fn announce(giver: &Running, manifest: &[u8]) {
    let request = Request::Operator(OperatorRequest::Announce {
        manifest: manifest.into(),
    });
    giver.ask(&request).await.unwrap();
}

/// The operator consents to the newest successor that an enclave lists.
pub(crate) async fn consent(deployment: &Deployment, giver: &Running) {
    let order = consenting(deployment, giver).await;
    giver.ask(&Request::Operator(order)).await.unwrap();
}

/// The order of that consent.
pub(crate) async fn consenting(deployment: &Deployment, giver: &Running) -> OperatorRequest {
    let Ok(Response::Status(status)) = giver.ask(&Request::Status).await else {
        panic!("no status");
    };
    let waits = status.root.upgrades.last().unwrap();
    let consent = UpgradeConsent {
        manifest: waits.manifest,
        root_id: deployment.root_id,
        announced_at: waits.announced_at,
        identity: Key32(giver.service.identity()),
        expires_at: status.now + 300_000,
    };
    let consent = Signed::new(&consent, |input| operator_key().sign(input).to_bytes()).unwrap();
    OperatorRequest::Consent {
        operator: 0,
        consent,
    }
}

#[tokio::test]
async fn e8_a_successor_is_signed_announced_waited_for_and_consented_to() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let good = manifest(&deployment, 2, SUCCESSOR, Some(&maintainer()));

    let asker = |manifest: &[u8]| deployment.asker(SUCCESSOR, 2, Some(manifest.to_vec()), &giver);
    let early = asker(&good).await;
    assert!(!early.becomes_ready().await, "not announced");
    announce(&giver, &good).await;
    let early = asker(&good).await;
    assert!(!early.becomes_ready().await, "too early");
    let why = early.explanation().await;
    assert!(why.contains("another program"), "{why}");

    deployment.time.pass(DELAY_SECONDS * 1000 + 1);
    let early = asker(&good).await;
    assert!(!early.becomes_ready().await, "nobody consented");
    consent(&deployment, &giver).await;
    let successor = asker(&good).await;
    let why = successor.explanation().await;
    assert!(successor.becomes_ready().await, "{why}");

    // From now on the giver serves nobody, and gives the key to no more enclaves of its own kind.
    let sign_in = Request::SignIn(SignIn {
        origin: "https://openkey.example".to_owned(),
    });
    let refused = giver.ask(&sign_in).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Superseded);
    let same = deployment.asker(IMAGE, 1, None, &giver).await;
    assert!(!same.becomes_ready().await);
    let why = same.explanation().await;
    assert!(why.contains("went to a successor"), "{why}");
    // Another replica of the successor gets it as well.
    assert!(asker(&good).await.becomes_ready().await);
}

#[tokio::test]
async fn e8_unsigned_foreign_lower_and_other_manifests_open_nothing() {
    let deployment = Deployment::new();
    let giver = deployment.giver(2).await;
    let good = manifest(&deployment, 2, SUCCESSOR, Some(&maintainer()));
    announce(&giver, &good).await;
    consent(&deployment, &giver).await;
    deployment.time.pass(DELAY_SECONDS * 1000 + 1);

    let stranger = SigningKey::from_bytes(&[0x5e; 32]);
    let unsigned = manifest(&deployment, 2, SUCCESSOR, None);
    let foreign = manifest(&deployment, 2, SUCCESSOR, Some(&stranger));
    let lower = manifest(&deployment, 1, SUCCESSOR, Some(&maintainer()));
    for (why, epoch, image, file) in [
        ("unsigned", 2, SUCCESSOR, &unsigned),
        ("foreign", 2, SUCCESSOR, &foreign),
        ("lower", 1, SUCCESSOR, &lower),
        ("another epoch than its evidence", 3, SUCCESSOR, &good),
        ("another image", 2, SUCCESSOR + 1, &good),
    ] {
        let asker = deployment.asker(image, epoch, Some(file.clone()), &giver);
        assert!(!asker.await.becomes_ready().await, "{why}");
    }
    // The named image with another configuration than the named one.
    let other = deployment.with("rp_name", json!("There"));
    let asker = other.asker(SUCCESSOR, 2, Some(good.clone()), &giver).await;
    assert!(!asker.becomes_ready().await);
    // And the good one, so that none of the above failed for another reason.
    let asker = deployment.asker(SUCCESSOR, 2, Some(good), &giver).await;
    let why = asker.explanation().await;
    assert!(asker.becomes_ready().await, "{why}");
}
