//! The types of a document: EIP-712, "Definition of typed structured data".

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use super::{TypedDataError, json::Json};

/// The domain's type, which no member may have.
pub(super) const DOMAIN: &str = "EIP712Domain";
/// Longest name of a type or member; longer ones serve only to push others out of sight.
const MAX_NAME: usize = 64;
/// Most dimensions of an array: bulk orders have some twenty.
const MAX_DIMENSIONS: usize = 32;

/// The type of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Address,
    /// Unsigned, of this many bits.
    Uint(u32),
    /// Signed, of this many bits.
    Int(u32),
    /// This many bytes.
    FixedBytes(usize),
    Bytes,
    String,
    Struct(String),
    /// A list, of this many items if it says so.
    Array(Box<Self>, Option<usize>),
}

impl Type {
    /// Reads a type as it has to be written: no aliases, no spaces, no leading zeros. Any
    /// identifier that is no basic type is a struct.
    fn parse(text: &str) -> Option<Self> {
        let (stem, mut rest) = text.split_at_checked(text.find('[').unwrap_or(text.len()))?;
        let mut parsed = match basic(stem) {
            Some(basic) => basic,
            None if is_identifier(stem) && !is_reserved(stem) => Self::Struct(stem.to_owned()),
            None => return None,
        };
        let mut dimensions = 0;
        while !rest.is_empty() {
            dimensions += 1;
            let (size, after) = rest.strip_prefix('[')?.split_once(']')?;
            let size = match size {
                "" => None,
                digits => Some(number(digits)?),
            };
            if dimensions > MAX_DIMENSIONS {
                return None;
            }
            parsed = Self::Array(Box::new(parsed), size);
            rest = after;
        }
        Some(parsed)
    }

    /// The struct that it is, or that its items are.
    pub(crate) fn structure(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(item, _) => item.structure(),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Address => f.write_str("address"),
            Self::Uint(bits) => write!(f, "uint{bits}"),
            Self::Int(bits) => write!(f, "int{bits}"),
            Self::FixedBytes(bytes) => write!(f, "bytes{bytes}"),
            Self::Bytes => f.write_str("bytes"),
            Self::String => f.write_str("string"),
            Self::Struct(name) => f.write_str(name),
            Self::Array(item, None) => write!(f, "{item}[]"),
            Self::Array(item, Some(size)) => write!(f, "{item}[{size}]"),
        }
    }
}

/// A positive number without leading zeros.
fn number(digits: &str) -> Option<usize> {
    let starts = digits.starts_with(|first: char| matches!(first, '1'..='9'));
    starts.then(|| digits.parse().ok()).flatten()
}

fn basic(name: &str) -> Option<Type> {
    let bits = |digits| {
        let bits = u32::try_from(number(digits)?).ok()?;
        (bits % 8 == 0 && bits <= 256).then_some(bits)
    };
    match name {
        "bool" => Some(Type::Bool),
        "address" => Some(Type::Address),
        "bytes" => Some(Type::Bytes),
        "string" => Some(Type::String),
        _ => {
            if let Some(digits) = name.strip_prefix("uint") {
                bits(digits).map(Type::Uint)
            } else if let Some(digits) = name.strip_prefix("int") {
                bits(digits).map(Type::Int)
            } else if let Some(digits) = name.strip_prefix("bytes") {
                number(digits)
                    .filter(|size| *size <= 32)
                    .map(Type::FixedBytes)
            } else {
                None
            }
        }
    }
}

/// Names that programs read as basic types, whether they exist (`uint8`) or not (`uint7`).
fn is_reserved(name: &str) -> bool {
    const WORDS: [&str; 11] = [
        "bool", "address", "bytes", "string", "byte", "uint", "int", "fixed", "ufixed", "function",
        "mapping",
    ];
    const STEMS: [&str; 5] = ["bytes", "uint", "int", "fixed", "ufixed"];
    WORDS.contains(&name)
        || STEMS.iter().any(|stem| {
            name.strip_prefix(stem)
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        })
}

/// A letter or underscore, then letters, digits and underscores. Solidity's dollar sign is left
/// out: common signers do not count it as part of a name, and so reach another digest.
fn is_identifier(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A member of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) kind: Type,
}

/// A struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) members: Vec<Member>,
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (position, member) in self.members.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{} {}", member.kind, member.name)?;
        }
        f.write_str(")")
    }
}

/// Every type of a document; each that is named is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schema {
    definitions: BTreeMap<String, Definition>,
    /// The structs that can hold themselves, directly or through others.
    recursive: BTreeSet<String>,
}

