//! Unsigned integers of 256 bits: text to bytes and back, no arithmetic beyond that.

use core::fmt;

/// An unsigned integer of 256 bits, most significant byte first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Word(pub(super) [u8; 32]);

impl Word {
    pub(super) const ZERO: Self = Self([0; 32]);

    /// Reads decimal digits without sign or leading zeros. `None` if there are others, or the
    /// number needs more than 256 bits.
    pub(super) fn from_decimal(digits: &str) -> Option<Self> {
        let canonical = digits == "0" || digits.starts_with(|c: char| matches!(c, '1'..='9'));
        if !canonical || digits.len() > 78 {
            return None;
        }
        let mut word = Self::ZERO;
        for digit in digits.chars() {
            let mut carry = digit.to_digit(10)?;
            for byte in word.0.iter_mut().rev() {
                let product = u32::from(*byte) * 10 + carry;
                *byte = (product & 0xff) as u8;
                carry = product >> 8;
            }
            if carry != 0 {
                return None;
            }
        }
        Some(word)
    }

    /// Reads one to sixty-four hexadecimal digits.
    pub(super) fn from_hex(digits: &str) -> Option<Self> {
        if digits.is_empty() || digits.len() > 64 {
            return None;
        }
        let mut word = Self::ZERO;
        hex::decode_to_slice(format!("{digits:0>64}"), &mut word.0).ok()?;
        Some(word)
    }

    /// How many bits it needs.
    pub(super) fn bits(&self) -> u32 {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        let Some(first) = self.0.get(zeros) else {
            return 0;
        };
        // At most 31 zero bytes are in front of the first other one.
        256 - (zeros as u32) * 8 - first.leading_zeros()
    }

    /// The value, if 64 bits hold it.
    pub(super) fn to_u64(self) -> Option<u64> {
        let low = self.0.last_chunk::<8>()?;
        (self.bits() <= 64).then(|| u64::from_be_bytes(*low))
    }

    /// 2²⁵⁶ minus the value, which is how a negative number is encoded.
    pub(super) fn negated(self) -> Self {
        let mut carry = true;
        let mut word = self;
        for byte in word.0.iter_mut().rev() {
            let (sum, overflow) = (!*byte).overflowing_add(u8::from(carry));
            *byte = sum;
            carry = overflow;
        }
        word
    }

    /// True if it is a power of two: the magnitude of the least number of a signed type.
    pub(super) fn is_power_of_two(&self) -> bool {
        self.0.iter().map(|byte| byte.count_ones()).sum::<u32>() == 1
    }

    /// True if its lowest `bits` bits are set and no other: the greatest number of an unsigned
    /// type.
    pub(super) fn is_all_ones(&self, bits: u32) -> bool {
        self.bits() == bits && self.0.iter().map(|byte| byte.count_ones()).sum::<u32>() == bits
    }
}

impl From<u64> for Word {
    fn from(value: u64) -> Self {
        let mut word = Self::ZERO;
        if let Some(low) = word.0.last_chunk_mut::<8>() {
            *low = value.to_be_bytes();
        }
        word
    }
}

/// Decimal digits in groups of three.
impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = *self;
        let mut digits = Vec::with_capacity(78);
        while rest != Self::ZERO || digits.is_empty() {
            let mut remainder = 0u32;
            for byte in &mut rest.0 {
                let dividend = (remainder << 8) | u32::from(*byte);
                *byte = (dividend / 10) as u8;
                remainder = dividend % 10;
            }
            digits.push(char::from_digit(remainder, 10).unwrap_or('0'));
        }
        let mut text = String::with_capacity(digits.len() * 4 / 3);
        for (left, digit) in (0..digits.len()).rev().zip(digits.iter().rev()) {
            text.push(*digit);
            if left > 0 && left % 3 == 0 {
                text.push(',');
            }
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: &str =
        "115792089237316195423570985008687907853269984665640564039457584007913129639935";

    #[test]
    fn numbers_are_read_and_shown() {
        for (text, shown, bits) in [
            ("0", "0", 0),
            ("7", "7", 3),
            ("1000", "1,000", 10),
            ("9007199254740993", "9,007,199,254,740,993", 54),
            ("18446744073709551616", "18,446,744,073,709,551,616", 65),
        ] {
            let word = Word::from_decimal(text).unwrap();
            assert_eq!((word.to_string().as_str(), word.bits()), (shown, bits));
        }
        let max = Word::from_decimal(MAX).unwrap();
        assert_eq!(max, Word([0xff; 32]));
        assert_eq!(max.to_string().replace(',', ""), MAX);
        assert!(max.is_all_ones(256) && !max.is_all_ones(160));
        assert_eq!(Word::from_hex("ff"), Some(Word::from(255)));
        assert_eq!(Word::from(u64::MAX).to_u64(), Some(u64::MAX));
        assert_eq!(Word::from_hex("10000000000000000").unwrap().to_u64(), None);
        assert_eq!(Word::from(1).negated(), Word([0xff; 32]));
        assert_eq!(Word::ZERO.negated(), Word::ZERO);
        assert!(Word::from(128).is_power_of_two() && !Word::ZERO.is_power_of_two());
    }

    #[test]
    fn other_spellings_are_refused() {
        let too_big = MAX.replace("935", "936");
        for text in [
            "", "00", "01", "+1", "-1", "1e3", "1.0", " 1", "0x1", "١", &too_big,
        ] {
            assert_eq!(Word::from_decimal(text), None, "{text}");
        }
        for text in ["", "g", "0x1", "+1", &"f".repeat(65)] {
            assert_eq!(Word::from_hex(text), None, "{text}");
        }
    }
}
