//! What a person cannot see, and what merely looks as if.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};
use openkey_capability::visible::{first_hidden, first_hidden_in_name, spelled_out};

#[test]
fn what_shows_passes() {
    for text in [
        "Grüße, мир, こんにちは, שלום",
        "two\n\tlines",
        "❤️ 👩‍🚀 1️⃣ ©️ 🏳️‍🌈",
        "a\u{a0}b",
        // Persian and Hindi need joiners; Kurdish, Malayalam and Sinhala too.
        "می\u{200c}خواهم وارد شوم",
        "क\u{94d}\u{200d}ष",
        "क\u{94d}\u{200c}ष",
        "ശരീരത്തിൽ അവന\u{d4d}\u{200d}",
        "ශ\u{dca}\u{200d}රී",
        // Marks between the letter and the joiner do not matter.
        "ب\u{64e}\u{200c}\u{64e}ب",
        "Việt Nam, e\u{323}\u{302}",
        "\u{600}١٢",
        "👩🏽\u{200d}🚀 👩\u{200d}❤\u{fe0f}\u{200d}👨",
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
        "1\u{fe0f}2",
        "\u{fe0f}",
    ] {
        assert!(first_hidden(text).is_some(), "{text:?}");
    }
}
#[test]
fn c2_blank_names_and_stacked_marks_are_found() {
    for name in [
        "\u{2800}",
        "\u{e000}",
        "\u{1bca0}",
        "\u{13430}",
        "\u{1d159}",
        "\u{fffc}",
    ] {
        assert!(first_hidden(name).is_some(), "{name:?}");
    }
    let stacked = format!("a{}", "\u{301}".repeat(5));
    assert_eq!(first_hidden(&stacked).unwrap().position, 6);
    assert_eq!(first_hidden(&stacked[..9]), None);
    // Joiners do not hide the height of a stack.
    let joined = format!("क{}", "\u{94d}\u{200d}".repeat(5));
    assert_eq!(first_hidden(&joined).unwrap().position, 10);
    assert_eq!(first_hidden("\u{301}a").unwrap().position, 1);
    assert_eq!(first_hidden("a\n\u{301}").unwrap().position, 3);
}

#[test]
fn joiners_that_no_script_needs_are_found() {
    for text in [
        "pay\u{200c}pal",
        "pay\u{200d}pal",
        // After a letter that never joins to the left, and twice.
        "د\u{200c}ر",
        "ب\u{200c}\u{200c}ب",
        "ب\u{200c}a",
        "ب\u{200c}",
        "ب\u{200d}ب",
        "क\u{200d}ष",
        "क\u{94d}\u{200d}\u{200d}ष",
    ] {
        assert!(first_hidden(text).is_some(), "{text:?}");
    }
}

#[test]
fn names_stand_on_one_line() {
    assert_eq!(first_hidden_in_name("Ada's phone"), None);
    assert_eq!(first_hidden_in_name("a\nb\u{200b}").unwrap().position, 2);
    assert_eq!(first_hidden_in_name("\u{200b}a\tb").unwrap().position, 1);
    assert_eq!(first_hidden_in_name("a\tb").unwrap().position, 2);
}

/// What the property says about every character, whatever is known of it by name.
#[test]
fn everything_that_unicode_calls_ignorable_is_found() {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let categories = CodePointMapData::<GeneralCategory>::new();
    for c in (0..=0x10_ffff).filter_map(char::from_u32) {
        let is_found = || first_hidden(&format!("a{c}a")).is_some();
        let is_control = c.is_control() && !matches!(c, '\n' | '\t');
        if ignorable.contains(c) || is_control {
            assert!(is_found(), "{c:?}");
        }
        let is_mark = matches!(
            categories.get(c),
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
        );
        // Letters by their category, and blank by their names.
        let is_blank = matches!(c, '\u{13441}' | '\u{13442}');
        if is_blank {
            assert!(is_found(), "{c:?}");
        } else if c.is_alphanumeric() && !ignorable.contains(c) && !is_mark {
            assert!(!is_found(), "{c:?}");
        }
    }
}
