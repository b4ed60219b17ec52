//! What programs read in a text beside the text itself: the same with its escapes undone, as readers of
//! JSON, of web addresses and of XML undo them. Members that stand twice stay twice, so that whatever
//! any reader takes is in one of the readings.

/// Most layers of escapes that are undone: JSON in a member of JSON has two.
const LAYERS: usize = 3;

/// Every reading of a text that is not the text itself.
pub(super) fn readings(text: &str) -> Vec<String> {
    let mut readings: Vec<String> = Vec::new();
    for _ in 0..LAYERS {
        let before = readings.last().map_or(text, String::as_str);
        let undone = undone(before);
        if undone == before {
            break;
        }
        readings.push(undone);
    }
    readings.extend(joined(readings.last().map_or(text, String::as_str)));
    readings
}

/// A text whose single letters in a row, with a space or a sign between each, are one word.
fn joined(text: &str) -> Option<String> {
    /// Fewest letters that are a word.
    const LETTERS: usize = 3;
    let is_gap = |c: char| matches!(c, ' ' | '-' | '.' | '_' | '*' | '\u{b7}');
    let all: Vec<char> = text.chars().collect();
    let is_letter = |at: usize| all.get(at).is_some_and(|it| it.is_alphabetic());
    // A letter with no other letter or digit right beside it.
    let is_single = |at: usize| {
        let is_word = |at: Option<usize>| {
            let c = at.and_then(|it| all.get(it));
            c.is_some_and(|it| it.is_alphanumeric())
        };
        is_letter(at) && !is_word(at.checked_sub(1)) && !is_word(Some(at + 1))
    };
    let mut found = String::with_capacity(text.len());
    let (mut at, mut has_one) = (0, false);
    while let Some(c) = all.get(at) {
        let mut length = 0;
        while is_single(at + 2 * length)
            && (length == 0 || all.get(at + 2 * length - 1).copied().is_some_and(is_gap))
        {
            length += 1;
        }
        if length >= LETTERS {
            found.extend((0..length).filter_map(|it| all.get(at + 2 * it)));
            has_one = true;
            at += 2 * length - 1;
        } else {
            found.push(*c);
            at += 1;
        }
    }
    has_one.then_some(found)
}

/// A text with one layer of escapes undone.
fn undone(text: &str) -> String {
    let mut undone = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '%', '&']) {
        let (plain, escape) = rest.split_at_checked(at).unwrap_or((rest, ""));
        undone.push_str(plain);
        let (character, length) = escaped(escape).unwrap_or_else(|| {
            let sign = escape.chars().next().unwrap_or_default();
            (sign, sign.len_utf8())
        });
        undone.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
    undone.push_str(rest);
    undone
}

/// The character that an escape at the beginning of a text stands for, and the length of the escape.
fn escaped(text: &str) -> Option<(char, usize)> {
    let digits = |from: usize, count: usize, radix: u32| {
        let digits = text.get(from..from + count)?;
        let is_plain = digits.bytes().all(|it| it.is_ascii_alphanumeric());
        let value = u32::from_str_radix(digits, radix).ok();
        value.filter(|_| is_plain)
    };
    let until = |from: usize, end: char, radix: u32| {
        /// More digits are no character.
        const MOST: usize = 8;
        let rest = text.get(from..)?;
        let count = rest.chars().take(MOST).position(|it| it == end)?;
        Some((
            char::from_u32(digits(from, count, radix)?)?,
            from + count + 1,
        ))
    };
    if text.starts_with("%") {
        let ascii = digits(1, 2, 16).filter(|it| *it < 0x80)?;
        return Some((char::from_u32(ascii)?, 3));
    }
    if text.starts_with("&#x") || text.starts_with("&#X") {
        return until(3, ';', 16);
    }
    if text.starts_with("&#") {
        return until(2, ';', 10);
    }
    match *text.as_bytes().get(1).filter(|_| text.starts_with('\\'))? {
        b'u' if text.get(2..3) == Some("{") => until(3, '}', 16),
        b'u' => {
            let first = digits(2, 4, 16)?;
            let is_pair = text.get(6..8) == Some("\\u");
            let second = is_pair.then(|| digits(8, 4, 16)).flatten();
            match (char::from_u32(first), second) {
                (Some(character), _) => Some((character, 6)),
                (None, Some(second)) => {
                    let units = [first, second].map(|it| u16::try_from(it).unwrap_or_default());
                    let character = char::decode_utf16(units).next()?.ok()?;
                    Some((character, 12))
                }
                (None, None) => None,
            }
        }
        b'x' => Some((char::from_u32(digits(2, 2, 16)?)?, 4)),
        b'n' | b'r' => Some(('\n', 2)),
        b't' | b'b' | b'f' => Some((' ', 2)),
        sign @ (b'"' | b'\\' | b'/' | b'\'') => Some((char::from(sign), 2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::readings;

    #[test]
    fn escapes_are_undone_layer_by_layer() {
        for (text, undone) in [
            (r"\u0073end", vec!["send"]),
            (r"\\u0073end", vec![r"\u0073end", "send"]),
            (r"\ud83d\ude00!", vec!["😀!"]),
            (r"\u{73}\x65nd", vec!["send"]),
            ("op=%73end", vec!["op=send"]),
            ("&#x73;&#101;nd", vec!["send"]),
            ("&#X73;end", vec!["send"]),
            (r#"{\"a\":1}"#, vec![r#"{"a":1}"#]),
            ("a\\nb", vec!["a\nb"]),
            ("S e n d 5 E-T-H now", vec!["Send 5 ETH now"]),
        ] {
            assert_eq!(readings(text), undone, "{text}");
        }
        for text in [
            "I - a gardener",
            "A b 1 2 3",
            "",
            "plain",
            r"\ud83d",
            r"\u12",
            "100%",
            "R&D",
            "%e9",
            "%80",
            "%+5",
            r"\u+073",
            r"\",
            "&#x;",
            "&u0073",
            "\\é",
        ] {
            assert!(readings(text).is_empty(), "{text}");
        }
    }
}
