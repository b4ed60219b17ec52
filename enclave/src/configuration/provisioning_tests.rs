use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;
use crate::hybrid::BootKey;

fn operator(name: &str, seed: u8) -> Value {
    let encryption = BootKey::new(&Box::new(Zeroizing::new([seed; 32]))).public();
    let signing = SigningKey::from_bytes(&[seed; 32]);
    // Written out by hand: a map of two, keys in the order of their encodings.
    let mut input = b"openkey/operator/v1\0\xa2".to_vec();
    input.push(0x64);
    input.extend(b"name");
    input.push(0x60 + u8::try_from(name.len()).unwrap());
    input.extend(name.as_bytes());
    input.push(0x6a);
    input.extend(b"encryption\x58\x20");
    input.extend(encryption);
    json!({
        "name": name,
        "encryption": hex::encode(encryption),
        "signing": hex::encode(signing.verifying_key().to_bytes()),
        "proof": hex::encode(signing.sign(&input).to_bytes()),
    })
}

fn release_key(seed: u8) -> String {
    hex::encode(
        SigningKey::from_bytes(&[seed; 32])
            .verifying_key()
            .to_bytes(),
    )
}

fn full() -> Value {
    json!({
        "rp_id": "example.org",
        "rp_name": "Example",
        "origins": ["https://example.org"],
        "identity_providers": ["accounts.example.com"],
        "operators": {
            "threshold": 2,
            "keys": [operator("alice", 1), operator("bob", 2), operator("carol", 3)],
        },
        "release_keys": { "threshold": 1, "keys": [release_key(4), release_key(5)] },
        "kms": {
            "key_arn": "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "region": "eu-central-1",
            "tls_root": "MAMCAQc=",
        },
        "root_sources": ["hand_over", "operators", "kms"],
        "root_id": "0f".repeat(32),
        "upgrade_delay_seconds": 3600,
    })
}

fn read(value: &Value) -> Result<Configuration, ConfigurationError> {
    Configuration::from_json(&serde_json::to_vec(value).unwrap())
}

fn changed(pointer: &str, new: Value) -> Value {
    let mut value = full();
    *value.pointer_mut(pointer).unwrap() = new;
    value
}

fn with_consent(needed: Value) -> Value {
    let mut value = full();
    value["upgrade_consent"] = needed;
    value
}

fn without(member: &str) -> Value {
    let mut value = full();
    value.as_object_mut().unwrap().remove(member);
    value
}

#[test]
fn hashes_stay_what_they_are() {
    let plain = Configuration::new("example.org", "Example", &["https://example.org"]).unwrap();
    assert_eq!(plain.hash().to_string(), PLAIN);
    assert_eq!(read(&full()).unwrap().hash().to_string(), FULL);
}

const PLAIN: &str = "3613958d5b05b4f79cf48a535e843f20177038ddec123fdc6d3a17880df65867";
const TWO_CONSENTS: &str = "a7d7143a2a610c92a9603bed174e96d7efe8d0ccb9f83f204e8d10e3353f1703";
const FULL: &str = "b0677a6755addb70c36da6c6863357d9bc28b9030a04e764f5c0e1acc6032df1";

#[test]
fn p5_every_member_is_measured() {
    let base = read(&full()).unwrap();
    let mut hashes = vec![base.hash()];
    let arn = "arn:aws:kms:eu-central-1:123456789012:key/mrk-1234567890abcdef1234567890abcdef";
    let other_region = json!({
        "key_arn": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "region": "us-east-1",
        "tls_root": "MAMCAQc=",
    });
    for value in [
        changed("/rp_name", json!("Examples")),
        changed("/origins/0", json!("https://www.example.org")),
        changed("/identity_providers/0", json!("login.example.com")),
        changed("/identity_providers", json!([])),
        changed("/operators/threshold", json!(1)),
        changed("/operators/threshold", json!(3)),
        changed("/operators/keys/0", operator("alice", 9)),
        changed("/operators/keys/0", operator("alicia", 1)),
        changed(
            "/operators/keys",
            json!([operator("bob", 2), operator("alice", 1)]),
        ),
        changed("/release_keys/threshold", json!(2)),
        changed("/release_keys/keys/0", json!(release_key(6))),
        without("release_keys"),
        changed("/kms/key_arn", json!(arn)),
        changed("/kms", other_region),
        changed("/kms/tls_root", json!("MAMCAQg=")),
        changed("/kms/tls_root", Value::Null),
        changed("/root_sources", json!(["operators", "hand_over", "kms"])),
        changed("/root_sources", json!(["operators"])),
        changed("/root_id", json!("1f".repeat(32))),
        without("root_id"),
        changed("/upgrade_delay_seconds", json!(3601)),
        without("upgrade_delay_seconds"),
        with_consent(json!(1)),
        with_consent(json!(3)),
    ] {
        let hash = read(&value).unwrap().hash();
        assert!(!hashes.contains(&hash), "{value}");
        hashes.push(hash);
    }
    let mut value = full();
    value["rp_id"] = json!("sub.example.org");
    value["origins"] = json!(["https://sub.example.org"]);
    assert!(!hashes.contains(&read(&value).unwrap().hash()));
}

