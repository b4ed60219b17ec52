//! What the fuzz target `verifier` does with an input; the replay of its corpus does the same.

#![allow(unreachable_pub, reason = "shared with the fuzz target")]

use openkey_verifier::{
    account::ReceiptFile,
    attestation::{Policy, Roots, Verifier},
    encoding::{MAX_DOCUMENT, document_bytes},
    page::Release,
};
use serde_json::Value;

/// Reads the input as everything that comes from outside: a question of the page, a document in
/// any encoding, a release file, a receipt file. Says whether something was accepted.
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
    accepted
}
