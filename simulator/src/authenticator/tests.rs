use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use openkey_protocol::message::Bytes;
use serde_json::Value;

use super::*;

const ORIGIN: &str = "http://localhost:7100";

fn creation() -> CreationOptions {
    CreationOptions {
        challenge: vec![1; 32].into(),
        rp_id: "localhost".to_owned(),
        rp_name: "Test".to_owned(),
        user_id: vec![2; 16].into(),
        user_name: "Ada".to_owned(),
        algorithms: vec![-7, -257],
        exclude: vec![],
        timeout_ms: 1000,
    }
}

fn request(allow: Vec<Bytes>) -> RequestOptions {
    RequestOptions {
        challenge: vec![3; 32].into(),
        rp_id: "localhost".to_owned(),
        allow,
        timeout_ms: 1000,
    }
}

fn verifies(passkey: &Passkey, assertion: &Assertion) -> bool {
    let spki = passkey.public_key_spki().unwrap();
    let mut signed = assertion.authenticator_data.0.clone();
    signed.extend_from_slice(digest(&SHA256, &assertion.client_data_json.0).as_ref());
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &spki)
        .unwrap()
        .verify_sig(&signed, assertion.signature.as_slice())
        .is_ok()
}

#[test]
fn creates_what_a_browser_would() {
    let mut device = Authenticator::new();
    let made = device.create(&creation(), &Behaviour::at(ORIGIN)).unwrap();
    let client: Value = serde_json::from_slice(made.client_data_json.as_slice()).unwrap();
    assert_eq!(client["type"], "webauthn.create");
    assert_eq!(
        client["challenge"],
        Base64UrlUnpadded::encode_string(&[1; 32])
    );
    assert_eq!(client["origin"], ORIGIN);
    assert_eq!(client["crossOrigin"], false);
    let object = made.attestation_object.as_slice();
    let head = b"\xa3cfmtdnonegattStmt\xa0hauthData";
    assert!(object.starts_with(head));
    // A byte string of 37 + 16 + 2 + 32 + 77 = 164 bytes.
    let data = &object[head.len() + 2..];
    assert_eq!(data.len(), 164);
    assert_eq!(data[..32], *digest(&SHA256, b"localhost").as_ref());
    assert_eq!(data[32], 0x45);
    assert_eq!(data[55..87], *made.id.as_slice());
    assert_eq!(device.passkeys()[0].user_handle(), [2; 16]);
}

#[test]
fn answers_and_the_signature_holds() {
    let mut device = Authenticator::new();
    let made = device.create(&creation(), &Behaviour::at(ORIGIN)).unwrap();
    for allow in [vec![], vec![made.id.clone()]] {
        let answer = device.get(&request(allow), &Behaviour::at(ORIGIN)).unwrap();
        assert_eq!(answer.credential_id, made.id);
        assert_eq!(answer.authenticator_data.0[32], 0x05);
        assert_eq!(answer.user_handle, Some(vec![2; 16].into()));
        assert!(verifies(&device.passkeys()[0], &answer));
    }
}

#[test]
fn refuses_as_an_honest_device_does() {
    let mut device = Authenticator::new();
    let here = Behaviour::at(ORIGIN);
    let made = device.create(&creation(), &here).unwrap();
    let mut again = creation();
    again.exclude = vec![made.id];
    assert_eq!(
        device.create(&again, &here).err(),
        Some(AuthenticatorError::Excluded)
    );
    again.exclude = vec![];
    again.algorithms = vec![-257];
    assert_eq!(
        device.create(&again, &here).err(),
        Some(AuthenticatorError::Algorithm)
    );
    let stranger = request(vec![vec![9; 32].into()]);
    assert_eq!(
        device.get(&stranger, &here).err(),
        Some(AuthenticatorError::NoCredential)
    );
    let mut elsewhere = request(vec![]);
    elsewhere.rp_id = "example.org".to_owned();
    assert_eq!(
        device.get(&elsewhere, &here).err(),
        Some(AuthenticatorError::NoCredential)
    );
}

#[test]
fn misbehaves_on_demand_under_a_good_signature() {
    let mut device = Authenticator::new();
    device.create(&creation(), &Behaviour::at(ORIGIN)).unwrap();
    let behaviour = Behaviour {
        origin: "https://evil.example".to_owned(),
        cross_origin: Some(true),
        user_verified: false,
        rp_id: Some("evil.example".to_owned()),
        user_handle: Some(vec![7; 16]),
        challenge: Some(vec![8; 32]),
        ceremony: Some("webauthn.create"),
        counter: 5,
        ..Behaviour::at("")
    };
    let answer = device.get(&request(vec![]), &behaviour).unwrap();
    let client: Value = serde_json::from_slice(answer.client_data_json.as_slice()).unwrap();
    assert_eq!(client["origin"], "https://evil.example");
    assert_eq!(client["crossOrigin"], true);
    assert_eq!(client["type"], "webauthn.create");
    assert_eq!(
        client["challenge"],
        Base64UrlUnpadded::encode_string(&[8; 32])
    );
    assert_eq!(answer.authenticator_data.0[32..], [0x01, 0, 0, 0, 5]);
    assert_eq!(answer.user_handle, Some(vec![7; 16].into()));
    assert!(verifies(&device.passkeys()[0], &answer));
}

#[test]
fn a_software_passkey_can_be_carried() {
    let mut device = Authenticator::new();
    device.create(&creation(), &Behaviour::at(ORIGIN)).unwrap();
    let passkey = &device.passkeys()[0];
    let exported = passkey.export().unwrap();
    let same = Passkey::import(passkey.id(), "localhost", &[2; 16], &exported).unwrap();
    let mut other = Authenticator::new();
    other.add(same);
    let answer = other.get(&request(vec![]), &Behaviour::at(ORIGIN)).unwrap();
    assert!(verifies(passkey, &answer));
    other.clear();
    assert!(other.passkeys().is_empty());
}
