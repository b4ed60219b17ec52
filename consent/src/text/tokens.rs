//! Values in a text that look random: sites have such values signed to sign people in, and a person cannot
//! tell which site a value is of. Whatever mixes letters and digits is one, unless it has the form of a word,
//! an amount, a size or a date.

use openkey_protocol::message::Severity;

use super::{Finding, lexicon::is_cased_letter};
use crate::unreadable::words;

/// How the title tells of such a value.
pub(super) const TOKEN: &str = "with a value in it that may sign you in";

/// Fewest characters of letters and digits together, of letters alone, and of digits alone.
const MIXED: usize = 8;
const LETTERS: usize = 12;
const DIGITS: usize = 16;
/// Fewest characters, and changes between letters and digits, of a value in parts with hyphens.
const PARTS: usize = 12;
const CHANGES: usize = 5;
/// Parts of a UUID (RFC 9562), in hexadecimal digits.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];
/// Hexadecimal digits of an address, which is told by rules of its own.
const ADDRESS: usize = 40;

/// A value that looks random.
pub(super) fn judge(text: &str) -> Option<Finding> {
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut all = words(text, belongs).into_iter();
    let is_one = |(start, word): (usize, &str)| is_token(word, is_glued(text, start, word.len()));
    (all.any(is_one) || has_signs(text)).then(|| {
        Finding::new(
            Severity::Attention,
            TOKEN,
            "A value in this text looks random. Sites have such values signed to sign people in: whoever \
             gave it to you may act at some site as you. OpenKey cannot see which site asks. Sign only \
             if you are at that site yourself and began this there.",
        )
    })
}

/// True for pictures that may stand for the digits of a value: people repeat a few of them, and write no row
/// of many different ones.
fn has_signs(text: &str) -> bool {
    /// Fewest of them, and fewest different ones.
    const SIGNS: usize = 20;
    const DIFFERENT: usize = 12;
    let is_sign = |c: &char| matches!(c, '\u{1f300}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}');
    let mut signs: Vec<char> = text.chars().filter(is_sign).collect();
    let count = signs.len();
    signs.sort_unstable();
    signs.dedup();
    count >= SIGNS && signs.len() >= DIFFERENT
}

/// True if a word of a language with letters beyond ASCII goes on before or behind.
fn is_glued(text: &str, start: usize, length: usize) -> bool {
    let before = text.get(..start).and_then(|it| it.chars().next_back());
    let after = text.get(start + length..).and_then(|it| it.chars().next());
    [before, after].into_iter().flatten().any(is_cased_letter)
}

fn is_token(word: &str, is_glued: bool) -> bool {
    let parts = || word.split(['-', '_']);
    let is_hex = |it: &str| it.bytes().all(|it| it.is_ascii_hexdigit());
    let is_uuid = parts().map(str::len).eq(UUID) && parts().all(is_hex);
    let length: usize = parts().map(str::len).sum();
    let changes: usize = parts().map(|it| runs(it).len().saturating_sub(1)).sum();
    is_uuid
        || (length >= PARTS && changes >= CHANGES && !is_address(word))
        || parts().any(|it| is_random(it, is_glued))
}

fn is_address(word: &str) -> bool {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    digits.is_some_and(|it| it.len() == ADDRESS && it.bytes().all(|it| it.is_ascii_hexdigit()))
}

fn is_random(part: &str, is_glued: bool) -> bool {
    let has = |is: fn(&u8) -> bool| part.as_bytes().iter().any(is);
    match (has(u8::is_ascii_alphabetic), has(u8::is_ascii_digit)) {
        (true, true) => part.len() >= MIXED && !is_address(part) && !is_of_people(part),
        (true, false) => part.len() >= LETTERS && !is_glued && is_scrambled(part),
        (false, _) => part.len() >= DIGITS,
    }
}

/// The maximal runs of letters and of digits.
fn runs(part: &str) -> Vec<&[u8]> {
    let is_same = |a: &u8, b: &u8| a.is_ascii_digit() == b.is_ascii_digit();
    part.as_bytes().chunk_by(is_same).collect()
}

/// True for what people write with letters and digits together: `iPhone15`, `5000mAh`, `2048x1536`,
/// `20261130T120000Z`.
fn is_of_people(part: &str) -> bool {
    /// Most digits behind a word, and letters of a unit behind a number.
    const YEAR: usize = 4;
    const UNIT: usize = 5;
    let is_digits = |it: &[u8]| it.iter().all(u8::is_ascii_digit);
    match runs(part).as_slice() {
        [number, unit] if is_digits(number) => unit.len() <= UNIT,
        [word, number] => number.len() <= YEAR && is_pronounced(word),
        [first, b"x" | b"X", last] => is_digits(first) && is_digits(last),
        [date, b"T", time] | [date, b"T", time, b"Z"] => date.len() == 8 && time.len() == 6,
        _ => false,
    }
}

/// True for letters that have vowels as words have them. A few letters are an abbreviation.
fn is_pronounced(word: &[u8]) -> bool {
    const ABBREVIATION: usize = 5;
    const CONSONANTS: usize = 5;
    word.len() <= ABBREVIATION || (most_consonants(word) < CONSONANTS && !is_hard(word))
}

fn is_vowel(letter: u8) -> bool {
    b"aeiouy".contains(&letter.to_ascii_lowercase())
}

fn most_consonants(word: &[u8]) -> usize {
    let runs = word.split(|it| is_vowel(*it));
    runs.map(<[u8]>::len).max().unwrap_or_default()
}

/// True if fewer than one letter in seven is a vowel.
fn is_hard(word: &[u8]) -> bool {
    7 * word.iter().filter(|it| is_vowel(**it)).count() < word.len()
}

/// True for letters that no word of a language has in this order: capitals all over, or hardly a vowel.
fn is_scrambled(word: &str) -> bool {
    const CONSONANTS: usize = 8;
    let word = word.as_bytes();
    let pairs = word.windows(2);
    let is_change =
        |pair: &&[u8]| matches!(pair, [a, b] if a.is_ascii_lowercase() != b.is_ascii_lowercase());
    let changes = pairs.filter(is_change).count();
    5 * changes >= 2 * word.len() || is_hard(word) || most_consonants(word) >= CONSONANTS
}
