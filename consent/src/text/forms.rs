//! Forms of data beside the common ones: queries, tables, commands, values between signs. Each is told of a
//! text as a whole.

use super::{
    lexicon::{Lexicon, Speech},
    moves::{moves_value, parts},
};

/// Most words of a value behind the one label of a text.
const VALUE: usize = 2;

/// The form of a text, as the warning says it.
pub(super) fn whole(text: &str, lexicon: &Lexicon) -> Option<&'static str> {
    Some(if is_query(text) {
        "This text is a query for a program (GraphQL): some system may take the signature as the order \
         to run it. OpenKey does not know which system."
    } else if is_table(text) {
        "This text is a table, which programs read: some system may take the signature as the approval of \
         what stands in it. OpenKey does not know which system."
    } else if is_command(text) || is_function(text, lexicon) || is_expression(text) {
        "This text is a command for a program: some system may take the signature as the order to run it. \
         OpenKey does not know which system."
    } else if is_pairs(text) || is_label(text) || is_separated(text) {
        "This text is names and values, which programs read: some system may take the signature as their \
         approval. OpenKey does not know which system."
    } else {
        return None;
    })
}

/// True if such a text orders value to be moved: its words are values by themselves.
pub(super) fn moves(text: &str, lexicon: &Lexicon) -> bool {
    let is_sign = |c: char| c.is_whitespace() || "|;:/".contains(c);
    let values: String = text
        .chars()
        .map(|c| if is_sign(c) { '\n' } else { c })
        .collect();
    moves_value(&Speech::of(&values), lexicon)
}

/// A query of GraphQL.
fn is_query(text: &str) -> bool {
    let is_kind = |it: &str| {
        let rest = text.strip_prefix(it);
        rest.is_some_and(|it| !it.starts_with(char::is_alphanumeric))
    };
    ["mutation", "query", "subscription"]
        .into_iter()
        .any(is_kind)
        && text.contains('{')
        && text.ends_with('}')
}

/// Lines of as many values each, between commas, semicolons, tabs or bars.
fn is_table(text: &str) -> bool {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_cell = |it: &str| it.trim().split(' ').count() <= VALUE;
    let has_columns = |sign: char| {
        let count = |line: &str| line.matches(sign).count();
        let first = lines().next().map_or(0, count);
        first > 0 && lines().all(|it| count(it) == first && it.split(sign).all(is_cell))
    };
    // In prose a space stands behind a comma, and numbers are rare.
    let is_dense =
        !text.contains(", ") || text.lines().skip(1).any(|it| it.contains(char::is_numeric));
    lines().nth(1).is_some()
        && (has_columns('|') || (is_dense && [',', ';', '\t'].into_iter().any(has_columns)))
}

/// A command with options behind two hyphens, or behind a stroke or an exclamation mark as robots take them.
fn is_command(text: &str) -> bool {
    let is_name = |it: &str| it.starts_with(|c: char| c.is_ascii_lowercase());
    let is_option = |it: &str| it.strip_prefix("--").is_some_and(is_name);
    let first = text.split_whitespace().next().unwrap_or_default();
    let bare = first.strip_prefix(['/', '!']);
    let is_plain = |it: &str| {
        it.chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    };
    bare.is_some_and(|it| is_name(it) && is_plain(it))
        || (is_name(first) && text.split_whitespace().skip(1).any(is_option))
}

/// The name of a function that moves value and what it works on: `send_tokens bob 5`.
fn is_function(text: &str, lexicon: &Lexicon) -> bool {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let names: Vec<&str> = first.split(['_', '-']).flat_map(parts).collect();
    let is_name = first
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    words.next().is_some() && is_name && names.len() > 1 && {
        names.into_iter().any(|it| lexicon.transfers.is_word(it))
    }
}

/// An expression in round brackets with a number in it: `(transfer bob 5)`.
fn is_expression(text: &str) -> bool {
    let inside = text.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
    inside.is_some_and(|it| {
        let is_number = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
        let mut words = it.split_whitespace();
        let first = words.next().unwrap_or_default();
        let is_name = first
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        !first.is_empty() && is_name && words.any(is_number)
    })
}

/// Names with values, and nothing else: `to:bob amount:5`.
fn is_pairs(text: &str) -> bool {
    let is_pair = |it: &str| {
        let pair = it.split_once([':', '=']);
        pair.is_some_and(|(name, value)| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
            is_name && name.chars().all(is_part) && !value.is_empty() && !value.starts_with("//")
        })
    };
    text.split_whitespace().nth(1).is_some() && text.split_whitespace().all(is_pair)
}

/// One name in small letters, and a value of few words.
fn is_label(text: &str) -> bool {
    let pair = text.trim_start_matches("- ").split_once(": ");
    pair.is_some_and(|(name, value)| {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c);
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase());
        is_name && name.chars().all(is_part) && (1..=VALUE).contains(&value.split(' ').count())
    })
}

/// Values between bars, colons, semicolons, strokes or tabs, without spaces.
fn is_separated(text: &str) -> bool {
    /// Fewest values.
    const VALUES: usize = 3;
    let is_value = |it: &str| it.contains(char::is_alphanumeric);
    let is_one = |sign: char| {
        let has_space = text.contains(|c: char| c.is_whitespace() && c != sign);
        !has_space && text.split(sign).nth(VALUES - 1).is_some() && text.split(sign).all(is_value)
    };
    // Dates and times are numbers with such signs.
    let is_word = |it: &str| it.starts_with(char::is_alphabetic);
    text.split(['|', ':', ';', '/', '\t']).any(is_word)
        && ['|', ':', ';', '/', '\t'].into_iter().any(is_one)
}
