//! Digests of typed data against an independent implementation, and dangerous messages.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

#[path = "typed_data/danger.rs"]
mod danger;
#[path = "typed_data/mixed.rs"]
mod mixed;
#[path = "typed_data/random.rs"]
mod random;

use std::{fs, path::Path};

use alloy_dyn_abi::TypedData;
use openkey_consent::{Asker, SigningRequest, read_payload};
use openkey_protocol::message::{Address, Error, Payload, Severity};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};

/// 4 March 2026, 06:00:00 UTC.
const NOW: u64 = 1_772_604_000_000;

fn read(json: &str) -> Result<SigningRequest, Error> {
    let signer = Address([0x11; 20]);
    read_payload(
        &Payload::TypedData(json.to_owned()),
        &signer,
        Asker::Unknown,
        NOW,
    )
}

/// A text that is longer than its row, and that only escapes hold below.
#[test]
fn e11_a_text_that_escapes_hide_is_told() {
    let document = |contents: &str| {
        format!(
            r#"{{"types":{{"EIP712Domain":[{{"name":"name","type":"string"}}],"Mail":[{{"name":"from","type":"Person"}},{{"name":"to","type":"Person"}},{{"name":"contents","type":"string"}}],"Person":[{{"name":"name","type":"string"}},{{"name":"wallet","type":"address"}}]}},"primaryType":"Mail","domain":{{"name":"Ether Mail"}},"message":{{"from":{{"name":"Alice","wallet":"0x00000000000000000000000000000000000000AA"}},"to":{{"name":"Bob","wallet":"0x00000000000000000000000000000000000000AA"}},"contents":"{contents}"}}}}"#
        )
    };
    let told = |contents: &str| {
        let request = read(&document(contents)).unwrap();
        let mut warnings = request.summary.warnings.iter();
        warnings.any(|it| it.severity == Severity::Attention && it.text.contains("escapes"))
    };
    let long = "so it goes on and on ".repeat(10);
    for hidden in [r"\u0061nd", r#"\u0061nd \"so\""#] {
        assert!(told(&format!("{long}{hidden}")), "{hidden}");
        assert!(!told(hidden), "{hidden}");
    }
    for shown in ["and", r"and \n so", r"1\/2", "é"] {
        assert!(!told(&format!("{long}{shown}")), "{shown}");
    }
}

/// What alloy makes of a document.
fn oracle(json: &str) -> Option<[u8; 32]> {
    let data: TypedData = serde_json::from_str(json).ok()?;
    data.eip712_signing_hash().ok().map(|hash| hash.0)
}

