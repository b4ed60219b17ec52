//! Random documents without recursive types, which the independent implementation cannot read.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Structs of a document; each holds only later ones.
const STRUCTS: usize = 4;

/// A member's type: which basic one or which later struct, and its dimensions.
#[derive(Clone, Debug)]
struct Kind {
    base: Base,
    dimensions: Vec<Option<usize>>,
}

#[derive(Clone, Debug)]
enum Base {
    Bool,
    Address,
    Uint(u32),
    Int(u32),
    FixedBytes(usize),
    Bytes,
    String,
    /// Skips this many structs.
    Struct(usize),
}

fn kind() -> impl Strategy<Value = Kind> {
    let basic = prop_oneof![
        Just(Base::Bool),
        Just(Base::Address),
        (1..=32u32).prop_map(|n| Base::Uint(n * 8)),
        (1..=32u32).prop_map(|n| Base::Int(n * 8)),
        (1..=32usize).prop_map(Base::FixedBytes),
        Just(Base::Bytes),
        Just(Base::String),
    ];
    let dimension = || prop_oneof![Just(None), (1..3usize).prop_map(Some)];
    let structure = (0..2usize).prop_map(Base::Struct);
    prop_oneof![
        3 => (basic, prop::collection::vec(dimension(), 0..3)),
        1 => (structure, prop::collection::vec(dimension(), 0..2)),
    ]
    .prop_map(|(base, dimensions)| Kind { base, dimensions })
}

/// The type's text at a struct of this index.
fn written(kind: &Kind, owner: usize) -> String {
    let base = match &kind.base {
        Base::Bool => "bool".to_owned(),
        Base::Address => "address".to_owned(),
        Base::Uint(bits) => format!("uint{bits}"),
        Base::Int(bits) => format!("int{bits}"),
        Base::FixedBytes(size) => format!("bytes{size}"),
        Base::Bytes => "bytes".to_owned(),
        Base::String => "string".to_owned(),
        Base::Struct(skip) => match owner + 1 + skip {
            later if later < STRUCTS => name(later),
            _ => "bool".to_owned(),
        },
    };
    kind.dimensions.iter().fold(base, |text, size| match size {
        None => format!("{text}[]"),
        Some(size) => format!("{text}[{size}]"),
    })
}

/// Names whose order is not that of the indices.
fn name(index: usize) -> String {
    ["Middle", "Zulu_1", "Alpha", "Alphabet"][index].to_owned()
}

/// Random bytes that values are cut from, cyclically.
struct Entropy<'e> {
    bytes: &'e [u8],
    at: usize,
}

impl Entropy<'_> {
    fn byte(&mut self) -> u8 {
        let byte = self.bytes[self.at % self.bytes.len()];
        self.at += 1;
        byte.wrapping_add((self.at / self.bytes.len()) as u8)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }
}

fn value(kind: &Kind, depth: usize, owner: usize, all: &[Vec<Kind>], e: &mut Entropy<'_>) -> Value {
    if let Some(outer) = depth.checked_sub(1) {
        let count = kind.dimensions[outer].unwrap_or_else(|| usize::from(e.byte() % 3));
        return (0..count)
            .map(|_| value(kind, outer, owner, all, e))
            .collect();
    }
    match &kind.base {
        Base::Bool => json!(e.byte().is_multiple_of(2)),
        Base::Address => json!(format!("0x{}", hex::encode(e.take(20)))),
        Base::Uint(bits) => {
            let magnitude = e.take(*bits as usize / 8);
            match e.byte() % 3 {
                0 => json!(format!("0x{}", hex::encode(magnitude))),
                1 => json!(u64::from(magnitude[0])),
                _ => json!(magnitude[0].to_string()),
            }
        }
        Base::Int(bits) => {
            let small = e.byte() as i8;
            match (e.byte() % 3, bits) {
                (0, 72..) => json!(format!("-{}", u64::MAX - u64::from(e.byte()))),
                (1, _) => json!(small),
                _ => json!(small.to_string()),
            }
        }
        Base::FixedBytes(size) => json!(format!("0x{}", hex::encode(e.take(*size)))),
        Base::Bytes => {
            let size = usize::from(e.byte() % 70);
            json!(format!("0x{}", hex::encode(e.take(size))))
        }
        Base::String => {
            let size = usize::from(e.byte() % 9);
            let letters = ['a', 'Z', ' ', '"', '\\', '\n', 'ß', '字'];
            let text = e.take(size).into_iter();
            let text: String = text.map(|byte| letters[usize::from(byte) % 8]).collect();
            json!(text)
        }
        Base::Struct(skip) => match owner + 1 + skip {
            later if later < STRUCTS => structure(later, all, e),
            _ => json!(e.byte().is_multiple_of(2)),
        },
    }
}

fn structure(index: usize, all: &[Vec<Kind>], e: &mut Entropy<'_>) -> Value {
    let members = all[index].iter().zip(0..).map(|(kind, position)| {
        let value = value(kind, kind.dimensions.len(), index, all, e);
        (format!("m{position}"), value)
    });
    Value::Object(members.collect::<Map<_, _>>())
}

/// A document whose domain has a random choice of members.
pub(super) fn document() -> impl Strategy<Value = Value> {
    let members = prop::collection::vec(kind(), 1..4);
    (
        prop::collection::vec(members, STRUCTS),
        prop::collection::vec(any::<u8>(), 64),
        1..32u8,
    )
        .prop_map(|(all, bytes, in_domain)| {
            let mut e = Entropy {
                bytes: &bytes,
                at: 0,
            };
            let domain = [
                ("name", "string", json!("Garden")),
                ("version", "string", json!("")),
                ("chainId", "uint256", json!(e.byte())),
                (
                    "verifyingContract",
                    "address",
                    json!(format!("0x{}", hex::encode(e.take(20)))),
                ),
                (
                    "salt",
                    "bytes32",
                    json!(format!("0x{}", hex::encode(e.take(32)))),
                ),
            ];
            let chosen = domain
                .iter()
                .zip(0..)
                .filter(|(_, bit)| in_domain & (1 << bit) != 0);
            let (mut types, mut values) = (Vec::new(), Map::new());
            for ((name, kind, value), _) in chosen {
                types.push(json!({"name": name, "type": kind}));
                values.insert((*name).to_owned(), value.clone());
            }
            let mut all_types = Map::new();
            all_types.insert("EIP712Domain".to_owned(), Value::Array(types));
            for (members, index) in all.iter().zip(0..) {
                let members = members.iter().zip(0..).map(|(kind, position)| {
                    json!({"name": format!("m{position}"), "type": written(kind, index)})
                });
                all_types.insert(name(index), members.collect());
            }
            json!({
                "types": all_types,
                "primaryType": name(0),
                "domain": values,
                "message": structure(0, &all, &mut e),
            })
        })
}
