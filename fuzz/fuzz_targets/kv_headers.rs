//! Any bytes as entity tags, and headers that were stored.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../node/tests/common/fuzz_kv_headers.rs"]
mod fuzz_kv_headers;

fuzz_target!(|bytes: &[u8]| {
    fuzz_kv_headers::run(bytes);
});
