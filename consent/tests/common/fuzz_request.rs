//! What every request that is read whole holds to, whatever kind of payload it is of.

use openkey_capability::visible::first_hidden_in_name;
use openkey_consent::{Asker, MAX_PAYLOAD, SigningRequest, read_payload, rule};
use openkey_protocol::{
    cbor,
    message::{Address, Payload, Severity},
};
use sha3::{Digest, Keccak256};

/// 4 March 2026, 06:00:00 UTC.
const NOW: u64 = 1_772_604_000_000;
/// The longest summary, in bytes: half of a frame.
const MAX_SUMMARY: usize = 512 * 1024;
/// Most spaces in a row that are shown: the deepest indentation.
const MAX_SPACES: usize = 64;

/// Reads a payload for a signer. `None` if it is refused, which names a rule.
pub(crate) fn read(payload: &Payload, signer: &Address) -> Option<SigningRequest> {
    let request = match read_payload(payload, signer, Asker::Unknown, NOW) {
        Ok(request) => request,
        Err(error) => {
            assert!(rule(&error).is_some(), "no rule: {error:?}");
            return None;
        }
    };
    let (Payload::Text(bytes)
    | Payload::Siwe(bytes)
    | Payload::Session(bytes)
    | Payload::TypedData(bytes)) = payload;
    assert!(bytes.len() <= MAX_PAYLOAD);
    if !matches!(payload, Payload::TypedData(_)) {
        // ERC-191, version 0x45.
        let prefix = format!("\x19Ethereum Signed Message:\n{}", bytes.len());
        let digest = Keccak256::new_with_prefix(prefix).chain_update(bytes);
        assert_eq!(request.digest.as_slice(), digest.finalize().as_slice());
    }
    let summary = &request.summary;
    for line in &summary.lines {
        assert_eq!(first_hidden_in_name(&line.label), None, "{line:?}");
        assert_eq!(first_hidden_in_name(&line.value), None, "{line:?}");
    }
    assert_eq!(first_hidden_in_name(&summary.title), None);
    for warning in &summary.warnings {
        assert_eq!(first_hidden_in_name(&warning.text), None, "{warning:?}");
    }
    // The payload as it is, but for long runs of what pushes words out of sight. A sign-in has no such runs
    // by its grammar.
    if let Some(shown) = &summary.text {
        assert!(shown == bytes || shown.contains("[… "), "{bytes}");
        let is_siwe = matches!(payload, Payload::Siwe(_));
        assert!(is_siwe || !shown.contains("\n\n\n\n"), "{bytes}");
        assert!(!shown.contains(&" ".repeat(MAX_SPACES + 1)), "{bytes}");
    }
    // Whoever signs something dangerous must confirm its digest.
    assert!(summary.confirm || request.severity() < Severity::Danger);
    let size = cbor::encode(summary).map_or(usize::MAX, |bytes| bytes.len());
    assert!(size <= MAX_SUMMARY, "{size} bytes");
    Some(request)
}
