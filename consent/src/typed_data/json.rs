//! JSON (RFC 8259) that everybody reads the same way: no member twice, no fractions, nothing
//! rounded, bounded depth and size.

use core::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::TypedDataError;

/// Deepest nesting: bulk orders are trees of some twenty levels over orders of four.
pub(super) const MAX_DEPTH: usize = 40;
/// Most values in a document, so that a prompt can list every one.
pub(super) const MAX_NODES: usize = 2048;

/// A value, members in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A whole number that a JSON number can hold exactly: −2⁶³ to 2⁶⁴ − 1.
    Integer {
        negative: bool,
        magnitude: u64,
    },
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Json, TypedDataError> {
    let reader = Reader::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Seed {
        reader: &reader,
        depth: 0,
    };
    let result = seed
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    result.map_err(|error| {
        let refusal = reader.refusal.borrow_mut().take();
        refusal.unwrap_or(TypedDataError::Json {
            line: error.line(),
            column: error.column(),
        })
    })
}

/// What a document has used up, and why it is refused.
#[derive(Default)]
struct Reader {
    nodes: Cell<usize>,
    refusal: RefCell<Option<TypedDataError>>,
}

impl Reader {
    fn refuse<E: serde::de::Error>(&self, refusal: TypedDataError) -> E {
        let error = E::custom(&refusal);
        *self.refusal.borrow_mut() = Some(refusal);
        error
    }
}

#[derive(Clone, Copy)]
struct Seed<'r> {
    reader: &'r Reader,
    depth: usize,
}

impl<'r> Seed<'r> {
    /// The seed of an inner value.
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.reader.refuse(TypedDataError::TooDeep));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let nodes = self.reader.nodes.get() + 1;
        if nodes > MAX_NODES {
            return Err(self.reader.refuse(TypedDataError::TooMany));
        }
        self.reader.nodes.set(nodes);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, magnitude: u64) -> Result<Json, E> {
        Ok(Json::Integer {
            negative: false,
            magnitude,
        })
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer {
            negative: value < 0,
            magnitude: value.unsigned_abs(),
        })
    }

    // What serde_json gives for fractions, exponents, −0 and whatever 64 bits do not hold.
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Json, E> {
        Err(self.reader.refuse(TypedDataError::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut object: Vec<(String, Json)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(self.reader.refuse(TypedDataError::DuplicateMember));
            }
            let value = members.next_value_seed(inner)?;
            object.push((name, value));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_or_refused() {
        let integer = |negative, magnitude| Json::Integer {
            negative,
            magnitude,
        };
        for (text, value) in [
            ("0", integer(false, 0)),
            ("9007199254740993", integer(false, 9_007_199_254_740_993)),
            ("18446744073709551615", integer(false, u64::MAX)),
            ("-9223372036854775808", integer(true, 1 << 63)),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        for text in [
            "1.0",
            "1e3",
            "-0",
            "0.1",
            "18446744073709551616",
            "-9223372036854775809",
        ] {
            assert_eq!(parse(text), Err(TypedDataError::Number), "{text}");
        }
        for text in ["01", "+1", "1.", "NaN", "0x1", "1e999", ""] {
            assert!(
                matches!(parse(text), Err(TypedDataError::Json { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn members_appear_once_at_every_level() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert_eq!(parse(text), Err(TypedDataError::DuplicateMember), "{text}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(TypedDataError::TooDeep));
        let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert!(parse(&list(MAX_NODES - 1)).is_ok());
        assert_eq!(parse(&list(MAX_NODES)), Err(TypedDataError::TooMany));
    }

    #[test]
    fn half_a_character_and_trailing_text_are_refused() {
        for text in [
            r#""\ud800""#,
            "{} {}",
            "{},",
            "[1,]",
            "{'a':1}",
            "\"a\nb\"",
            "// x\n1",
        ] {
            assert!(
                matches!(parse(text), Err(TypedDataError::Json { .. })),
                "{text}"
            );
        }
    }
}
