//! Why typed data is refused.

use super::{json::MAX_DEPTH, json::MAX_NODES};

/// Why a document is not typed data that everybody reads the same way. Names in a variant are
/// identifiers or paths made of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TypedDataError {
    #[error("it is not JSON (line {line}, column {column})")]
    Json { line: usize, column: usize },
    #[error("it is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("it has more than {MAX_NODES} values")]
    TooMany,
    #[error("an object has a member twice")]
    DuplicateMember,
    #[error("a number is not whole, or too big for a JSON number; write it as a text")]
    Number,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("it has a member beside types, primaryType, domain and message")]
    UnknownMember,
    #[error("{0} is not what it has to be")]
    Shape(&'static str),
    #[error("a name is not a letter or underscore followed by letters, digits and underscores")]
    Identifier,
    #[error("the type {0} has the name of a basic type")]
    ReservedName(String),
    #[error("the type {0} has a member twice")]
    DuplicateField(String),
    #[error("the type {0} has no members")]
    EmptyType(String),
    #[error("the member {0} has a type that is not written in its exact form")]
    TypeName(String),
    #[error("the member {0} has a type that is not defined")]
    UnknownType(String),
    #[error("the primary type is not defined")]
    PrimaryType,
    #[error(
        "the domain's type is not made of name, version, chainId, verifyingContract and salt, in this order and with their types"
    )]
    DomainType,
    #[error("{0}: the value is missing")]
    MissingValue(String),
    #[error("{0}: there is a value that the type does not have")]
    UnknownValue(String),
    #[error("{0}: the value is not of its type")]
    WrongValue(String),
    #[error("{0}: the number does not fit its type")]
    OutOfRange(String),
    #[error("{0}: the list has another length than its type")]
    ListLength(String),
    #[error("{0}: the address has wrong capitals")]
    AddressChecksum(String),
    #[error("{0}: nothing (null) is a value only where a type holds itself")]
    Null(String),
}

impl TypedDataError {
    /// The rule's stable name.
    pub(crate) const fn rule(&self) -> &'static str {
        match self {
            Self::Json { .. } => "json",
            Self::TooDeep => "too_deep",
            Self::TooMany => "too_many",
            Self::DuplicateMember => "duplicate_member",
            Self::Number => "number",
            Self::Missing(_) => "missing",
            Self::UnknownMember => "unknown_member",
            Self::Shape(_) => "shape",
            Self::Identifier => "identifier",
            Self::ReservedName(_) => "reserved_name",
            Self::DuplicateField(_) => "duplicate_field",
            Self::EmptyType(_) => "empty_type",
            Self::TypeName(_) => "type_name",
            Self::UnknownType(_) => "unknown_type",
            Self::PrimaryType => "primary_type",
            Self::DomainType => "domain_type",
            Self::MissingValue(_) => "missing_value",
            Self::UnknownValue(_) => "unknown_value",
            Self::WrongValue(_) => "wrong_value",
            Self::OutOfRange(_) => "out_of_range",
            Self::ListLength(_) => "list_length",
            Self::AddressChecksum(_) => "address_checksum",
            Self::Null(_) => "null",
        }
    }
}
