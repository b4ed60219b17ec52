//! The attested channel's constants, and the extension that carries evidence in a certificate.
//!
//! The channel is TLS 1.3 with self-signed certificates whose one extension of object identifier
//! [`EVIDENCE_OID`] holds an attestation document over the certificate's key. Its value is a RATS
//! conceptual message wrapper (RFC 9999, record form) in deterministic CBOR, placed into the
//! extension without a further DER shell:
//!
//! | bytes | meaning |
//! |---|---|
//! | `83` | an array of three |
//! | `12` | the type: CoAP content format 18, a COSE_Sign1 message |
//! | `58 LL` or `59 LL LL` or `40`+length | a byte string, its length in the shortest form |
//! | … | the attestation document, as the NSM gave it |
//! | `04` | the indicator: evidence |
//!
//! There is one encoding of each document; anything else is refused. Nothing here judges the
//! document: `openkey-verifier` does.

mod places;

use thiserror::Error;

pub use places::{PLACES, Places};

/// Tells the channel's protocol from any other over TLS (ALPN, RFC 7301); the frames inside are
/// those of every other transport.
pub const ALPN: &[u8] = b"openkey/1";
/// The extension's object identifier: `tcg-dice-conceptual-message-wrapper` (TCG, DICE attestation
/// architecture 1.1).
pub const EVIDENCE_OID: &[u64] = &[2, 23, 133, 5, 4, 9];
/// [`EVIDENCE_OID`] as DER has it, without tag and length.
pub const EVIDENCE_OID_DER: &[u8] = &[0x67, 0x81, 0x05, 0x05, 0x04, 0x09];
/// Longest document, in bytes: what AWS allows a payload (16384) and room for its envelope.
pub const MAX_DOCUMENT: usize = 16_384 + 128;

/// An array of three, then content format 18.
const HEAD: [u8; 2] = [0x83, 0x12];
/// The wrapper's indicator for evidence (bit 2).
const EVIDENCE: u8 = 0x04;
/// The initial byte of a byte string whose length is less than 24, beside that length.
const BYTES: u8 = 0x40;
/// The initial byte of a byte string with one byte of length.
const BYTES_8: u8 = 0x58;
/// The initial byte of a byte string with two bytes of length.
const BYTES_16: u8 = 0x59;

/// Why bytes are not the extension's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// They end too early.
    #[error("the evidence extension ends too early")]
    Truncated,
    /// They do not begin as an array of three with a COSE_Sign1 message.
    #[error("the evidence extension is no wrapper around a COSE_Sign1 message")]
    Wrapper,
    /// The document's length is not written in the shortest form, or is no byte string.
    #[error("the evidence extension does not hold a byte string in its shortest form")]
    Length,
    /// The document is empty or longer than [`MAX_DOCUMENT`].
    #[error("the evidence extension's document has {0} bytes; 1 to {MAX_DOCUMENT} are allowed")]
    Document(usize),
    /// The message is marked as something else than evidence.
    #[error("the evidence extension is not marked as evidence")]
    Indicator,
    /// There are bytes behind the end.
    #[error("bytes follow the evidence extension's end")]
    Trailing,
}

impl ExtensionError {
    /// The broken rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Truncated => "extension_truncated",
            Self::Wrapper => "extension_wrapper",
            Self::Length => "extension_length",
            Self::Document(_) => "extension_document",
            Self::Indicator => "extension_indicator",
            Self::Trailing => "extension_trailing",
        }
    }
}

/// The extension's value around a document.
///
/// # Errors
///
/// [`ExtensionError::Document`].
pub fn encode(document: &[u8]) -> Result<Vec<u8>, ExtensionError> {
    let length = document.len();
    if length == 0 || length > MAX_DOCUMENT {
        return Err(ExtensionError::Document(length));
    }
    let mut value = Vec::with_capacity(length + 6);
    value.extend_from_slice(&HEAD);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..24), _) => value.push(BYTES | short),
        (Ok(byte), _) => value.extend_from_slice(&[BYTES_8, byte]),
        (_, Ok(word)) => {
            value.push(BYTES_16);
            value.extend_from_slice(&word.to_be_bytes());
        }
        _ => return Err(ExtensionError::Document(length)),
    }
    value.extend_from_slice(document);
    value.push(EVIDENCE);
    Ok(value)
}

/// The document inside an extension's value.
///
/// # Errors
///
/// [`ExtensionError`]: the first broken rule from the left.
pub fn decode(value: &[u8]) -> Result<&[u8], ExtensionError> {
    let (head, rest) = value.split_at_checked(2).ok_or(ExtensionError::Truncated)?;
    if head != HEAD {
        return Err(ExtensionError::Wrapper);
    }
    let (length, rest) = match rest {
        [] | [BYTES_8] | [BYTES_16] | [BYTES_16, _] => return Err(ExtensionError::Truncated),
        [BYTES_8, length @ 24..=255, rest @ ..] => (usize::from(*length), rest),
        [BYTES_16, high @ 1..=255, low, rest @ ..] => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        [first @ 0x40..0x58, rest @ ..] => (usize::from(first - BYTES), rest),
        _ => return Err(ExtensionError::Length),
    };
    if length == 0 || length > MAX_DOCUMENT {
        return Err(ExtensionError::Document(length));
    }
    let (document, rest) = rest
        .split_at_checked(length)
        .ok_or(ExtensionError::Truncated)?;
    match rest {
        [] => Err(ExtensionError::Truncated),
        [EVIDENCE] => Ok(document),
        [EVIDENCE, ..] => Err(ExtensionError::Trailing),
        _ => Err(ExtensionError::Indicator),
    }
}

#[cfg(test)]
mod tests;
