//! Runs of lines and of spaces with which a caller pushes words out of sight, and marks that change
//! words: told, and the runs folded in what is shown.
//!
//! What is blank is decided by what a person sees: white space, characters that do not show, and
//! marks that stand on either.

use openkey_capability::{
    directions::has_turned_numbers,
    marks::{OddMark, first_odd_mark, is_mark},
    visible::is_unreadable,
};
use openkey_protocol::message::{Severity, Warning};

use crate::words::warning;

/// Most blank lines in a row that are shown as they are: a paragraph's distance.
const MAX_BLANK_LINES: usize = 2;
/// Most spaces in a row that are shown as they are inside of a line.
const MAX_SPACES: usize = 16;
/// The same at the beginning of a line: deeply nested data are indented.
const MAX_INDENTATION: usize = 64;
/// Most equal lines in a row that are shown as they are.
const MAX_EQUAL_LINES: usize = 16;
/// Most lines in a row without a letter or digit that are shown as they are: data that end many
/// brackets at once.
const MAX_WORDLESS_LINES: usize = 40;
/// How a note in what is shown begins; a text that has it itself poses as one.
const NOTE: &str = "[…";

/// What was found in a text: its longest runs that were folded, and what else changes what is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    blank_lines: usize,
    spaces: usize,
    equal_lines: usize,
    wordless_lines: usize,
    poses: bool,
    turned: bool,
    mark: Option<OddMark>,
}

impl Runs {
    /// The longer of both, and what either has.
    pub(crate) fn longer(self, other: Self) -> Self {
        Self {
            blank_lines: self.blank_lines.max(other.blank_lines),
            spaces: self.spaces.max(other.spaces),
            equal_lines: self.equal_lines.max(other.equal_lines),
            wordless_lines: self.wordless_lines.max(other.wordless_lines),
            poses: self.poses || other.poses,
            turned: self.turned || other.turned,
            mark: self.mark.or(other.mark),
        }
    }

    /// The same of a document whose texts and numbers have rows of their own: in which order its lines
    /// are drawn changes nothing.
    pub(crate) fn of_data(self) -> Self {
        Self {
            turned: false,
            ..self
        }
    }

    /// True if something was left out of what is shown.
    pub(crate) fn is_folded(self) -> bool {
        self.counts().any(|(count, _)| count > 0)
    }

    fn counts(self) -> impl Iterator<Item = (usize, &'static str)> {
        [
            (self.blank_lines, "blank lines"),
            (self.equal_lines, "equal lines"),
            (self.wordless_lines, "lines without words"),
            (self.spaces, "spaces"),
        ]
        .into_iter()
    }

    /// What a person has to know about them; nothing if there is nothing.
    pub(crate) fn warning(self) -> Vec<Warning> {
        let mut said = Vec::new();
        let folded: Vec<String> = self
            .counts()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", grouped(count)))
            .collect();
        if !folded.is_empty() {
            said.push(format!(
                "The text has up to {} in a row, which could keep the rest of it out of sight. They \
                 are folded in what is shown; read what stands behind them.",
                folded.join(" and ")
            ));
        }
        if self.poses {
            said.push(format!(
                "The text itself has “{NOTE}” in it, which is how a note about something folded \
                 begins. Not every such note is OpenKey's."
            ));
        }
        if self.turned {
            said.push(
                "A line has letters of scripts from right to left and from left to right beside numbers: \
                 the order of the numbers that you see may be another one than that of the text."
                    .to_owned(),
            );
        }
        if let Some(OddMark { character, kind }) = self.mark {
            said.push(format!(
                "The text holds U+{:04X}, {kind}: such marks change or cover what you read.",
                u32::from(character)
            ));
        }
        let severe = |text| warning(Severity::Attention, text);
        said.into_iter().map(severe).collect()
    }
}

/// The text as it is shown: whole, with a note in brackets in place of every long run.
pub(crate) fn folded(text: &str) -> (String, Runs) {
    let mut runs = Runs {
        poses: text.contains(NOTE),
        turned: has_turned_numbers(text),
        mark: first_odd_mark(text),
        ..Runs::default()
    };
    let mut shown: Vec<String> = Vec::new();
    let lines: Vec<Line<'_>> = text.split('\n').map(Line::of).collect();
    let mut rest = lines.as_slice();
    while let Some(first) = rest.first() {
        // Counted one after the other: a run that was counted is folded, or it is short.
        let count = |is: &dyn Fn(&Line<'_>) -> bool| rest.iter().take_while(|it| is(it)).count();
        let blank = count(&|line| line.is_blank);
        let folded = if blank > MAX_BLANK_LINES {
            runs.blank_lines = runs.blank_lines.max(blank);
            shown.push(note(blank, "blank lines"));
            blank
        } else if blank == 0
            && let equal = count(&|line| line.text == first.text)
            && equal > MAX_EQUAL_LINES
        {
            runs.equal_lines = runs.equal_lines.max(equal);
            shown.push(line(first.text, &mut runs));
            shown.push(note(equal - 1, "more lines like this one"));
            equal
        } else if let wordless = count(&|line| !line.has_words)
            && wordless > MAX_WORDLESS_LINES
        {
            runs.wordless_lines = runs.wordless_lines.max(wordless);
            shown.push(note(wordless, "lines without words"));
            wordless
        } else {
            shown.push(line(first.text, &mut runs));
            1
        };
        rest = rest.get(folded..).unwrap_or_default();
    }
    (shown.join("\n"), runs)
}

struct Line<'t> {
    text: &'t str,
    is_blank: bool,
    has_words: bool,
}

