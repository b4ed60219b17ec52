//! The types of a document: EIP-712, "Definition of typed structured data".

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use super::{TypedDataError, error::TypeFault, graph, json::Json};

/// The domain's type, which no member may have.
pub(super) const DOMAIN: &str = "EIP712Domain";
/// Longest name of a type or member; longer ones serve only to push others out of sight.
pub(super) const MAX_NAME: usize = 64;
/// Most dimensions of an array: bulk orders have some twenty.
pub(super) const MAX_DIMENSIONS: usize = 32;

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
    fn parse(text: &str) -> Result<Self, TypeFault> {
        let (stem, mut rest) = text
            .split_at_checked(text.find('[').unwrap_or(text.len()))
            .ok_or(TypeFault::Name)?;
        let mut parsed = match basic(stem) {
            Some(basic) => basic,
            None => {
                check_struct_name(stem)?;
                Self::Struct(stem.to_owned())
            }
        };
        let mut dimensions = 0;
        while !rest.is_empty() {
            dimensions += 1;
            let inner = rest.strip_prefix('[').ok_or(TypeFault::Brackets)?;
            let (size, after) = inner.split_once(']').ok_or(TypeFault::Brackets)?;
            let size = match size {
                "" => None,
                digits => Some(number(digits).ok_or(TypeFault::Brackets)?),
            };
            if dimensions > MAX_DIMENSIONS {
                return Err(TypeFault::Dimensions);
            }
            parsed = Self::Array(Box::new(parsed), size);
            rest = after;
        }
        Ok(parsed)
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

/// What is wrong with a name as the type of a member.
fn check_struct_name(name: &str) -> Result<(), TypeFault> {
    match name {
        "uint" | "int" | "byte" => Err(TypeFault::Alias),
        name if name.len() > MAX_NAME => Err(TypeFault::Long),
        name if !is_identifier(name) => Err(TypeFault::Name),
        name if is_reserved(name) => {
            Err(match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
                "uint" | "int" | "bytes" => TypeFault::Size,
                _ => TypeFault::NotEncodable,
            })
        }
        _ => Ok(()),
    }
}

/// A letter or underscore, then letters, digits and underscores. Solidity's dollar sign is left
/// out: common signers do not count it as part of a name, and so reach another digest.
fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Refuses a name that is too long or is no identifier; `within` says where it stands.
fn check_name(name: &str, within: &str) -> Result<(), TypedDataError> {
    let (name, within) = (name.to_owned(), within.to_owned());
    if name.len() > MAX_NAME {
        return Err(TypedDataError::LongName { name, within });
    }
    if is_identifier(&name) {
        Ok(())
    } else {
        Err(TypedDataError::Identifier { name, within })
    }
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
    /// Its place among all structs of the document, in order of their names.
    pub(super) number: usize,
    /// Its own part of `encodeType`: `Name(type member,…)`.
    pub(super) written: String,
    /// The numbers of the structs that its members are or list, each once.
    pub(super) holds: Vec<usize>,
    /// True if it can hold itself, so that only a missing value ends it.
    pub(super) is_recursive: bool,
}

/// A struct's own part of `encodeType`.
fn written(name: &str, members: &[Member]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|Member { name, kind }| format!("{kind} {name}"))
        .collect();
    format!("{name}({})", members.join(","))
}

/// Every type of a document; each that is named is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schema {
    /// In order of their names.
    definitions: Vec<Definition>,
}

impl Schema {
    /// Reads the `types` of a document.
    pub(super) fn read(types: &Json) -> Result<Self, TypedDataError> {
        let Json::Object(types) = types else {
            return Err(shape("types", "an object"));
        };
        let mut definitions = BTreeMap::new();
        for (name, members) in types {
            let definition = definition(name, members)?;
            definitions.insert(name.clone(), definition);
        }
        let mut schema = Self {
            definitions: definitions.into_values().collect(),
        };
        let holds: Vec<Vec<usize>> = schema
            .definitions
            .iter()
            .map(|definition| schema.held(definition))
            .collect::<Result<_, _>>()?;
        let cyclic = graph::in_cycles(holds.len(), |at| {
            holds.get(at).map_or(&[], |held| held.as_slice())
        });
        let found = holds.into_iter().zip(cyclic).enumerate();
        for (definition, (number, (holds, is_recursive))) in
            schema.definitions.iter_mut().zip(found)
        {
            definition.number = number;
            definition.holds = holds;
            definition.is_recursive = is_recursive;
        }
        Ok(schema)
    }

    /// The numbers of the structs that a struct holds.
    fn held(&self, definition: &Definition) -> Result<Vec<usize>, TypedDataError> {
        let mut numbers = BTreeSet::new();
        for member in &definition.members {
            let Some(held) = member.kind.structure() else {
                continue;
            };
            let path = || format!("{}.{}", definition.name, member.name);
            if held == DOMAIN {
                return Err(TypedDataError::DomainAsMember(path()));
            }
            let number = self
                .number(held)
                .ok_or_else(|| TypedDataError::UnknownType {
                    member: path(),
                    kind: held.to_owned(),
                })?;
            numbers.insert(number);
        }
        Ok(numbers.into_iter().collect())
    }

