//! What an operator's program says about configurations is what enclaves say.

// A test that cannot go on should stop where it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use openkey_cli::{OperatorKey, ReleaseKey};
use openkey_verifier::configuration::{self, Configuration};
use serde_json::{Value, json};

fn operators() -> Value {
    let keys: Vec<_> = ["ada", "ben", "cyd"]
        .iter()
        .map(|name| OperatorKey::generate(name).unwrap().entry())
        .collect();
    json!({ "threshold": 2, "keys": keys })
}

fn with(members: Value) -> String {
    let mut file = json!({
        "rp_id": "localhost", "rp_name": "Here", "origins": ["http://localhost:7100"],
    });
    for (name, value) in members.as_object().unwrap() {
        file[name] = value.clone();
    }
    file.to_string()
}

#[test]
fn k9_enclaves_take_the_entry_and_its_proof() {
    let mut file = json!({ "operators": operators() });
    openkey_enclave::Configuration::from_json(with(file.clone()).as_bytes()).unwrap();
    // A proof is for one name and key.
    file["operators"]["keys"][0]["name"] = json!("eve");
    assert!(openkey_enclave::Configuration::from_json(with(file).as_bytes()).is_err());
}

#[test]
fn p5_configurations_are_hashed_as_enclaves_hash_them() {
    let operators = operators();
    let arn = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000";
    let kms = json!({ "key_arn": arn, "region": "eu-central-1" });
    let mut rooted = kms.clone();
    rooted["tls_root"] = json!("MAA=");
    let release = ReleaseKey::from_seed(&[3; 32]).public().to_string();
    for text in [
        with(json!({})),
        with(json!({ "operators": operators })),
        with(json!({ "identity_providers": ["id.example.org"], "upgrade_delay_seconds": 5 })),
        with(json!({ "operators": operators, "kms": kms })),
        with(json!({ "operators": operators, "kms": rooted, "root_id": "17".repeat(32) })),
        with(json!({ "operators": operators, "root_sources": ["operators"] })),
        with(json!({ "operators": operators, "upgrade_consent": 2 })),
        with(json!({ "release_keys": { "threshold": 1, "keys": [release] } })),
    ] {
        let enclave = openkey_enclave::Configuration::from_json(text.as_bytes()).unwrap();
        let ours = Configuration::from_json(text.as_bytes()).unwrap();
        assert_eq!(ours.hash(), enclave.hash(), "{text}");
        assert_eq!(configuration::pcr(ours.hash()).0, enclave.pcr(), "{text}");
        assert_eq!(ours.upgrade_consent(), enclave.upgrade_consent(), "{text}");
    }
}