impl<'t> Line<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            text,
            is_blank: visible_start(text) == text.len(),
            has_words: text.contains(char::is_alphanumeric),
        }
    }
}

fn note(count: usize, what: &str) -> String {
    format!("{NOTE} {} {what} …]", grouped(count))
}

/// One line with its runs of blanks folded.
fn line(text: &str, runs: &mut Runs) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (blank, after) = rest
            .split_at_checked(visible_start(rest))
            .unwrap_or((rest, ""));
        let most = if shown.is_empty() {
            MAX_INDENTATION
        } else {
            MAX_SPACES
        };
        let count = blank.chars().count();
        if count > most {
            runs.spaces = runs.spaces.max(count);
            shown.push_str(&note(count, "spaces"));
        } else {
            shown.push_str(blank);
        }
        let (words, after) = after
            .split_at_checked(blank_start(after))
            .unwrap_or((after, ""));
        shown.push_str(words);
        rest = after;
    }
    shown
}

/// True for what shows nothing by itself; a mark shows on what is in front of it.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || (!is_mark(c) && is_unreadable(c))
}

/// Where the first thing that shows begins, or the end. Marks on blanks are as good as blank.
fn visible_start(text: &str) -> usize {
    text.find(|c: char| !is_blank(c) && !is_mark(c))
        .unwrap_or(text.len())
}

/// Where the first blank is, or the end.
fn blank_start(text: &str) -> usize {
    text.find(is_blank).unwrap_or(text.len())
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

    fn said(text: &str) -> String {
        let warnings = folded(text).1.warning();
        let mut texts = warnings.iter().map(|it| it.text.as_str());
        texts.by_ref().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ordinary_texts_stay_as_they_are() {
        for text in [
            "",
            "Hello World",
            "a\n\nb\n\n\nc\n",
            "\n\nHello  you\n",
            &format!("{{\n{}\"a\": 1}}", " ".repeat(MAX_INDENTATION)),
            &format!("{{\"a\": 1{}", "\n}".repeat(MAX_WORDLESS_LINES - 30)),
            "क\u{94d}\u{200d}ष می\u{200c}خواهم",
        ] {
            assert_eq!(folded(text), (text.to_owned(), Runs::default()), "{text:?}");
        }
    }

    #[test]
    fn c2_blank_lines_and_spaces_do_not_push_words_out_of_sight() {
        let lines = format!("Hello{}and pay", "\n".repeat(10_001));
        let (shown, runs) = folded(&lines);
        assert_eq!(shown, "Hello\n[… 10,000 blank lines …]\nand pay");
        assert!(said(&lines).contains("10,000 blank lines"));
        let spaced = format!("Hello{}  and pay", " \t\n".repeat(9));
        assert_eq!(
            folded(&spaced).0,
            "Hello \t\n[… 8 blank lines …]\n  and pay"
        );
        let spaces = format!("Hello{}and pay", " ".repeat(50_000));
        assert_eq!(folded(&spaces).0, "Hello[… 50,000 spaces …]and pay");
        assert!(said(&spaces).contains("50,000 spaces"));
        let wide = format!("{}pay", "\u{3000}".repeat(65));
        assert_eq!(folded(&wide).0, "[… 65 spaces …]pay");
        let at_ends = format!("{}pay{}", "\n".repeat(5), "\n".repeat(4));
        assert_eq!(
            folded(&at_ends).0,
            "[… 5 blank lines …]\npay\n[… 4 blank lines …]"
        );
        let both = folded(&spaces).1.longer(runs).warning();
        assert!(
            both[0]
                .text
                .contains("10,000 blank lines and 50,000 spaces")
        );
    }

    #[test]
    fn c2_lines_that_only_look_blank_are_blank() {
        for blank in [
            "\u{3000}",
            "\t ",
            " \u{301}",
            "\u{a0}\u{308}\u{323}",
            "\u{2800}",
            "\u{3164}",
            "\u{115f}\u{1160}",
            "\u{fe0f}",
            "\u{301}",
        ] {
            let text = format!("Hello\n{}and pay", format!("{blank}\n").repeat(40));
            assert_eq!(
                folded(&text).0,
                "Hello\n[… 40 blank lines …]\nand pay",
                "{blank:?}"
            );
            let spaces = format!("Hello{}pay", format!(" {blank}").repeat(40));
            let (shown, _) = folded(&spaces);
            assert!(shown.starts_with("Hello[… ") && shown.ends_with(" spaces …]pay"));
        }
    }

    #[test]
    fn c2_lines_that_say_nothing_do_not_push_words_out_of_sight() {
        let equal = format!("Hello\n{}and pay", "and so on\n".repeat(900));
        assert_eq!(
            folded(&equal).0,
            "Hello\nand so on\n[… 899 more lines like this one …]\nand pay"
        );
        assert!(said(&equal).contains("900 equal lines"));
        let dots = format!("Hello\n{}and pay", ".\n·\n".repeat(450));
        assert_eq!(
            folded(&dots).0,
            "Hello\n[… 900 lines without words …]\nand pay"
        );
    }

    #[test]
    fn c2_notes_and_marks_of_the_caller_are_told() {
        assert!(said("a\n[… 3 blank lines …]\nb").contains("Not every such note"));
        assert!(said("I do n\u{336}o\u{336}t\u{336} agree").contains("U+0336, a line through"));
    }
}
