//! DAG-CBOR, read strictly: <https://ipld.io/specs/codecs/dag-cbor/spec/>.
//!
//! Every value has one spelling, so what was read must be written to the same bytes.

use minicbor::data::{Int, Tag, Type};
use minicbor::encode::Error;
use minicbor::{Decoder, Encoder};

use super::{CacaoError, MAX_DEPTH};

/// The tag of a content identifier, the only one.
const LINK: u64 = 42;

/// A value.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(Int),
    Float(f64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Link(&'a [u8]),
    List(Vec<Self>),
    Map(Map<'a>),
}

/// Keys in the order of DAG-CBOR, each once.
#[derive(Debug, PartialEq)]
pub(super) struct Map<'a>(Vec<(&'a str, Node<'a>)>);

impl<'a> Map<'a> {
    /// These, in any order; the caller names none twice.
    pub(super) fn sorted(mut members: Vec<(&'a str, Node<'a>)>) -> Self {
        members.sort_by_key(|(key, _)| order(key));
        Self(members)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        let found = self.0.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|(key, _)| *key)
    }
}

/// Shorter keys first, then bytewise.
const fn order(key: &str) -> (usize, &str) {
    (key.len(), key)
}

/// Reads one value that is all of the bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Node<'_>, CacaoError> {
    let mut decoder = Decoder::new(bytes);
    let node = read(&mut decoder, MAX_DEPTH)?;
    if decoder.position() != bytes.len() {
        return Err(CacaoError::TrailingBytes);
    }
    // Numbers and lengths that are longer than needed show here.
    if encode(&node).as_deref() != Some(bytes) {
        return Err(CacaoError::NotCanonical);
    }
    Ok(node)
}

fn read<'a>(decoder: &mut Decoder<'a>, depth: usize) -> Result<Node<'a>, CacaoError> {
    let broken = |_| CacaoError::Cbor;
    let below = || depth.checked_sub(1).ok_or(CacaoError::TooDeep);
    Ok(match decoder.datatype().map_err(broken)? {
        Type::Null => decoder.null().map(|()| Node::Null).map_err(broken)?,
        Type::Bool => Node::Bool(decoder.bool().map_err(broken)?),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
            Node::Unsigned(decoder.u64().map_err(broken)?)
        }
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            Node::Negative(decoder.int().map_err(broken)?)
        }
        Type::F64 => {
            let number = decoder.f64().map_err(broken)?;
            // There is no NaN and no infinity.
            let number = number.is_finite().then_some(number);
            Node::Float(number.ok_or(CacaoError::Cbor)?)
        }
        Type::Bytes => Node::Bytes(decoder.bytes().map_err(broken)?),
        Type::String => Node::Text(decoder.str().map_err(broken)?),
        Type::Tag => {
            if decoder.tag().map_err(broken)?.as_u64() != LINK {
                return Err(CacaoError::Cbor);
            }
            Node::Link(decoder.bytes().map_err(broken)?)
        }
        Type::Array => {
            let depth = below()?;
            let length = decoder.array().map_err(broken)?.unwrap_or_default();
            let mut list = Vec::new(); // grows with what is there, not with what is claimed
            for _ in 0..length {
                list.push(read(decoder, depth)?);
            }
            Node::List(list)
        }
        Type::Map => {
            let depth = below()?;
            let length = decoder.map().map_err(broken)?.unwrap_or_default();
            let mut members: Vec<(&str, Node<'_>)> = Vec::new();
            for _ in 0..length {
                let key = decoder.str().map_err(broken)?;
                match members.last().map(|(last, _)| order(last).cmp(&order(key))) {
                    None | Some(core::cmp::Ordering::Less) => {}
                    Some(core::cmp::Ordering::Equal) => return Err(CacaoError::Duplicate),
                    Some(core::cmp::Ordering::Greater) => return Err(CacaoError::NotCanonical),
                }
                members.push((key, read(decoder, depth)?));
            }
            Node::Map(Map(members))
        }
        Type::BytesIndef | Type::StringIndef | Type::ArrayIndef | Type::MapIndef => {
            return Err(CacaoError::NotCanonical);
        }
        _ => return Err(CacaoError::Cbor),
    })
}

