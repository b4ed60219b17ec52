//! Puts the map keys of a serialised value in order (RFC 8949 §4.2.1).

use zeroize::Zeroizing;

use super::{
    EncodeError, Limits, Rule,
    head::{Cursor, Head},
};

/// Rewrites one serialised item into the deterministic form. The serialiser already writes shortest
/// heads, which is checked again on the way.
pub(super) fn rewrite(written: &[u8]) -> Result<Vec<u8>, EncodeError> {
    // Order does not change the length: the output never grows, so no copy is left behind.
    let mut output = Zeroizing::new(Vec::with_capacity(written.len()));
    one_item(written, &mut |piece| output.extend_from_slice(piece))?;
    Ok(core::mem::take(&mut *output))
}

/// True if the deterministic form of one serialised item is `bytes`. Writes nothing.
pub(super) fn is_form_of(bytes: &[u8], written: &[u8]) -> Result<bool, EncodeError> {
    let mut rest = Some(bytes);
    one_item(written, &mut |piece| {
        rest = rest.and_then(|rest| rest.strip_prefix(piece));
    })?;
    Ok(rest.is_some_and(<[u8]>::is_empty))
}

fn one_item(written: &[u8], out: &mut dyn FnMut(&[u8])) -> Result<(), EncodeError> {
    let mut input = Cursor::new(written);
    item(&mut input, Limits::DEEPEST, out)
        .and_then(|()| match input.remaining() {
            0 => Ok(()),
            _ => Err(Rule::TrailingBytes),
        })
        .map_err(EncodeError::Profile)
}

/// Hands out the pieces of one item in the deterministic order.
fn item(input: &mut Cursor<'_>, depth: usize, out: &mut dyn FnMut(&[u8])) -> Result<(), Rule> {
    let from = input.at();
    let head = input.head()?;
    if let Head::Bytes(length) | Head::Text(length) = head {
        input.take(length)?;
    }
    out(input.since(from));
    match head {
        Head::Array(count) => {
            let depth = depth.checked_sub(1).ok_or(Rule::TooDeep)?;
            (0..count).try_for_each(|_| item(input, depth, out))
        }
        Head::Map(count) => {
            let depth = depth.checked_sub(1).ok_or(Rule::TooDeep)?;
            map(input, count, depth, out)
        }
        Head::Scalar | Head::Bytes(_) | Head::Text(_) => Ok(()),
    }
}

/// The pairs are found first and written once, in order: sorting moves no content.
fn map(
    input: &mut Cursor<'_>,
    count: u64,
    depth: usize,
    out: &mut dyn FnMut(&[u8]),
) -> Result<(), Rule> {
    let mut pairs = Vec::new();
    for _ in 0..count {
        let key = input.key()?;
        let value = input.at();
        skip(input, depth)?;
        pairs.push((key, input.since(value)));
    }
    pairs.sort_unstable_by_key(|(key, _)| *key);
    if !pairs.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(Rule::DuplicateKey);
    }
    for (key, value) in pairs {
        out(key);
        item(&mut Cursor::new(value), depth, out)?;
    }
    Ok(())
}

/// Passes over one item.
fn skip(input: &mut Cursor<'_>, depth: usize) -> Result<(), Rule> {
    let count = match input.head()? {
        Head::Scalar => return Ok(()),
        Head::Bytes(length) | Head::Text(length) => return input.take(length).map(drop),
        Head::Array(count) => count,
        Head::Map(count) => count.saturating_mul(2),
    };
    let depth = depth.checked_sub(1).ok_or(Rule::TooDeep)?;
    (0..count).try_for_each(|_| skip(input, depth))
}