#[test]
fn p5_what_is_not_written_properly_is_refused() {
    use ConfigurationError as E;
    let upper = |pointer: &str| {
        let text = full()
            .pointer(pointer)
            .unwrap()
            .as_str()
            .unwrap()
            .to_uppercase();
        changed(pointer, json!(text))
    };
    let same_key = {
        let mut second = operator("bob", 2);
        second["name"] = json!("dave");
        second
    };
    let many: Vec<Value> = (1..=17).map(|at| operator(&format!("o{at}"), at)).collect();
    let keys: Vec<String> = (1..=17).map(release_key).collect();
    let hosts: Vec<String> = (0..17).map(|at| format!("h{at}.example")).collect();
    let kms = "arn:aws:kms:eu-central-1:123456789012:";
    for (value, expected) in [
        (changed("/operators/threshold", json!(0)), E::OperatorCount),
        (changed("/operators/threshold", json!(4)), E::OperatorCount),
        (changed("/operators/keys", json!([])), E::OperatorCount),
        (changed("/operators/keys", json!(many)), E::OperatorCount),
        (
            changed("/operators/keys/1", operator("Alice", 7)),
            E::OperatorTwice(1),
        ),
        (changed("/operators/keys/2", same_key), E::OperatorProof(2)),
        (
            changed("/operators/keys/1/name", json!("")),
            E::OperatorName(1),
        ),
        (
            changed("/operators/keys/1/name", json!(" bob")),
            E::OperatorName(1),
        ),
        (
            changed("/operators/keys/1/name", json!("b\u{f6}b")),
            E::OperatorName(1),
        ),
        (
            changed("/operators/keys/1/name", json!("x".repeat(65))),
            E::OperatorName(1),
        ),
        (
            changed("/operators/keys/1/name", json!("mallory")),
            E::OperatorProof(1),
        ),
        (
            changed("/operators/keys/1/encryption", json!("00".repeat(32))),
            E::OperatorKey(1),
        ),
        (
            changed("/operators/keys/1/signing", json!("00".repeat(32))),
            E::OperatorKey(1),
        ),
        (
            changed("/operators/keys/1/proof", json!("00".repeat(64))),
            E::OperatorProof(1),
        ),
        (
            changed("/operators/keys/1/proof", json!("")),
            E::OperatorProof(1),
        ),
        (upper("/operators/keys/1/encryption"), E::OperatorKey(1)),
        (changed("/release_keys/threshold", json!(0)), E::ReleaseKeys),
        (changed("/release_keys/threshold", json!(3)), E::ReleaseKeys),
        (changed("/release_keys/keys", json!([])), E::ReleaseKeys),
        (changed("/release_keys/keys", json!(keys)), E::ReleaseKeys),
        (
            changed("/release_keys/keys/1", json!(release_key(4))),
            E::ReleaseKeys,
        ),
        (
            changed("/release_keys/keys/1", json!("00".repeat(32))),
            E::ReleaseKeys,
        ),
        (upper("/release_keys/keys/0"), E::ReleaseKeys),
        (changed("/identity_providers", json!(hosts)), E::HostCount),
        (
            changed("/identity_providers", json!(["a.example", "a.example"])),
            E::HostCount,
        ),
        (
            changed("/identity_providers/0", json!("Accounts.example.com")),
            E::Host(0),
        ),
        (
            changed("/identity_providers/0", json!("192.0.2.1")),
            E::Host(0),
        ),
        (
            changed("/identity_providers/0", json!("a.example.")),
            E::Host(0),
        ),
        (
            changed("/identity_providers/0", json!("a.example:444")),
            E::Host(0),
        ),
        (
            changed("/identity_providers/0", json!("a.example/b")),
            E::Host(0),
        ),
        (
            changed("/identity_providers/0", json!("u@a.example")),
            E::Host(0),
        ),
        (changed("/identity_providers/0", json!("")), E::Host(0)),
        (changed("/kms/region", json!("us-east-1")), E::Kms),
        (changed("/kms/region", json!("evil.example/")), E::Kms),
        (
            changed("/kms/key_arn", json!(format!("{kms}alias/root"))),
            E::Kms,
        ),
        (changed("/kms/key_arn", json!(format!("{kms}key/"))), E::Kms),
        (
            changed("/kms/key_arn", json!(format!("{kms}key/a b"))),
            E::Kms,
        ),
        (
            changed(
                "/kms/key_arn",
                json!("1234abcd-12ab-34cd-56ef-1234567890ab"),
            ),
            E::Kms,
        ),
        (changed("/kms/tls_root", json!("")), E::TlsRoot),
        (changed("/kms/tls_root", json!("MAMCAQ==")), E::TlsRoot),
        (changed("/kms/tls_root", json!("not base64")), E::TlsRoot),
        (changed("/root_sources", json!([])), E::RootSources),
        (
            changed("/root_sources", json!(["kms", "kms"])),
            E::RootSources,
        ),
        (changed("/root_sources", json!(["development"])), E::Shape),
        (without("kms"), E::RootSources),
        (changed("/root_id", json!("0f")), E::RootId),
        (upper("/root_id"), E::RootId),
        (without("operators"), E::RootId),
        (
            changed("/upgrade_delay_seconds", json!(31_622_401)),
            E::UpgradeDelay,
        ),
        (changed("/upgrade_delay_seconds", json!(0)), E::UpgradeDelay),
        (changed("/upgrade_delay_seconds", json!(-1)), E::Shape),
        (with_consent(json!(0)), E::UpgradeConsent),
        (with_consent(json!(4)), E::UpgradeConsent),
        (with_consent(json!(-1)), E::Shape),
        (with_consent(json!("1")), E::Shape),
        (
            changed(
                "/operators",
                json!({ "threshold": 1, "keys": [], "more": 1 }),
            ),
            E::Shape,
        ),
        (changed("/kms", json!({ "key_arn": "x" })), E::Shape),
    ] {
        assert_eq!(read(&value), Err(expected), "{value}");
    }
    let twice =
        br#"{"rp_id":"a.example","rp_name":"A","rp_name":"B","origins":["https://a.example"]}"#;
    assert_eq!(Configuration::from_json(twice), Err(E::Shape));
}

