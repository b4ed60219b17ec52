//! The vectors in `tests/data/shapes.txt`: one per rule and quirk of the format.

use std::collections::BTreeSet;

use openkey_attestation::Document;

const SHAPES: &str = include_str!("../data/shapes.txt");

#[test]
fn shapes_are_judged_as_their_vectors_say() {
    let mut rules = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in SHAPES.lines().filter(|line| !line.starts_with('#')) {
        let [name, expected, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let bytes = hex::decode(hex.trim_matches('-')).unwrap();
        let verdict = match Document::parse(&bytes) {
            Ok(_) => "accepted",
            Err(malformed) => malformed.rule(),
        };
        if verdict != expected {
            wrong.push(format!("{name}: {verdict}, not {expected}"));
        }
        rules.insert(expected);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Every rule has a vector, but the one whose vector would be 16 KiB of nothing.
    let all = [
        "accepted",
        "algorithm",
        "digest",
        "document_truncated",
        "duplicate_key",
        "duplicate_pcr",
        "field_length",
        "field_missing",
        "field_type",
        "indefinite_length",
        "key_type",
        "module_id",
        "nitrotpm_document",
        "not_cose_sign1",
        "not_minimal",
        "not_utf8",
        "payload_length",
        "payload_not_a_map",
        "pcr_index",
        "pcr_length",
        "signature_length",
        "timestamp",
        "trailing_bytes",
        "trailing_payload_bytes",
        "unexpected_tag",
        "unknown_key",
        "unprotected_header",
    ];
    assert_eq!(rules, BTreeSet::from(all));
}
