//! Any bytes as the evidence extension of a certificate.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../protocol/tests/support/fuzz_channel.rs"]
mod fuzz_channel;

fuzz_target!(|bytes: &[u8]| {
    fuzz_channel::run(bytes);
});
