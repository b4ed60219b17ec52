//! Any bytes as a file that operators, maintainers and clients read.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../cli/tests/common/fuzz_operators.rs"]
mod fuzz_operators;

fuzz_target!(|bytes: &[u8]| {
    fuzz_operators::run(bytes);
});