impl Schema {
    /// Reads the `types` of a document.
    pub(super) fn read(types: &Json) -> Result<Self, TypedDataError> {
        let Json::Object(types) = types else {
            return Err(TypedDataError::Shape("types"));
        };
        let mut definitions = BTreeMap::new();
        for (name, members) in types {
            let definition = definition(name, members)?;
            definitions.insert(name.clone(), definition);
        }
        let mut schema = Self {
            definitions,
            recursive: BTreeSet::new(),
        };
        for definition in schema.definitions.values() {
            let unknown = definition.members.iter().find(|member| {
                let held = member.kind.structure();
                held.is_some_and(|name| name == DOMAIN || schema.get(name).is_none())
            });
            if let Some(member) = unknown {
                let path = format!("{}.{}", definition.name, member.name);
                return Err(TypedDataError::UnknownType(path));
            }
        }
        schema.recursive = schema
            .definitions
            .keys()
            .filter(|name| schema.reachable(name).contains(name.as_str()))
            .cloned()
            .collect();
        Ok(schema)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Definition> {
        self.definitions.get(name)
    }

    /// True if a struct can hold itself, so that only a missing value ends it.
    pub(super) fn is_recursive(&self, name: &str) -> bool {
        self.recursive.contains(name)
    }

    /// The structs that a struct can hold, directly or through others, in order of their names;
    /// itself only if it can hold itself.
    pub(super) fn reachable(&self, name: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = vec![name];
        while let Some(definition) = open.pop().and_then(|name| self.get(name)) {
            for held in definition.members.iter().filter_map(|m| m.kind.structure()) {
                if reached.insert(held) {
                    open.push(held);
                }
            }
        }
        reached
    }
}

/// Reads one struct.
fn definition(name: &str, members: &Json) -> Result<Definition, TypedDataError> {
    if !is_identifier(name) {
        return Err(TypedDataError::Identifier);
    }
    if is_reserved(name) {
        return Err(TypedDataError::ReservedName(name.to_owned()));
    }
    let Json::Array(members) = members else {
        return Err(TypedDataError::Shape("a type"));
    };
    if members.is_empty() {
        return Err(TypedDataError::EmptyType(name.to_owned()));
    }
    let mut definition = Definition {
        name: name.to_owned(),
        members: Vec::with_capacity(members.len()),
    };
    let mut names = BTreeSet::new();
    for member in members {
        let member = self::member(name, member)?;
        if !names.insert(member.name.clone()) {
            return Err(TypedDataError::DuplicateField(name.to_owned()));
        }
        definition.members.push(member);
    }
    Ok(definition)
}

/// Reads `{"name": …, "type": …}`.
fn member(owner: &str, member: &Json) -> Result<Member, TypedDataError> {
    let Json::Object(parts) = member else {
        return Err(TypedDataError::Shape("a member of a type"));
    };
    let (name, kind) = match parts.as_slice() {
        [(a, Json::String(name)), (b, Json::String(kind))] if a == "name" && b == "type" => {
            (name, kind)
        }
        [(a, Json::String(kind)), (b, Json::String(name))] if a == "type" && b == "name" => {
            (name, kind)
        }
        _ => return Err(TypedDataError::Shape("a member of a type")),
    };
    if !is_identifier(name) {
        return Err(TypedDataError::Identifier);
    }
    let parsed = Type::parse(kind).filter(|parsed| parsed.to_string() == *kind);
    let kind = parsed.ok_or_else(|| TypedDataError::TypeName(format!("{owner}.{name}")))?;
    Ok(Member {
        name: name.clone(),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_in_one_way() {
        for text in [
            "bool",
            "address",
            "uint8",
            "uint256",
            "int128",
            "bytes1",
            "bytes32",
            "bytes",
            "string",
            "Mail",
            "_a1",
            "intent",
            "uint256[]",
            "Mail[2][][3]",
        ] {
            assert_eq!(Type::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "uint",
            "int",
            "uint7",
            "uint264",
            "uint08",
            "uint0",
            "int0",
            "bytes0",
            "bytes33",
            "bytes01",
            "byte",
            "function",
            "fixed128x18",
            "ufixed",
            "mapping",
            "a b",
            "uint256 []",
            "uint256[0]",
            "uint256[01]",
            "uint256[-1]",
            "uint256[",
            "uint256]",
            "uint256[]x",
            "[]",
            "1a",
            "A$",
            "A.B",
            "Ä",
            "(uint256)",
            "Mail[99999999999999999999]",
        ] {
            assert_eq!(Type::parse(text), None, "{text}");
        }
        let deep = format!("uint8{}", "[]".repeat(MAX_DIMENSIONS + 1));
        assert_eq!(Type::parse(&deep), None);
    }
}