    /// Refuses type names with a colon where libraries disagree. `HyperliquidTransaction:UsdSend`
    /// is read by all of them as one name only if it is the primary type and nothing in the message
    /// makes a library look for other types: it holds no struct, and no type is named like the part
    /// in front of the colon.
    pub(super) fn check_colons(&self, primary: &str) -> Result<(), TypedDataError> {
        for definition in &self.definitions {
            let Some((before, _)) = definition.name.split_once(':') else {
                continue;
            };
            let holds_struct = definition
                .members
                .iter()
                .any(|member| member.kind.structure().is_some());
            let why = if definition.name != primary {
                "it is not the primary type"
            } else if holds_struct {
                "one of its members is a struct"
            } else if self.get(before).is_some() {
                "another type is named like the part in front of the colon"
            } else {
                continue;
            };
            let name = definition.name.clone();
            return Err(TypedDataError::Colon { name, why });
        }
        Ok(())
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.definitions
            .binary_search_by(|definition| definition.name.as_str().cmp(name))
            .ok()
    }

    pub(super) fn definition(&self, number: usize) -> Option<&Definition> {
        self.definitions.get(number)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Definition> {
        self.definition(self.number(name)?)
    }
}

fn shape(item: impl Into<String>, must: &'static str) -> TypedDataError {
    TypedDataError::Shape {
        item: item.into(),
        must,
    }
}

/// Reads one struct. Its name is an identifier, or two of them with a colon in between
/// ([`Schema::check_colons`]).
fn definition(name: &str, members: &Json) -> Result<Definition, TypedDataError> {
    match name.split_once(':') {
        Some((before, after))
            if name.len() <= MAX_NAME
                && [before, after].into_iter().all(is_identifier)
                && !is_reserved(before) => {}
        _ => check_name(name, "types")?,
    }
    if is_reserved(name) {
        return Err(TypedDataError::ReservedName(name.to_owned()));
    }
    let path = format!("types.{name}");
    let Json::Array(members) = members else {
        return Err(shape(path, "a list of members"));
    };
    if members.is_empty() {
        return Err(TypedDataError::EmptyType(name.to_owned()));
    }
    let mut read = Vec::with_capacity(members.len());
    let mut names = BTreeSet::new();
    for (member, index) in members.iter().zip(0..) {
        let member = self::member(name, &format!("{path}[{index}]"), member)?;
        if !names.insert(member.name.clone()) {
            return Err(TypedDataError::DuplicateField(name.to_owned(), member.name));
        }
        read.push(member);
    }
    Ok(Definition {
        written: written(name, &read),
        name: name.to_owned(),
        members: read,
        // Known once every struct is read.
        number: 0,
        holds: Vec::new(),
        is_recursive: false,
    })
}

/// Reads `{"name": …, "type": …}`.
fn member(owner: &str, path: &str, member: &Json) -> Result<Member, TypedDataError> {
    let wrong = || shape(path, "an object of name and type, both of them texts");
    let Json::Object(parts) = member else {
        return Err(wrong());
    };
    let (name, kind) = match parts.as_slice() {
        [(a, Json::String(name)), (b, Json::String(kind))] if a == "name" && b == "type" => {
            (name, kind)
        }
        [(a, Json::String(kind)), (b, Json::String(name))] if a == "type" && b == "name" => {
            (name, kind)
        }
        _ => return Err(wrong()),
    };
    check_name(name, &format!("types.{owner}"))?;
    let fault = |fault| TypedDataError::TypeName {
        member: format!("{owner}.{name}"),
        kind: kind.clone(),
        fault,
    };
    Ok(Member {
        name: name.clone(),
        kind: Type::parse(kind).map_err(fault)?,
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
        for (text, fault) in [
            ("", TypeFault::Name),
            ("uint", TypeFault::Alias),
            ("int", TypeFault::Alias),
            ("byte", TypeFault::Alias),
            ("uint7", TypeFault::Size),
            ("uint264", TypeFault::Size),
            ("uint08", TypeFault::Size),
            ("uint0", TypeFault::Size),
            ("int0", TypeFault::Size),
            ("bytes0", TypeFault::Size),
            ("bytes33", TypeFault::Size),
            ("bytes01", TypeFault::Size),
            ("function", TypeFault::NotEncodable),
            ("fixed128x18", TypeFault::NotEncodable),
            ("ufixed", TypeFault::NotEncodable),
            ("mapping", TypeFault::NotEncodable),
            ("a b", TypeFault::Name),
            ("uint256 []", TypeFault::Name),
            ("uint256[0]", TypeFault::Brackets),
            ("uint256[01]", TypeFault::Brackets),
            ("uint256[-1]", TypeFault::Brackets),
            ("uint256[", TypeFault::Brackets),
            ("uint256]", TypeFault::Name),
            ("uint256[]x", TypeFault::Brackets),
            ("[]", TypeFault::Name),
            ("1a", TypeFault::Name),
            ("A$", TypeFault::Name),
            ("A.B", TypeFault::Name),
            ("A:B", TypeFault::Name),
            ("Ä", TypeFault::Name),
            ("(uint256)", TypeFault::Name),
            ("Mail[99999999999999999999]", TypeFault::Brackets),
            (&"M".repeat(MAX_NAME + 1), TypeFault::Long),
            (
                &format!("uint8{}", "[]".repeat(MAX_DIMENSIONS + 1)),
                TypeFault::Dimensions,
            ),
        ] {
            assert_eq!(Type::parse(text), Err(fault), "{text}");
        }
    }
}
