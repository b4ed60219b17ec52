use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::message::Bytes;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    hex: String,
    verdict: String,
}

#[test]
fn vectors_get_their_verdict_and_cover_every_rule() {
    let file: Vectors = serde_json::from_str(include_str!("../../vectors/cbor.json")).unwrap();
    let mut seen = HashMap::new();
    for vector in &file.vectors {
        let bytes = hex::decode(&vector.hex).unwrap();
        let verdict = check(&bytes, &Limits::default()).map_or_else(|e| e.name(), |()| "accepted");
        assert_eq!(verdict, vector.verdict, "{}", vector.name);
        if verdict != "accepted" {
            assert!(vector.name.starts_with(verdict), "{}", vector.name);
        }
        *seen.entry(verdict).or_insert(0) += 1;
    }
    // A mebibyte of hex is no vector: that rule has the test below.
    for rule in Rule::ALL.iter().filter(|rule| **rule != Rule::TooLong) {
        assert!(seen.contains_key(rule.name()), "no vector for {rule:?}");
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let limits = Limits {
        bytes: 4,
        depth: 1,
        items: 3,
    };
    let malformed = |rule, at| Err(DecodeError::Malformed { rule, at });
    assert_eq!(check(&[0x82, 1, 2], &limits), Ok(()));
    assert_eq!(
        check(&[0x44, 1, 2, 3, 4], &limits),
        malformed(Rule::TooLong, 4)
    );
    assert_eq!(
        check(&[0x81, 0x81, 2], &limits),
        malformed(Rule::TooDeep, 1)
    );
    assert_eq!(
        check(&[0x83, 1, 2, 3], &limits),
        malformed(Rule::TooManyItems, 0)
    );
    // Whatever a caller asks for, the stack is safe.
    let limits = Limits {
        bytes: usize::MAX,
        depth: usize::MAX,
        items: usize::MAX,
    };
    let bomb = vec![0x81; 1 << 20];
    assert_eq!(
        check(&bomb, &limits),
        malformed(Rule::TooDeep, Limits::DEEPEST)
    );
}

#[test]
fn a_mebibyte_is_the_most() {
    let most = Limits::default().bytes;
    let mut bytes = vec![0x5a, 0, 0, 0, 0];
    bytes.resize(most, 0);
    let length = u32::try_from(most - 5).unwrap();
    bytes[1..5].copy_from_slice(&length.to_be_bytes());
    assert_eq!(check(&bytes, &Limits::default()), Ok(()));
    bytes.push(0);
    assert_eq!(
        check(&bytes, &Limits::default()).unwrap_err().name(),
        "too_long"
    );
}

#[test]
fn what_the_profile_lacks_is_not_encoded() {
    assert_eq!(encode(&1.5_f64), Err(EncodeError::Profile(Rule::Float)));
    assert_eq!(encode(&u128::MAX), Err(EncodeError::Profile(Rule::Tag)));
    struct Twice;
    impl Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.collect_map([("b", 1), ("a", 2), ("b", 3)])
        }
    }
    assert_eq!(
        encode(&Twice),
        Err(EncodeError::Profile(Rule::DuplicateKey))
    );
    struct Unsized;
    impl Serialize for Unsized {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.collect_seq([1, 2].iter().filter(|n| **n > 0))
        }
    }
    assert_eq!(
        encode(&Unsized),
        Err(EncodeError::Profile(Rule::IndefiniteLength))
    );
}

#[test]
fn a_large_value_grows_the_buffer() {
    let value: Vec<Bytes> = (0..100).map(|n| Bytes(vec![n; 100])).collect();
    let bytes = encode(&value).unwrap();
    assert_eq!(decode::<Vec<Bytes>>(&bytes).unwrap(), value);
}

/// Any value of the profile.
#[derive(Debug, Clone, PartialEq)]
enum Any {
    Number(u64),
    Negative(i64),
    Bool(bool),
    Null,
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

impl Serialize for Any {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(n) => s.serialize_u64(*n),
            Self::Negative(n) => s.serialize_i64(*n),
            Self::Bool(b) => s.serialize_bool(*b),
            Self::Null => s.serialize_none(),
            Self::Bytes(b) => s.serialize_bytes(b),
            Self::Text(t) => s.serialize_str(t),
            Self::Array(a) => a.serialize(s),
            Self::Map(m) => m.serialize(s),
        }
    }
}

fn any_value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Any::Number),
        (i64::MIN..0).prop_map(Any::Negative),
        any::<bool>().prop_map(Any::Bool),
        Just(Any::Null),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Any::Bytes),
        ".{0,30}".prop_map(Any::Text),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Any::Array),
            prop::collection::btree_map(".{0,30}", inner, 0..8).prop_map(Any::Map),
        ]
    })
}

proptest! {
    #[test]
    fn every_encoding_passes_the_strict_pass(value in any_value()) {
        let bytes = encode(&value).unwrap();
        prop_assert_eq!(check(&bytes, &Limits::default()), Ok(()));
        // An independent decoder agrees on what it says.
        let mut decoder = minicbor::Decoder::new(&bytes);
        decoder.skip().unwrap();
        prop_assert_eq!(decoder.position(), bytes.len());
    }

    #[test]
    fn any_bytes_get_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = check(&bytes, &Limits::default());
        let _ = decode::<Vec<Option<BTreeMap<String, Bytes>>>>(&bytes);
    }

    #[test]
    fn every_cut_is_truncated(value in any_value(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(&value).unwrap();
        let cut = cut.index(bytes.len());
        let error = check(&bytes[..cut], &Limits::default()).unwrap_err();
        prop_assert_eq!(error.name(), "truncated");
    }
}

/// The serde decoder takes a unit variant's content for the next key, and a bare variant's next key
/// for its content. Together they balance: well-formed bytes would be read as what they do not say.
#[test]
fn a_balanced_misreading_is_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Unit {
        Unit,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Content {
        Text(String),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        a: Unit,
        b: Content,
    }
    // {"a": {"unit": "b"}, "text": "v"}
    let bytes = b"\xa2\x61a\xa1\x64unit\x61b\x64text\x61v";
    assert_eq!(check(bytes, &Limits::default()), Ok(()));
    let misread: Both = minicbor_serde::from_slice(bytes).unwrap();
    let b = Content::Text("v".into());
    assert_eq!(misread, Both { a: Unit::Unit, b });
    assert_eq!(decode::<Both>(bytes), Err(DecodeError::OtherEncoding));
}