/// The bytes of a value. `None` cannot happen: there is always room.
pub(super) fn encode(node: &Node<'_>) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new(Vec::new());
    write(node, &mut encoder).ok()?;
    Some(encoder.into_writer())
}

fn write(
    node: &Node<'_>,
    to: &mut Encoder<Vec<u8>>,
) -> Result<(), Error<core::convert::Infallible>> {
    match node {
        Node::Null => to.null()?,
        Node::Bool(value) => to.bool(*value)?,
        Node::Unsigned(number) => to.u64(*number)?,
        Node::Negative(number) => to.int(*number)?,
        Node::Float(number) => to.f64(*number)?,
        Node::Bytes(bytes) => to.bytes(bytes)?,
        Node::Text(text) => to.str(text)?,
        Node::Link(bytes) => to.tag(Tag::new(LINK))?.bytes(bytes)?,
        Node::List(list) => {
            to.array(list.len() as u64)?;
            return list.iter().try_for_each(|node| write(node, to));
        }
        Node::Map(Map(members)) => {
            to.map(members.len() as u64)?;
            return members.iter().try_for_each(|(key, node)| {
                to.str(key)?;
                write(node, to)
            });
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(hex: &str) -> &'static str {
        let bytes = hex::decode(hex).unwrap();
        decode(&bytes).map_or_else(CacaoError::rule, |_| "read")
    }

    #[test]
    fn every_kind_is_read_and_written_the_same() {
        for hex in [
            "00",
            "17",
            "1818",
            "1b000000ffffffffff",
            "20",
            "3903e7",
            "3bffffffffffffffff",
            "f4",
            "f5",
            "f6",
            "fb3ff8000000000000",
            "fb8000000000000000",
            "40",
            "4101",
            "60",
            "6161",
            "80",
            "820001",
            "a0",
            "a16161f6",
            "a261620062616100",
            "d82a4100",
        ] {
            assert_eq!(rule(hex), "read", "{hex}");
        }
    }

    #[test]
    fn other_spellings_and_kinds_are_refused_by_name() {
        let deep = "81".repeat(MAX_DEPTH + 1) + "00";
        for (hex, expected) in [
            ("", "cbor"),
            ("1800", "not_canonical"),
            ("190017", "not_canonical"),
            ("3800", "not_canonical"),
            ("580101", "not_canonical"),
            ("780161", "not_canonical"),
            ("980100", "not_canonical"),
            ("b8016161f6", "not_canonical"),
            ("d9002a4100", "not_canonical"),
            ("5f4101ff", "not_canonical"),
            ("7f6161ff", "not_canonical"),
            ("9f00ff", "not_canonical"),
            ("bf616100ff", "not_canonical"),
            ("a26161006161f6", "duplicate"),
            ("a262616100616200", "not_canonical"),
            ("a10000", "cbor"),
            ("61ff", "cbor"),
            ("c000", "cbor"),
            ("d82a00", "cbor"),
            ("f7", "cbor"),
            ("e0", "cbor"),
            ("f93c00", "cbor"),
            ("fa3f800000", "cbor"),
            ("fb7ff8000000000000", "cbor"),
            ("fb7ff0000000000000", "cbor"),
            ("8200", "cbor"),
            ("9bffffffffffffffff", "cbor"),
            ("bbffffffffffffffff", "cbor"),
            ("7bffffffffffffffff", "cbor"),
            ("0000", "trailing_bytes"),
            (&deep, "too_deep"),
        ] {
            assert_eq!(rule(hex), expected, "{hex}");
        }
        assert_eq!(rule(&("81".repeat(MAX_DEPTH) + "00")), "read");
    }
}
