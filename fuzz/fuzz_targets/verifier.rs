//! Read whatever reaches a client's verifier: no panic, and always an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../verifier/wasm/tests/common/fuzz_verifier.rs"]
mod fuzz_verifier;

fuzz_target!(|bytes: &[u8]| {
    fuzz_verifier::run(bytes);
});
