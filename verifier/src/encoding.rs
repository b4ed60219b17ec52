//! Documents as people pass them around: raw, base64, hex, PEM, JSON; also from Windows editors.

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use serde::Deserialize;

/// Longest document after decoding, in bytes: AWS bounds the payload to 16 KiB, the envelope adds
/// some hundred bytes; nothing longer is a document.
pub const MAX_DOCUMENT: usize = 24 * 1024;
/// Longest text of a document, in bytes: hex doubles it, UTF-16 doubles that, and lines end.
pub const MAX_DOCUMENT_TEXT: usize = 128 * 1024;

/// Takes the bytes of a document out of a file: binary; or a text that is base64 or base64url
/// (RFC 4648 §4 and §5, lines of any length, padded or not), hex (either case, `0x` allowed), one
/// PEM block of any label, or JSON with one document in it (a text in one of these forms, or an
/// array of bytes). Texts are UTF-8 or UTF-16, with or without a byte order mark.
///
/// A document begins with a byte that no text begins with, and its base64 with a letter that is no
/// hexadecimal digit, so the forms cannot be confused.
///
/// # Errors
///
/// [`EncodingError`].
pub fn document_bytes(file: &[u8]) -> Result<Vec<u8>, EncodingError> {
    if file.len() > MAX_DOCUMENT_TEXT {
        return Err(EncodingError::TooLong);
    }
    let bytes = match text_of(file)? {
        Some(text) => text_bytes(&text)?,
        None => file.to_vec(),
    };
    match bytes.len() {
        // Nothing, white space, or a text that says nothing, such as `0x`.
        0 => Err(EncodingError::Empty),
        length if length > MAX_DOCUMENT => Err(EncodingError::TooLong),
        _ => Ok(bytes),
    }
}

/// The file as a text; `None` if it is binary.
fn text_of(file: &[u8]) -> Result<Option<String>, EncodingError> {
    if let Some(text) = file.strip_prefix(b"\xef\xbb\xbf") {
        let text = core::str::from_utf8(text).map_err(|_| EncodingError::Text)?;
        return Ok(Some(text.to_owned()));
    }
    // Without a mark UTF-16 shows by its first character, which is ASCII in every form of a text.
    type Order = fn([u8; 2]) -> u16;
    let (units, order): (&[u8], Order) = match file {
        [0xff, 0xfe, units @ ..] => (units, u16::from_le_bytes),
        [0xfe, 0xff, units @ ..] => (units, u16::from_be_bytes),
        [first, 0, ..] if first.is_ascii() => (file, u16::from_le_bytes),
        [0, second, ..] if second.is_ascii() => (file, u16::from_be_bytes),
        _ if file.is_ascii() => {
            // ASCII is UTF-8.
            return Ok(core::str::from_utf8(file).ok().map(ToOwned::to_owned));
        }
        // JSON may carry other letters beside the document.
        [b'{' | b'[' | b'"', ..] => {
            return Ok(core::str::from_utf8(file).ok().map(ToOwned::to_owned));
        }
        _ => return Ok(None),
    };
    let pairs = units.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(EncodingError::Text);
    }
    let units = pairs.filter_map(|pair| pair.try_into().ok().map(order));
    char::decode_utf16(units)
        .collect::<Result<String, _>>()
        .map(Some)
        .map_err(|_| EncodingError::Text)
}

fn text_bytes(text: &str) -> Result<Vec<u8>, EncodingError> {
    match text.trim_start().as_bytes() {
        [b'{' | b'[' | b'"', ..] => json_bytes(text),
        [b'-', ..] => pem_bytes(text),
        _ => plain_bytes(text),
    }
}

/// Base64, base64url or hex.
fn plain_bytes(text: &str) -> Result<Vec<u8>, EncodingError> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(&text);
    if let Ok(bytes) = hex::decode(digits) {
        return Ok(bytes);
    }
    Base64::decode_vec(&text)
        .or_else(|_| Base64Unpadded::decode_vec(&text))
        .or_else(|_| Base64Url::decode_vec(&text))
        .or_else(|_| Base64UrlUnpadded::decode_vec(&text))
        .map_err(|_| EncodingError::Text)
}

/// One block between `-----BEGIN LABEL-----` and `-----END LABEL-----`.
fn pem_bytes(text: &str) -> Result<Vec<u8>, EncodingError> {
    let (label, rest) = text
        .trim()
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.split_once("-----"))
        .ok_or(EncodingError::Text)?;
    let body = rest
        .strip_suffix("-----")
        .and_then(|rest| rest.strip_suffix(label))
        .and_then(|rest| rest.strip_suffix("-----END "))
        .ok_or(EncodingError::Text)?;
    // A second block would leave its hyphens here, and no base64 has `-----`.
    if body.contains("-----") {
        return Err(EncodingError::Several);
    }
    plain_bytes(body)
}

/// A part of a JSON text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Object(std::collections::BTreeMap<String, Self>),
    Other(serde::de::IgnoredAny),
}

/// The one document in a JSON text, wherever it stands: services name the member as they like.
fn json_bytes(text: &str) -> Result<Vec<u8>, EncodingError> {
    let whole: Part = openkey_attestation::json::read(text.as_bytes())
        .map_err(|error| EncodingError::Json(error.to_string()))?;
    let mut found = Vec::new();
    collect(whole, &mut found);
    let mut documents = found.into_iter();
    match (documents.next(), documents.next()) {
        (None, _) => Err(EncodingError::NoDocument),
        (Some(document), None) => Ok(document),
        (Some(_), Some(_)) => Err(EncodingError::Several),
    }
}

