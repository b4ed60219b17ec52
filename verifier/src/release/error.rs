//! Why a manifest names no release.

use openkey_attestation::UnixMillis;
use openkey_protocol::message::Key32;

use super::{
    MAX_RELEASE_FILE, MAX_RELEASE_KEYS, MAX_SIGNATURES, PROGRAM, RELEASE_VERSION, rfc3339,
};

/// Why a manifest names no release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// More than [`MAX_RELEASE_FILE`].
    #[error("the release manifest is longer than {MAX_RELEASE_FILE} bytes")]
    TooLong,
    /// Not JSON of that shape, or with unknown, missing or repeated members.
    #[error("invalid release manifest: {0}")]
    Malformed(String),
    /// Another version.
    #[error("the release manifest has version {0}; this program knows version {RELEASE_VERSION}")]
    Version(u32),
    /// A member whose value cannot be.
    #[error("the release manifest's {member} is not {expected}")]
    Member {
        /// The member's name.
        member: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// More than [`MAX_SIGNATURES`].
    #[error("the release manifest carries more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// One key signed twice: counting it twice would halve the threshold.
    #[error("the release manifest carries two signatures of key {0}")]
    SignatureTwice(Key32),
    /// A release key's signature does not hold over this manifest.
    #[error("the signature of release key {0} does not verify over this manifest")]
    SignatureInvalid(Key32),
    /// Not enough release keys signed.
    #[error("{have} of the release keys signed the manifest; {need} are needed")]
    Signatures {
        /// How many did.
        have: u32,
        /// How many must.
        need: u32,
    },
    /// Another program's.
    #[error("the release manifest is of the program {0:?}; an enclave's names {PROGRAM:?}")]
    Program(String),
    /// Judged before its time.
    #[error("the release is valid from {} on", rfc3339(*.from))]
    NotYet {
        /// Its first moment.
        from: UnixMillis,
    },
    /// Judged after its time.
    #[error("the release was valid until {}", rfc3339(*.until))]
    Expired {
        /// Its last moment.
        until: UnixMillis,
    },
}

impl ReleaseError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLong => "release_file_too_long",
            Self::Malformed(_) => "release_file_malformed",
            Self::Version(_) => "release_version",
            Self::Member { .. } => "release_member",
            Self::TooManySignatures => "release_signatures_too_many",
            Self::SignatureTwice(_) => "release_signature_twice",
            Self::SignatureInvalid(_) => "release_signature",
            Self::Signatures { .. } => "release_signatures",
            Self::Program(_) => "release_program",
            Self::NotYet { .. } => "release_not_yet_valid",
            Self::Expired { .. } => "release_expired",
        }
    }
}

/// Why a set of release keys is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseKeysError {
    /// Longer than any such file.
    #[error("the file of release keys is too long")]
    TooLong,
    /// Not JSON of that shape.
    #[error("invalid file of release keys: {0}")]
    Malformed(String),
    /// No key, or too many.
    #[error("release keys are 1 to {MAX_RELEASE_KEYS}")]
    Count,
    /// None, or more than there are keys.
    #[error("the threshold of release keys must be 1 to their number")]
    Threshold,
    /// One key twice.
    #[error("release key {0} is given twice")]
    Twice(Key32),
    /// Not the encoding of a point that can verify.
    #[error("release key {0} is no usable Ed25519 key")]
    Key(Key32),
}

impl ReleaseKeysError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLong => "release_keys_too_long",
            Self::Malformed(_) => "release_keys_malformed",
            Self::Count => "release_keys_count",
            Self::Threshold => "release_keys_threshold",
            Self::Twice(_) => "release_keys_twice",
            Self::Key(_) => "release_key",
        }
    }
}
