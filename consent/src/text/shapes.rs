//! Texts whose signature is taken for something else: a closed list of shapes, `shapes.json`, each
//! with its source. What is judged is the bytes that are signed.

use std::sync::LazyLock;

use openkey_protocol::message::Severity;
use serde::Deserialize;

use super::Finding;

/// Fewest bytes of hexadecimal that are worth a second look: an address.
const ENCODED: usize = 20;

/// Every shape; `None` if the file that was built in is not one, so that nothing passes unjudged.
static SHAPES: LazyLock<Option<Vec<Shape>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("shapes.json")).ok());

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    test: Test,
    is: Sort,
    severity: Severity,
    /// What the title says of the text.
    title: String,
    says: String,
    /// Where the shape is from: for whoever reads the file.
    #[cfg_attr(not(test), allow(dead_code))]
    source: String,
}

/// What sort of thing a text is.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Sort {
    /// Its bytes are taken for something.
    Bytes,
    /// It is the digits of bytes that are: the first such shape that fits says what the text is,
    /// the others say less.
    Encoded,
    /// Its signature is a key, or gives one rights: the first such shape says which.
    Key,
    /// It is an order or a login of another system: the first such shape says which.
    Order,
}

/// What else need not be told of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) is_encoded: bool,
    /// How severe the key is that a shape told.
    pub(super) key: Option<Severity>,
    /// How severe the order is that a shape told.
    pub(super) order: Option<Severity>,
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
    /// The text is a JSON object with members of all these names, each at least once.
    JsonMembers(Vec<String>),
    /// The text is a JSON object in which this text stands.
    JsonText(String),
    StartsWith(String),
    Contains(String),
    /// These stand in the text one behind the other, the first at its beginning.
    Parts(Vec<String>),
}

fn hex_bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let digits = String::deserialize(deserializer)?;
    hex::decode(digits).map_err(serde::de::Error::custom)
}

impl Test {
    /// `readings` are those of the text without its escapes.
    fn fits(&self, text: &str, readings: &[String], encoded: Option<&[u8]>) -> bool {
        let all = [text]
            .into_iter()
            .chain(readings.iter().map(String::as_str));
        let holds = |part: &str| all.clone().any(|it| it.contains(part));
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
            Self::JsonMembers(names) => {
                is_object(text) && names.iter().all(|name| holds(&format!("\"{name}\"")))
            }
            Self::JsonText(value) => is_object(text) && holds(value),
            Self::StartsWith(start) => text.starts_with(start),
            Self::Contains(words) => text.contains(words),
            Self::Parts(parts) => {
                let mut rest = Some(text);
                for (part, at) in parts.iter().zip(0..) {
                    rest = rest.and_then(|it| match at {
                        0 => it.strip_prefix(part.as_str()),
                        _ => it.split_once(part.as_str()).map(|(_, behind)| behind),
                    });
                }
                rest.is_some()
            }
        }
    }

    /// The same for a text inside typed data, which is no object by itself, and whose bytes are not
    /// all that is signed.
    fn stands_in(&self, text: &str) -> bool {
        match self {
            Self::StartsWith(start) => text.trim_start().starts_with(start),
            Self::Contains(words) | Self::JsonText(words) => text.contains(words),
            Self::Parts(_) => self.fits(text, &[], None),
            _ => false,
        }
    }
}

/// How severe it is that a text or a name inside typed data is one that a program is known to make a key
/// with, if it is.
pub(super) fn makes_key(text: &str) -> Option<Severity> {
    let Some(shapes) = SHAPES.as_deref() else {
        return Some(Severity::Danger);
    };
    let keys = shapes.iter().filter(|it| it.is == Sort::Key);
    let found = keys.filter(|it| it.test.stands_in(text));
    found.map(|it| it.severity).max()
}

/// What a text is taken for. `readings` are those of the text without its escapes; `is_whole` says that
/// its bytes are all that is signed.
pub(super) fn judge(text: &str, readings: &[String], is_whole: bool) -> (Vec<Finding>, Known) {
    judge_by(SHAPES.as_deref(), text, readings, is_whole)
}

