//! Any text as a UCAN.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../capability/tests/common/fuzz_ucan.rs"]
mod fuzz_ucan;

fuzz_target!(|bytes: &[u8]| {
    fuzz_ucan::run(bytes);
});
