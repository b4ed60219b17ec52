//! Any text as a sign-in: the fuzz target's body, also run on its corpus by the tests.

use openkey_capability::siwe::{Message, looks_like_siwe, mentions_recap};
use openkey_protocol::message::{Address, Payload};

use crate::fuzz_request;

/// What was read as a sign-in message prints to the same bytes and is recognised as one; what it grants is
/// shown whole or refused. Returns how many grants are shown, `None` for a text that is refused.
pub(crate) fn run(text: &str) -> Option<usize> {
    let looks = looks_like_siwe(text);
    assert!(looks || !mentions_recap(text));
    let message = Message::parse(text);
    let signer = message
        .as_ref()
        .map_or([0x11; 20], |it| it.fields().address);
    let payload = Payload::Siwe(text.to_owned());
    let request = fuzz_request::read(&payload, &Address(signer));
    let Ok(message) = message else {
        assert!(request.is_none(), "{text}");
        return None;
    };
    assert_eq!(message.to_string(), text);
    assert_eq!(Message::new(message.fields().clone()), Ok(message.clone()));
    assert!(looks);
    let request = request?;
    let grants = &request.summary.grants;
    assert_eq!(message.has_recap(), !grants.is_empty(), "{text}");
    for grant in grants {
        assert!(text.contains(&grant.resource) && !grant.abilities.is_empty());
        for ability in &grant.abilities {
            assert!(!ability.words.is_empty());
            let within = ability.within.map(|place| place as usize);
            assert!(within.is_none_or(|place| place < grants.len()));
        }
    }
    Some(grants.len())
}