#[test]
fn the_order_of_sources_is_the_files_or_all_that_are_configured() {
    use RootSource::{HandOver, Kms, Operators};
    let sources = |value: &Value| read(value).unwrap().root_sources().to_vec();
    assert_eq!(
        sources(&without("root_sources")),
        [HandOver, Operators, Kms]
    );
    let named = changed("/root_sources", json!(["kms", "operators"]));
    assert_eq!(sources(&named), [Kms, Operators]);
    let mut plain = without("root_sources");
    plain.as_object_mut().unwrap().remove("kms");
    assert_eq!(sources(&plain), [HandOver, Operators]);
    assert_eq!(
        read(&without("upgrade_delay_seconds"))
            .unwrap()
            .upgrade_delay_seconds(),
        DEFAULT_UPGRADE_DELAY_SECONDS
    );
}

#[test]
fn e8_operators_consent_to_a_successor_unless_there_are_none() {
    let plain = Configuration::new("example.org", "Example", &["https://example.org"]).unwrap();
    assert_eq!(plain.upgrade_consent(), 0);
    assert_eq!(read(&full()).unwrap().upgrade_consent(), 1);
    let two = read(&with_consent(json!(2))).unwrap();
    assert_eq!(two.upgrade_consent(), 2);
    assert_eq!(two.hash().to_string(), TWO_CONSENTS);
    // Nobody could give it.
    let nobody = json!({
        "rp_id": "example.org",
        "rp_name": "Example",
        "origins": ["https://example.org"],
        "upgrade_consent": 1,
    });
    assert_eq!(read(&nobody), Err(ConfigurationError::UpgradeConsent));
}

#[test]
fn egress_goes_to_configured_hosts_only() {
    let configuration = read(&full()).unwrap();
    assert!(configuration.egress_allows("kms.eu-central-1.amazonaws.com", 443));
    assert!(configuration.egress_allows("accounts.example.com", 443));
    for (host, port) in [
        ("accounts.example.com", 80),
        ("Accounts.example.com", 443),
        ("accounts.example.com.", 443),
        ("evil.accounts.example.com", 443),
        ("kms.us-east-1.amazonaws.com", 443),
        ("example.org", 443),
        ("169.254.169.254", 443),
        ("", 443),
    ] {
        assert!(!configuration.egress_allows(host, port), "{host}:{port}");
    }
    let plain = Configuration::new("example.org", "Example", &["https://example.org"]).unwrap();
    assert!(!plain.egress_allows("kms.eu-central-1.amazonaws.com", 443));
}
