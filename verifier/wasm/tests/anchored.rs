//! The op `anchored` reads strictly. Good answers of it are what every test of the page in a real
//! browser begins with.

// A test that cannot go on should stop where it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use openkey_verifier_wasm::answer;
use serde_json::{Value, json};

fn anchor() -> Value {
    json!({
        "version": 1, "root_id": "7".repeat(64), "rp_id": "keys.example", "min_epoch": 1,
        "release_keys": {
            "threshold": 1,
            "keys": ["d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"],
        },
    })
}

fn question() -> Value {
    json!({
        "op": "anchored", "document": "AAAA", "nonce": "11".repeat(32), "now_ms": 1,
        "host": "keys.example", "anchor": hex::encode(anchor().to_string()),
    })
}

fn rule(question: &Value) -> String {
    let given: Value = serde_json::from_slice(&answer(question.to_string().as_bytes())).unwrap();
    given["error"]["rule"].as_str().unwrap().to_owned()
}

#[test]
fn e15_what_is_asked_is_read_strictly_and_in_order() {
    // Nothing is published, so that the document is not even looked at.
    assert_eq!(rule(&question()), "no_release");
    let with = |member: &str, value: Value| {
        let mut question = question();
        question[member] = value;
        rule(&question)
    };
    assert_eq!(with("host", json!("other.example")), "anchor_host");
    assert_eq!(with("anchor", json!("7b")), "anchor_malformed");
    assert_eq!(with("anchor", json!("{}")), "input");
    assert_eq!(with("releases", json!("{}")), "releases_malformed");
    assert_eq!(with("known", json!("{}")), "known_malformed");
    assert_eq!(with("nonce", json!("")), "expected_nonce_empty");
    assert_eq!(with("document", json!("")), "document_empty");
    for member in ["roots", "simulator", "allow_debug", "measurements"] {
        assert_eq!(with(member, json!(true)), "input", "{member}");
    }
    for member in ["document", "nonce", "now_ms", "host", "anchor"] {
        assert_eq!(with(member, Value::Null), "input", "{member}");
    }
}
