//! Any text as typed data.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../consent/tests/common/fuzz_request.rs"]
mod fuzz_request;
#[path = "../../consent/tests/common/fuzz_typed_data.rs"]
mod fuzz_typed_data;

fuzz_target!(|json: &str| {
    fuzz_typed_data::run(json);
});
