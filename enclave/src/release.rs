//! The release epoch: one constant for the program, its records and its image.

/// Goes up when an older program must never get the root key again. It stands in evidence and in every
/// sealed record: a program refuses records of a later epoch. Given at compile time as
/// `OPENKEY_EPOCH`, so that it is measured with the program.
pub const RELEASE_EPOCH: u32 = match option_env!("OPENKEY_EPOCH") {
    Some(text) => number(text),
    None => 1,
};

/// A decimal number from 1. Anything else does not compile.
const fn number(text: &str) -> u32 {
    let mut digits = text.as_bytes();
    let mut value: u32 = 0;
    assert!(!digits.is_empty(), "OPENKEY_EPOCH is empty");
    while let [digit, rest @ ..] = digits {
        assert!(digit.is_ascii_digit(), "OPENKEY_EPOCH is a decimal number");
        // An overflow does not compile either.
        value = value * 10 + (*digit - b'0') as u32;
        digits = rest;
    }
    assert!(value > 0, "OPENKEY_EPOCH counts from 1");
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_a_number_from_one() {
        assert_eq!((number("1"), number("17")), (1, 17));
        for bad in ["", "0", "-1", "1.0", "x", "99999999999"] {
            assert!(std::panic::catch_unwind(|| number(bad)).is_err(), "{bad:?}");
        }
    }
}
