//! Why a document is refused.

use core::fmt;

use crate::document::Malformed;

/// Whose certificate broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The root at the head of the bundle.
    Root,
    /// The bundle's entry with this index; 0 is the root's place.
    Intermediate(usize),
    /// The document's own `certificate`.
    Leaf,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the root certificate"),
            Self::Intermediate(index) => write!(f, "certificate {index} of the bundle"),
            Self::Leaf => f.write_str("the leaf certificate"),
        }
    }
}

/// Why a document's certificates do not lead from a pinned root to the key that signed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The bundle's first entry is not, byte for byte, a root that the verifier pins. A genuine
    /// document under another partition's or simulator's root, or a forgery.
    #[error("the bundle does not begin with a pinned root certificate")]
    UnknownRoot,
    /// Not a certificate: broken DER, an extension twice, not version 3.
    #[error("{0} is not a well-formed certificate")]
    Malformed(Party),
    /// The issuer's name is not the name of the certificate before it: entries are missing, extra
    /// or out of order.
    #[error("{0} does not follow from the certificate before it")]
    Order(Party),
    /// Judged before its first valid second: a clock that is slow, or a document from the future.
    #[error("{0} is not valid yet")]
    NotYetValid(Party),
    /// Judged after its last valid second: a clock that is fast, or an old document.
    #[error("{0} has expired")]
    Expired(Party),
    /// An issuer that is not a certification authority.
    #[error("{0} issued a certificate without being an authority")]
    NotAnAuthority(Party),
    /// An issuer without keyCertSign, or a leaf without digitalSignature or with keyCertSign.
    #[error("the key usage of {0} does not allow its place in the chain")]
    KeyUsage(Party),
    /// More authorities below it than its path length allows.
    #[error("{0} allows fewer authorities below it than there are")]
    PathLength(Party),
    /// The leaf is an authority or states a path length.
    #[error("the leaf certificate is that of an authority")]
    LeafIsAuthority,
    /// The leaf's key is not a point on P-384 in uncompressed form.
    #[error("the leaf key is not a P-384 key")]
    LeafKey,
    /// A certificate's signature does not verify under its issuer's key, or is not ES384.
    #[error("a certificate's signature does not verify")]
    Signature,
    /// The chain library refused what our own checks let through.
    #[error("the certificates are no valid path from the root to the leaf")]
    Path,
    /// The path that verifies is not the bundle as it stands.
    #[error("the bundle holds a certificate that the path does not use")]
    Unused,
}

impl ChainError {
    /// The broken rule's stable name.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::UnknownRoot => "unknown_root",
            Self::Malformed(_) => "certificate_malformed",
            Self::Order(_) => "bundle_order",
            Self::NotYetValid(_) => "certificate_not_yet_valid",
            Self::Expired(_) => "certificate_expired",
            Self::NotAnAuthority(_) => "certificate_not_an_authority",
            Self::KeyUsage(_) => "certificate_key_usage",
            Self::PathLength(_) => "certificate_path_length",
            Self::LeafIsAuthority => "leaf_is_an_authority",
            Self::LeafKey => "leaf_key",
            Self::Signature => "certificate_signature",
            Self::Path => "certificate_path",
            Self::Unused => "bundle_entry_unused",
        }
    }
}

/// Why a document is refused: the first broken rule, in the order the crate's page gives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are not an enclave's attestation document.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A simulator made the document, and the policy is for hardware.
    #[error("the document is from a simulator, which proves nothing about hardware")]
    Simulator,
    /// The policy is for a simulator, and the document does not claim to be from one.
    #[error("the policy is for a simulator and the document is not from one")]
    NotSimulator,
    /// Signed later than the verifier's clock and the allowed skew say it is now.
    #[error(
        "the document was signed {} after the time it is judged at; the limit is {}: correct \
         this machine's clock if it is slow",
        beyond(*ahead_ms, *max_skew_ms),
        human(*max_skew_ms)
    )]
    InTheFuture {
        /// How far ahead of the verifier's clock.
        ahead_ms: u64,
        /// How far the policy allows.
        max_skew_ms: u64,
    },
    /// Signed longer ago than the policy accepts.
    #[error(
        "the document was signed {} before the time it is judged at; the limit is {}: ask \
         for a new document, or correct this machine's clock if it is fast",
        beyond(*age_ms, *max_age_ms),
        human(*max_age_ms)
    )]
    TooOld {
        /// How long ago.
        age_ms: u64,
        /// How long ago the policy accepts.
        max_age_ms: u64,
    },
    /// The document carries no nonce, so it may have been made for anyone.
    #[error("the document carries no nonce")]
    NonceMissing,
    /// The document carries an empty nonce, so it may have been made for anyone.
    #[error("the document's nonce is empty")]
    NonceEmpty,
    /// The document was made for somebody else's nonce: a replay.
    #[error("the document's nonce is not the one that was asked for: it is a replay")]
    NonceMismatch,
    /// The document answers somebody's question; a channel's evidence is made without one.
    #[error("the document carries a nonce, so it was not made for a channel")]
    NoncePresent,
    /// The certificates do not lead from a pinned root to the key that signed the document.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The document's signature does not verify under the leaf key: tampered or re-encoded.
    #[error("the document's signature does not verify")]
    Signature,
    /// The leaf certificate was issued to another module than the document names.
    #[error("the leaf certificate names another module than the document")]
    LeafName,
    /// PCR0, 1 and 2 are zero: the host reads the enclave's console, and what runs is not measured.
    #[error("the enclave runs in debug mode")]
    DebugMode,
    /// No accepted measurement set matches whole.
    #[error(
        "{} from the nearest of {sets} accepted measurement sets: other code, or another \
         configuration, runs there",
        mismatch(.differ)
    )]
    Measurements {
        /// How many sets the policy accepts.
        sets: usize,
        /// The PCRs that differ from the set that comes nearest.
        differ: Vec<u8>,
    },
    /// The policy binds `public_key` and the document has none.
    #[error("the document carries no public key")]
    PublicKeyMissing,
    /// The policy binds `public_key` to other bytes.
    #[error("the document's public_key does not match")]
    PublicKeyMismatch,
    /// The policy binds `user_data` and the document has none.
    #[error("the document carries no user data")]
    UserDataMissing,
    /// The policy binds `user_data` to other bytes.
    #[error("the document's user_data does not match")]
    UserDataMismatch,
}

