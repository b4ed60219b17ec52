//! What a person cannot see: the one place that decides which characters do not show, or make
//! others appear elsewhere than they are, by the tables of Unicode (crate `icu_properties`).
//!
//! Texts that are signed, names of accounts, passkeys and keys, and claims of callers are all held
//! to it. A joiner is visible where a script needs it (RFC 5892, appendix A.1 and A.2), a variation
//! selector where an emoji does.

use core::fmt::Write as _;

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        BidiControl, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiModifier,
        ExtendedPictographic, GeneralCategory, JoiningType, NoncharacterCodePoint,
        PrependedConcatenationMark, QuotationMark, VariationSelector,
    },
};

use crate::marks::is_mark;

/// Most nonspacing marks on one letter (UTS #39, section 5.4): more of them cover other lines.
const MAX_MARKS: usize = 4;
/// How many transparent characters are looked across for a letter that a joiner stands between. A
/// letter has at most [`MAX_MARKS`] marks.
const MAX_TRANSPARENT: usize = 8;
/// Characters that are drawn blank although no property of Unicode says so: braille without dots,
/// the musical null notehead, the Khitan filler, the place of an object that is not there, and the
/// four named below.
const BLANK: [char; 8] = [
    '\u{2800}',
    '\u{1d159}',
    '\u{16fe4}',
    '\u{fffc}',
    // EGYPTIAN HIEROGLYPH FULL BLANK and HALF BLANK, TIFINAGH CONSONANT JOINER, DUPLOYAN THICK LETTER
    // SELECTOR
    '\u{13441}',
    '\u{13442}',
    '\u{2d7f}',
    '\u{1bc9d}',
];

const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
const TEXT_STYLE: char = '\u{fe0e}';
const EMOJI_STYLE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

/// A character that does not show, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// In characters, from 1.
    pub position: usize,
    /// The character that does not show.
    pub character: char,
    /// What sort of character it is: `a control character`.
    pub kind: &'static str,
}

/// The first character of a text that does not show. Line feeds and tabs do, by where the next
/// character stands.
#[must_use]
pub fn first_hidden(text: &str) -> Option<Hidden> {
    characters(text).find_map(|(position, character, kind)| {
        Some(Hidden {
            position,
            character,
            kind: kind?,
        })
    })
}

/// The first character of a name that does not show. Names stand on one line, so line feeds and
/// tabs do not belong there either.
#[must_use]
pub fn first_hidden_in_name(name: &str) -> Option<Hidden> {
    let broken = characters(name).find(|(_, character, _)| matches!(character, '\n' | '\t'));
    let broken = broken.map(|(position, character, _)| Hidden {
        position,
        character,
        kind: CONTROL,
    });
    match (first_hidden(name), broken) {
        (Some(hidden), Some(broken)) if broken.position < hidden.position => Some(broken),
        (hidden, broken) => hidden.or(broken),
    }
}

/// The text with every character that does not show spelled as `\u{…}`, line feeds and tabs
/// included: one line, and nothing in it can move or hide anything.
#[must_use]
pub fn spelled_out(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (_, character, kind) in characters(text) {
        match (character, kind) {
            ('\n', _) => shown.push_str("\\n"),
            ('\t', _) => shown.push_str("\\t"),
            (character, Some(_)) => {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{{{:04x}}}", u32::from(character));
            }
            (character, None) => shown.push(character),
        }
    }
    shown
}

/// True if a character by itself adds nothing that a person could read: it does not show, or it is
/// a mark on another one. For comparing texts by what they look like, never for accepting them.
#[must_use]
pub fn is_unreadable(c: char) -> bool {
    !c.is_ascii() && is_mark(c) || kind(c).is_some()
}

/// True for a character that can pass for a quotation mark: all that Unicode calls one, and what is
/// drawn like one.
#[must_use]
pub fn is_quotation_mark(c: char) -> bool {
    CodePointSetData::new::<QuotationMark>().contains(c)
        || matches!(
            c,
            '`' | '´'
                | '\u{2b9}'..='\u{2bd}'
                | '\u{2c8}'
                | '\u{2ca}'
                | '\u{2cb}'
                | '\u{2dd}'
                | '\u{2ee}'
                | '\u{2f4}'
                | '\u{2f6}'
                | '\u{374}'
                | '\u{55a}'
                | '\u{5f3}'
                | '\u{5f4}'
                | '\u{1fbd}'..='\u{1fbf}'
                | '\u{1fef}'
                | '\u{1ffd}'
                | '\u{1ffe}'
                | '\u{2032}'..='\u{2037}'
                | '\u{2057}'
                | '\u{275b}'..='\u{2760}'
                | '\u{3003}'
                | '\u{a78b}'
                | '\u{a78c}'
        )
}

