//! Writes the questions and answers that the browser module is tested with, as JSON, to stdout:
//! `cargo run -p openkey-verifier --example make-wasm-vectors > verifier/wasm/tests/vectors.json`.
//!
//! The documents are under a root whose key is thrown away. The answers are written out here, from
//! what goes in, and not taken from the code that is tested.

// What cannot be made here should stop the program where it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod documents;
#[path = "../../../attestation/tests/common/mod.rs"]
mod enclaves;
mod statements;

use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

const ORIGIN: &str = "http://localhost:7100";

fn identity() -> SigningKey {
    SigningKey::from_bytes(&[0x42; 32])
}

/// The cases, in order.
#[derive(Default)]
struct Cases(Vec<Value>);

impl Cases {
    fn ok(&mut self, name: &str, input: &Value, ok: Value) {
        self.0
            .push(json!({ "name": name, "input": input, "ok": ok }));
    }

    /// `input` is the JSON asked, or a text that is sent as it is.
    fn refused(&mut self, name: &str, rule: &str, input: impl Into<Value>) {
        let input: Value = input.into();
        self.0
            .push(json!({ "name": name, "input": input, "rule": rule }));
    }

    /// The first case of this op with one member set (or removed, by null), refused.
    fn bent(&mut self, rule: &str, op: &str, member: &str, value: Value) {
        let name = format!("{op} with another {member}: {rule}");
        self.0
            .push(json!({ "name": name, "like": op, "set": { member: value }, "rule": rule }));
    }
}

fn main() {
    let mut cases = Cases::default();
    inputs(&mut cases);
    documents::documents(&mut cases);
    statements::prompts(&mut cases);
    statements::receipts(&mut cases);
    statements::views(&mut cases);
    statements::successors(&mut cases);
    println!("{}", serde_json::to_string_pretty(&cases.0).unwrap());
}

fn inputs(cases: &mut Cases) {
    for (name, input) in [
        ("nothing", ""),
        ("no JSON", "{"),
        ("no object", "[]"),
        ("no op", "{}"),
        ("another op", r#"{"op":"sign"}"#),
        ("an op of another type", r#"{"op":1}"#),
        ("an op twice", r#"{"op":"head","op":"head"}"#),
        ("an unknown member", r#"{"op":"head","force":true}"#),
        ("text behind it", r#"{"op":"head"} {}"#),
    ] {
        cases.refused(name, "input", input);
    }
}
