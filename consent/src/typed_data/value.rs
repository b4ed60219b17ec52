//! Values of a document, each read by its type.

use std::collections::BTreeMap;

use openkey_capability::address::{AddressError, Capitals, parse_address};

use super::{
    TypedDataError,
    json::Json,
    types::{Definition, Member, Schema, Type},
};
use crate::word::Word;

/// A value that fits its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'s> {
    Bool(bool),
    Address([u8; 20]),
    /// Negative only where the type is signed; zero never is.
    Integer {
        negative: bool,
        magnitude: Word,
    },
    /// Of fixed or any length, as the type says.
    Bytes(Vec<u8>),
    String(String),
    Array(Vec<Self>),
    Struct(Struct<'s>),
    /// No value, where a struct that can hold itself ends.
    Absent,
}

/// The members of a struct in the order of its definition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Struct<'s> {
    pub(crate) definition: &'s Definition,
    values: Vec<Value<'s>>,
}

impl<'s> Struct<'s> {
    /// Reads an object: every member of the type and no other.
    pub(super) fn read(
        schema: &'s Schema,
        definition: &'s Definition,
        json: &Json,
        path: &str,
    ) -> Result<Self, TypedDataError> {
        let Json::Object(members) = json else {
            return Err(wrong(path, "an object"));
        };
        let mut found: BTreeMap<&str, &Json> = members
            .iter()
            .map(|(name, json)| (name.as_str(), json))
            .collect();
        let mut values = Vec::with_capacity(definition.members.len());
        for Member { name, kind } in &definition.members {
            let path = format!("{path}.{name}");
            let Some(json) = found.remove(name.as_str()) else {
                return Err(TypedDataError::MissingValue(path));
            };
            values.push(Value::read(schema, kind, json, &path)?);
        }
        if let Some((name, _)) = members.iter().find(|(name, _)| found.contains_key(&**name)) {
            return Err(TypedDataError::UnknownValue(format!("{path}.{name}")));
        }
        Ok(Self { definition, values })
    }

    /// Every member with its value.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'s Member, &Value<'s>)> {
        self.definition.members.iter().zip(&self.values)
    }
}

impl<'s> Value<'s> {
    fn read(
        schema: &'s Schema,
        kind: &Type,
        json: &Json,
        path: &str,
    ) -> Result<Self, TypedDataError> {
        let wrong = || wrong(path, must_be(kind));
        match (kind, json) {
            (Type::Bool, Json::Bool(value)) => Ok(Self::Bool(*value)),
            (Type::Address, Json::String(text)) => {
                match parse_address(text, Capitals::CheckedOrLower) {
                    Ok(address) => Ok(Self::Address(address)),
                    Err(AddressError::Checksum) => {
                        Err(TypedDataError::AddressChecksum(path.to_owned()))
                    }
                    Err(_) => Err(wrong()),
                }
            }
            (Type::Uint(bits) | Type::Int(bits), Json::Integer { .. } | Json::String(_)) => {
                let signed = matches!(kind, Type::Int(_));
                let (negative, magnitude) = integer(json).ok_or_else(wrong)?;
                if !fits(negative, &magnitude, *bits, signed) {
                    return Err(TypedDataError::OutOfRange {
                        place: path.to_owned(),
                        kind: kind.to_string(),
                    });
                }
                Ok(Self::Integer {
                    negative,
                    magnitude,
                })
            }
            (Type::FixedBytes(size), Json::String(text)) => {
                let bytes = bytes(text).ok_or_else(wrong)?;
                if bytes.len() == *size {
                    Ok(Self::Bytes(bytes))
                } else {
                    Err(wrong())
                }
            }
            (Type::Bytes, Json::String(text)) => bytes(text).map(Self::Bytes).ok_or_else(wrong),
            (Type::String, Json::String(text)) => Ok(Self::String(text.clone())),
            (Type::Struct(name), json) => {
                let definition = schema.get(name).ok_or_else(wrong)?;
                match json {
                    Json::Null if definition.is_recursive => Ok(Self::Absent),
                    Json::Null => Err(TypedDataError::Null(path.to_owned())),
                    _ => Struct::read(schema, definition, json, path).map(Self::Struct),
                }
            }
            (_, Json::Null) => Err(TypedDataError::Null(path.to_owned())),
            (Type::Array(item, size), Json::Array(items)) => {
                if let Some(expected) = size.filter(|size| *size != items.len()) {
                    return Err(TypedDataError::ListLength {
                        place: path.to_owned(),
                        found: items.len(),
                        expected,
                    });
                }
                let read =
                    |(json, index)| Value::read(schema, item, json, &format!("{path}[{index}]"));
                let values: Result<_, _> = items.iter().zip(0..).map(read).collect();
                values.map(Self::Array)
            }
            _ => Err(wrong()),
        }
    }
}

fn wrong(place: &str, must: impl Into<String>) -> TypedDataError {
    TypedDataError::WrongValue {
        place: place.to_owned(),
        must: must.into(),
    }
}

/// How the value of a type has to be written.
fn must_be(kind: &Type) -> String {
    match kind {
        Type::Bool => "true or false".to_owned(),
        Type::Address => "an address: a text of 0x and 40 hexadecimal digits".to_owned(),
        Type::Uint(_) | Type::Int(_) => format!(
            "a whole number ({kind}): a JSON number, or a text of decimal digits without leading \
             zeros, or of 0x and at most 64 hexadecimal digits"
        ),
        Type::FixedBytes(size) => {
            format!("{kind}: a text of 0x and {} hexadecimal digits", size * 2)
        }
        Type::Bytes => "bytes: a text of 0x and an even number of hexadecimal digits".to_owned(),
        Type::String => "a text".to_owned(),
        Type::Struct(name) => format!("an object: the members of {name}"),
        Type::Array(..) => format!("a list ({kind})"),
    }
}

/// `0x` and an even number of hexadecimal digits.
fn bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x")?).ok()
}

/// A JSON number, or a text: decimal with an optional minus, or `0x` and hexadecimal digits,
/// which are never negative. Minus zero is no number.
fn integer(json: &Json) -> Option<(bool, Word)> {
    match json {
        Json::Integer {
            negative,
            magnitude,
        } => Some((*negative, Word::from(*magnitude))),
        Json::String(text) => {
            if let Some(digits) = text.strip_prefix("0x") {
                return Word::from_hex(digits).map(|magnitude| (false, magnitude));
            }
            let (negative, digits) = match text.strip_prefix('-') {
                Some(digits) => (true, digits),
                None => (false, text.as_str()),
            };
            let magnitude = Word::from_decimal(digits)?;
            (!negative || magnitude != Word::ZERO).then_some((negative, magnitude))
        }
        _ => None,
    }
}

/// True if a number is one of a type's.
fn fits(negative: bool, magnitude: &Word, bits: u32, signed: bool) -> bool {
    match (signed, negative) {
        (false, false) => magnitude.bits() <= bits,
        (false, true) => false,
        (true, false) => magnitude.bits() < bits,
        (true, true) => {
            magnitude.bits() < bits || (magnitude.bits() == bits && magnitude.is_power_of_two())
        }
    }
}