/// Nesting is bounded by the JSON parser.
fn collect(part: Part, found: &mut Vec<Vec<u8>>) {
    match part {
        Part::Text(text) => {
            let inside = match text.trim_start().as_bytes() {
                [b'-', ..] => pem_bytes(&text),
                _ => plain_bytes(&text),
            };
            found.extend(inside.ok().filter(|bytes| begins_as_document(bytes)));
        }
        Part::Bytes(bytes) => found.extend(Some(bytes).filter(|bytes| begins_as_document(bytes))),
        Part::List(list) => list.into_iter().for_each(|part| collect(part, found)),
        Part::Object(members) => members.into_values().for_each(|part| collect(part, found)),
        Part::Other(_) => {}
    }
}

/// An array of four, with or without COSE's tag: what the texts beside a document do not begin with.
fn begins_as_document(bytes: &[u8]) -> bool {
    matches!(bytes, [0x84, 0x44, ..] | [0xd2, 0x84, 0x44, ..])
}

/// Why a file holds no document at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// Nothing, white space, or no digits after `0x`.
    #[error("the document is empty")]
    Empty,
    /// Longer than any document.
    #[error(
        "the file is longer than any document: a document has at most {MAX_DOCUMENT} bytes, its text \
         {MAX_DOCUMENT_TEXT}"
    )]
    TooLong,
    /// A text of another kind.
    #[error(
        "the file is a text, but not base64, base64url, hex, PEM or JSON with a document in it"
    )]
    Text,
    /// A text that begins as JSON and is not.
    #[error("the file begins as JSON, but cannot be read: {0}")]
    Json(String),
    /// JSON without a document.
    #[error(
        "the JSON text holds no document: no text or byte array in it begins as a document does"
    )]
    NoDocument,
    /// More than one document: which one is meant is not for this program to say.
    #[error("the file holds more than one document: give each in a file of its own")]
    Several,
}

impl EncodingError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Empty => "document_empty",
            Self::TooLong => "document_too_long",
            Self::Text | Self::Json(_) | Self::NoDocument | Self::Several => "document_encoding",
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
            b"-----BEGIN ATTESTATION DOCUMENT-----\r\nhEShATgi\r\noA==\r\n-----END ATTESTATION DOCUMENT-----\r\n",
            br#""hEShATgioA==""#,
            br#"{"attestation":"hEShATgioA","nonce":"AAAA","at":1}"#,
            br#"{"a":{"b":["x",{"doc":"8444a1013822a0"}]}}"#,
            br#"{"type":"Buffer","data":[132,68,161,1,56,34,160]}"#,
            "{\"né\":\"hEShATgioA==\"}".as_bytes(),
            b"\xef\xbb\xbfhEShATgioA==\r\n",
            b"\xef\xbb\xbf{\"d\":\"hEShATgioA==\"}",
        ] {
            assert_eq!(document_bytes(file), Ok(DOCUMENT.to_vec()), "{file:?}");
        }
    }

    #[test]
    fn windows_editors_write_utf_16() {
        for text in [
            "hEShATgioA==\r\n",
            "8444a1013822a0",
            r#"{"d":"hEShATgioA=="}"#,
        ] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            for file in [
                little.clone(),
                big.clone(),
                [b"\xff\xfe".as_slice(), &little].concat(),
                [b"\xfe\xff".as_slice(), &big].concat(),
            ] {
                assert_eq!(document_bytes(&file), Ok(DOCUMENT.to_vec()), "{file:?}");
            }
            // Half a character, and half a surrogate pair.
            assert_eq!(document_bytes(&little[1..]), Err(EncodingError::Text));
            let lone = [b"\xff\xfe".as_slice(), &0xd800_u16.to_le_bytes()].concat();
            assert_eq!(document_bytes(&lone), Err(EncodingError::Text));
        }
    }

    #[test]
    fn base64url_is_read() {
        let bytes = [&DOCUMENT[..], &[0xfb, 0xff, 0xfe, 0xff]].concat();
        for text in [
            Base64Url::encode_string(&bytes),
            Base64UrlUnpadded::encode_string(&bytes),
            Base64::encode_string(&bytes),
        ] {
            assert_eq!(document_bytes(text.as_bytes()), Ok(bytes.clone()), "{text}");
        }
        assert!(Base64Url::encode_string(&bytes).contains(['-', '_']));
    }

    #[test]
    fn json_and_pem_hold_one_document() {
        let json = |text: &str| document_bytes(text.as_bytes());
        assert_eq!(json("{}"), Err(EncodingError::NoDocument));
        assert_eq!(json(r#"{"d":"AAAA"}"#), Err(EncodingError::NoDocument));
        assert_eq!(
            json(r#"{"a":"hEShATgioA","b":"hEShATgioA"}"#),
            Err(EncodingError::Several)
        );
        assert!(matches!(json("{"), Err(EncodingError::Json(_))));
        assert!(matches!(
            json(r#"{"d":"hEShATgioA","d":"AAAA"}"#),
            Err(EncodingError::Json(_))
        ));
        let one = "-----BEGIN X-----\nhEShATgioA==\n-----END X-----\n";
        assert_eq!(json(&one.repeat(2)), Err(EncodingError::Several));
        for bad in [
            "-----BEGIN X-----\nhEShATgioA==\n-----END Y-----",
            "-----BEGIN X-----\nhEShATgioA==",
            "-----",
            "-",
        ] {
            assert_eq!(json(bad), Err(EncodingError::Text), "{bad}");
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
