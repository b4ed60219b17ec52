//! Texts whose signature is taken for something else: a closed list of shapes, `shapes.json`, each
//! with its source. What is judged is the bytes that are signed.

use std::sync::LazyLock;

use openkey_protocol::message::{Severity, Warning};
use serde::Deserialize;

use crate::words::warning;

/// Fewest bytes of hexadecimal that are worth a second look: an address.
const ENCODED: usize = 20;

/// Every shape; `None` if the file that was built in is not one, so that nothing passes unjudged.
static SHAPES: LazyLock<Option<Vec<Shape>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("shapes.json")).ok());

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    test: Test,
    severity: Severity,
    says: String,
    /// Where the shape is from: for whoever reads the file.
    #[cfg_attr(not(test), allow(dead_code))]
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Test {
    /// The text has this many bytes, and not only lower-case letters and spaces: a digest that
    /// consists of 27 of 256 values throughout takes more than 2^100 attempts to find, while one
    /// that is any text without hidden characters takes some 2^36.
    Length(usize),
    /// The text is the hexadecimal digits of this many bytes.
    EncodedLength(usize),
    /// The text is the hexadecimal digits of at least [`ENCODED`] bytes that begin with these.
    #[serde(deserialize_with = "hex_bytes")]
    EncodedStart(Vec<u8>),
    /// The text is, or is the hexadecimal digits of, these bytes and one RLP list behind them.
    #[serde(deserialize_with = "hex_bytes")]
    ListAfter(Vec<u8>),
    /// The text is a JSON object with a member of this name.
    JsonMember(String),
    /// The text is a JSON object in which this text stands.
    JsonText(String),
    StartsWith(String),
    HasLine(String),
}

fn hex_bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let digits = String::deserialize(deserializer)?;
    hex::decode(digits).map_err(serde::de::Error::custom)
}

impl Test {
    /// True for tests that look at what hexadecimal digits stand for: the first that fits says
    /// what the text is, the others say less.
    const fn is_of_encoded(&self) -> bool {
        matches!(
            self,
            Self::EncodedLength(_) | Self::EncodedStart(_) | Self::ListAfter(_)
        )
    }

    fn fits(&self, text: &str, encoded: Option<&[u8]>) -> bool {
        match self {
            Self::Length(length) => {
                let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b' ';
                text.len() == *length && !text.bytes().all(is_word)
            }
            Self::EncodedLength(length) => encoded.is_some_and(|bytes| bytes.len() == *length),
            Self::EncodedStart(start) => {
                encoded.is_some_and(|bytes| bytes.len() >= ENCODED && bytes.starts_with(start))
            }
            Self::ListAfter(start) => [encoded, Some(text.as_bytes())]
                .into_iter()
                .flatten()
                .filter_map(|bytes| bytes.strip_prefix(start.as_slice()))
                .any(is_rlp_list),
            Self::JsonMember(name) => is_object(text) && text.contains(&format!("\"{name}\"")),
            Self::JsonText(value) => is_object(text) && text.contains(value),
            Self::StartsWith(start) => text.starts_with(start),
            Self::HasLine(line) => text.lines().any(|it| it == line),
        }
    }
}

/// What a text is taken for.
pub(super) fn judge(text: &str) -> Vec<Warning> {
    judge_by(SHAPES.as_deref(), text)
}

fn judge_by(shapes: Option<&[Shape]>, text: &str) -> Vec<Warning> {
    let Some(shapes) = shapes else {
        return vec![warning(
            Severity::Danger,
            "This program is broken: it cannot say what this text may be taken for.",
        )];
    };
    let encoded = decoded(text);
    let mut warnings = Vec::new();
    let mut is_encoded = false;
    for shape in shapes {
        if (shape.test.is_of_encoded() && is_encoded) || !shape.test.fits(text, encoded.as_deref())
        {
            continue;
        }
        is_encoded |= shape.test.is_of_encoded();
        warnings.push(warning(shape.severity, &shape.says));
    }
    warnings
}

/// The bytes whose hexadecimal digits a text is, with or without `0x`, however it is spaced.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let trimmed = text.trim();
    let digits = trimmed
        .strip_prefix("0x")
        .or_else(|| trimmed.strip_prefix("0X"))
        .unwrap_or(trimmed);
    hex::decode(digits.split_whitespace().collect::<String>()).ok()
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// True if the bytes are one RLP list, by its header (Ethereum Yellow Paper, appendix B), with
/// at least the nine items of the oldest transaction in it.
fn is_rlp_list(bytes: &[u8]) -> bool {
    /// An item takes at least a byte.
    const LEAST: usize = 9;
    if bytes.len() <= LEAST {
        return false;
    }
    match bytes.split_first() {
        Some((&head @ 0xc1..=0xf7, rest)) => rest.len() == usize::from(head - 0xc0),
        Some((&head @ 0xf8..=0xff, rest)) => {
            let Some((length, rest)) = rest.split_at_checked(usize::from(head - 0xf7)) else {
                return false;
            };
            let claimed = length.iter().try_fold(0usize, |claimed, byte| {
                claimed.checked_mul(256)?.checked_add(usize::from(*byte))
            });
            claimed == Some(rest.len())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_every_shape_has_a_source() {
        let shapes = SHAPES.as_ref().unwrap();
        assert!(shapes.len() > 20);
        for shape in shapes {
            assert!(shape.source.starts_with("https://"), "{}", shape.source);
            assert!(shape.says.ends_with('.'), "{}", shape.says);
        }
    }

    #[test]
    fn without_the_list_every_text_is_dangerous() {
        let warnings = judge_by(None, "Hello World");
        assert_eq!(warnings[0].severity, Severity::Danger);
    }
}
