//! Values in a text that no person can read: digests and data, however they are written. The one
//! detector of texts, of every member of a sign-in, and of typed data.
//!
//! A value that may be the approval of anything is no digest by chance: more than 176 bits take 2^80
//! attempts to make short. Every step goes through the text once.

/// Fewest hexadecimal or decimal digits of a value with more than 176 bits, or more than any amount.
const DIGITS: usize = 45;
/// Hexadecimal digits of 32 bytes, which are found inside a longer word, too.
const HEX: usize = 64;
/// Decimal digits of the least number of more than 176 bits, the same.
const DECIMAL: usize = 54;
/// Fewest hexadecimal digits of a text by itself that are worth a second look: an address.
const ADDRESS: usize = 40;
/// Fewest characters of a word that no person reads: 32 bytes are 43 of base64, 52 of base32.
const WORD: usize = 40;
/// Base64 of 32 bytes, with and without its padding.
const BASE64: usize = 43;
/// Longest part between the hyphens or slashes of a word that is made of words.
const PART: usize = 20;
/// Fewest changes between small letters, capitals and digits inside a word with hyphens or slashes
/// that is a value: titles and paths have few.
const CHANGES: usize = 5;
/// Fewest escapes that hide what is written.
const ESCAPES: usize = 16;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Enough digits in one piece.
    Digits,
    /// Anything else: groups of digits, lists of bytes, encodings of other alphabets, escapes.
    Other,
}

/// Where a value is, in bytes.
type Span = (usize, usize, Form);
/// A word and where it begins, in bytes.
type Piece<'t> = (usize, &'t str);

/// The values of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// True if nothing else in the text can be read.
    pub(crate) is_whole: bool,
    /// True if one of them is digits in one piece.
    pub(crate) has_digits: bool,
}

/// What a text holds of values that nobody can read; `None` if it holds none.
pub(crate) fn find(text: &str) -> Option<Found> {
    let spans = spans(text);
    if spans.is_empty() {
        return None;
    }
    let mut covered = vec![false; text.len()];
    for (start, end, _) in &spans {
        if let Some(part) = covered.get_mut(*start..*end) {
            part.fill(true);
        }
    }
    // What is joined to a value by full stops is part of it, such as the head of a token.
    let joined = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    for (start, run) in words(text, joined)
        .into_iter()
        .filter(|(_, it)| it.contains('.'))
    {
        if let Some(part) = covered.get_mut(start..start + run.len()) {
            let is_part = part.contains(&true);
            part.fill(is_part);
        }
    }
    let readable = |word: &Piece<'_>| {
        let (start, word) = *word;
        let is_open = covered.get(start) == Some(&false);
        is_open && word.chars().filter(|it| it.is_alphabetic()).count() > 1
    };
    Some(Found {
        is_whole: !words(text, char::is_alphanumeric).iter().any(readable),
        has_digits: spans.iter().any(|(_, _, form)| *form == Form::Digits),
    })
}

/// True if a text is hexadecimal digits, whatever stands between and around them.
pub(crate) fn is_address(text: &str) -> bool {
    let text: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    let digits = without_prefix(&text).unwrap_or(&text);
    digits.len() >= ADDRESS && is_hex(digits)
}

/// Where such values are. Every rule finds spans that do not overlap, so that all together have a
/// few times the length of the text.
fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    for (start, word) in words(text, plain) {
        if let Some(form) = form_of(word, is_glued(text, start, word.len())) {
            spans.push((start, start + word.len(), form));
        }
    }
    for (start, word) in words(text, base64) {
        if word.contains(['+', '/']) && word.len() >= BASE64 && !is_of_words(word) {
            spans.push((start, start + word.len(), Form::Other));
        }
    }
    spans.extend(escapes(text));
    let pieces = words(text, |c| c.is_ascii_alphanumeric());
    spans.extend(rows(&pieces, text));
    spans.extend(groups(&pieces));
    spans
}