fn vector(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/typed_data");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The example of EIP-712 itself, whose digest the specification's test code gives.
#[test]
fn the_specified_example_has_the_specified_digest() {
    assert_eq!(
        hex::encode(read(&vector("accepted/mail.json")).unwrap().digest),
        "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    );
}

#[test]
fn accepted_vectors_have_the_digest_of_an_independent_implementation() {
    for name in ["mail", "everything", "domain_name_only", "escaped_hidden"] {
        let json = vector(&format!("accepted/{name}.json"));
        assert_eq!(Some(read(&json).unwrap().digest), oracle(&json), "{name}");
    }
}

/// The digests in the file are viem's `hashTypedData`.
#[test]
fn accepted_vectors_have_the_digest_of_viem() {
    let digests: Value = serde_json::from_str(&vector("viem-digests.json")).unwrap();
    for (name, digest) in digests.as_object().unwrap() {
        let request = read(&vector(&format!("accepted/{name}.json"))).unwrap();
        let ours = format!("0x{}", hex::encode(request.digest));
        assert_eq!(digest.as_str(), Some(ours.as_str()), "{name}");
    }
}

fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Keccak256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn word(number: u8) -> [u8; 32] {
    let mut word = [0; 32];
    word[31] = number;
    word
}

/// The domain separator of the recursive vectors, from the independent implementation.
fn separator() -> [u8; 32] {
    let data: TypedData = serde_json::from_str(&vector("accepted/mail.json")).unwrap();
    data.domain.separator().0
}

#[test]
fn a_struct_in_a_list_of_its_own_type_is_hashed_from_the_leaves_up() {
    let kind = keccak(&[b"Node(uint256 value,Node[] children)"]);
    let node = |value, children: &[[u8; 32]]| {
        let children: Vec<&[u8]> = children.iter().map(|child| &child[..]).collect();
        keccak(&[&kind, &word(value), &keccak(&children)])
    };
    let root = node(1, &[node(2, &[]), node(3, &[node(4, &[])])]);
    let digest = keccak(&[b"\x19\x01", &separator(), &root]);
    assert_eq!(
        read(&vector("accepted/recursive_list.json"))
            .unwrap()
            .digest,
        digest
    );
}

/// What is not there counts as 32 zero bytes, as in `eth_signTypedData_v4`.
#[test]
fn a_struct_that_holds_itself_ends_with_nothing() {
    let kind = keccak(&[b"Link(uint256 value,Link next)"]);
    let last = keccak(&[&kind, &word(2), &[0; 32]]);
    let first = keccak(&[&kind, &word(1), &last]);
    let digest = keccak(&[b"\x19\x01", &separator(), &first]);
    let request = read(&vector("accepted/recursive_null.json")).unwrap();
    assert_eq!(request.digest, digest);
    let lines = &request.summary.lines;
    assert!(
        lines
            .iter()
            .any(|l| l.label == "next.next (Link)" && l.value == "nothing")
    );
}

/// Two types that hold each other, and a third in front of both by name.
#[test]
fn types_that_hold_each_other_are_encoded_in_order_of_their_names() {
    let mut document: Value = serde_json::from_str(&vector("accepted/mail.json")).unwrap();
    document["types"]["Zebra"] = json!([{"name": "ape", "type": "Ape"}]);
    document["types"]["Ape"] = json!([
        {"name": "zebras", "type": "Zebra[]"}, {"name": "wallet", "type": "Person"}
    ]);
    document["primaryType"] = json!("Zebra");
    let person = document["message"]["to"].clone();
    document["message"] = json!({"ape": {"zebras": [], "wallet": &person}});
    let names = b"Ape(Zebra[] zebras,Person wallet)Person(string name,address wallet)";
    let zebra = keccak(&[b"Zebra(Ape ape)", names]);
    let ape = keccak(&[
        b"Ape(Zebra[] zebras,Person wallet)Person(string name,address wallet)Zebra(Ape ape)",
    ]);
    let wallet = hex::decode(&person["wallet"].as_str().unwrap()[2..]).unwrap();
    let person = keccak(&[
        &keccak(&[b"Person(string name,address wallet)"]),
        &keccak(&[b"Bob"]),
        &[0; 12],
        &wallet,
    ]);
    let message = keccak(&[&zebra, &keccak(&[&ape, &keccak(&[]), &person])]);
    let digest = keccak(&[b"\x19\x01", &separator(), &message]);
    assert_eq!(read(&document.to_string()).unwrap().digest, digest);
}

#[test]
fn numbers_beyond_two_to_the_53rd_are_exact() {
    let digest = |value: Value| {
        let mut document: Value = serde_json::from_str(&vector("accepted/mail.json")).unwrap();
        document["types"]["Mail"][2]["type"] = json!("uint256");
        document["message"]["contents"] = value;
        let request = read(&document.to_string()).unwrap();
        let shown = request
            .summary
            .lines
            .iter()
            .find(|l| l.label.starts_with("contents"));
        (request.digest, shown.unwrap().value.clone())
    };
    let exact = digest(json!("9007199254740993"));
    assert_eq!(exact.1, "9,007,199,254,740,993");
    assert_eq!(exact, digest(json!("0x20000000000001")));
    // As a JSON number it is another one for JavaScript; its even neighbours are the same for all.
    let even = digest(json!(9_007_199_254_740_992_u64));
    assert_ne!(exact.0, even.0);
    assert_eq!(even, digest(json!("9007199254740992")));
}

#[test]
fn every_field_is_shown_and_nothing_hidden_moves_it() {
    let request = read(&vector("accepted/everything.json")).unwrap();
    let shown = |label: &str| {
        let lines = &request.summary.lines;
        let line = lines.iter().find(|line| line.label == label);
        line.unwrap_or_else(|| panic!("{label} in {lines:#?}"))
            .value
            .clone()
    };
    assert_eq!(shown("a (bool)"), "yes");
    assert_eq!(shown("d (int8)"), "−128");
    assert_eq!(shown("h (bytes)"), "0x");
    assert_eq!(shown("k (uint16[])"), "an empty list");
    assert_eq!(shown("l[1][1] (uint16)"), "4");
    assert_eq!(shown("m[0].name (string)"), "“Cow”");
    assert_eq!(shown("Chain"), "OP Mainnet (chain 10)");
    let hidden = read(&vector("accepted/escaped_hidden.json")).unwrap();
    let line = hidden
        .summary
        .lines
        .iter()
        .find(|l| l.label == "contents (string)");
    assert_eq!(line.unwrap().value, "“a\\u{202e}b\\u{200b}c”");
    assert!(
        hidden
            .summary
            .warnings
            .iter()
            .any(|w| w.text.contains("do not show"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_documents_have_the_digest_of_an_independent_implementation(
        document in random::document()
    ) {
        let json = document.to_string();
        let request = read(&json).unwrap();
        prop_assert_eq!(Some(request.digest), oracle(&json));
        prop_assert_eq!(request.summary.text, Some(json));
    }

    /// What is accepted after a change has one meaning, too.
    #[test]
    fn changed_documents_are_refused_or_have_one_meaning(
        document in random::document(),
        at in any::<prop::sample::Index>(),
        with in any::<char>(),
        change in 0..3u8,
    ) {
        let mut json: Vec<char> = document.to_string().chars().collect();
        let at = at.index(json.len());
        match change {
            0 => { json.remove(at); }
            1 => json.insert(at, with),
            _ => json[at] = with,
        }
        let json: String = json.into_iter().collect();
        if let Ok(request) = read(&json) {
            prop_assert_eq!(Some(request.digest), oracle(&json));
        }
    }

    #[test]
    fn any_text_is_judged(json in any::<String>()) {
        let _ = read(&json);
    }
}

#[test]
fn e11_a_struct_inside_does_not_title_the_message() {
    let json = r#"{"types":{"EIP712Domain":[{"name":"name","type":"string"}],
        "Compact":[{"name":"arbiter","type":"address"},{"name":"token","type":"address"},
            {"name":"amount","type":"uint256"},{"name":"mandate","type":"Mandate"}],
        "Mandate":[{"name":"owner","type":"address"},{"name":"operator","type":"address"},
            {"name":"approved","type":"bool"}]},
        "primaryType":"Compact","domain":{"name":"The Compact"},
        "message":{"arbiter":"0x2222222222222222222222222222222222222222",
            "token":"0x3333333333333333333333333333333333333333","amount":"1000000000000",
            "mandate":{"owner":"0x1111111111111111111111111111111111111111",
                "operator":"0x4444444444444444444444444444444444444444","approved":false}}}"#;
    let read = read(json).unwrap();
    assert!(read.summary.confirm);
    let title = &read.summary.title;
    assert!(
        title.contains("Compact") && !title.contains("back"),
        "{title}"
    );
}
