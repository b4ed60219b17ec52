//! What the fuzz target `verifier` does with an input; the replay of its corpus does the same.

#![allow(unreachable_pub, reason = "shared with the fuzz target")]

use openkey_verifier::{
    account::ReceiptFile,
    attestation::{Policy, Roots, Verifier},
    encoding::{MAX_DOCUMENT, document_bytes},
    page::{Release, headers},
};
use serde_json::Value;

/// Reads the input as everything that comes from outside: a question of the page, a document in
/// any encoding, a release file, a receipt file, the headers of a page. Says whether something was accepted.
pub fn run(bytes: &[u8]) -> bool {
    let answer = openkey_verifier_wasm::answer(bytes);
    let Ok(Value::Object(answer)) = serde_json::from_slice(&answer) else {
        panic!("the answer is no JSON object");
    };
    assert_eq!(answer.len(), 1, "an answer is ok or error");
    let accepted = answer.contains_key("ok");
    assert!(accepted || answer.contains_key("error"));

    if let Ok(document) = document_bytes(bytes) {
        assert!(document.len() <= MAX_DOCUMENT);
        assert_eq!(
            document_bytes(hex::encode(&document).as_bytes()),
            Ok(document)
        );
    }
    if let Ok(release) = Release::from_json(bytes) {
        assert!(release.names().all(|name| !name.contains("..")));
    }
    if let Ok(file) = ReceiptFile::from_json(bytes) {
        let verifier = Verifier::new(Roots::aws());
        let judged = file.check(&verifier, &Policy::any_measurement());
        assert!(judged.is_err(), "no document under the AWS root is here");
    }
    if let Ok(text) = core::str::from_utf8(bytes) {
        served(text);
    }
    accepted
}

/// A file's name and the headers that it is served with, one a line. What is accepted for a page names no
/// other host to a browser, except where its script may connect.
fn served(text: &str) {
    let mut lines = text.lines();
    let name = lines.next().unwrap_or_default();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    let headers: Vec<_> = lines.filter_map(header).collect();
    if headers::check(name, &headers).is_ok() {
        for (_, value) in headers.iter().filter(|(name, _)| name == "alt-svc") {
            let mut services = value
                .split(',')
                .filter_map(|service| service.split_once('='));
            assert!(
                services.all(|(_, authority)| authority.starts_with("\":")),
                "{value}"
            );
        }
    }
}
