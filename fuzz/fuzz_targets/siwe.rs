//! Any text: what is read as a sign-in message prints to the same bytes and is known for one; what
//! it hands out is told whole or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openkey_capability::siwe::{Message, looks_like_siwe, mentions_recap};
use openkey_consent::{Asker, read_payload};
use openkey_protocol::message::{Address, Payload};

fuzz_target!(|text: &str| {
    let looks = looks_like_siwe(text);
    assert!(looks || !mentions_recap(text));
    if let Ok(message) = Message::parse(text) {
        assert_eq!(message.to_string(), text);
        assert_eq!(Message::new(message.fields().clone()), Ok(message.clone()));
        assert!(looks);
        let signer = Address(message.fields().address);
        let payload = Payload::Siwe(text.to_owned());
        if let Ok(request) = read_payload(&payload, &signer, Asker::Unknown, 1_772_604_000_000) {
            let grants = &request.summary.grants;
            assert_eq!(message.has_recap(), !grants.is_empty());
            for grant in grants {
                assert!(text.contains(&grant.resource) && !grant.abilities.is_empty());
                assert!(grant.abilities.iter().all(|it| !it.words.is_empty()));
            }
            for line in &request.summary.lines {
                assert!(!line.value.chars().any(char::is_control));
            }
        }
    }
});
