//! Any bytes as names of principals, resources and abilities, and as caveats.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../capability/tests/common/fuzz_names.rs"]
mod fuzz_names;

fuzz_target!(|bytes: &[u8]| {
    fuzz_names::run(bytes);
});
