//! JSON files, read strictly: one text has one meaning.
//!
//! serde_json alone accepts an array in place of an object (its elements become the members, in
//! order) and, in maps, a member given twice (the last one wins). Two programs then read one file
//! differently, so [`read`] refuses both, at any depth, for every file of the project that uses it.

use core::fmt;
use std::collections::BTreeMap;

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

/// Longest piece of a file's own text that an error repeats, in characters.
const MAX_QUOTED: usize = 64;

/// Reads one JSON value and nothing after it. The caller bounds the length of `text`.
///
/// # Errors
///
/// [`JsonError`]: not JSON, a member given twice, or not of `T`'s shape.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    if text.starts_with(b"\xef\xbb\xbf")
        || text.starts_with(b"\xff\xfe")
        || text.starts_with(b"\xfe\xff")
    {
        return Err(JsonError::new(
            "it begins with a byte order mark: save it as UTF-8 without one",
        ));
    }
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(JsonError::new("it is empty"));
    }
    let json: Json = serde_json::from_slice(text).map_err(|error| JsonError::syntax(&error))?;
    T::deserialize(json)
}

/// What is wrong with a JSON text, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// The members and indices that lead to the fault, innermost first.
    path: Vec<String>,
    message: String,
}

impl JsonError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
        }
    }

    fn syntax(error: &serde_json::Error) -> Self {
        use serde_json::error::Category;
        Self::new(match error.classify() {
            Category::Eof => "it ends in the middle of its JSON text".to_owned(),
            // The words of this module, with the place.
            Category::Data => error.to_string(),
            Category::Syntax | Category::Io => format!(
                "it is not valid JSON at line {}, column {}",
                error.line(),
                error.column()
            ),
        })
    }

    fn below(mut self, step: String) -> Self {
        self.path.push(step);
        self
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.path.is_empty() {
            return Ok(());
        }
        let path: Vec<_> = self.path.iter().rev().map(String::as_str).collect();
        write!(f, " (in {})", path.join("."))
    }
}

impl std::error::Error for JsonError {}

impl Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} where {} belongs", kind(found), words(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} that is not {}", kind(found), words(expected)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "{length} elements where {} belongs",
            words(expected)
        ))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!(
            "{} is none of {}",
            quoted(variant),
            expected.join(", ")
        ))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!(
            "unknown member {}; the members are {}",
            quoted(field),
            expected.join(", ")
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("missing member {field:?}"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("member {field:?} is given twice"))
    }
}

/// A piece of the file for an error: bounded, and nothing in it moves a terminal's cursor.
fn quoted(text: &str) -> String {
    let head: String = text.chars().take(MAX_QUOTED).collect();
    if head.len() < text.len() {
        format!("{head:?}…")
    } else {
        format!("{head:?}")
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "a text",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        _ => "another value",
    }
}

/// serde's names of Rust types, as JSON's.
fn words(expected: &dyn Expected) -> String {
    let name = expected.to_string();
    match name.as_str() {
        "a string" | "str" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "an object".to_owned(),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        _ => name,
    }
}

/// A JSON text as a tree, in which no member occurs twice.
enum Json {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Tree;

        impl<'de> Visitor<'de> for Tree {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E: Error>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Unsigned(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Signed(value))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
                Ok(Json::Float(value))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Text(value.to_owned()))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<Json, S::Error> {
                let mut list = Vec::new();
                while let Some(element) = elements.next_element()? {
                    list.push(element);
                }
                Ok(Json::List(list))
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Json, M::Error> {
                let mut object = BTreeMap::new();
                while let Some((name, value)) = members.next_entry::<String, Json>()? {
                    if object.contains_key(&name) {
                        let words = format!("member {} is given twice", quoted(&name));
                        return Err(M::Error::custom(words));
                    }
                    object.insert(name, value);
                }
                Ok(Json::Object(object))
            }
        }

        from.deserialize_any(Tree)
    }
}

impl<'de> Deserializer<'de> for Json {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Unsigned(value) => visitor.visit_u64(value),
            Self::Signed(value) => visitor.visit_i64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(value) => visitor.visit_string(value),
            Self::List(list) => visitor.visit_seq(Elements(list.into_iter().enumerate())),
            Self::Object(object) => visitor.visit_map(Members {
                left: object.into_iter(),
                value: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self {
            Self::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    /// The one place where a struct is read: from an object, never from an array.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match self {
            Self::Object(_) => self.deserialize_any(visitor),
            other => {
                let found = kind(other.unexpected());
                Err(JsonError::new(format!("{found} where an object belongs")))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match self {
            Self::Text(text) => {
                let name: StringDeserializer<JsonError> = text.into_deserializer();
                visitor.visit_enum(name)
            }
            Self::Object(object) => visitor.visit_enum(MapAccessDeserializer::new(Members {
                left: object.into_iter(),
                value: None,
            })),
            other => Err(JsonError::invalid_type(other.unexpected(), &visitor)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl Json {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Unsigned(value) => Unexpected::Unsigned(*value),
            Self::Signed(value) => Unexpected::Signed(*value),
            Self::Float(value) => Unexpected::Float(*value),
            Self::Text(value) => Unexpected::Str(value),
            Self::List(_) => Unexpected::Seq,
            Self::Object(_) => Unexpected::Map,
        }
    }
}

struct Elements(core::iter::Enumerate<std::vec::IntoIter<Json>>);

impl<'de> SeqAccess<'de> for Elements {
    type Error = JsonError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, JsonError> {
        let Some((index, element)) = self.0.next() else {
            return Ok(None);
        };
        let read = seed.deserialize(element);
        read.map(Some)
            .map_err(|error| error.below(index.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Members {
    left: std::collections::btree_map::IntoIter<String, Json>,
    value: Option<(String, Json)>,
}

impl<'de> MapAccess<'de> for Members {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, JsonError> {
        let Some((name, value)) = self.left.next() else {
            return Ok(None);
        };
        let key: StringDeserializer<JsonError> = name.clone().into_deserializer();
        self.value = Some((name, value));
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, JsonError> {
        // serde asks for a value only after its key.
        let (name, value) = self
            .value
            .take()
            .ok_or_else(|| JsonError::new("a value without its member"))?;
        seed.deserialize(value)
            .map_err(|error| error.below(quoted(&name)))
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
