//! Whom KMS gives what: E7, E8, F10, K1, K2.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use openkey_attestation::{Pcr, Roots};
use openkey_enclave::root::kms::{KmsError, Refusal};
use openkey_protocol::message::{Hash32, RootDescriptor, WrappedRoot};
use serde_json::json;

use super::enclave::descriptor;
use super::world::{BOTH, GENUINE, World, start};
use crate::kms::*;

fn denied<T>(result: Result<T, KmsError>) -> bool {
    matches!(result, Err(KmsError::Refused(Refusal::AccessDenied)))
}

#[tokio::test]
async fn k1_what_a_genesis_wrapped_is_unwrapped_at_boot_even_after_kms_restarted() {
    let mut world = World::new().await;
    let (genesis, usual) = (world.configuration("genesis"), world.configuration("usual"));
    let mut policy = world.policy(&[]);
    policy.statements = vec![
        Statement::root_key(&[Action::GenerateDataKey], Pcr(GENUINE), Pcr(genesis.pcr())),
        Statement::root_key(&[Action::Decrypt], Pcr(GENUINE), Pcr(usual.pcr())),
    ];
    world.kms.set_policy(policy.clone());
    let wrapped = world
        .enclave(GENUINE, &genesis)
        .wrap(&descriptor())
        .await
        .unwrap();
    // Each configuration may do its own part only.
    assert!(denied(world.genuine().wrap(&descriptor()).await));
    let refused = world
        .enclave(GENUINE, &genesis)
        .unwrap(&wrapped, &descriptor())
        .await;
    assert!(denied(refused));

    let identity = world.kms.identity().clone();
    world.kms = start(&world.dir, &world.now, policy).await;
    assert_eq!(world.kms.identity().key_arn, identity.key_arn);
    assert_eq!(world.kms.identity().tls_root, identity.tls_root);
    world
        .genuine()
        .unwrap(&wrapped, &descriptor())
        .await
        .unwrap();
}

#[tokio::test]
async fn e7_kms_gives_nothing_to_another_image() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let other = world.enclave([5; 48], &world.configuration("usual"));
    assert!(denied(other.unwrap(&wrapped, &descriptor()).await));
    assert_eq!(world.last_rule(), Rule::Pcr(0));
    assert!(denied(other.wrap(&descriptor()).await));
    // Nor to one in debug mode, which has no PCR0.
    let debug = world.genuine();
    lock(&debug.nsm).set_debug(true);
    let result = debug.unwrap(&wrapped, &descriptor()).await;
    assert_eq!(result.err(), Some(KmsError::Refused(Refusal::Invalid)));
}

#[tokio::test]
async fn f10_kms_gives_nothing_to_the_genuine_image_with_one_changed_value() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let changed = world.enclave(GENUINE, &world.configuration("Usual"));
    assert!(denied(changed.unwrap(&wrapped, &descriptor()).await));
    assert_eq!(world.last_rule(), Rule::Pcr(16));
    world
        .genuine()
        .unwrap(&wrapped, &descriptor())
        .await
        .unwrap();
}

#[tokio::test]
async fn e8_an_upgraded_image_gets_nothing_until_the_policy_names_it() {
    let world = World::new().await;
    let usual = world.configuration("usual");
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let upgraded = world.enclave([6; 48], &usual);
    assert!(denied(upgraded.unwrap(&wrapped, &descriptor()).await));
    world.allow(&[(GENUINE, &usual), ([6; 48], &usual)]);
    upgraded.unwrap(&wrapped, &descriptor()).await.unwrap();
    // And the old one nothing from then on, when it is taken out.
    world.allow(&[([6; 48], &usual)]);
    assert!(denied(
        world.genuine().unwrap(&wrapped, &descriptor()).await
    ));
}

#[tokio::test]
async fn k2_a_data_key_serves_no_other_root_key_epoch_or_purpose() {
    let world = World::new().await;
    let enclave = world.genuine();
    let wrapped = enclave.wrap(&descriptor()).await.unwrap();
    let other_root = RootDescriptor {
        commitment: Hash32([0xac; 32]),
        ..descriptor()
    };
    let other_epoch = RootDescriptor {
        epoch: 2,
        ..descriptor()
    };
    for other in [other_root, other_epoch.clone()] {
        let result = enclave.unwrap(&wrapped, &other).await;
        assert_eq!(
            result.err(),
            Some(KmsError::Refused(Refusal::OtherCiphertext))
        );
        assert_eq!(world.last_rule(), Rule::Ciphertext);
    }
    // The policy can pin the context, too.
    let mut policy = world.policy(&[(GENUINE, &world.configuration("usual"))]);
    let epoch = ("openkey:epoch".to_owned(), "1".to_owned());
    policy.statements[0].context.extend([epoch]);
    world.kms.set_policy(policy);
    enclave.unwrap(&wrapped, &descriptor()).await.unwrap();
    assert!(denied(enclave.wrap(&other_epoch).await));
    assert_eq!(world.last_rule(), Rule::Context);
    let document = Base64::encode_string(&enclave.document().await);
    let body = json!({
        "KeyId": world.kms.identity().key_arn,
        "KeySpec": "AES_256",
        "EncryptionContext": {"openkey:purpose": "something", "openkey:epoch": "1"},
        "Recipient": {
            "AttestationDocument": document,
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        },
    });
    assert_eq!(world.raw("GenerateDataKey", &body), Err(Rule::Context));
}

#[tokio::test]
async fn k2_wrapped_root_keys_of_others_under_the_same_kms_key_are_refused() {
    let world = World::new().await;
    let enclave = world.genuine();
    let ours = enclave.wrap(&descriptor()).await.unwrap();
    let theirs = enclave.wrap(&descriptor()).await.unwrap();
    // Their data key, our root key; and a whole wrapped key made for another root id.
    let mixed = WrappedRoot {
        blob: theirs.blob.clone(),
        ..ours.clone()
    };
    let result = enclave.unwrap(&mixed, &descriptor()).await;
    assert_eq!(result.err(), Some(KmsError::OtherWrapped));
    let elsewhere = Hash32([8; 32]);
    let result = enclave.kms().unwrap(&ours, &descriptor(), &elsewhere).await;
    assert_eq!(result.err(), Some(KmsError::OtherWrapped));
    let mut changed = ours.clone();
    changed.blob.0[20] ^= 1;
    let result = enclave.unwrap(&changed, &descriptor()).await;
    assert_eq!(
        result.err(),
        Some(KmsError::Refused(Refusal::OtherCiphertext))
    );
}

#[test]
fn a_policy_without_conditions_on_attestation_allows_nothing() {
    let everyone = KeyPolicy {
        roots: Roots::aws(),
        statements: vec![Statement {
            actions: BOTH.to_vec(),
            ..Statement::default()
        }],
    };
    let pcrs = openkey_attestation::Measurements::new([(0, Pcr(GENUINE))]).unwrap();
    let checked = everyone.check(Action::Decrypt, &pcrs, &BTreeMap::new());
    assert_eq!(checked, Err(policy::Miss::Action));
}
