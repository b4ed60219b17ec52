//! Why typed data is refused: the rule, and which item breaks it.

use super::{
    bounds::MAX_FIELDS,
    encode::MAX_ENCODED,
    json::{MAX_DEPTH, MAX_NODES},
    types::{MAX_DIMENSIONS, MAX_NAME},
};

/// Why a document is not typed data that everybody reads the same way. Texts in a variant are paths
/// (`message.to[0]`) or names as the document has them; whoever shows them spells out what does not
/// show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TypedDataError {
    #[error("it is not JSON (line {line}, column {column})")]
    Json { line: usize, column: usize },
    #[error("it is nested deeper than {MAX_DEPTH} levels, at {}", short(.0))]
    TooDeep(String),
    #[error("it has more than {MAX_NODES} values")]
    TooMany,
    #[error("its message has more than {MAX_FIELDS} fields, which nobody compares")]
    TooManyFields,
    #[error(
        "the names of its fields, with the names around them, are much longer than the document; \
         use shorter names or fewer levels"
    )]
    LongFields,
    #[error("the member {} is there twice", short(.0))]
    DuplicateMember(String),
    #[error("{}: this JSON number {fault}", short(.place))]
    Number { place: String, fault: NumberFault },
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error(
        "{} is not one of the members types, primaryType, domain and message",
        short(.0)
    )]
    UnknownMember(String),
    #[error("{} has to be {must}", short(.item))]
    Shape { item: String, must: &'static str },
    #[error(
        "the name {} in {within} is not a letter or underscore followed by letters, digits and \
         underscores",
        short(.name)
    )]
    Identifier { name: String, within: String },
    #[error("the name {} in {within} is longer than {MAX_NAME} characters", short(.name))]
    LongName { name: String, within: String },
    #[error("the type {name} has a colon in its name, and libraries disagree about it: {why}")]
    Colon { name: String, why: &'static str },
    #[error("the type {0} has the name of a basic type")]
    ReservedName(String),
    #[error("the type {0} has the member {1} twice")]
    DuplicateField(String, String),
    #[error("the type {0} has no members")]
    EmptyType(String),
    #[error("the member {member} has the type {}, and {fault}", short(.kind))]
    TypeName {
        member: String,
        kind: String,
        fault: TypeFault,
    },
    #[error("the member {member} has the type {kind}, which types does not define")]
    UnknownType { member: String, kind: String },
    #[error("the member {0} has the type EIP712Domain, which only the domain may have")]
    DomainAsMember(String),
    #[error("primaryType is {}, which types does not define", short(.0))]
    PrimaryType(String),
    #[error("primaryType is EIP712Domain: the domain alone says nothing that could be shown")]
    PrimaryDomain,
    #[error("types has no EIP712Domain; write down the members of the domain there")]
    NoDomainType,
    #[error(
        "EIP712Domain.{0}: the domain's type has the members string name, string version, uint256 \
         chainId, address verifyingContract and bytes32 salt, or some of them, in this order"
    )]
    DomainType(String),
    #[error("{}: the value is missing", short(.0))]
    MissingValue(String),
    #[error("{}: the type has no such member", short(.0))]
    UnknownValue(String),
    #[error("{}: the value has to be {must}", short(.place))]
    WrongValue { place: String, must: String },
    #[error("{}: the number does not fit {kind}", short(.place))]
    OutOfRange { place: String, kind: String },
    #[error("{}: the list has {found} items, its type {expected}", short(.place))]
    ListLength {
        place: String,
        found: usize,
        expected: usize,
    },
    #[error(
        "{}: the capitals of the address are no checksum (EIP-55); a digit may be wrong",
        short(.0)
    )]
    AddressChecksum(String),
    #[error("{}: null is a value only where a type holds itself", short(.0))]
    Null(String),
    #[error(
        "the types hold each other so often that their encodings (encodeType of EIP-712) are longer \
         than {MAX_ENCODED} bytes together; use fewer types"
    )]
    Encoding,
}

/// What is wrong with a JSON number. As texts, in quotation marks, all whole numbers can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NumberFault {
    #[error(
        "is written with a decimal point or an exponent; write a whole number, with digits alone"
    )]
    Notation,
    #[error("is minus zero; write 0")]
    MinusZero,
    #[error(
        "does not fit 64 bits, or is written with an exponent; write its digits as a text, in \
         quotation marks"
    )]
    Large,
    #[error(
        "is one that JavaScript rounds, since no double holds it exactly; write it as a text, in \
         quotation marks"
    )]
    Rounded,
}

/// What is wrong with how a type is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TypeFault {
    #[error("an alias; write the size: uint256, int256, bytes1")]
    Alias,
    #[error("there is no basic type of that size")]
    Size,
    #[error("there is no such basic type in EIP-712")]
    NotEncodable,
    #[error("the brackets of a list hold nothing, or a number from 1 without leading zeros")]
    Brackets,
    #[error("it has more than {MAX_DIMENSIONS} dimensions")]
    Dimensions,
    #[error("the name is longer than {MAX_NAME} characters")]
    Long,
    #[error("the name is not a letter or underscore followed by letters, digits and underscores")]
    Name,
}

/// A name or path of a document, short enough for a sentence.
fn short(text: &str) -> String {
    /// Longest that is shown whole, in characters.
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        None if text.is_empty() => "“”".to_owned(),
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

impl TypedDataError {
    /// The rule's stable name.
    pub(crate) const fn rule(&self) -> &'static str {
        match self {
            Self::Json { .. } => "json",
            Self::TooDeep(_) => "too_deep",
            Self::TooMany => "too_many",
            Self::TooManyFields => "too_many_fields",
            Self::LongFields => "long_fields",
            Self::DuplicateMember(_) => "duplicate_member",
            Self::Number { .. } => "number",
            Self::Missing(_) => "missing",
            Self::UnknownMember(_) => "unknown_member",
            Self::Shape { .. } => "shape",
            Self::Identifier { .. } | Self::LongName { .. } => "identifier",
            Self::Colon { .. } => "colon",
            Self::ReservedName(_) => "reserved_name",
            Self::DuplicateField(..) => "duplicate_field",
            Self::EmptyType(_) => "empty_type",
            Self::TypeName { .. } => "type_name",
            Self::UnknownType { .. } | Self::DomainAsMember(_) => "unknown_type",
            Self::PrimaryType(_) | Self::PrimaryDomain => "primary_type",
            Self::NoDomainType | Self::DomainType(_) => "domain_type",
            Self::MissingValue(_) => "missing_value",
            Self::UnknownValue(_) => "unknown_value",
            Self::WrongValue { .. } => "wrong_value",
            Self::OutOfRange { .. } => "out_of_range",
            Self::ListLength { .. } => "list_length",
            Self::AddressChecksum(_) => "address_checksum",
            Self::Null(_) => "null",
            Self::Encoding => "encoding",
        }
    }
}
