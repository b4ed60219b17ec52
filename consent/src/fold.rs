//! Runs of blank lines and of spaces, with which a caller pushes words out of sight: told, and folded
//! in what is shown.

use openkey_protocol::message::{Severity, Warning};

use crate::words::warning;

/// Most blank lines in a row that are shown as they are: a paragraph's distance.
const MAX_BLANK_LINES: usize = 2;
/// Most spaces in a row that are shown as they are inside of a line.
const MAX_SPACES: usize = 16;
/// The same at the beginning of a line: deeply nested data are indented.
const MAX_INDENTATION: usize = 64;

/// The longest runs of a text that were folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    blank_lines: usize,
    spaces: usize,
}

impl Runs {
    /// The longer of both.
    pub(crate) fn longer(self, other: Self) -> Self {
        Self {
            blank_lines: self.blank_lines.max(other.blank_lines),
            spaces: self.spaces.max(other.spaces),
        }
    }

    /// What a person has to know about them; `None` if nothing was folded.
    pub(crate) fn warning(self) -> Option<Warning> {
        let what = match (self.blank_lines, self.spaces) {
            (0, 0) => return None,
            (0, spaces) => format!("{} spaces", grouped(spaces)),
            (lines, 0) => format!("{} blank lines", grouped(lines)),
            (lines, spaces) => format!(
                "{} blank lines and {} spaces",
                grouped(lines),
                grouped(spaces)
            ),
        };
        Some(warning(
            Severity::Attention,
            format!(
                "The text has up to {what} in a row, which could keep the rest of it out of sight. \
                 They are folded in what is shown; read what stands behind them."
            ),
        ))
    }
}

/// The text as it is shown: whole, with a note in brackets in place of every long run.
pub(crate) fn folded(text: &str) -> (String, Runs) {
    let mut shown = String::with_capacity(text.len());
    let mut runs = Runs::default();
    let mut rest = text;
    while !rest.is_empty() {
        let words = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (visible, after) = rest.split_at_checked(words).unwrap_or((rest, ""));
        shown.push_str(visible);
        let end = after
            .find(|c: char| !c.is_whitespace())
            .unwrap_or(after.len());
        let (blank, after) = after.split_at_checked(end).unwrap_or((after, ""));
        let at_start = shown.is_empty();
        fold_run(blank, at_start, after.is_empty(), &mut shown, &mut runs);
        rest = after;
    }
    (shown, runs)
}

/// One run of white space, between words or at an end of the text.
fn fold_run(run: &str, at_start: bool, at_end: bool, shown: &mut String, runs: &mut Runs) {
    let breaks = run.matches('\n').count();
    // The first break ends a line of words, the last one begins another.
    let blank_lines = (breaks + usize::from(at_start) + usize::from(at_end)).saturating_sub(1);
    if breaks > 0 && blank_lines > MAX_BLANK_LINES {
        runs.blank_lines = runs.blank_lines.max(blank_lines);
        if !at_start {
            shown.push('\n');
        }
        shown.push_str(&format!("[… {} blank lines …]", grouped(blank_lines)));
        if !at_end {
            shown.push('\n');
            let indentation = run.rsplit('\n').next().unwrap_or_default();
            fold_spaces(indentation, MAX_INDENTATION, shown, runs);
        }
        return;
    }
    for (index, part) in run.split('\n').enumerate() {
        if index > 0 {
            shown.push('\n');
        }
        let is_indentation = index > 0 || at_start;
        let most = if is_indentation {
            MAX_INDENTATION
        } else {
            MAX_SPACES
        };
        fold_spaces(part, most, shown, runs);
    }
}

fn fold_spaces(spaces: &str, most: usize, shown: &mut String, runs: &mut Runs) {
    let count = spaces.chars().count();
    if count > most {
        runs.spaces = runs.spaces.max(count);
        shown.push_str(&format!("[… {} spaces …]", grouped(count)));
    } else {
        shown.push_str(spaces);
    }
}

/// A claim on one line, with its spaces folded.
pub(crate) fn folded_line(line: &str) -> String {
    folded(line).0
}

/// Decimal digits in groups of three.
fn grouped(number: usize) -> String {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    crate::word::Word::from(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_texts_stay_as_they_are() {
        for text in [
            "",
            "Hello World",
            "a\n\nb\n\n\nc\n",
            "\n\nHello  you\n",
            &format!("{{\n{}\"a\": 1}}", " ".repeat(MAX_INDENTATION)),
        ] {
            assert_eq!(folded(text), (text.to_owned(), Runs::default()), "{text:?}");
        }
    }

    #[test]
    fn c2_blank_lines_and_spaces_do_not_push_words_out_of_sight() {
        let lines = format!("Hello{}and pay", "\n".repeat(10_001));
        let (shown, runs) = folded(&lines);
        assert_eq!(shown, "Hello\n[… 10,000 blank lines …]\nand pay");
        assert!(runs.warning().unwrap().text.contains("10,000 blank lines"));
        let spaced = format!("Hello{}  and pay", " \t\n".repeat(9));
        assert_eq!(folded(&spaced).0, "Hello\n[… 8 blank lines …]\n  and pay");
        let spaces = format!("Hello{}and pay", " ".repeat(50_000));
        let (shown, runs) = folded(&spaces);
        assert_eq!(shown, "Hello[… 50,000 spaces …]and pay");
        assert!(runs.warning().unwrap().text.contains("50,000 spaces"));
        let wide = format!("{}pay", "\u{3000}".repeat(65));
        assert_eq!(folded(&wide).0, "[… 65 spaces …]pay");
        let at_ends = format!("{}pay{}", "\n".repeat(5), "\n".repeat(4));
        assert_eq!(
            folded(&at_ends).0,
            "[… 5 blank lines …]\npay\n[… 4 blank lines …]"
        );
        let most = runs.longer(folded(&lines).1);
        assert!(
            most.warning()
                .unwrap()
                .text
                .contains("10,000 blank lines and 50,000 spaces")
        );
    }
}
