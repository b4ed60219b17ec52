//! Digests that are written as something else: a program can take such a value for the approval of
//! something that nobody is shown.

use crate::{typed_data::Value, word::Word};

/// How plainly a value holds a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Held {
    /// A text with words around something that looks like one.
    Perhaps,
    /// The value is one.
    Surely,
}

/// Bits of the greatest number that stands for itself: more than an address has (160) and than any
/// amount has (128). That a digest is smaller than this by chance takes 2^80 attempts.
const GREATEST: u32 = 176;
/// Decimal digits of the least number with more bits.
const DECIMAL: usize = 54;
/// Hexadecimal digits of 32 bytes.
const HEX: usize = 64;
/// Characters of 32 bytes in base64 without padding, the shortest of the common alphabets.
const BASE64: usize = 43;

/// Whether a value is or holds a digest written as a number or text.
pub(super) fn held(value: &Value<'_>) -> Option<Held> {
    match value {
        Value::Array(values) => values.iter().filter_map(held).max(),
        Value::Integer { magnitude, .. } => is_digest(magnitude).then_some(Held::Surely),
        Value::String(text) => held_by_text(text),
        _ => None,
    }
}

/// The greatest numbers of their types mean "everything" or "for ever", and are told as such.
fn is_digest(number: &Word) -> bool {
    number.bits() > GREATEST && !number.is_all_ones(number.bits())
}

/// Whether a text is a digest, or holds one.
pub(super) fn held_by_text(text: &str) -> Option<Held> {
    // Separated digits are read by the same programs.
    let compact: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, ':' | '-' | '_' | '.' | ',' | '\'' | '"'))
        .collect();
    let digits = compact
        .strip_prefix("0x")
        .or_else(|| compact.strip_prefix("0X"))
        .unwrap_or(&compact);
    let is_hex = digits.len() >= HEX && digits.bytes().all(|it| it.is_ascii_hexdigit());
    let is_number = digits.len() >= DECIMAL && digits.bytes().all(|it| it.is_ascii_digit());
    let is_one_word = {
        let word = text.trim().trim_end_matches('=');
        word.len() >= BASE64 && word.bytes().all(|it| is_encoding(it) || it == b'/')
    };
    let sure = is_hex
        || is_number
        || is_one_word
        || longest(text, |it| it.is_ascii_hexdigit()) >= HEX
        || longest(text, |it| it.is_ascii_digit()) >= DECIMAL;
    if sure {
        return Some(Held::Surely);
    }
    // A slash is a letter of base64; in an address of the web it parts words.
    let has_slash = !text.contains("://");
    let perhaps = text
        .as_bytes()
        .split(|it| !(is_encoding(*it) || (has_slash && *it == b'/')))
        .any(|word| word.len() >= BASE64 && !is_words(word));
    perhaps.then_some(Held::Perhaps)
}

/// Letters of base64, base64url, base58 and base32.
fn is_encoding(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'_')
}

/// Lower-case words between separators, as in a title in an address of the web.
fn is_words(text: &[u8]) -> bool {
    text.iter()
        .all(|it| it.is_ascii_lowercase() || matches!(it, b'-' | b'_' | b'/'))
        && text
            .split(|it| !it.is_ascii_lowercase())
            .all(|word| word.len() <= 20)
}

/// The length of the longest run of bytes of one kind.
fn longest(text: &str, is_one: impl Fn(&u8) -> bool) -> usize {
    text.as_bytes()
        .split(|byte| !is_one(byte))
        .map(<[u8]>::len)
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_or_hold_digests_are_told_from_words() {
        let hex = "3c".repeat(32);
        let pairs: Vec<String> = hex.as_bytes().chunks(2).map(|_| "3c".to_owned()).collect();
        for text in [
            hex.clone(),
            format!("0x{hex}"),
            format!("0X{}", hex.to_uppercase()),
            format!("  0x{hex}\n"),
            format!("sha256:{hex}"),
            format!("Pay to 0x{hex} today"),
            pairs.join(" "),
            pairs.join(":"),
            "7".repeat(77),
            format!("number {}", "7".repeat(60)),
            "PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw=".to_owned(),
            "PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw".to_owned(),
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".to_owned(),
        ] {
            assert_eq!(held_by_text(&text), Some(Held::Surely), "{text}");
        }
        for text in [
            "Pay PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw today",
            "ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
            "hash=PDw8PDw8/Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw=",
        ] {
            assert_eq!(held_by_text(text), Some(Held::Perhaps), "{text}");
        }
        for text in [
            "",
            "Hello, Bob!",
            "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
            "https://app.example/blog/the-long-title-of-an-article-about-nothing-at-all",
            "2026-03-04T05:59:30Z",
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "115792089237316195423570985008687907853",
        ] {
            assert_eq!(held_by_text(text), None, "{text}");
        }
    }
}
