//! Values that go into statements and come out of them, as JSON.

use std::io::Write as _;

use rusqlite::ToSql;
use rusqlite::types::{Null, ToSqlOutput, ValueRef};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::SqlError;

/// A value to be put into a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// An integer; `false` and `true` are 0 and 1.
    Integer(i64),
    /// A number with a point or an exponent.
    Real(f64),
    /// A text.
    Text(String),
    /// A list of bytes.
    Blob(Vec<u8>),
    /// Another list or an object, which no statement takes.
    Compound,
}

impl Value {
    /// Reads the text of one JSON value. What is written as an integer is one, or is refused.
    ///
    /// # Errors
    ///
    /// [`SqlError::Parse`]: an integer of more than 64 bits with sign, or a number that is infinite.
    pub(super) fn read(json: &RawValue) -> Result<Self, SqlError> {
        let json = json.get();
        let bad = |what: &str| SqlError::Parse(what.to_owned());
        Ok(match json.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b'f') => Self::Integer(0),
            Some(b't') => Self::Integer(1),
            Some(b'"') => Self::Text(
                serde_json::from_str(json).map_err(|error| SqlError::Parse(error.to_string()))?,
            ),
            Some(b'[') => serde_json::from_str(json).map_or(Self::Compound, Self::Blob),
            Some(b'{') => Self::Compound,
            _ if json.contains(['.', 'e', 'E']) => {
                let number: f64 = json.parse().map_err(|_| bad("a value is no number"))?;
                if number.is_infinite() {
                    return Err(bad("a number is too large"));
                }
                Self::Real(number)
            }
            _ => {
                let number = json.parse();
                Self::Integer(number.map_err(|_| bad("an integer has more than 64 bits"))?)
            }
        })
    }

    /// As [`Value::read`], of a value of a caveat.
    pub(super) fn from_json(json: &serde_json::Value) -> Result<Self, SqlError> {
        let raw = RawValue::from_string(json.to_string());
        Self::read(&raw.map_err(|error| SqlError::Parse(error.to_string()))?)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null | Self::Compound => Null.into(),
            Self::Integer(value) => (*value).into(),
            Self::Real(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
            Self::Blob(value) => ToSqlOutput::Borrowed(ValueRef::Blob(value)),
        })
    }
}

/// As workers receive it: each as its own kind, and what no statement takes as `true`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Real(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Blob(value) => serializer.serialize_bytes(value),
            Self::Compound => serializer.serialize_bool(true),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a value")
            }

            fn visit_none<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Integer(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
                i64::try_from(value).map(Value::Integer).map_err(E::custom)
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Real(value))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(value.to_owned()))
            }

            fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Value, E> {
                Ok(Value::Blob(value.to_owned()))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Value, E> {
                Ok(Value::Compound)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// Writes what came out of a statement.
///
/// * An infinite number, which JSON cannot say, is `null`, as `JSON.stringify` has it. (SQLite has no
///   NaN.)
/// * Text that is not UTF-8, which a cast of a blob can make, has U+FFFD where it is not.
/// * A blob is a list of bytes.
pub(super) fn write(out: &mut Vec<u8>, value: ValueRef<'_>) -> Result<(), SqlError> {
    let internal = |error: &dyn core::fmt::Display| SqlError::Internal(error.to_string());
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Integer(value) => write!(out, "{value}").map_err(|error| internal(&error))?,
        ValueRef::Real(value) => {
            serde_json::to_writer(out, &value).map_err(|error| internal(&error))?;
        }
        ValueRef::Text(value) => write_text(out, &String::from_utf8_lossy(value))?,
        ValueRef::Blob(value) => {
            serde_json::to_writer(out, value).map_err(|error| internal(&error))?;
        }
    }
    Ok(())
}

/// Writes a JSON string.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) -> Result<(), SqlError> {
    serde_json::to_writer(out, text).map_err(|error| SqlError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Value, SqlError> {
        Value::read(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn json_values_are_those_of_sql() {
        for (json, value) in [
            ("null", Value::Null),
            ("true", Value::Integer(1)),
            ("false", Value::Integer(0)),
            ("9223372036854775807", Value::Integer(i64::MAX)),
            ("-9223372036854775808", Value::Integer(i64::MIN)),
            ("1.0", Value::Real(1.0)),
            ("1e3", Value::Real(1000.0)),
            (r#""a\u0000\n""#, Value::Text("a\0\n".into())),
            ("[]", Value::Blob(vec![])),
            ("[0,255]", Value::Blob(vec![0, 255])),
            ("[256]", Value::Compound),
            ("[1.0]", Value::Compound),
            ("[[1]]", Value::Compound),
            ("{}", Value::Compound),
        ] {
            assert_eq!(read(json), Ok(value), "{json}");
        }
        for json in [
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "1e999",
        ] {
            assert!(matches!(read(json), Err(SqlError::Parse(_))), "{json}");
        }
    }

    #[test]
    fn what_comes_out_is_json() {
        for (value, json) in [
            (ValueRef::Null, "null"),
            (ValueRef::Integer(i64::MIN), "-9223372036854775808"),
            (ValueRef::Real(1.0), "1.0"),
            (ValueRef::Real(f64::INFINITY), "null"),
            (ValueRef::Text(b"a\"\n\0"), r#""a\"\n\u0000""#),
            (ValueRef::Text(b"\xff"), "\"\u{fffd}\""),
            (ValueRef::Blob(&[0, 255]), "[0,255]"),
            (ValueRef::Blob(&[]), "[]"),
        ] {
            let mut out = Vec::new();
            write(&mut out, value).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), json);
        }
    }
}
