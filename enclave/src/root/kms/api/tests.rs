use openkey_protocol::message::{Hash32, RootDescriptor};

use super::*;

const ARN: &str = "arn:aws:kms:eu-sim-1:000000000000:key/1";

fn descriptor() -> RootDescriptor {
    RootDescriptor {
        version: 1,
        commitment: Hash32([0xab; 32]),
        threshold: 1,
        operators: Vec::new(),
        shares: Vec::new(),
        epoch: 3,
        created_at: 0,
    }
}

fn decrypt() -> Call<'static> {
    Call::Decrypt { blob: b"blob" }
}

#[test]
fn k1_both_calls_name_recipient_key_and_context() {
    let context = EncryptionContext::of(&descriptor());
    for call in [Call::GenerateDataKey, decrypt()] {
        let body = call.body(ARN, &context, b"document").unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["KeyId"], ARN);
        assert_eq!(body["Recipient"]["AttestationDocument"], "ZG9jdW1lbnQ=");
        assert_eq!(
            body["Recipient"]["KeyEncryptionAlgorithm"],
            "RSAES_OAEP_SHA_256"
        );
        let expected = serde_json::json!({
            "openkey:purpose": "root-key",
            "openkey:commitment": "ab".repeat(32),
            "openkey:epoch": "3",
        });
        assert_eq!(body["EncryptionContext"], expected);
        if call == Call::GenerateDataKey {
            assert_eq!(body["KeySpec"], "AES_256");
            assert_eq!(body.as_object().unwrap().len(), 4);
        } else {
            assert_eq!(body["CiphertextBlob"], "YmxvYg==");
            assert_eq!(body["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT");
            assert_eq!(body.as_object().unwrap().len(), 5);
        }
    }
}

#[test]
fn k2_only_an_answer_to_the_call_about_the_key_is_read() {
    let generate = |body: &str| Answer::read(Call::GenerateDataKey, ARN, 200, body.as_bytes());
    let read = |body: &str| Answer::read(decrypt(), ARN, 200, body.as_bytes());
    let good = format!(
        r#"{{"KeyId":"{ARN}","CiphertextForRecipient":"AQI=","CiphertextBlob":"Aw==","Plaintext":"","KeyMaterialId":"x"}}"#
    );
    let answer = generate(&good).unwrap();
    assert_eq!(
        (answer.for_recipient, answer.blob),
        (vec![1, 2], Some(vec![3]))
    );
    let good_decrypt = format!(
        r#"{{"KeyId":"{ARN}","CiphertextForRecipient":"AQI=","EncryptionAlgorithm":"SYMMETRIC_DEFAULT","Plaintext":null}}"#
    );
    assert_eq!(read(&good_decrypt).unwrap().for_recipient, [1, 2]);

    let in_the_clear = good.replace(r#""Plaintext":"""#, r#""Plaintext":"AAAA""#);
    assert_eq!(generate(&in_the_clear), Err(KmsError::InTheClear));
    assert_eq!(
        generate(&good.replace("key/1", "key/2")),
        Err(KmsError::OtherKey)
    );
    let reply = |result| matches!(result, Err(KmsError::Reply(_)));
    for bad in [
        "",
        "{}",
        "[]",
        &good.replace("AQI=", "AQI"),
        &good.replace("AQI=", "AQJ="),
        &good.replace("Aw==", ""),
        &good.replace("\"CiphertextBlob\"", "\"Other\""),
        &good.replace("{\"KeyId\"", "{\"KeyId\":\"a\",\"KeyId\""),
        &format!("{good}x"),
        &good_decrypt,
    ] {
        assert!(reply(generate(bad)), "{bad}");
    }
    for bad in [
        good.as_str(),
        &good_decrypt.replace("SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_256"),
    ] {
        assert!(reply(read(bad)), "{bad}");
    }
}

#[test]
fn what_aws_refuses_with_is_explained() {
    let explain = |status, body: &str| match Answer::read(decrypt(), ARN, status, body.as_bytes()) {
        Err(KmsError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    for (name, refusal) in [
        ("AccessDeniedException", Refusal::AccessDenied),
        (
            "com.amazonaws.kms#AccessDeniedException",
            Refusal::AccessDenied,
        ),
        ("ExpiredTokenException", Refusal::CredentialsExpired),
        ("InvalidSignatureException", Refusal::CredentialsInvalid),
        ("ThrottlingException", Refusal::Throttled),
        ("NotFoundException", Refusal::NoSuchKey),
        ("DisabledException", Refusal::KeyUnusable),
        ("InvalidCiphertextException", Refusal::OtherCiphertext),
        ("ValidationException", Refusal::Invalid),
        ("KMSInternalException", Refusal::Fault),
        ("Brand<script>New", Refusal::Other { status: 400 }),
    ] {
        let body = format!(r#"{{"__type":"{name}","Message":"words of AWS"}}"#);
        assert_eq!(explain(400, &body), refusal);
        let sentence = KmsError::from(refusal).to_string();
        assert!(sentence.starts_with("AWS KMS refused: "), "{sentence}");
        assert!(!sentence.contains("words of AWS") && !sentence.contains('<'));
    }
    assert_eq!(explain(503, "<html>"), Refusal::Fault);
    assert_eq!(explain(429, ""), Refusal::Throttled);
    assert_eq!(explain(302, ""), Refusal::Other { status: 302 });
}
