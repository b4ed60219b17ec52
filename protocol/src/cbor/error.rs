//! What the codec refuses, by name.

/// A value could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value's own serialisation failed.
    #[error("the value cannot be serialised: {0}")]
    Serialize(String),
    /// The value holds what the profile does not have.
    #[error("the value cannot be written as deterministic CBOR: {0}")]
    Profile(Rule),
}

/// Bytes are not the deterministic CBOR of the expected value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes break a rule of the profile or a limit.
    #[error("the sender's CBOR breaks a rule at byte {at}: {rule}")]
    Malformed {
        /// Which rule.
        rule: Rule,
        /// Where the offending item begins.
        at: usize,
    },
    /// Well-formed, but not such a value.
    #[error("the sender's CBOR has another shape: {0}")]
    Shape(String),
    /// Readable as such a value, whose encoding is another one.
    #[error("the sender's CBOR is not the one encoding of the value it stands for")]
    OtherEncoding,
}

impl DecodeError {
    /// Texts of the generic decoder repeat field names of the sender's; this much of them is kept.
    const SHAPE_CHARS: usize = 160;

    pub(super) fn shape(error: &dyn core::fmt::Display) -> Self {
        Self::Shape(error.to_string().chars().take(Self::SHAPE_CHARS).collect())
    }

    /// The broken rule's stable name in snake case (`shape` and `other_encoding` besides those of
    /// [`Rule::name`]).
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed { rule, .. } => rule.name(),
            Self::Shape(_) => "shape",
            Self::OtherEncoding => "other_encoding",
        }
    }
}

/// One rule of the profile (RFC 8949 §4.2.1 and ours), or one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// Every item ends inside the input.
    #[error("an item goes on beyond the end")]
    Truncated,
    /// Nothing follows the one item.
    #[error("bytes follow the item")]
    TrailingBytes,
    /// Additional information 28 to 30 has no meaning (RFC 8949 §3).
    #[error("the item's head is reserved")]
    ReservedHead,
    /// Lengths are given up front (§4.2.1); this also covers a lone "break".
    #[error("the length is indefinite")]
    IndefiniteLength,
    /// Numbers and lengths use the shortest head (§4.2.1).
    #[error("the number or length has a shorter form")]
    NotShortest,
    /// Texts are UTF-8 (§3.1).
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// Map keys ascend bytewise (§4.2.1).
    #[error("the map's keys are not in order")]
    KeyOrder,
    /// Map keys differ.
    #[error("the map has a key twice")]
    DuplicateKey,
    /// Map keys are no arrays and no maps.
    #[error("an array or map is the key of a map")]
    CompositeKey,
    /// No tags.
    #[error("tags are not part of the protocol")]
    Tag,
    /// No floating-point numbers.
    #[error("floating-point numbers are not part of the protocol")]
    Float,
    /// No simple values but `false`, `true` and `null`.
    #[error("the simple value is not part of the protocol")]
    SimpleValue,
    /// [`super::Limits::depth`].
    #[error("arrays and maps are nested too deep")]
    TooDeep,
    /// [`super::Limits::items`].
    #[error("there are too many items")]
    TooManyItems,
    /// [`super::Limits::bytes`].
    #[error("there are too many bytes")]
    TooLong,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 15] = [
        Self::Truncated,
        Self::TrailingBytes,
        Self::ReservedHead,
        Self::IndefiniteLength,
        Self::NotShortest,
        Self::NotUtf8,
        Self::KeyOrder,
        Self::DuplicateKey,
        Self::CompositeKey,
        Self::Tag,
        Self::Float,
        Self::SimpleValue,
        Self::TooDeep,
        Self::TooManyItems,
        Self::TooLong,
    ];

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::ReservedHead => "reserved_head",
            Self::IndefiniteLength => "indefinite_length",
            Self::NotShortest => "not_shortest",
            Self::NotUtf8 => "not_utf8",
            Self::KeyOrder => "key_order",
            Self::DuplicateKey => "duplicate_key",
            Self::CompositeKey => "composite_key",
            Self::Tag => "tag",
            Self::Float => "float",
            Self::SimpleValue => "simple_value",
            Self::TooDeep => "too_deep",
            Self::TooManyItems => "too_many_items",
            Self::TooLong => "too_long",
        }
    }
}