/// The words are not there by which texts are judged.
pub(super) fn broken() -> Finding {
    Finding::new(
        Severity::Danger,
        "that cannot be judged",
        "This program is broken: it cannot say what this text may be taken for.",
    )
}

fn judge_by(
    shapes: Option<&'static [Shape]>,
    text: &str,
    readings: &[String],
    is_whole: bool,
) -> (Vec<Finding>, Known) {
    let Some(shapes) = shapes else {
        return (vec![broken()], Known::default());
    };
    let encoded = decoded(text);
    let mut known = Known::default();
    let mut findings = Vec::new();
    for shape in shapes {
        let is_told = match shape.is {
            Sort::Bytes => false,
            Sort::Encoded => known.is_encoded,
            // An order may end as texts do that make keys: it is told as the order that it is.
            Sort::Key => known.key.is_some() || known.order > Some(shape.severity),
            Sort::Order => known.order.is_some(),
        };
        let is_of_bytes = matches!(shape.test, Test::Length(_));
        if is_told
            || (is_of_bytes && !is_whole)
            || !shape.test.fits(text, readings, encoded.as_deref())
        {
            continue;
        }
        match shape.is {
            Sort::Bytes => {}
            Sort::Encoded => known.is_encoded = true,
            Sort::Key => known.key = Some(shape.severity),
            Sort::Order => known.order = Some(shape.severity),
        }
        findings.push(Finding::new(shape.severity, &shape.title, &shape.says));
    }
    (findings, known)
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

/// True if the bytes are one RLP list (Ethereum Yellow Paper, appendix B) of at least the three
/// items of an authorisation; each item ends where the next one begins.
fn is_rlp_list(bytes: &[u8]) -> bool {
    const LEAST: usize = 3;
    /// Shorter than any transaction or authorisation.
    const SHORTEST: usize = 10;
    let Some((items, [])) = rlp_item(bytes) else {
        return false;
    };
    if bytes.len() < SHORTEST || bytes.first().is_none_or(|head| *head < 0xc0) {
        return false;
    }
    let mut rest = items;
    let mut count = 0_usize;
    while !rest.is_empty() {
        let Some((_, after)) = rlp_item(rest) else {
            return false;
        };
        rest = after;
        count += 1;
    }
    count >= LEAST
}

/// What the first item holds, and what follows it.
fn rlp_item(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first()?;
    let (sized, least, longest) = match head {
        0..=0x7f => return bytes.split_at_checked(1),
        0x80..=0xbf => (0x80, 0xb7, 55),
        0xc0..=0xff => (0xc0, 0xf7, 55),
    };
    let short = usize::from(head - sized);
    if short <= longest {
        return rest.split_at_checked(short);
    }
    let (length, rest) = rest.split_at_checked(usize::from(head - least))?;
    let claimed = length.iter().try_fold(0_usize, |claimed, byte| {
        claimed.checked_mul(256)?.checked_add(usize::from(*byte))
    })?;
    rest.split_at_checked(claimed)
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
            assert!(!shape.title.is_empty() && !shape.title.ends_with('.'));
        }
    }

    #[test]
    fn only_what_ends_where_it_says_is_a_list() {
        for list in ["c9808080808080808080", "f83180", "d7019411"] {
            let mut bytes = hex::decode(list).unwrap();
            let whole = match bytes[0] {
                0xf8 => 2 + usize::from(bytes[1]),
                head => 1 + usize::from(head - 0xc0),
            };
            bytes.resize(whole, 0x7f);
            if list == "d7019411" {
                bytes.truncate(22);
                bytes.extend([0x11, 0x80]);
            }
            assert!(is_rlp_list(&bytes), "{list}");
            bytes.push(0);
            assert!(!is_rlp_list(&bytes), "{list}");
        }
        // "Hello" in Greek has the length that its first byte would claim.
        assert!(!is_rlp_list("Γεια σου".as_bytes()));
        assert!(!is_rlp_list(b""));
    }

    #[test]
    fn without_the_list_every_text_is_dangerous() {
        let (findings, _) = judge_by(None, "Hello World", &[], true);
        assert_eq!(findings[0].warning.severity, Severity::Danger);
    }
}