/// A time for people: its two largest units.
fn human(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1_000, "second"),
        (1, "ms"),
    ];
    let mut left = ms;
    let mut parts = Vec::new();
    for (length, unit) in UNITS {
        let count = left / length;
        left %= length;
        // The two units stand side by side: 1 day 5 hours, but not 1 day 5 seconds.
        if parts.len() == 2 || (count == 0 && !parts.is_empty()) {
            break;
        }
        match (count, unit) {
            (0, _) => {}
            (1, _) | (_, "ms") => parts.push(format!("{count} {unit}")),
            _ => parts.push(format!("{count} {unit}s")),
        }
    }
    if parts.is_empty() {
        return "0 seconds".to_owned();
    }
    parts.join(" ")
}

/// A time above `bound`, in words that differ from the bound's.
fn beyond(ms: u64, bound: u64) -> String {
    let words = human(ms);
    if words == human(bound) {
        format!("a little more than {words}")
    } else {
        words
    }
}

fn mismatch(differ: &[u8]) -> String {
    let list: Vec<String> = differ.iter().map(|pcr| format!("PCR{pcr}")).collect();
    let verb = if list.len() == 1 { "differs" } else { "differ" };
    format!("{} {verb}", list.join(", "))
}

impl Refusal {
    /// The broken rule's stable name, for programs.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.rule(),
            Self::Simulator => "simulator_document",
            Self::NotSimulator => "not_a_simulator_document",
            Self::InTheFuture { .. } => "timestamp_in_the_future",
            Self::TooOld { .. } => "too_old",
            Self::NonceMissing => "nonce_missing",
            Self::NonceEmpty => "nonce_empty",
            Self::NonceMismatch => "nonce_mismatch",
            Self::NoncePresent => "nonce_present",
            Self::Chain(chain) => chain.rule(),
            Self::Signature => "document_signature",
            Self::LeafName => "leaf_name",
            Self::DebugMode => "debug_mode",
            Self::Measurements { .. } => "measurement_mismatch",
            Self::PublicKeyMissing => "public_key_missing",
            Self::PublicKeyMismatch => "public_key_mismatch",
            Self::UserDataMissing => "user_data_missing",
            Self::UserDataMismatch => "user_data_mismatch",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_units_that_people_use() {
        for (ms, words) in [
            (0, "0 seconds"),
            (1, "1 ms"),
            (999, "999 ms"),
            (1_000, "1 second"),
            (61_001, "1 minute 1 second"),
            (300_000, "5 minutes"),
            (3_600_000, "1 hour"),
            (3_605_000, "1 hour"),
            (90_061_001, "1 day 1 hour"),
            (2 * 86_400_000, "2 days"),
        ] {
            assert_eq!(human(ms), words);
        }
        let old = Refusal::TooOld {
            age_ms: 300_001,
            max_age_ms: 300_000,
        };
        let words = old.to_string();
        assert!(
            words.contains("a little more than 5 minutes before"),
            "{words}"
        );
        assert!(words.contains("clock if it is fast"), "{words}");
        let early = Refusal::InTheFuture {
            ahead_ms: 7_200_000,
            max_skew_ms: 60_000,
        };
        let words = early.to_string();
        assert!(words.contains("2 hours after"), "{words}");
        assert!(words.contains("the limit is 1 minute"), "{words}");
    }
}
