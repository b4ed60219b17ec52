//! Values in a text that no person can read: digests and data, however they are written.
//!
//! A text that is nothing else could be the approval of anything. What is no digest by chance is
//! decided as for typed data: more than 176 bits take 2^80 attempts to make short.

use openkey_protocol::message::Severity;

use super::Finding;

/// Fewest hexadecimal or decimal digits of a value with more than 176 bits.
const DIGITS: usize = 45;
/// Fewest hexadecimal digits of a text by itself that are worth a second look: an address.
const ADDRESS: usize = 40;
/// Fewest characters of a word that no person reads: 32 bytes are 43 of base64, 52 of base32.
const WORD: usize = 40;
/// Base64 of 32 bytes, with and without its padding, where `/` belongs to it.
const BASE64: usize = 43;
/// Fewest changes between small letters, capitals and digits inside of it: paths have few.
const CHANGES: usize = 8;
/// Fewest numbers in a row that are the bytes of a digest.
const BYTES: usize = 24;
/// Fewest escapes that hide what is written.
const ESCAPES: usize = 16;

/// A word and where it begins, in bytes.
type Piece<'t> = (usize, &'t str);

/// What a text says of values that nobody can read.
pub(super) fn judge(text: &str) -> Option<Finding> {
    let mut covered = vec![false; text.len()];
    for (start, end) in spans(text) {
        if let Some(part) = covered.get_mut(start..end) {
            part.fill(true);
        }
    }
    if !covered.contains(&true) {
        return is_address(text).then(|| {
            Finding::new(
                Severity::Attention,
                "that is an address or data, without a word",
                "This text is an address or other data: nothing in it says what the signature is for.",
            )
        });
    }
    let readable = |word: &Piece<'_>| {
        let (start, word) = *word;
        let is_open = covered.get(start) == Some(&false);
        is_open && word.chars().filter(|it| it.is_alphabetic()).count() > 1
    };
    let is_whole = !words(text, char::is_alphanumeric).iter().any(readable);
    Some(if is_whole {
        Finding::new(
            Severity::Danger,
            "that OpenKey cannot read",
            "This text is a value that OpenKey cannot read, in the form of a digest or of data: its \
             signature may approve something that you cannot see here.",
        )
    } else {
        Finding::new(
            Severity::Attention,
            "with a value in it that OpenKey cannot read",
            "A value in this text has the form of a digest or of data. OpenKey cannot read it: it may \
             stand for something that you cannot see here.",
        )
    })
}

/// Where such values are, in bytes; they may overlap.
fn spans(text: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    for (start, word) in words(text, plain) {
        if is_unreadable_word(word) {
            spans.push((start, start + word.len()));
        }
    }
    for (start, word) in words(text, base64) {
        if word.contains(['+', '/']) && word.len() >= BASE64 && changes(word) >= CHANGES {
            spans.push((start, start + word.len()));
        }
    }
    spans.extend(escapes(text));
    let pieces = words(text, |c| c.is_ascii_alphanumeric());
    spans.extend(row(&pieces, text, is_hex, has_digits));
    spans.extend(row(&pieces, text, is_byte, has_bytes));
    spans.extend(row(&pieces, text, is_hex_byte, has_bytes));
    spans
}

/// Values in pieces: words in a row that belong to one value, if there are enough of them.
fn row(
    pieces: &[Piece<'_>],
    text: &str,
    belongs: fn(&str) -> bool,
    is_enough: fn(&[Piece<'_>]) -> bool,
) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    for row in pieces.chunk_by(|(_, a), (_, b)| belongs(a) && belongs(b)) {
        let (Some((start, first)), Some((end, last))) = (row.first(), row.last()) else {
            continue;
        };
        // Words of other alphabets are no pieces, but stand between them.
        let between = text.get(start + first.len()..*end).unwrap_or_default();
        let is_broken = !between.is_ascii() && between.contains(char::is_alphabetic);
        if belongs(last) && is_enough(row) && !is_broken {
            spans.push((*start, end + last.len()));
        }
    }
    spans
}

/// Enough digits, in groups of any size. Words with a prefix are values by themselves.
fn has_digits(row: &[Piece<'_>]) -> bool {
    row.iter().map(|(_, it)| it.len()).sum::<usize>() >= DIGITS
}

/// Enough bytes.
const fn has_bytes(row: &[Piece<'_>]) -> bool {
    row.len() >= BYTES
}

fn is_byte(word: &str) -> bool {
    word.parse::<u8>().is_ok()
}

fn is_hex_byte(word: &str) -> bool {
    without_prefix(word).is_some_and(|it| it.len() <= 2 && is_hex(it))
}

/// The maximal runs of characters that belong to words, with where they begin.
fn words(text: &str, belongs: impl Fn(char) -> bool) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, belongs(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                found.push((from, text.get(from..at).unwrap_or_default()));
                start = None;
            }
            _ => {}
        }
    }
    found
}

fn is_unreadable_word(word: &str) -> bool {
    let digits = without_prefix(word).unwrap_or(word);
    if is_hex(digits) {
        return digits.len() >= DIGITS;
    }
    if word.len() < WORD {
        return false;
    }
    if word.contains(['-', '_']) {
        return is_mixed(word);
    }
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    let has_letters = has(u8::is_ascii_alphabetic);
    let has_both_cases = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    has_letters && (has(u8::is_ascii_digit) || has_both_cases)
}

/// True for small and capital letters and digits in one word, as encodings have them.
fn is_mixed(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
}

fn without_prefix(word: &str) -> Option<&str> {
    word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"))
}

fn is_hex(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_hexdigit())
}

