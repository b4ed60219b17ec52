//! Any bytes as requests, replies, statements and store messages.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../protocol/tests/support/fuzz_message.rs"]
mod fuzz_message;

fuzz_target!(|bytes: &[u8]| {
    fuzz_message::run(bytes);
});
