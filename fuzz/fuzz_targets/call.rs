//! What a client sends to the enclave as a call.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    openkey_enclave::fuzzing::call(bytes);
});
