//! What exact bytes mean, how dangerous it is to sign them, and what a person is told about it.
//!
//! A pure function of bytes and time, without I/O: [`read_payload`] reads a text (EIP-191, version
//! 0x45), a Sign-In with Ethereum message (ERC-4361) or typed data (EIP-712), computes the digest
//! that a signature would cover and says in plain words what it does. What cannot be read without
//! ambiguity is refused; there is no way to sign a digest, or anything without its prefix.
//!
//! The enclave runs this before it prompts; `openkey explain` runs the same code offline.

// Tests may stop at the first surprise.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod asker;
mod chains;
mod danger;
mod fold;
mod recap;
mod refusal;
mod siwe;
mod text;
mod typed_data;
mod unreadable;
mod word;
mod words;

pub use asker::Asker;
use openkey_protocol::message::{Address, Error, Payload, PromptKind, Severity, Summary};

/// Largest payload, in bytes: far more than a person reads, and a prompt over it with every field
/// listed still fits a frame.
pub const MAX_PAYLOAD: usize = 64 * 1024;

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

impl SigningRequest {
    /// How severe it is to sign: that of its worst warning; without one, a notice.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let warnings = self.summary.warnings.iter();
        warnings
            .map(|warning| warning.severity)
            .max()
            .unwrap_or(Severity::Notice)
    }
}

/// Reads a payload strictly and says what signing it with `signer`'s key would do. `asker` is who
/// asks, as far as that is certain; `now_ms` is milliseconds since 1970 by the enclave's clock.
///
/// # Errors
///
/// A refusal whose message ends with the name of the rule in brackets; nothing that cannot be
/// read canonically is signed.
pub fn read_payload(
    payload: &Payload,
    signer: &Address,
    asker: Asker<'_>,
    now_ms: u64,
) -> Result<SigningRequest, Error> {
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    // What comes by way of the page is whose nobody knows, but for what the page itself wrote.
    let given = match asker {
        Asker::Page(_) => Asker::Unknown,
        known => known,
    };
    match payload {
        Payload::Text(text) => text::read(text, signer),
        Payload::Siwe(text) => siwe::read(text, signer, given, now_ms),
        Payload::Session(text) => siwe::read_session(text, signer, asker, now_ms),
        Payload::TypedData(json) => typed_data::read(json, signer, given, now_ms),
    }
}

/// The rule that a refusal of [`read_payload`] names.
#[must_use]
pub fn rule(refusal: &Error) -> Option<&str> {
    let (_, rule) = refusal.message.rsplit_once(" [")?;
    rule.strip_suffix(']')
}

/// The EIP-55 text of an address.
fn address_text(address: &Address) -> String {
    openkey_capability::address::eip55(address.as_bytes())
}
