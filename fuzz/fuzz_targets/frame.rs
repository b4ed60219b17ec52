//! Any bytes as a stream of frames, in pieces of any size.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../protocol/tests/support/fuzz_frame.rs"]
mod fuzz_frame;

fuzz_target!(|bytes: &[u8]| {
    fuzz_frame::run(bytes);
});
