//! Any text as a text to be signed: the fuzz target's body, also run on its corpus by the tests.

use openkey_capability::{siwe::looks_like_siwe, visible::first_hidden};
use openkey_protocol::message::{Address, Payload, Severity};

use crate::fuzz_request;

/// A text that is accepted is shown whole, is no sign-in and has nothing hidden. The severity of signing
/// it, `None` if it is refused.
pub(crate) fn run(text: &str) -> Option<Severity> {
    let payload = Payload::Text(text.to_owned());
    let request = fuzz_request::read(&payload, &Address([0x11; 20]))?;
    assert!(!looks_like_siwe(text), "{text}");
    assert_eq!(first_hidden(text), None);
    assert_eq!(
        request.summary.confirm,
        request.severity() == Severity::Danger
    );
    assert!(request.summary.text.is_some() && request.summary.grants.is_empty());
    Some(request.severity())
}
