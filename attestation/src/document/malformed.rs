//! Rules about the shape of documents, and their names.

use core::fmt;

use crate::limits;

/// A field of a document's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `module_id`
    ModuleId,
    /// `digest`
    Digest,
    /// `timestamp`
    Timestamp,
    /// `pcrs`
    Pcrs,
    /// `certificate`
    Certificate,
    /// `cabundle`
    CaBundle,
    /// `public_key`
    PublicKey,
    /// `user_data`
    UserData,
    /// `nonce`
    Nonce,
}

impl Field {
    /// All nine, in the order in which hardware writes them.
    pub(crate) const ALL: [Self; 9] = [
        Self::ModuleId,
        Self::Digest,
        Self::Timestamp,
        Self::Pcrs,
        Self::Certificate,
        Self::CaBundle,
        Self::PublicKey,
        Self::UserData,
        Self::Nonce,
    ];

    /// The key in the payload.
    pub const fn key(self) -> &'static str {
        match self {
            Self::ModuleId => "module_id",
            Self::Digest => "digest",
            Self::Timestamp => "timestamp",
            Self::Pcrs => "pcrs",
            Self::Certificate => "certificate",
            Self::CaBundle => "cabundle",
            Self::PublicKey => "public_key",
            Self::UserData => "user_data",
            Self::Nonce => "nonce",
        }
    }

    pub(crate) fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.key() == key)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// The beginning of a payload key that is not one of [`Field`]'s, for people.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyName {
    bytes: [u8; Self::MAX],
    length: u8,
    whole: bool,
}

impl KeyName {
    /// Bytes of the key that are kept: longer ones than any of AWS's.
    const MAX: usize = 32;

    pub(crate) fn new(key: &str) -> Self {
        let mut bytes = [0; Self::MAX];
        let mut length = 0;
        for (place, byte) in bytes.iter_mut().zip(key.bytes()) {
            *place = byte;
            length += 1;
        }
        Self {
            bytes,
            length,
            whole: key.len() <= Self::MAX,
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.bytes.get(..usize::from(self.length));
        // A character that was cut is left out.
        let text = match core::str::from_utf8(kept.unwrap_or_default()) {
            Ok(text) => text,
            Err(cut) => kept
                .and_then(|kept| kept.get(..cut.valid_up_to()))
                .and_then(|kept| core::str::from_utf8(kept).ok())
                .unwrap_or_default(),
        };
        write!(f, "{text:?}{}", if self.whole { "" } else { "…" })
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why bytes are not an enclave's attestation document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Longer than any document.
    #[error("longer than {} bytes", limits::MAX_DOCUMENT)]
    TooLong,
    /// The bytes end inside the document; no bytes at all, too.
    #[error("the document is cut short")]
    Truncated,
    /// Bytes follow the document.
    #[error("bytes follow the document")]
    TrailingBytes,
    /// Bytes follow the map inside the payload.
    #[error("bytes follow the map in the payload")]
    TrailingPayload,
    /// Not an array of four, with or without tag 18.
    #[error("not a COSE_Sign1 message")]
    NotCoseSign1,
    /// The protected header is not the four bytes of {1: -35}, the algorithm ES384.
    #[error("the protected header is not exactly ES384")]
    Algorithm,
    /// The unprotected header is not the empty map; no signature covers it.
    #[error("the unprotected header is not empty")]
    UnprotectedHeader,
    /// The payload is empty or longer than AWS allows.
    #[error("the payload is empty or longer than {} bytes", limits::MAX_PAYLOAD)]
    PayloadLength,
    /// The signature is not `r ‖ s` of P-384 (96 bytes), for instance DER.
    #[error("the signature is not 96 bytes")]
    SignatureLength,
    /// The payload is not a map.
    #[error("the payload is not a map")]
    NotAMap,
    /// A tag other than 18 in front, or any tag inside.
    #[error("a CBOR tag where none belongs")]
    Tag,
    /// A value has the wrong type, `undefined` included, or a required one is null.
    #[error("{0} has the wrong type")]
    Type(Field),
    /// A key of the payload is not a text.
    #[error("a key of the payload is not a text")]
    KeyType,
    /// A string in chunks, or an array or map of indefinite length other than the payload's.
    #[error("a string, array or map of indefinite length where hardware sends none")]
    Indefinite,
    /// A length or small number that takes more bytes than it needs.
    #[error("a length or number takes more bytes than it needs")]
    NotMinimal,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A key of the payload occurs twice.
    #[error("{0} occurs twice")]
    Duplicate(Field),
    /// A key that a document does not have.
    #[error(
        "the payload has the key {0}, which this version does not know: if AWS has announced it, use \
         a newer version; otherwise the document is not an enclave's"
    )]
    UnknownKey(KeyName),
    /// A required field is absent.
    #[error("{0} is missing")]
    Missing(Field),
    /// A field is empty or longer than AWS allows; for the bundle: the number of entries.
    #[error("{0} is empty or too long")]
    Length(Field),
    /// A module id of other characters than letters, digits and hyphens.
    #[error("the module id has characters that module ids do not have")]
    ModuleId,
    /// Another digest than SHA-384.
    #[error("the digest is not SHA384")]
    Digest,
    /// The time stamp is zero.
    #[error("the time stamp is zero")]
    Timestamp,
    /// A PCR above 31.
    #[error("a PCR with an index above 31")]
    PcrIndex,
    /// A PCR twice.
    #[error("PCR{0} occurs twice")]
    DuplicatePcr(u8),
    /// A PCR that is not 48 bytes.
    #[error("PCR{0} is not 48 bytes")]
    PcrLength(u8),
    /// A NitroTPM's document: the same root vouches for it, but it is an ordinary instance, not an
    /// enclave.
    #[error("the document is from a NitroTPM, not from an enclave")]
    NitroTpm,
}

impl Malformed {
    /// The broken rule's stable name.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLong => "document_too_long",
            Self::Truncated => "document_truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::TrailingPayload => "trailing_payload_bytes",
            Self::NotCoseSign1 => "not_cose_sign1",
            Self::Algorithm => "algorithm",
            Self::UnprotectedHeader => "unprotected_header",
            Self::PayloadLength => "payload_length",
            Self::SignatureLength => "signature_length",
            Self::NotAMap => "payload_not_a_map",
            Self::Tag => "unexpected_tag",
            Self::Type(_) => "field_type",
            Self::KeyType => "key_type",
            Self::Indefinite => "indefinite_length",
            Self::NotMinimal => "not_minimal",
            Self::NotUtf8 => "not_utf8",
            Self::Duplicate(_) => "duplicate_key",
            Self::UnknownKey(_) => "unknown_key",
            Self::Missing(_) => "field_missing",
            Self::Length(_) => "field_length",
            Self::ModuleId => "module_id",
            Self::Digest => "digest",
            Self::Timestamp => "timestamp",
            Self::PcrIndex => "pcr_index",
            Self::DuplicatePcr(_) => "duplicate_pcr",
            Self::PcrLength(_) => "pcr_length",
            Self::NitroTpm => "nitrotpm_document",
        }
    }
}
