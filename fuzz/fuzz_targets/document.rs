//! Parse and verify a document: no panic, and the parser's and verifier's answers agree.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../attestation/tests/common/fuzz_document.rs"]
mod fuzz_document;

fuzz_target!(|bytes: &[u8]| {
    fuzz_document::run(bytes);
});
