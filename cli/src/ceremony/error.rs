//! Why a genesis is refused.

use openkey_protocol::message::Hash32;
use openkey_verifier::{evidence::EvidenceError, statement::StatementError};

/// Why a genesis is not one to build on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// Not a genesis file.
    #[error("the genesis file is not as it should be: {0}")]
    File(String),
    /// Its evidence is refused.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Its transcript is not the attested enclave's.
    #[error("the transcript is not signed by the attested enclave: {0}")]
    Transcript(#[from] StatementError),
    /// It answers somebody else's ceremony.
    #[error("the transcript carries another nonce than was asked with")]
    Nonce,
    /// The root id is not the descriptor's hash.
    #[error("the root id is not the hash of the descriptor")]
    RootId,
    /// It is of another deployment than the one that is meant.
    #[error(
        "the genesis is of root id {genesis}, and the configuration or --root-id names {expected}: they are of two \
         deployments; give genesis and configuration of the same one"
    )]
    OtherRootId {
        /// The genesis's.
        genesis: Hash32,
        /// The one that is meant.
        expected: Hash32,
    },
    /// The descriptor or what belongs to it does not fit together.
    #[error("the descriptor is not one: {0}")]
    Descriptor(&'static str),
    /// Other operators, or another threshold, than the configuration names.
    #[error("the descriptor's operators or threshold are not those of the configuration")]
    Operators,
    /// A configuration that cannot have had this genesis.
    #[error("the configuration {0}")]
    Configuration(&'static str),
    /// A KMS key without a wrapped root key, or the reverse.
    #[error("the configuration {0} a KMS key, and the transcript {1} a wrapped root key")]
    Wrapped(&'static str, &'static str),
    /// Another release epoch than the evidence's.
    #[error("the descriptor names epoch {descriptor}, the evidence {evidence}")]
    Epoch {
        /// The descriptor's.
        descriptor: u32,
        /// The evidence's.
        evidence: u32,
    },
    /// This key is none of the operators'.
    #[error("this key is not one of the operators'")]
    NotAnOperator,
    /// The own share does not open.
    #[error("the share for this key does not open")]
    ShareSealed,
    /// The own share is not the one that the descriptor commits to.
    #[error("the share for this key is not the one that the descriptor commits to")]
    ShareCommitment,
}

impl CeremonyError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::File(_) => "genesis_file",
            Self::Evidence(error) => error.rule(),
            Self::Transcript(_) => "transcript_signature",
            Self::Nonce => "transcript_nonce",
            Self::RootId | Self::OtherRootId { .. } => "root_id",
            Self::Descriptor(_) => "descriptor",
            Self::Operators => "operators",
            Self::Configuration(_) => "configuration",
            Self::Wrapped(..) => "wrapped_root",
            Self::Epoch { .. } => "epoch",
            Self::NotAnOperator => "not_an_operator",
            Self::ShareSealed => "share_sealed",
            Self::ShareCommitment => "share_commitment",
        }
    }
}
