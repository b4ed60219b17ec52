//! JSON (RFC 8259) that everybody reads the same way: no member twice, no fractions, no number
//! that JavaScript rounds, bounded depth and size.

use core::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{TypedDataError, error::NumberFault};

/// Deepest nesting: bulk orders are trees of some twenty levels over orders of four.
pub(super) const MAX_DEPTH: usize = 40;
/// Most values in a document, so that a prompt can list every one.
pub(super) const MAX_NODES: usize = 2048;

/// A value, members in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A whole number of at most 64 bits that a double holds exactly: JavaScript reads every JSON
    /// number as a double (ECMA-262, `JSON.parse`), so that any other would be signed as one number
    /// and shown by a wallet as another.
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

/// What a document has used up, where in it the reader is, and why it is refused.
#[derive(Default)]
struct Reader {
    nodes: Cell<usize>,
    /// Names of members and numbers of items around the value that is read now.
    path: RefCell<Vec<String>>,
    refusal: RefCell<Option<TypedDataError>>,
}

impl Reader {
    fn refuse<E: serde::de::Error>(&self, refusal: TypedDataError) -> E {
        let error = E::custom(&refusal);
        *self.refusal.borrow_mut() = Some(refusal);
        error
    }

    fn enter(&self, part: String) {
        self.path.borrow_mut().push(part);
    }

    fn leave(&self) {
        self.path.borrow_mut().pop();
    }

    /// The value that is read now: `message.to[0]`.
    fn place(&self) -> String {
        let path = self.path.borrow().concat();
        path.strip_prefix('.')
            .map_or_else(|| "the document".to_owned(), str::to_owned)
    }
}

#[derive(Clone, Copy)]
struct Seed<'r> {
    reader: &'r Reader,
    depth: usize,
}

impl<'r> Seed<'r> {
    /// A whole number, if a double holds it exactly.
    fn integer<E: serde::de::Error>(self, negative: bool, magnitude: u64) -> Result<Json, E> {
        /// Bits of a double's significand (IEEE 754, binary64).
        const SIGNIFICANT: u32 = 53;
        let bits = u64::BITS - magnitude.leading_zeros();
        // Zero has as many trailing zeros as bits, which is none too many.
        if bits.saturating_sub(magnitude.trailing_zeros()) > SIGNIFICANT {
            return Err(self.number(NumberFault::Rounded));
        }
        Ok(Json::Integer {
            negative,
            magnitude,
        })
    }

    fn number<E: serde::de::Error>(self, fault: NumberFault) -> E {
        let place = self.reader.place();
        self.reader.refuse(TypedDataError::Number { place, fault })
    }

    /// The seed of an inner value.
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            let place = self.reader.place();
            return Err(self.reader.refuse(TypedDataError::TooDeep(place)));
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

    fn visit_u64<E: serde::de::Error>(self, magnitude: u64) -> Result<Json, E> {
        self.integer(false, magnitude)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Json, E> {
        self.integer(value < 0, value.unsigned_abs())
    }

    // What serde_json gives for a decimal point, an exponent, −0 and whatever 64 bits do not hold.
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        // The least integer that 64 bits do not hold, 2⁶⁴, and the least that they do, −2⁶³.
        const ABOVE: f64 = 18_446_744_073_709_551_616.0;
        const LEAST: f64 = -9_223_372_036_854_775_808.0;
        let fault = if value == 0.0 && value.is_sign_negative() {
            NumberFault::MinusZero
        } else if value.fract() == 0.0 && (value >= ABOVE || value <= LEAST) {
            NumberFault::Large
        } else {
            NumberFault::Notation
        };
        Err(self.number(fault))
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
        loop {
            self.reader.enter(format!("[{}]", array.len()));
            // After an error nothing else is read, and the path stays where it was.
            let Some(item) = items.next_element_seed(inner)? else {
                break;
            };
            self.reader.leave();
            array.push(item);
        }
        self.reader.leave();
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut object: Vec<(String, Json)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            self.reader.enter(format!(".{name}"));
            if !seen.insert(name.clone()) {
                let place = self.reader.place();
                return Err(self.reader.refuse(TypedDataError::DuplicateMember(place)));
            }
            let value = members.next_value_seed(inner)?;
            self.reader.leave();
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
            ("9007199254740992", integer(false, 1 << 53)),
            ("9007199254740994", integer(false, (1 << 53) + 2)),
            ("1000000000000000000", integer(false, 10_u64.pow(18))),
            ("18446744073709549568", integer(false, u64::MAX - 2047)),
            ("-9223372036854775808", integer(true, 1 << 63)),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        for (text, fault) in [
            ("1.0", NumberFault::Notation),
            ("0.0", NumberFault::Notation),
            ("1e3", NumberFault::Notation),
            ("1E+3", NumberFault::Notation),
            ("0.1", NumberFault::Notation),
            ("1e-400", NumberFault::Notation),
            ("1e18", NumberFault::Notation),
            ("-0", NumberFault::MinusZero),
            ("-0.0", NumberFault::MinusZero),
            ("1e19", NumberFault::Notation),
            ("1e20", NumberFault::Large),
            ("18446744073709551616", NumberFault::Large),
            ("-9223372036854775809", NumberFault::Large),
            ("9007199254740993", NumberFault::Rounded),
            ("-9007199254740993", NumberFault::Rounded),
            ("1000000000000000001", NumberFault::Rounded),
            ("18446744073709551615", NumberFault::Rounded),
        ] {
            let refused = |place: &str| {
                let place = place.to_owned();
                Err(TypedDataError::Number { place, fault })
            };
            assert_eq!(parse(text), refused("the document"), "{text}");
            let inside = format!(r#"{{"a":[0,{{"b":{text}}}],"c":1}}"#);
            assert_eq!(parse(&inside), refused("a[1].b"), "{text}");
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
        for (text, place) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"c":[{"b":{"a":1,"\u0061":2}}]}"#, "c[0].b.a"),
        ] {
            let refused = TypedDataError::DuplicateMember(place.to_owned());
            assert_eq!(parse(text), Err(refused), "{text}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(
            parse(&nested(MAX_DEPTH + 1)),
            Err(TypedDataError::TooDeep(_))
        ));
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
