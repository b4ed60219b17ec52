//! Any text as a text to be signed.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../consent/tests/common/fuzz_request.rs"]
mod fuzz_request;
#[path = "../../consent/tests/common/fuzz_text.rs"]
mod fuzz_text;

fuzz_target!(|text: &str| {
    fuzz_text::run(text);
});
