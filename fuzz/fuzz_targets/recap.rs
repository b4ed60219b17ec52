//! Any text as a ReCap resource, or as the JSON in one.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../capability/tests/common/fuzz_recap.rs"]
mod fuzz_recap;

fuzz_target!(|text: &str| {
    fuzz_recap::run(text);
});
