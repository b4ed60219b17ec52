//! What authenticators, browsers and the store send to the enclave.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    openkey_enclave::fuzzing::untrusted(bytes);
});
