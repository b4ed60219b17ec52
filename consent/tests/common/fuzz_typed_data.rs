//! Any text as typed data: the fuzz target's body, also run on its corpus by the tests.

use alloy_dyn_abi::TypedData;
use openkey_protocol::message::{Address, Payload, Severity};

use crate::fuzz_request;

/// Typed data that are accepted are shown whole. `None` for what is refused; true if another implementation
/// read it as well and found the same digest. It reads no recursive types.
pub(crate) fn run(json: &str) -> Option<bool> {
    let payload = Payload::TypedData(json.to_owned());
    let request = fuzz_request::read(&payload, &Address([0x11; 20]))?;
    assert_eq!(
        request.summary.confirm,
        request.severity() == Severity::Danger
    );
    assert!(request.summary.text.is_some(), "{json}");
    let other = serde_json::from_str::<TypedData>(json);
    let other = other.ok().and_then(|data| data.eip712_signing_hash().ok());
    if let Some(hash) = &other {
        assert_eq!(hash.0, request.digest, "{json}");
    }
    Some(other.is_some())
}
