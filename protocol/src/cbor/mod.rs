//! Deterministic CBOR: one value has one encoding, and only that one is read.
//!
//! The profile is RFC 8949 §4.2.1 (core deterministic encoding): shortest heads, definite lengths,
//! map keys in bytewise order of their encodings. On top of it there are no tags, no floats, and no
//! simple values but `false`, `true` and `null`, because no message needs them.
//!
//! How Rust types look: structs are maps with text keys; enums are externally tagged (a variant
//! without content is its name as text, any other a map of one pair); [`Bytes`](crate::message::Bytes)
//! and identifiers are byte strings; `None` is `null` **and must be there**: a field that is left
//! out is refused, as is one that nobody knows.
//!
//! [`decode`] reads in three steps, so that nothing depends on how lenient a generic decoder is:
//! one strict pass over the bytes ([`Rule`] has the names), then serde, then the value is encoded
//! again and must give the same bytes. Two different byte strings are therefore never read as the
//! same value, and a hash over the bytes is a hash over the value.

mod canonical;
mod error;
mod head;
mod strict;
mod wiping;

use serde::{Serialize, de::DeserializeOwned};

pub use error::{DecodeError, EncodeError, Rule};
pub use strict::{Limits, check};

use wiping::Wiping;

/// Encodes a value.
///
/// Everything but the returned bytes is wiped, so that a value which holds secrets leaves one copy.
///
/// # Errors
///
/// [`EncodeError`] if the value holds what the profile does not have: a float, a number beyond 64
/// bits, a map with equal keys, a sequence of unknown length, or deeper nesting than
/// [`Limits::DEEPEST`]. None of the [messages](crate::message) can.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    canonical::rewrite(serialize(value)?.as_slice())
}

/// What serde writes: the right items, map keys in the order of the type.
fn serialize<T: Serialize + ?Sized>(value: &T) -> Result<Wiping, EncodeError> {
    let mut serializer = minicbor_serde::Serializer::new(Wiping::default());
    value
        .serialize(&mut serializer)
        .map_err(|e| EncodeError::Serialize(e.to_string()))?;
    Ok(serializer.into_encoder().into_writer())
}

/// Decodes a value within [`Limits::default`].
///
/// # Errors
///
/// [`DecodeError`]; see [`decode_within`].
pub fn decode<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_within(bytes, &Limits::default())
}

/// Decodes a value within given limits.
///
/// # Errors
///
/// * [`DecodeError::Malformed`]: the bytes break a [`Rule`], which is named with its place;
/// * [`DecodeError::Shape`]: they are well-formed but not such a value (an unknown or missing field
///   or variant, another type, a number out of range);
/// * [`DecodeError::OtherEncoding`]: they could be read as such a value whose encoding is another
///   one (an optional field left out instead of `null`, a variant without content given some).
pub fn decode_within<T: DeserializeOwned + Serialize>(
    bytes: &[u8],
    limits: &Limits,
) -> Result<T, DecodeError> {
    check(bytes, limits)?;
    let value: T = minicbor_serde::from_slice(bytes).map_err(|e| DecodeError::shape(&e))?;
    let same = serialize(&value)
        .and_then(|written| canonical::is_form_of(bytes, written.as_slice()))
        .map_err(|_| DecodeError::OtherEncoding)?;
    if !same {
        return Err(DecodeError::OtherEncoding);
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