/// Every character with its position from 1 and, if it does not show, its kind.
fn characters(text: &str) -> impl Iterator<Item = (usize, char, Option<&'static str>)> + '_ {
    let mut marks = 0;
    text.char_indices()
        .zip(1..)
        .map(move |((at, character), position)| {
            // Most of most texts, for which no table is needed.
            if matches!(character, ' '..='~') {
                marks = 0;
                return (position, character, None);
            }
            let before = text.get(..at).unwrap_or_default();
            let after = text.get(at + character.len_utf8()..).unwrap_or_default();
            if is_mark(character) {
                marks += 1;
            } else if !is_ignorable(character) {
                marks = 0;
            }
            let kind = if is_needed(character, before, after) {
                None
            } else if is_mark(character) && before.chars().next_back().is_none_or(|c| c == '\n') {
                Some("a mark without a letter to stand on")
            } else if marks > MAX_MARKS && is_mark(character) {
                Some("one mark too many on a letter, which covers other lines")
            } else {
                kind(character)
            };
            (position, character, kind)
        })
}

/// True for a character that shows nothing by itself but is part of what its neighbours show.
fn is_needed(character: char, before: &str, after: &str) -> bool {
    let previous = before.chars().next_back();
    let next = after.chars().next();
    match character {
        TEXT_STYLE | EMOJI_STYLE => match previous {
            // Digits become keycaps, nothing else.
            Some('0'..='9' | '#' | '*') => next == Some(KEYCAP),
            Some(previous) => CodePointSetData::new::<Emoji>().contains(previous),
            None => false,
        },
        JOINER => is_between_emoji(previous, next) || previous.is_some_and(is_virama),
        NON_JOINER => previous.is_some_and(is_virama) || is_between_joining(before, after),
        _ => false,
    }
}

fn is_between_emoji(previous: Option<char>, next: Option<char>) -> bool {
    let is_pictograph = |c| CodePointSetData::new::<ExtendedPictographic>().contains(c);
    let is_modifier = |c| CodePointSetData::new::<EmojiModifier>().contains(c);
    previous.is_some_and(|c| c == EMOJI_STYLE || is_pictograph(c) || is_modifier(c))
        && next.is_some_and(is_pictograph)
}

/// RFC 5892, appendix A.1 and A.2, first rule: a joiner after a virama chooses how the letters of
/// an Indic script meet.
fn is_virama(c: char) -> bool {
    CodePointMapData::<CanonicalCombiningClass>::new().get(c) == CanonicalCombiningClass::Virama
}

/// RFC 5892, appendix A.1, second rule: a non-joiner keeps two letters of a cursive script apart
/// that would join without it.
fn is_between_joining(before: &str, after: &str) -> bool {
    let joining = CodePointMapData::<JoiningType>::new();
    let type_of = |c| joining.get(c);
    let is_letter = |kind: &JoiningType| *kind != JoiningType::Transparent;
    let mut before = before.chars().rev().take(MAX_TRANSPARENT).map(type_of);
    let mut after = after.chars().take(MAX_TRANSPARENT).map(type_of);
    let (before, after) = (before.find(is_letter), after.find(is_letter));
    matches!(
        before,
        Some(JoiningType::LeftJoining | JoiningType::DualJoining)
    ) && matches!(
        after,
        Some(JoiningType::RightJoining | JoiningType::DualJoining)
    )
}

fn is_ignorable(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

const CONTROL: &str = "a control character";
const NO_CHARACTER: &str = "no character at all";
const BLANK_CHARACTER: &str = "a character that does not show";

/// What sort of character does not show by itself; `None` for those that do.
fn kind(c: char) -> Option<&'static str> {
    if matches!(c, '\n' | '\t' | ' '..='~') {
        return None;
    }
    if CodePointSetData::new::<BidiControl>().contains(c) {
        return Some("a character that changes the direction of writing");
    }
    if CodePointSetData::new::<NoncharacterCodePoint>().contains(c) {
        return Some(NO_CHARACTER);
    }
    if matches!(c, '\u{e0000}'..='\u{e007f}') {
        return Some("a tag character that does not show");
    }
    if CodePointSetData::new::<VariationSelector>().contains(c) {
        return Some("a variation selector that does not show");
    }
    if is_ignorable(c) || BLANK.contains(&c) {
        return Some(BLANK_CHARACTER);
    }
    match CodePointMapData::<GeneralCategory>::new().get(c) {
        GeneralCategory::Control => Some(CONTROL),
        GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => {
            Some("a hidden line break")
        }
        GeneralCategory::PrivateUse => Some("a private character without a meaning"),
        // Emoji of the next edition of Unicode have their places already.
        GeneralCategory::Unassigned
            if !CodePointSetData::new::<ExtendedPictographic>().contains(c) =>
        {
            Some(NO_CHARACTER)
        }
        // Signs that stand above or below numbers are drawn, the other format characters are not.
        GeneralCategory::Format
            if !CodePointSetData::new::<PrependedConcatenationMark>().contains(c) =>
        {
            Some(BLANK_CHARACTER)
        }
        _ => None,
    }
}
