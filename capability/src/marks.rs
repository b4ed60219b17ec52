//! Marks on letters that look odd: the one place that decides which marks a letter takes, by the
//! tables of Unicode (crate `icu_properties`).
//!
//! What is odd is not refused: a text with it is told to be looked at twice.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{CanonicalCombiningClass, DefaultIgnorableCodePoint, GeneralCategory, Script},
    script::ScriptWithExtensions,
};

/// Most marks on one letter that languages written with a general alphabet need (Vietnamese).
const MOST: usize = 2;
/// The same where a letter has marks of its own script (Hebrew, Thai) or in old Greek.
const MOST_OWN: usize = 3;
/// Scripts whose letters take the general marks, such as accents.
const GENERAL: [Script; 5] = [
    Script::Latin,
    Script::Greek,
    Script::Cyrillic,
    Script::Coptic,
    Script::Glagolitic,
];
/// Encloses digits as on the keys of a telephone, in emoji.
const KEYCAP: char = '\u{20e3}';
/// Stands for any letter where a mark is shown by itself.
const PLACEHOLDER: char = '\u{25cc}';

/// A mark that looks odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OddMark {
    /// Which.
    pub character: char,
    /// What is odd about it: `a line through a letter`.
    pub kind: &'static str,
}

/// The first mark of a text that goes through its letter, that stands on what does not take it, or
/// that is one too many on a letter.
#[must_use]
pub fn first_odd_mark(text: &str) -> Option<OddMark> {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let mut base = None;
    let mut marks = 0;
    for character in text.chars() {
        // Most of most texts, for which no table is needed.
        if character.is_ascii() {
            (base, marks) = (Some(character), 0);
        } else if is_mark(character) && !ignorable.contains(character) {
            marks += 1;
            if let Some(kind) = oddity(base, character, marks) {
                return Some(OddMark { character, kind });
            }
        } else if !ignorable.contains(character) {
            (base, marks) = (Some(character), 0);
        }
    }
    None
}

/// True for what stands on the character before it.
#[must_use]
pub fn is_mark(c: char) -> bool {
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
    )
}

fn oddity(base: Option<char>, mark: char, marks: usize) -> Option<&'static str> {
    const FOREIGN: &str = "a mark on what does not take it";
    let class = CodePointMapData::<CanonicalCombiningClass>::new().get(mark);
    if class == CanonicalCombiningClass::Overlay {
        return Some("a line through a letter");
    }
    let Some(base) = base.filter(|base| *base != '\n') else {
        return Some("a mark without a letter");
    };
    if mark == KEYCAP && matches!(base, '0'..='9' | '#' | '*') || base == PLACEHOLDER {
        return None;
    }
    let scripts = ScriptWithExtensions::new();
    let script = CodePointMapData::<Script>::new().get(base);
    let is_own =
        !matches!(script, Script::Common | Script::Inherited) && scripts.has_script(mark, script);
    let is_general = scripts.has_script(mark, Script::Inherited)
        && CodePointMapData::<GeneralCategory>::new().get(mark) != GeneralCategory::EnclosingMark
        && (GENERAL.contains(&script) || (script == Script::Common && base.is_alphabetic()));
    if !is_own && !is_general {
        return Some(FOREIGN);
    }
    let is_plain = GENERAL.contains(&script) && script != Script::Greek;
    let most = if is_plain { MOST } else { MOST_OWN };
    (marks > most).then_some("one of several marks on one letter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_languages_need_are_ordinary() {
        for text in [
            "Zwo\u{308}lf Boxka\u{308}mpfer",
            "Vie\u{302}\u{323}t Nam, ho\u{31b}\u{301}",
            "α\u{313}\u{301}\u{345}",
            "и\u{306}од",
            "می\u{200c}خواهم وارد شوم، مَدرَسّة",
            "नमस्ते दुनिया, क\u{94d}\u{200d}ष",
            "שָׁלוֹם",
            "สวัสดีที่นี่",
            "か\u{3099}く",
            "1\u{fe0f}\u{20e3} ☎\u{fe0f} 👩\u{200d}🚀",
            "தமிழ் বাংলা ಕನ್ನಡ",
            "\u{25cc}\u{301}",
            "ẹ\u{301}",
        ] {
            assert_eq!(first_odd_mark(text), None, "{text}");
        }
    }

    #[test]
    fn c2_marks_that_change_or_cover_words_are_odd() {
        for text in [
            "I do n\u{336}o\u{336}t\u{336} agree",
            "I do n\u{338}ot agree",
            "pa\u{301}\u{301}\u{301}y",
            " \u{301}",
            "1\u{301}00",
            "1\u{20dd}",
            "a\u{20dd}",
            "a\u{5b0}",
            "ש\u{301}",
            "漢\u{301}",
            ".\u{323}",
            "\u{301}",
            "a\n\u{301}",
            // A mark of no script of its own, on a digit, a full stop and a letter of another script.
            "1\u{320}00",
            ".\u{320}",
            "漢\u{320}",
        ] {
            assert!(first_odd_mark(text).is_some(), "{text}");
        }
        // What a person is told: a line does not take the mark that begins the next one.
        let kind = first_odd_mark("a\n\u{301}").map(|odd| odd.kind);
        assert_eq!(kind, Some("a mark without a letter"));
    }
}
