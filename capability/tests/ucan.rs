//! UCAN tokens of present clients, and everything that is nearly one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

use std::fs;
use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::cid::Cid;
use openkey_capability::key::PublicKey;
use openkey_capability::ucan::{Builder, MAX_TOKEN, Ucan, UcanError};
use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "common/fuzz_ucan.rs"]
mod fuzz_ucan;

const BOB: &str = "did:key:z6Mko9hTggMwjSTEaJaPUfE6tqcy2xvU6BnNq3e3o8qVBiyH";

fn vectors() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ucan.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn session() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::Ed25519(key.verifying_key().to_bytes())
}

/// RFC 7515, section 4.1.11, and RFC 7797, section 6: who does not understand what a header calls
/// critical must refuse the token.
#[test]
fn headers_that_call_something_critical_are_refused() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ucan-crit.json");
    let vectors: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let read = Ucan::decode(vector["token"].as_str().unwrap());
        match vector["right"].as_str().unwrap() {
            "accepted" => read.unwrap().verify().unwrap(),
            rule => assert_eq!(read.unwrap_err().rule(), rule, "{vector}"),
        }
    }
    let parts: Vec<_> = vectors_token().split('.').map(str::to_owned).collect();
    for member in [
        r#""crit":null"#,
        r#""crit":[]"#,
        r#""b64":true"#,
        r#""b64":null"#,
    ] {
        let header = Base64UrlUnpadded::decode_vec(&parts[0]).unwrap();
        let header = String::from_utf8(header).unwrap();
        let header = format!("{{{member},{}", header.strip_prefix('{').unwrap());
        let header = Base64UrlUnpadded::encode_string(header.as_bytes());
        let token = format!("{header}.{}.{}", parts[1], parts[2]);
        assert_eq!(Ucan::decode(&token), Err(UcanError::Header), "{member}");
    }
}

#[test]
fn only_a_whole_text_is_an_identifier() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cid-text.json");
    let vectors: Vec<(String, bool)> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(vectors.len() > 3);
    for (text, is_read) in vectors {
        assert_eq!(Cid::parse(&text).is_ok(), is_read, "{text}");
    }
}

fn vectors_token() -> String {
    vectors()[0]["token"].as_str().unwrap().to_owned()
}

#[test]
fn tokens_of_present_clients_are_read_and_written() {
    for vector in vectors() {
        let text = |member: &str| vector[member].as_str().unwrap();
        let ucan = Ucan::decode(text("token")).unwrap();
        ucan.verify().unwrap();
        assert_eq!(ucan.cid().to_string(), text("cid"));
        assert_eq!(ucan.audience(), text("audience"));
        assert_eq!(ucan.nonce(), Some(text("nonce")));
        let expires = vector["expires"].as_i64().unwrap();
        assert_eq!(
            (ucan.expires_ms(), ucan.not_before_ms()),
            (expires * 1000, None)
        );
        let proof = Cid::parse(text("proof")).unwrap();
        assert_eq!(ucan.proofs(), [proof]);
        assert!(!format!("{ucan:?}").contains("eyJ"));

        let key = SigningKey::from_bytes(&[vector["seed"].as_u64().unwrap() as u8; 32]);
        assert_eq!(ucan.issuer(), public(&key).did_url());
        let grant =
            Attenuation::new().with(text("resource"), Ability::parse(text("ability")).unwrap());
        assert_eq!(ucan.attenuation(), &grant);
        let written = Builder::new(public(&key), text("audience"), expires)
            .nonce(text("nonce"))
            .proof(&proof)
            .grant(grant);
        let written = written.sign(|input| key.sign(input).to_bytes()).unwrap();
        assert_eq!(written.token(), text("token"), "{}", text("name"));
    }
}

fn signed(header: &str, payload: &str) -> String {
    let part = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    let input = format!("{}.{}", part(header), part(payload));
    let signature = session().sign(input.as_bytes()).to_bytes();
    format!("{input}.{}", Base64UrlUnpadded::encode_string(&signature))
}

fn judged(token: &str) -> Result<(), UcanError> {
    Ucan::decode(token)?.verify()
}

