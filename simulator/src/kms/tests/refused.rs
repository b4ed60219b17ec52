//! What a host can try by itself: K1, K2, K3.

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use hyper::http::request::Parts;
use openkey_enclave::root::egress::{Egress, EgressError};
use openkey_enclave::root::kms::{Attester, KmsError, Refusal};
use openkey_protocol::message::WrappedRoot;
use serde_json::{Value, json};

use super::enclave::{Wire, descriptor};
use super::world::{GENUINE, World, start};
use crate::kms::*;

fn decrypt(world: &World, wrapped: &WrappedRoot, document: Option<&[u8]>) -> Value {
    let mut body = json!({
        "KeyId": world.kms.identity().key_arn,
        "CiphertextBlob": Base64::encode_string(wrapped.blob.as_slice()),
        "EncryptionContext": {
            "openkey:purpose": "root-key",
            "openkey:commitment": "ab".repeat(32),
            "openkey:epoch": "1",
        },
    });
    if let Some(document) = document {
        body["Recipient"] = json!({
            "AttestationDocument": Base64::encode_string(document),
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        });
    }
    body
}

#[tokio::test]
async fn k1_the_host_gets_nothing_without_a_recipient() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let body = decrypt(&world, &wrapped, None);
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::NoRecipient));
    assert_eq!(
        Rule::NoRecipient.refused().exception,
        "AccessDeniedException"
    );
    // The very same request with a document is answered: for the document's key alone.
    let document = world.genuine().document().await;
    let mut body = decrypt(&world, &wrapped, Some(&document));
    let answer: Value = serde_json::from_slice(&world.raw("Decrypt", &body).unwrap()).unwrap();
    assert_eq!(answer["Plaintext"], "");
    assert!(answer["CiphertextForRecipient"].as_str().unwrap().len() > 400);
    body["Recipient"]["KeyEncryptionAlgorithm"] = json!("RSAES_OAEP_SHA_1");
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::NoRecipientKey));
}

#[tokio::test]
async fn k2_a_request_for_another_kms_key_is_refused() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let document = world.genuine().document().await;
    let mut body = decrypt(&world, &wrapped, Some(&document));
    body["KeyId"] = json!(world.kms.identity().key_arn.replace("key/", "key/0"));
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::NoSuchKey));
}

#[tokio::test]
async fn k3_a_recipient_key_is_taken_once() {
    let mut world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let document = world.genuine().document().await;
    let body = decrypt(&world, &wrapped, Some(&document));
    world.raw("Decrypt", &body).unwrap();
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::RecipientReused));
    // Nor after a restart.
    let policy = world.policy(&[(GENUINE, &world.configuration("usual"))]);
    world.kms = start(&world.dir, &world.now, policy).await;
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::RecipientReused));
    // The enclave makes another one for each request.
    let enclave = world.genuine();
    for _ in 0..2 {
        enclave.unwrap(&wrapped, &descriptor()).await.unwrap();
    }
}

#[tokio::test]
async fn k3_documents_that_are_old_forged_or_of_another_root_are_refused() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let document = world.genuine().document().await;
    world.pass(MAX_DOCUMENT_AGE + Duration::from_secs(1));
    let body = decrypt(&world, &wrapped, Some(&document));
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::DocumentExpired));

    let document = world.genuine().document().await;
    let mut forged = document.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let body = decrypt(&world, &wrapped, Some(&forged));
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::Document));

    let stranger = World::new().await;
    stranger.pass(MAX_DOCUMENT_AGE);
    let body = decrypt(&world, &wrapped, Some(&stranger.genuine().document().await));
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::Document));
    // Evidence for clients carries no RSA key.
    let evidence = world.genuine().attest_recipient(vec![4; 32]).await.unwrap();
    let body = decrypt(&world, &wrapped, Some(&evidence));
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::NoRecipientKey));
}

#[tokio::test]
async fn k3_requests_that_are_not_signed_as_they_stand_are_refused() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let document = world.genuine().document().await;
    let body = decrypt(&world, &wrapped, Some(&document));
    let (parts, bytes) = world.signed("Decrypt", &body);
    let answer = |parts: &Parts, bytes: &[u8]| world.kms.shared.answer(parts, bytes).err();
    let header = |name: &'static str, value: &str| {
        let mut parts = parts.clone();
        parts.headers.insert(name, value.parse().unwrap());
        answer(&parts, &bytes)
    };

    assert_eq!(
        answer(&parts, &[&bytes[..], b" "].concat()),
        Some(Rule::Signature)
    );
    let host = header("host", "kms.us-east-1.amazonaws.com");
    assert_eq!(host, Some(Rule::Signature));
    let target = header("x-amz-target", "TrentService.GenerateDataKey");
    assert_eq!(target, Some(Rule::Signature));
    assert_eq!(
        header("x-amz-security-token", "x"),
        Some(Rule::UnknownCredentials)
    );
    assert_eq!(header("authorization", "Basic x"), Some(Rule::NotSigned));
    let signed = parts.headers["authorization"].to_str().unwrap();
    let less = signed.replace(";x-amz-target", "");
    assert_eq!(header("authorization", &less), Some(Rule::Signature));
    let other = signed.replace("ASIA", "ASIB");
    assert_eq!(
        header("authorization", &other),
        Some(Rule::UnknownCredentials)
    );
    let mut unsigned = parts.clone();
    unsigned.headers.remove("authorization");
    assert_eq!(answer(&unsigned, &bytes), Some(Rule::NotSigned));
    world.pass(Duration::from_secs(301));
    assert_eq!(answer(&parts, &bytes), Some(Rule::Signature));

    // The enclave says what an operator can do about it.
    let mut enclave = world.genuine();
    enclave.host.0.secret_access_key.push('x');
    let result = enclave.unwrap(&wrapped, &descriptor()).await;
    assert_eq!(
        result.err(),
        Some(KmsError::Refused(Refusal::CredentialsInvalid))
    );
}

#[tokio::test]
async fn k3_whoever_answers_under_another_root_is_not_kms() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    // A host that runs a KMS of its own, which would give a data key of its choice.
    let other = World::new().await;
    let mut enclave = world.genuine();
    enclave.egress = Egress::new(Arc::new(Wire(other.kms.address())));
    let result = enclave.unwrap(&wrapped, &descriptor()).await;
    assert!(
        matches!(
            result,
            Err(KmsError::Egress(
                EgressError::UnknownRoot | EgressError::Certificate
            ))
        ),
        "{result:?}"
    );
    assert!(other.kms.refused().is_empty(), "it was never asked");
}
