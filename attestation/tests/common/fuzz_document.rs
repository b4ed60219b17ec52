//! What the fuzz target `document` does with an input; the replay of its corpus does the same.

#![allow(unreachable_pub, reason = "shared with the fuzz target")]

use openkey_attestation::{Document, Nonce, Policy, Refusal, Roots, UnixMillis, Verifier};

/// The root of the documents in `tests/data/documents`.
const ROOT: &[u8] = include_bytes!("../data/documents/root.der");

/// Parses, encodes again what parsed, and verifies under a root whose documents are among the
/// seeds, as stored and as fresh evidence. Says whether the document was accepted.
pub fn run(bytes: &[u8]) -> bool {
    let parsed = Document::parse(bytes);
    if let Ok(document) = &parsed {
        let payload = document.payload();
        if let Ok(again) = payload.encode() {
            let again = openkey_attestation::Payload::parse(&again);
            assert_eq!(again.as_ref(), Ok(payload), "encoding changes the payload");
        }
    }
    let Ok(roots) = Roots::custom([ROOT]) else {
        panic!("the root is not a certificate");
    };
    let verifier = Verifier::new(roots);
    let policy = Policy::any_measurement().allow_debug(true);
    let archival = verifier.archival(bytes, &policy, None);
    match (&parsed, &archival) {
        (Err(malformed), refusal) => {
            assert_eq!(*refusal, Err(Refusal::Malformed(*malformed)));
        }
        (Ok(document), Ok(evidence)) => {
            assert_eq!(evidence.claims().module_id, document.payload().module_id);
        }
        (Ok(_), Err(_)) => {}
    }
    let simulator = verifier.archival(bytes, &policy.clone().simulator(true), None);
    assert!(archival.is_err() || simulator.is_err(), "of two kinds");
    if let (Ok(document), Ok(nonce)) = (&parsed, Nonce::new(b"nonce")) {
        let UnixMillis(now) = document.payload().timestamp;
        let now = UnixMillis(now.saturating_add(1));
        if verifier.fresh(bytes, &policy, &nonce, now).is_ok() {
            assert!(archival.is_ok(), "fresh and not archival");
        }
    }
    archival.is_ok() || simulator.is_ok()
}