/// The data file of tolerances has whatever differs in a member.
#[test]
fn nearly_tokens_are_refused() {
    use UcanError as E;
    let header = r#"{"alg":"EdDSA","typ":"JWT","ucv":"0.10.0"}"#;
    let body = |more: &str| {
        let iss = public(&session()).did();
        format!(r#"{{"iss":"{iss}","aud":"{BOB}","exp":1,"prf":[],"att":{{}}{more}}}"#)
    };
    let good = signed(header, &body(""));
    assert_eq!(judged(&good), Ok(()));
    let did = public(&session()).did();
    let list = format!(r#"["{did}","{BOB}",null,1,null,null,[],{{}}]"#);
    let long = format!("{good}{}", "A".repeat(MAX_TOKEN));
    let (input, _) = good.rsplit_once('.').unwrap();
    for (token, expected) in [
        (signed(header, &body(r#","exp":2"#)), E::Payload),
        (
            signed(header, &body(r#","fct":[{"a":1,"a":2}]"#)),
            E::Payload,
        ),
        // members by their places and not by their names
        (
            signed(r#" ["EdDSA",null,"JWT","0.10.0"]"#, &body("")),
            E::Header,
        ),
        (signed(header, &list), E::Payload),
        (long, E::TooLong),
        (format!("{input}."), E::Signature),
        (input.to_owned(), E::Parts),
        (format!("{good}.AA"), E::Parts),
        (String::new(), E::Parts),
    ] {
        assert_eq!(judged(&token), Err(expected), "{token}");
    }
}

#[test]
fn other_curves_verify() {
    use k256::ecdsa::signature::Signer as _;
    let secp256k1 = k256::ecdsa::SigningKey::from_slice(&[2; 32]).unwrap();
    let point = secp256k1.verifying_key().to_sec1_point(true);
    let key = PublicKey::Secp256k1(point.as_bytes().try_into().unwrap());
    assert_eq!(
        key.did(),
        "did:key:zQ3shScWratmosu8R95gHDdPPypPdxht5hkJ16K2Pv7NWWW4m"
    );
    let sign = |input: &[u8]| -> [u8; 64] {
        let signature: k256::ecdsa::Signature = secp256k1.sign(input);
        signature.to_bytes().into()
    };
    Builder::new(key, BOB, 1).sign(sign).unwrap();

    let p256 = p256::ecdsa::SigningKey::from_slice(&[2; 32]).unwrap();
    let point = p256.verifying_key().to_sec1_point(true);
    let key = PublicKey::P256(point.as_bytes().try_into().unwrap());
    assert_eq!(
        key.did(),
        "did:key:zDnaeWA1DFehB4iXcQeiDJzcZK3x2cYW1DdJX97edtzfPCt75"
    );
    let sign = |input: &[u8]| -> [u8; 64] {
        let signature: p256::ecdsa::Signature = p256.sign(input);
        signature.to_bytes().into()
    };
    Builder::new(key, BOB, 1).sign(sign).unwrap();
    // a signature that is not the issuer's makes no token
    let made = Builder::new(key, BOB, 1).sign(|_| [1; 64]);
    assert_eq!(made, Err(UcanError::Signature));
}

#[test]
fn the_fuzz_corpus_is_judged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/ucan");
    let seen: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| fuzz_ucan::run(&fs::read(entry.unwrap().path()).unwrap()))
        .collect();
    let read = seen.iter().filter(|(read, _)| *read).count();
    let verified = seen.iter().filter(|(_, holds)| *holds).count();
    assert!(read >= 5 && verified >= 3, "{read} read, {verified} verify");
}

proptest! {
    #[test]
    fn a_changed_character_is_noticed(at in 0_usize..700, to in "[A-Za-z0-9_.-]") {
        let good = vectors()[0]["token"].as_str().unwrap().to_owned();
        let at = at % good.len();
        let mut changed = good.clone();
        changed.replace_range(at..=at, &to);
        if changed != good {
            prop_assert!(judged(&changed).is_err());
        }
    }

    #[test]
    fn what_is_written_is_read(nonce in ".{0,40}", expires in any::<i64>(), key in any::<[u8; 32]>()) {
        let key = SigningKey::from_bytes(&key);
        let fact = json!({"nonce": nonce});
        let written = Builder::new(public(&key), BOB, expires).nonce(nonce.clone()).fact(fact.clone());
        let ucan = written.sign(|input| key.sign(input).to_bytes()).unwrap();
        prop_assert_eq!(ucan.nonce(), Some(nonce.as_str()));
        prop_assert_eq!(ucan.facts(), [fact]);
        prop_assert_eq!(Ucan::decode(ucan.token()).unwrap(), ucan);
    }
}
