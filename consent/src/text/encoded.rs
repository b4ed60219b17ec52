//! Texts that stand in a text as base64 or hexadecimal digits: whoever decodes them reads them, so that they
//! are judged, too. One layer is decoded, and all of it is no longer than the text itself.

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding as _};

use crate::unreadable::words;

/// Fewest characters of an encoded text, and fewest letters in it.
const ENCODED: usize = 8;
const LETTERS: usize = 1;

/// What is encoded in a text, each piece by itself.
pub(super) fn decoded(text: &str) -> Vec<String> {
    let belongs = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    words(text, belongs)
        .into_iter()
        .filter(|(_, word)| word.len() >= ENCODED)
        .filter_map(|(_, word)| of_word(word))
        .collect()
}

fn of_word(word: &str) -> Option<String> {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    if let Ok(bytes) = hex::decode(digits.unwrap_or(word)) {
        return readable(bytes);
    }
    let bytes = Base64Unpadded::decode_vec(word).or_else(|_| Base64UrlUnpadded::decode_vec(word));
    readable(bytes.ok()?)
}

/// Bytes as a text, if a person could read it.
fn readable(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let is_shown = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    let letters = text.chars().filter(|it| it.is_alphabetic()).count();
    (letters >= LETTERS && text.chars().all(is_shown)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn texts_in_other_spellings_are_read() {
        for (text, inside) in [
            ("c2VuZCA1IEVUSCB0byBib2I=", "send 5 ETH to bob"),
            ("c2VuZCA1IEVUSCB0byBib2I", "send 5 ETH to bob"),
            ("73656e6420352045544820746f20626f62", "send 5 ETH to bob"),
            ("0x73656E6420352045544820746F20626F62", "send 5 ETH to bob"),
            ("see eyJvcCI6InNlbmQifQ now", r#"{"op":"send"}"#),
        ] {
            assert_eq!(decoded(text), [inside], "{text}");
        }
        for text in ["Hello World", "deadbeefdeadbeef", "short c2Vu", "password"] {
            assert!(decoded(text).is_empty(), "{text}");
        }
    }
}
