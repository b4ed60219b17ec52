//! Characters that a person cannot see, or that make others appear elsewhere than they are.

use core::fmt::Write as _;

/// A character that does not show, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hidden {
    /// In characters, from 1.
    pub(super) position: usize,
    /// Which.
    pub(super) character: char,
    /// What sort of character it is.
    pub(super) kind: &'static str,
}

/// The first character of a text that does not show. Line feeds and tabs do, by where the next
/// character stands. Variation selectors and joiners pass inside an emoji, which needs them.
pub(super) fn first_hidden(text: &str) -> Option<Hidden> {
    characters(text).find_map(|(position, character, kind)| {
        Some(Hidden {
            position,
            character,
            kind: kind?,
        })
    })
}

/// The text with every character that does not show spelled as `\u{…}`, line feeds and tabs
/// included: one line, and nothing in it can move or hide anything.
pub(super) fn spelled_out(text: &str) -> String {
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

/// Every character with its position from 1 and, if it does not show, its kind.
fn characters(text: &str) -> impl Iterator<Item = (usize, char, Option<&'static str>)> + '_ {
    let mut previous = None;
    let mut rest = text.chars().peekable();
    let mut position = 0;
    core::iter::from_fn(move || {
        let character = rest.next()?;
        position += 1;
        let next = rest.peek().copied();
        let in_emoji = match character {
            '\u{fe0e}' | '\u{fe0f}' => previous.is_some_and(is_emoji_base),
            '\u{200d}' => {
                previous.is_some_and(|c| is_pictograph(c) || c == '\u{fe0f}')
                    && next.is_some_and(is_pictograph)
            }
            _ => false,
        };
        let kind = if in_emoji { None } else { kind(character) };
        previous = Some(character);
        Some((position, character, kind))
    })
}

/// Characters that an emoji variation selector may follow, keycaps included.
const fn is_emoji_base(c: char) -> bool {
    is_pictograph(c) || matches!(c, '0'..='9' | '#' | '*' | '\u{a9}' | '\u{ae}')
}

/// Symbols and pictographs, by block.
const fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{27bf}' | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// What sort of character does not show; `None` for those that do. The ranges are those of
/// Unicode's properties Default_Ignorable_Code_Point, Bidi_Control, Noncharacter_Code_Point and
/// the general categories Cc, Co, Zl, Zp; planes without characters are refused whole.
const fn kind(c: char) -> Option<&'static str> {
    match c {
        '\n' | '\t' => None,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Some("a control character"),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some("a character that changes the direction of writing")
        }
        '\u{2028}' | '\u{2029}' => Some("a hidden line break"),
        '\u{fdd0}'..='\u{fdef}' => Some("no character at all"),
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'.. => Some("a private character without a meaning"),
        '\u{e0000}'..='\u{e0fff}' => Some("a tag character that does not show"),
        '\u{fe00}'..='\u{fe0f}' => Some("a variation selector that does not show"),
        '\u{40000}'..='\u{dffff}' => Some("no character at all"),
        '\u{ad}'
        | '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' => Some("a character that does not show"),
        // The last two of every plane.
        _ if (c as u32) & 0xfffe == 0xfffe => Some("no character at all"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_passes() {
        for text in [
            "Grüße, мир, こんにちは, שלום",
            "two\n\tlines",
            "❤️ 👩‍🚀 1️⃣ ©️ 🏳️‍🌈",
            "a\u{a0}b",
        ] {
            assert_eq!(first_hidden(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_does_not_show_is_found() {
        for hidden in [
            '\0',
            '\u{7}',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{61c}',
            '\u{115f}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{202e}',
            '\u{2028}',
            '\u{2060}',
            '\u{2066}',
            '\u{2800}',
            '\u{3164}',
            '\u{e000}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{fdd0}',
            '\u{ffff}',
            '\u{1d173}',
            '\u{5ffff}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{f0000}',
            '\u{10ffff}',
        ] {
            let text = format!("ab{hidden}c");
            let found = first_hidden(&text).unwrap();
            assert_eq!((found.position, found.character), (3, hidden));
            let spelled = spelled_out(&text);
            assert_eq!(spelled, format!("ab\\u{{{:04x}}}c", u32::from(hidden)));
        }
    }

    #[test]
    fn emoji_machinery_hides_nothing_elsewhere() {
        for text in [
            "a\u{fe0f}",
            "❤\u{fe0f}\u{fe0f}",
            "👩\u{200d}a",
            "a\u{200d}👩",
            "❤\u{200d}",
        ] {
            assert!(first_hidden(text).is_some(), "{text:?}");
        }
    }
}
