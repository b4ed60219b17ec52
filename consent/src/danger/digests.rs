//! Digests that are written as something else: a program can take such a value for the approval of
//! something that nobody is shown.

use crate::{typed_data::Value, unreadable::find, word::Word};

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

/// Whether a text is a digest, or holds one: by the same rules as texts that are signed themselves.
pub(super) fn held_by_text(text: &str) -> Option<Held> {
    let found = find(text)?;
    Some(if found.is_whole || found.has_digits {
        Held::Surely
    } else {
        Held::Perhaps
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e11_a_number_of_more_bits_than_any_amount_is_a_digest() {
        let number = |at: usize, byte: u8| {
            let mut bytes = [0; 32];
            bytes[at] = byte;
            Word(bytes)
        };
        assert!(!is_digest(&number(10, 0x80)), "176 bits");
        assert!(is_digest(&number(9, 1)), "177 bits");
        assert!(!is_digest(&Word([0xff; 32])), "everything");
    }

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
            // Inside a longer word, where there is no room for chance.
            format!("Pay Z{hex} today"),
            format!("Pay Z{} today", "7".repeat(54)),
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
