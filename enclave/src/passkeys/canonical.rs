//! CBOR as authenticators have to write it (CTAP 2.1 §8): shortest heads, definite lengths, no key of a map
//! twice. Readers disagree about everything else: of two values under one key some take the first, some the
//! last.

use std::collections::BTreeSet;

/// Deepest nesting; CTAP allows four levels.
const MAX_DEPTH: usize = 8;

/// What is wrong with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is not whole, of indefinite length, or too deep.
    Shape,
    /// A number or length is written longer than it needs to be.
    Long,
    /// A map has a key twice.
    Twice,
}

/// Reads one item, and gives what stands behind it.
pub(super) fn item(bytes: &[u8]) -> Result<&[u8], Flaw> {
    skip(bytes, MAX_DEPTH)
}

fn skip(bytes: &[u8], depth: usize) -> Result<&[u8], Flaw> {
    let depth = depth.checked_sub(1).ok_or(Flaw::Shape)?;
    let (kind, value, rest) = head(bytes)?;
    match kind {
        // numbers and simple values
        0 | 1 | 7 => Ok(rest),
        // byte strings and texts
        2 | 3 => usize::try_from(value)
            .ok()
            .and_then(|length| rest.get(length..))
            .ok_or(Flaw::Shape),
        4 => (0..value).try_fold(rest, |rest, _| skip(rest, depth)),
        5 => map(rest, value, depth),
        // a tag and what it is on
        _ => skip(rest, depth),
    }
}

fn map(bytes: &[u8], pairs: u64, depth: usize) -> Result<&[u8], Flaw> {
    let mut keys = BTreeSet::new();
    (0..pairs).try_fold(bytes, |bytes, _| {
        let value = skip(bytes, depth)?;
        let key = bytes.len().saturating_sub(value.len());
        if !keys.insert(bytes.get(..key)) {
            return Err(Flaw::Twice);
        }
        skip(value, depth)
    })
}

/// An item's kind (RFC 8949 §3: its major type) and number.
fn head(bytes: &[u8]) -> Result<(u8, u64, &[u8]), Flaw> {
    let (first, rest) = bytes.split_first().ok_or(Flaw::Shape)?;
    let (kind, short) = (first >> 5, first & 0x1f);
    let (width, least) = match short {
        0..=23 => return Ok((kind, short.into(), rest)),
        24 => (1, 24),
        25 => (2, 1 << 8),
        26 => (4, 1 << 16),
        27 => (8, 1 << 32),
        _ => return Err(Flaw::Shape),
    };
    let (digits, rest) = rest.split_at_checked(width).ok_or(Flaw::Shape)?;
    let number = |number, digit: &u8| number << 8 | u64::from(*digit);
    let value = digits.iter().fold(0, number);
    // Of kind 7 these are floats, in which zeros in front say something.
    if kind != 7 && value < least {
        return Err(Flaw::Long);
    }
    Ok((kind, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<usize, Flaw> {
        item(&hex::decode(text).unwrap()).map(<[u8]>::len)
    }

    #[test]
    fn one_item_is_read_and_the_rest_is_left() {
        for item in [
            "00", "1818", "20", "4101", "6161", "8100", "a10102", "f5", "c100", "f90000",
        ] {
            assert_eq!(read(item), Ok(0), "{item}");
            assert_eq!(read(&format!("{item}ffff")), Ok(2), "{item}");
        }
    }

    #[test]
    fn s2_each_flaw_is_seen_at_any_depth() {
        for (flaw, items) in [
            (
                Flaw::Twice,
                ["a201000100", "81a201000100", "a101a2616100616101"],
            ),
            (Flaw::Long, ["1801", "a1180100", "580100"]),
            (Flaw::Shape, ["", "a1", "bf0000ff"]),
            (
                Flaw::Shape,
                [
                    "5bffffffffffffffff",
                    "9bffffffffffffffff",
                    "818181818181818100",
                ],
            ),
        ] {
            for item in items {
                assert_eq!(read(item), Err(flaw), "{item}");
            }
        }
    }
}
