//! The making of a root key: by operators that are measured, once, and nobody else's.

use openkey_enclave::{BootError, Configuration, ConfigurationError, configuration::Operators};
use openkey_protocol::{
    cbor,
    message::{
        EnclaveEvent, ErrorCode, GENESIS_INFO, Hash32, ROOT_ID_LABEL, RootDescriptor, RootState,
        SHARE_LABEL,
    },
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::common::{
    Deployment, code,
    deployment::{Operator, binding, genesis, read, status},
    evidence,
    person::sign_in,
    {Fixed, root_bytes},
};

#[tokio::test]
async fn k9_a_genesis_shares_a_root_key_among_the_measured_operators() {
    let deployment = Deployment::new();
    let service = deployment.boot().await;
    assert_eq!(status(&service).await.state, RootState::AwaitingGenesis);
    let refused = sign_in(&service).await.err().unwrap();
    assert_eq!(refused.code, ErrorCode::AwaitingRootKey);
    assert_eq!(refused.message, "waiting for root key: no genesis yet");

    let made = genesis(&service, 1).await.unwrap();
    let transcript = read(&service, &made);
    assert_eq!(transcript.nonce.as_slice(), [1; 16]);
    let said = binding(made.document.as_slice());
    assert_eq!(said.configuration, deployment.configuration().hash());
    assert_eq!((said.root_id, said.root_source), (None, None));

    // The root id is the hash of what names the operators, the threshold and the commitments.
    let labelled =
        |label: &str, rest: &[u8]| Hash32(Sha256::digest([label.as_bytes(), rest].concat()).into());
    let descriptor: RootDescriptor = cbor::decode(transcript.descriptor.as_slice()).unwrap();
    let hashed = [&[0], transcript.descriptor.as_slice()].concat();
    assert_eq!(transcript.root_id, labelled(ROOT_ID_LABEL, &hashed));
    let configuration = deployment.configuration();
    assert!(
        configuration
            .operators()
            .unwrap()
            .keys()
            .eq(&descriptor.operators)
    );
    assert_eq!((descriptor.threshold, descriptor.epoch), (2, 1));
    let shares = deployment.shares(&transcript);
    for (index, (share, committed)) in (1u8..).zip(shares.iter().zip(&descriptor.shares)) {
        let hashed = [&[0, index], share.as_slice()].concat();
        assert_eq!(*committed, labelled(SHARE_LABEL, &hashed));
    }
    // Nobody opens another's share.
    let info = [GENESIS_INFO.as_bytes(), &transcript.root_id.0].concat();
    for (place, sealed) in transcript.shares.iter().enumerate() {
        let opens = |operator: &Operator| operator.open(&info, sealed).is_some();
        let who: Vec<bool> = deployment.operators.iter().map(opens).collect();
        assert_eq!(who.iter().filter(|opened| **opened).count(), 1);
        assert!(who[place]);
    }
    assert!(deployment.has(EnclaveEvent::Genesis));
}

#[tokio::test]
async fn k9_a_genesis_takes_place_once_and_serves_nothing() {
    let mut deployment = Deployment::new();
    let service = deployment.boot().await;
    let made = genesis(&service, 1).await.unwrap();
    // The answer may have been lost: it is given again, and no second key is made.
    assert_eq!(genesis(&service, 1).await.unwrap(), made);
    let again = genesis(&service, 2).await;
    assert_eq!(code(again), Some(ErrorCode::OperatorRefused));
    assert_eq!(status(&service).await.state, RootState::GenesisDone);
    let refused = sign_in(&service).await.err().unwrap();
    assert_eq!(refused.code, ErrorCode::AwaitingRootKey);
    assert!(deployment.store.snapshot().is_empty());

    // Another boot makes another key, and once a root id is configured none is made.
    let other = read(&service, &made);
    let second = deployment.boot().await;
    let third = read(&second, &genesis(&second, 1).await.unwrap());
    assert_ne!(other.root_id, third.root_id);
    deployment.adopt(&other);
    let refused = genesis(&deployment.boot().await, 1).await;
    assert_eq!(code(refused), Some(ErrorCode::OperatorRefused));
}

#[tokio::test]
async fn k9_without_entropy_or_documents_nothing_is_made() {
    let deployment = Deployment::new();
    let nsm = crate::common::TestNsm::new(&deployment.monotonic);
    let broken = nsm.broken.clone();
    let service = deployment.boot_on(nsm, Vec::new()).await.unwrap();
    broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = genesis(&service, 1).await;
    assert_eq!(code(refused), Some(ErrorCode::Unavailable));
    assert_eq!(status(&service).await.state, RootState::AwaitingGenesis);
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    assert!(genesis(&service, 1).await.is_ok());
}

#[tokio::test]
async fn e4_no_way_to_a_root_key_is_no_boot() {
    let mut deployment = Deployment::new();
    let development = || vec![Box::new(Fixed(Some(root_bytes()))) as _];
    // Operators, and a development key that nobody could tell from theirs.
    let refused = deployment.try_boot(development()).await.err();
    assert_eq!(refused, Some(BootError::DevelopmentSource));
    deployment.json["root_id"] = json!("11".repeat(32));
    let refused = deployment.try_boot(development()).await.err();
    assert_eq!(refused, Some(BootError::DevelopmentSource));
    // Nobody at all.
    let members = deployment.json.as_object_mut().unwrap();
    members.retain(|name, _| !matches!(name.as_str(), "operators" | "root_id"));
    let refused = deployment.try_boot(Vec::new()).await.err();
    assert_eq!(refused, Some(BootError::NoSource));
    assert!(deployment.try_boot(development()).await.is_ok());
}

#[test]
fn e4_a_configuration_cannot_name_the_development_source() {
    let mut deployment = Deployment::new();
    for sources in [
        json!(["development"]),
        json!(["Development"]),
        json!(["operators", "development"]),
    ] {
        deployment.json["root_sources"] = sources;
        let bytes = serde_json::to_vec(&deployment.json).unwrap();
        let refused = Configuration::from_json(&bytes).err();
        assert_eq!(refused, Some(ConfigurationError::Shape));
    }
}

#[tokio::test]
async fn f10_a_strangers_genesis_is_not_the_pinned_root() {
    // A host lets the genuine enclave make a key of its own, and hands out that descriptor.
    let (mut deployment, shares) = Deployment::provisioned().await;
    let mut stranger = Deployment::new();
    let service = stranger.boot().await;
    let transcript = read(&service, &genesis(&service, 9).await.unwrap());
    let strange_shares = stranger.shares(&transcript);
    deployment.files.descriptor = Some(transcript.descriptor.clone());
    let service = deployment.boot().await;
    for share in strange_shares.iter().chain(&shares) {
        let refused = deployment.post(&service, 0, share).await.err().unwrap();
        assert_eq!(refused.code, ErrorCode::OperatorRefused);
        assert_eq!(
            refused.message,
            "The host's root descriptor does not hash to the configured root_id"
        );
    }
    // With the stranger's root id in the configuration it is another configuration, which evidence
    // says.
    stranger.adopt(&transcript);
    let pinned = deployment.configuration();
    assert_ne!(stranger.configuration().hash(), pinned.hash());
    assert_ne!(stranger.configuration().root_id(), pinned.root_id());
}

#[tokio::test]
async fn f10_substituted_operators_or_descriptors_are_refused() {
    let (deployment, _) = Deployment::provisioned().await;
    let original = deployment.files.descriptor.clone().unwrap();
    let descriptor: RootDescriptor = cbor::decode(original.as_slice()).unwrap();
    let mallory = Operator::new("alice", 77);
    let changes: [fn(&mut RootDescriptor, &Operator); 6] = [
        |descriptor, mallory| descriptor.operators[0].encryption = mallory.encryption,
        |descriptor, _| descriptor.threshold = 1,
        |descriptor, _| descriptor.commitment = Hash32([7; 32]),
        |descriptor, _| descriptor.shares[0] = Hash32([7; 32]),
        |descriptor, _| descriptor.epoch = 0,
        |descriptor, _| descriptor.created_at += 1,
    ];
    let explained = async |deployment: &Deployment| {
        let status = status(&deployment.boot().await).await;
        assert!(matches!(status.state, RootState::Waiting { have: 0, .. }));
        status.sources[0].explanation.clone()
    };
    for change in changes {
        let mut changed = descriptor.clone();
        change(&mut changed, &mallory);
        let (mut attacked, _) = Deployment::provisioned().await;
        attacked.json = deployment.json.clone();
        attacked.files.descriptor = Some(cbor::encode(&changed).unwrap().into());
        let text = "The host's root descriptor does not hash to the configured root_id.";
        assert_eq!(explained(&attacked).await, text);
    }
    // Without it, and with other operators in the configuration over the pinned root id.
    let (mut attacked, _) = Deployment::provisioned().await;
    attacked.json = deployment.json.clone();
    attacked.files.descriptor = None;
    assert_eq!(
        explained(&attacked).await,
        "The host gave no root descriptor."
    );
    attacked.files.descriptor = Some(original);
    attacked.json["operators"]["keys"][0] = mallory.to_json();
    let text = "The root descriptor's operators are not the configured ones.";
    assert_eq!(explained(&attacked).await, text);
    attacked.json = deployment.json.clone();
    attacked.json["operators"]["threshold"] = json!(1);
    assert_eq!(explained(&attacked).await, text);
    assert_eq!(
        attacked
            .configuration()
            .operators()
            .map(Operators::threshold),
        Some(1)
    );
}

/// What the configuration pins is read strictly all the same: no share is counted against a list of
/// another length, nor against rules of another version.
#[tokio::test]
async fn f10_a_pinned_descriptor_that_is_none_is_refused() {
    let (deployment, _) = Deployment::provisioned().await;
    let original = deployment.files.descriptor.clone().unwrap();
    let descriptor: RootDescriptor = cbor::decode(original.as_slice()).unwrap();
    let changes: [fn(&mut RootDescriptor); 3] = [
        |descriptor| descriptor.version += 1,
        |descriptor| descriptor.shares.truncate(1),
        |descriptor| descriptor.shares.push(Hash32([7; 32])),
    ];
    for change in changes {
        let mut changed = descriptor.clone();
        change(&mut changed);
        let bytes = cbor::encode(&changed).unwrap();
        let id = Sha256::digest([ROOT_ID_LABEL.as_bytes(), &[0], &bytes].concat());
        let (mut attacked, _) = Deployment::provisioned().await;
        attacked.json = deployment.json.clone();
        attacked.json["root_id"] = json!(hex::encode(id));
        attacked.files.descriptor = Some(bytes.into());
        let status = status(&attacked.boot().await).await;
        let text = "The root descriptor is not one that this program reads.";
        assert_eq!(status.sources[0].explanation, text);
    }
}

#[tokio::test]
async fn p2_a_root_key_of_a_newer_epoch_is_not_taken_by_an_older_program() {
    let mut deployment = Deployment::new();
    deployment.epoch = 3;
    let service = deployment.boot().await;
    let transcript = read(&service, &genesis(&service, 1).await.unwrap());
    deployment.adopt(&transcript);
    deployment.epoch = 2;
    let service = deployment.boot().await;
    let status = status(&service).await;
    let text = "The root key was made by a newer program than this enclave.";
    assert_eq!(status.sources[0].explanation, text);
    // Evidence is served all the same.
    assert!(evidence(&service, vec![1; 16]).await.is_ok());
}
