//! Reads item heads (RFC 8949 §3), refusing what the profile does not have.

use super::Rule;

/// One head.
#[derive(Clone, Copy)]
pub(super) enum Head {
    /// A number, `false`, `true` or `null`: nothing follows.
    Scalar,
    /// A byte string of this many bytes.
    Bytes(u64),
    /// A text of this many bytes.
    Text(u64),
    /// An array of this many items.
    Array(u64),
    /// A map of this many pairs.
    Map(u64),
}

/// A place in the input.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// What was read since `from`.
    pub(super) fn since(&self, from: usize) -> &'a [u8] {
        self.bytes.get(from..self.at).unwrap_or_default()
    }

    /// Takes that many bytes, compared as 64-bit numbers so that no length can wrap around.
    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], Rule> {
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length))
            .ok_or(Rule::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(Rule::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Rule> {
        let taken = self.take(N as u64)?;
        taken.try_into().map_err(|_| Rule::Truncated)
    }

    /// Takes a map's key: a number, simple value, text or byte string. An array or map would be
    /// another item to put in order, and no message has such keys.
    pub(super) fn key(&mut self) -> Result<&'a [u8], Rule> {
        let from = self.at;
        match self.head()? {
            Head::Scalar => {}
            Head::Bytes(length) => drop(self.take(length)?),
            Head::Text(length) => {
                core::str::from_utf8(self.take(length)?).map_err(|_| Rule::NotUtf8)?;
            }
            Head::Array(_) | Head::Map(_) => return Err(Rule::CompositeKey),
        }
        Ok(self.since(from))
    }

    pub(super) fn head(&mut self) -> Result<Head, Rule> {
        let [initial] = self.take_array()?;
        let (major, info) = (initial >> 5, initial & 0x1f);
        if major == 7 {
            return match info {
                20..=22 => Ok(Head::Scalar),
                25..=27 => Err(Rule::Float),
                28..=30 => Err(Rule::ReservedHead),
                31 => Err(Rule::IndefiniteLength),
                _ => Err(Rule::SimpleValue),
            };
        }
        let (value, least) = match info {
            0..=23 => (u64::from(info), 0),
            24 => (u64::from(u8::from_be_bytes(self.take_array()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.take_array()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.take_array()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.take_array()?), 1 << 32),
            28..=30 => return Err(Rule::ReservedHead),
            _ => return Err(Rule::IndefiniteLength),
        };
        if value < least {
            return Err(Rule::NotShortest);
        }
        match major {
            0 | 1 => Ok(Head::Scalar),
            2 => Ok(Head::Bytes(value)),
            3 => Ok(Head::Text(value)),
            4 => Ok(Head::Array(value)),
            5 => Ok(Head::Map(value)),
            _ => Err(Rule::Tag),
        }
    }
}
