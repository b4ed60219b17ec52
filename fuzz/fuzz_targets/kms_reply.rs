//! An answer of AWS KMS.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    openkey_enclave::fuzzing::kms_reply(bytes);
});
