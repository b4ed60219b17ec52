//! Numbers whose order on the screen is not their order in the text: the one place that decides it, by
//! the tables of Unicode (crate `icu_properties`) and the rules of the bidirectional algorithm (UAX #9).
//!
//! What is told is not refused: sentences in Hebrew or Arabic may name a foreign word and two numbers.

use icu_properties::{CodePointMapData, props::BidiClass};

/// True if a line has letters of a script from right to left, letters of one from left to right, and
/// more than one number: numbers beside letters from right to left are drawn in that order (rules N1
/// and L2), so that a reader takes one for the other.
#[must_use]
pub fn has_turned_numbers(text: &str) -> bool {
    // Letters from right to left stand outside of ASCII.
    !text.is_ascii() && text.lines().any(is_turned)
}

fn is_turned(line: &str) -> bool {
    if line.is_ascii() {
        return false;
    }
    let class = CodePointMapData::<BidiClass>::new();
    let (mut has_left, mut has_right) = (false, false);
    let (mut numbers, mut is_in_number, mut was_sign) = (0_usize, false, false);
    for character in line.chars() {
        let class = class.get(character);
        has_left |= class == BidiClass::LeftToRight;
        has_right |= class == BidiClass::RightToLeft || class == BidiClass::ArabicLetter;
        let is_digit = class == BidiClass::EuropeanNumber || class == BidiClass::ArabicNumber;
        // One separator between digits belongs to the number (rule W4).
        let is_sign = class == BidiClass::CommonSeparator || class == BidiClass::EuropeanSeparator;
        numbers += usize::from(is_digit && !is_in_number);
        is_in_number = is_digit || (is_in_number && is_sign && !was_sign);
        was_sign = is_sign;
    }
    has_left && has_right && numbers > 1
}

#[cfg(test)]
mod tests {
    use super::has_turned_numbers;

    #[test]
    fn c2_numbers_between_scripts_of_both_directions_are_found() {
        for line in [
            "I pay א 5 100 USDC to Bob",
            "Pay 5 to Bob ثم 100 USDC",
            "a ב 1 2",
            "first line\nא a 1 2",
            "א a ١ ٢",
            "a 1 - 2 א",
        ] {
            assert!(has_turned_numbers(line), "{line}");
        }
        for line in [
            "",
            "5 100 USDC to Bob",
            "שלום 5 עולם 100",
            "שלום Bob, room 5",
            "א a 1,000.50",
            "א a 12:30",
            "א 1\na 2",
            "é 1 2",
        ] {
            assert!(!has_turned_numbers(line), "{line}");
        }
    }
}