/// Base64 and its like in groups: words in a row that no person writes, if they are long enough together
/// and change between small letters, capitals and digits as often as such values do.
fn groups(pieces: &[Piece<'_>]) -> Vec<Span> {
    /// Fewest characters of a group, and how many there are for each change at most.
    const GROUP: usize = 4;
    const PER_CHANGE: usize = 5;
    let is_odd = |word: &str| {
        let rest = word.get(1..).unwrap_or_default();
        word.len() >= GROUP && rest.bytes().any(|it| !it.is_ascii_lowercase())
    };
    let mut spans = Vec::new();
    for row in pieces.chunk_by(|(_, a), (_, b)| is_odd(a) && is_odd(b)) {
        let length: usize = row.iter().map(|(_, it)| it.len()).sum();
        let count: usize = row.iter().map(|(_, it)| changes(it)).sum();
        if let (Some((start, _)), Some((end, last))) = (row.first(), row.last())
            && row.len() > 1
            && length >= BASE64
            && PER_CHANGE * count >= length
        {
            spans.push((*start, end + last.len(), Form::Other));
        }
    }
    spans
}

/// Values in pieces: groups of digits in a row, or the numbers of a list of bytes, if they are enough
/// digits together.
fn rows(pieces: &[Piece<'_>], text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let is_group = |word: &str| group(word).is_some();
    for row in pieces.chunk_by(|(_, a), (_, b)| is_group(a) && is_group(b)) {
        let (Some((start, first)), Some((end, last))) = (row.first(), row.last()) else {
            continue;
        };
        // Words of other alphabets are no pieces, but stand between them.
        let between = text.get(start + first.len()..*end).unwrap_or_default();
        let is_broken = between.contains(|c: char| !c.is_ascii() && c.is_alphabetic());
        let digits = row.iter().filter_map(|(_, it)| group(it)).map(str::len);
        if digits.sum::<usize>() >= DIGITS && !is_broken {
            spans.push((*start, end + last.len(), Form::Other));
        }
    }
    spans
}

/// The digits of a word that may be one group of a value. An address or more behind `0x` stands for
/// itself.
fn group(word: &str) -> Option<&str> {
    let behind = without_prefix(word).filter(|it| it.len() < ADDRESS);
    Some(behind.unwrap_or(word)).filter(|it| is_hex(it))
}

/// The maximal runs of characters that belong to words, with where they begin.
pub(crate) fn words(text: &str, belongs: impl Fn(char) -> bool) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, belongs(c) && at < text.len()) {
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

/// True if a letter of another alphabet stands right before or behind a word: it is part of a word
/// of a language.
fn is_glued(text: &str, start: usize, length: usize) -> bool {
    let before = text.get(..start).and_then(|it| it.chars().next_back());
    let after = text.get(start + length..).and_then(|it| it.chars().next());
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    is_letter(before) || is_letter(after)
}

/// How a word of letters, digits, hyphens and low lines is a value, if it is one.
fn form_of(word: &str, is_glued: bool) -> Option<Form> {
    let digits = without_prefix(word).unwrap_or(word);
    if is_hex(digits) {
        return (digits.len() >= DIGITS).then_some(Form::Digits);
    }
    if word.len() < WORD {
        return None;
    }
    if longest(word, |it| it.is_ascii_hexdigit()) >= HEX
        || longest(word, |it| it.is_ascii_digit()) >= DECIMAL
    {
        return Some(Form::Digits);
    }
    if word.contains(['-', '_']) {
        return (!is_of_words(word)).then_some(Form::Other);
    }
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    let has_both_cases = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let is_value = has(u8::is_ascii_digit) || has_both_cases;
    // Base32 without a digit is one in 2^16.
    let is_letters = word.len() >= BASE64 && !is_glued;
    (is_value || is_letters).then_some(Form::Other)
}

/// True if the parts between hyphens, low lines, slashes and signs are words of a person, as in a
/// title in an address of the web.
fn is_of_words(word: &str) -> bool {
    let mut parts = word.split(['-', '_', '/', '+']);
    changes(word) < CHANGES
        && parts.all(|part| part.len() <= PART || (part.len() < BASE64 && changes(part) < 2))
}

/// The length of the longest run of bytes of one kind.
fn longest(text: &str, is_one: impl Fn(&u8) -> bool) -> usize {
    text.as_bytes()
        .split(|byte| !is_one(byte))
        .map(<[u8]>::len)
        .max()
        .unwrap_or_default()
}

fn without_prefix(word: &str) -> Option<&str> {
    word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"))
}

fn is_hex(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_hexdigit())
}

/// Where letters are written as `\u0061`, `\x61`, `%61` or `&#x61;`, which readers turn into what is not
/// seen here; nowhere if there are but a few.
fn escapes(text: &str) -> Vec<Span> {
    let escape = |(at, _): (usize, &str)| {
        let rest = text.get(at + 1..)?;
        let digits = rest.trim_start_matches(['u', 'x', '{', '#']);
        let most = if rest.starts_with('u') { 6 } else { 3 };
        let hex = digits.bytes().take(most).take_while(u8::is_ascii_hexdigit);
        let count = hex.count();
        let start = text.len() - digits.len();
        (count >= 2).then_some((at, start + count, Form::Other))
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
