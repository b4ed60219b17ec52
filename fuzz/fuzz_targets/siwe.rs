//! Any text: what is read as a sign-in message prints to the same bytes and is known for one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openkey_capability::siwe::{Message, looks_like_siwe, mentions_recap};

fuzz_target!(|text: &str| {
    let looks = looks_like_siwe(text);
    assert!(looks || !mentions_recap(text));
    if let Ok(message) = Message::parse(text) {
        assert_eq!(message.to_string(), text);
        assert_eq!(Message::new(message.fields().clone()), Ok(message));
        assert!(looks);
    }
});
