//! Any bytes as the certificate of a channel's other side.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../verifier/tests/common/fuzz_certificate.rs"]
mod fuzz_certificate;

fuzz_target!(|bytes: &[u8]| {
    fuzz_certificate::run(bytes);
});
