//! Any text as a sign-in.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../consent/tests/common/fuzz_request.rs"]
mod fuzz_request;
#[path = "../../consent/tests/common/fuzz_siwe.rs"]
mod fuzz_siwe;

fuzz_target!(|text: &str| {
    fuzz_siwe::run(text);
});
