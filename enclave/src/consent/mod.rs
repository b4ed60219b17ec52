//! What is signed, and what a person is told about it: pure functions of bytes and time.

use openkey_protocol::message::{Address, Error, ErrorCode, Payload, PromptKind, Summary};
use sha3::{Digest as _, Keccak256};

/// A payload that was read whole: what would be signed, and the same in plain words.
#[derive(Clone, Debug, PartialEq)]
pub struct SigningRequest {
    /// Which kind of prompt announces it.
    pub kind: PromptKind,
    /// The Keccak-256 digest that a signature would cover, always under an EIP-191 or EIP-712
    /// prefix.
    pub digest: [u8; 32],
    /// The same in plain words.
    pub summary: Summary,
}

/// Reads a payload strictly and says what signing it with `signer`'s key would do. `now_ms` is
/// milliseconds since 1970 by the enclave's clock.
///
/// # Errors
///
/// A refusal that names the rule: nothing that cannot be read canonically is signed.
pub fn read_payload(
    payload: &Payload,
    signer: &Address,
    now_ms: u64,
) -> Result<SigningRequest, Error> {
    let _ = (signer, now_ms);
    match payload {
        Payload::Text(text) if !text.is_empty() => Ok(SigningRequest {
            kind: PromptKind::SignText,
            digest: Keccak256::new()
                .chain_update(b"\x19Ethereum Signed Message:\n")
                .chain_update(text.len().to_string())
                .chain_update(text)
                .finalize()
                .into(),
            summary: Summary {
                title: "Sign a text".to_owned(),
                text: Some(text.clone()),
                ..Summary::default()
            },
        }),
        _ => Err(Error {
            code: ErrorCode::Malformed,
            message: "The enclave cannot read this kind of payload.".to_owned(),
            advice: "Sign a text.".to_owned(),
        }),
    }
}
