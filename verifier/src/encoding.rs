//! Documents as people pass them around: raw, base64 or hex.

use base64ct::{Base64, Base64Unpadded, Encoding};

/// Longest document after decoding, in bytes: AWS bounds the payload to 16 KiB, the envelope adds
/// some hundred bytes; nothing longer is a document.
pub const MAX_DOCUMENT: usize = 24 * 1024;
/// Longest text of a document, in bytes: hex doubles it, and lines end.
pub const MAX_DOCUMENT_TEXT: usize = 64 * 1024;

/// Takes the bytes of a document out of a file: binary, base64 (RFC 4648 §4, lines of any length)
/// or hex (either case, `0x` allowed).
///
/// A document begins with a byte that no text begins with, and its base64 with a letter that is no
/// hexadecimal digit, so the three cannot be confused.
///
/// # Errors
///
/// [`EncodingError`].
pub fn document_bytes(file: &[u8]) -> Result<Vec<u8>, EncodingError> {
    if file.len() > MAX_DOCUMENT_TEXT {
        return Err(EncodingError::TooLong);
    }
    let bytes = if file.is_ascii() {
        text_bytes(file)?
    } else {
        file.to_vec()
    };
    match bytes.len() {
        // Nothing, white space, or a text that says nothing, such as `0x`.
        0 => Err(EncodingError::Empty),
        length if length > MAX_DOCUMENT => Err(EncodingError::TooLong),
        _ => Ok(bytes),
    }
}

fn text_bytes(file: &[u8]) -> Result<Vec<u8>, EncodingError> {
    let text: String = file
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|&byte| char::from(byte))
        .collect();
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(&text);
    if let Ok(bytes) = hex::decode(digits) {
        return Ok(bytes);
    }
    Base64::decode_vec(&text)
        .or_else(|_| Base64Unpadded::decode_vec(&text))
        .map_err(|_| EncodingError::Text)
}

/// Why a file holds no document at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// Nothing, white space, or no digits after `0x`.
    #[error("the document is empty")]
    Empty,
    /// Longer than any document.
    #[error("longer than any document ({MAX_DOCUMENT} bytes)")]
    TooLong,
    /// A text that is neither base64 nor hex.
    #[error("the text is neither base64 nor hex")]
    Text,
}

impl EncodingError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Empty => "document_empty",
            Self::TooLong => "document_too_long",
            Self::Text => "document_encoding",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: [u8; 7] = [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0];

    #[test]
    fn binary_base64_and_hex_are_the_same_document() {
        for file in [
            DOCUMENT.as_slice(),
            b"hEShATgioA==",
            b"hEShATgioA",
            b"  hESh\r\nATgi\r\noA==\r\n",
            b"8444a1013822a0",
            b"8444A1013822A0\n",
            b"0x8444a1\n013822a0",
        ] {
            assert_eq!(document_bytes(file), Ok(DOCUMENT.to_vec()), "{file:?}");
        }
    }

    #[test]
    fn what_holds_no_document_says_why() {
        assert_eq!(document_bytes(b""), Err(EncodingError::Empty));
        assert_eq!(document_bytes(b" \n\t"), Err(EncodingError::Empty));
        assert_eq!(document_bytes(b"0x\n"), Err(EncodingError::Empty));
        assert_eq!(document_bytes(b"hello, world"), Err(EncodingError::Text));
        assert_eq!(document_bytes(b"hEShATgioA==="), Err(EncodingError::Text));
        assert_eq!(document_bytes(b"8444a1013822a"), Err(EncodingError::Text));
        let long = vec![0x84; MAX_DOCUMENT + 1];
        assert_eq!(document_bytes(&long), Err(EncodingError::TooLong));
        let long = vec![b'a'; MAX_DOCUMENT_TEXT + 1];
        assert_eq!(document_bytes(&long), Err(EncodingError::TooLong));
        let longest = hex::encode(vec![0x84; MAX_DOCUMENT]);
        assert!(document_bytes(longest.as_bytes()).is_ok());
    }
}
