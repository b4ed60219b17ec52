//! Any bytes as the evidence extension of a channel's certificate: the fuzz target's body, also run
//! on its corpus by the tests.

use openkey_protocol::channel::{decode, encode};

pub(crate) fn run(input: &[u8]) {
    if let Ok(document) = decode(input) {
        // There is one encoding of each document.
        assert!(encode(document).is_ok_and(|value| value == input));
    }
    if let Ok(value) = encode(input) {
        assert!(decode(&value) == Ok(input));
    }
}