/// True if a text is hexadecimal digits, whatever stands between and around them.
fn is_address(text: &str) -> bool {
    let text: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    let digits = without_prefix(&text).unwrap_or(&text);
    digits.len() >= ADDRESS && is_hex(digits)
}

/// Where letters are written as `\u0061`, `\x61`, `%61` or `&#x61;`, which readers turn into what is not
/// seen here; nowhere if there are but a few.
fn escapes(text: &str) -> Vec<(usize, usize)> {
    let escape = |(at, _): (usize, &str)| {
        let rest = text.get(at + 1..)?;
        let digits = rest.trim_start_matches(['u', 'x', '{', '#']);
        let most = if rest.starts_with('u') { 6 } else { 3 };
        let hex = digits.bytes().take(most).take_while(u8::is_ascii_hexdigit);
        let count = hex.count();
        let start = text.len() - digits.len();
        (count >= 2).then_some((at, start + count))
    };
    let found: Vec<_> = text
        .match_indices(['\\', '%', '&'])
        .filter_map(escape)
        .collect();
    if found.len() < ESCAPES {
        Vec::new()
    } else {
        found
    }
}

/// How often a capital follows a small letter, or a digit and a letter follow one another.
fn changes(word: &str) -> usize {
    let is_change = |a: &u8, b: &u8| {
        let is_capital_inside = a.is_ascii_lowercase() && b.is_ascii_uppercase();
        let are_plain = a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric();
        is_capital_inside || (are_plain && a.is_ascii_digit() != b.is_ascii_digit())
    };
    let pairs = word.as_bytes().windows(2);
    pairs
        .filter(|pair| matches!(pair, [a, b] if is_change(a, b)))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45";

    fn severity(text: &str) -> Option<Severity> {
        judge(text).map(|it| it.warning.severity)
    }

    /// A digest in the spellings that programs read.
    fn spellings() -> Vec<String> {
        let bytes = hex::decode(DIGEST).unwrap();
        let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let hex_list: Vec<String> = bytes.iter().map(|it| format!("0x{it:02x}")).collect();
        let pairs: Vec<&str> = (0..32).map(|at| &DIGEST[2 * at..2 * at + 2]).collect();
        vec![
            DIGEST.to_owned(),
            format!("0x{DIGEST}"),
            format!("0X{}", DIGEST.to_uppercase()),
            format!("0x{}", &DIGEST[1..]),
            format!("\\x{DIGEST}"),
            "TgNleupFqU/H1HuoJsjWZ8DR5uM6ZKA27ET1j6EtbEU=".to_owned(),
            "TgNleupFqU/H1HuoJsjWZ8DR5uM6ZKA27ET1j6EtbEU".to_owned(),
            "TgNleupFqU_H1HuoJsjWZ8DR5uM6ZKA27ET1j6EtbEU".to_owned(),
            "6FzrsxRCcMvTJnr4HrQyRZsE6qCtKVnsbYmwjoWJt1C8".to_owned(),
            "jybwk6xkiwuu7r6upcbgzzwzydi6nyhtijsaqnxseqwedpvc23cu".to_owned(),
            "35285462543117914466886391436586022929093436903543427099393268093094573337669"
                .to_owned(),
            "26959946667150639794667015087019630673637144422540572481103610249216".to_owned(),
            "35,285,462,543,117,914,466,886,391,436,586,022,929,093,436,903,543".to_owned(),
            list.join(","),
            format!("[{}]", list.join(", ")),
            hex_list.join(" "),
            pairs.join(":"),
            pairs.join(" "),
            format!("{}\n{}", &DIGEST[..32], &DIGEST[32..]),
            format!("{DIGEST} {DIGEST}"),
        ]
    }

    #[test]
    fn e12_a_digest_is_told_however_it_is_written() {
        for value in spellings() {
            for whole in [
                value.clone(),
                format!("  {value}\n"),
                format!("\"{value}\""),
                format!("[\"{value}\"]"),
                format!("({value})."),
                format!("1: {value}"),
            ] {
                assert_eq!(severity(&whole), Some(Severity::Danger), "{whole}");
            }
            for part in [
                format!("Please sign {value} now"),
                format!("{{\"message\": \"{value}\"}}"),
                format!("message={value}"),
                format!("Willkommen!\n\nnonce: {value}\n"),
                format!("подпись {value}"),
            ] {
                assert_eq!(severity(&part), Some(Severity::Attention), "{part}");
            }
        }
        for (before, after) in [("\\u00", ""), ("\\x", ""), ("%", ""), ("&#x", ";")] {
            let escaped: String = DIGEST
                .bytes()
                .map(|it| format!("{before}{it:02x}{after}"))
                .collect();
            assert_eq!(severity(&escaped), Some(Severity::Danger), "{escaped}");
            let json = format!("{{\"message\":\"{escaped}\"}}");
            assert_eq!(severity(&json), Some(Severity::Attention), "{json}");
        }
    }

    #[test]
    fn ordinary_texts_have_no_such_values() {
        for text in [
            "",
            "Hello World",
            "I am 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 and pay 1000000000000000000 wei.",
            "https://app.example/Some/Long/Path/With/Many/Parts/And/More/Of/Them/And/An/End",
            "See https://app.example/Some/Long/Path/With/Many/Parts/And-2024-Words/Index.html?a=1",
            "id 550e8400-e29b-41d4-a716-446655440000 at 2026-03-04T06:00:00.000Z",
            "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
            "my-article-about-something-that-is-rather-long-part-2024",
            "a bad cafe faced a dead bee",
            "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
        ] {
            assert_eq!(severity(text), None, "{text}");
        }
        assert_eq!(
            severity("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
            Some(Severity::Attention)
        );
    }
}
