//! Why an anchor, a list of releases or a client's memory does not count.

use openkey_attestation::{PolicyFileError, RootsError};
use openkey_protocol::message::Hash32;

use super::{ANCHOR_VERSION, MAX_ANCHOR, MAX_ANCHORS, MAX_KNOWN, MAX_PUBLISHED, MAX_RELEASES};
use crate::{
    evidence::EvidenceError,
    policy::PolicyError,
    release::{ReleaseError, ReleaseKeysError},
};

/// Why an enclave is not accepted under an anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// Longer than [`MAX_ANCHOR`].
    #[error("the anchor is longer than {MAX_ANCHOR} bytes")]
    TooLong,
    /// Not JSON of that shape, or with unknown, missing or repeated members.
    #[error("invalid anchor: {0}")]
    Malformed(String),
    /// Another version.
    #[error("the anchor has version {0}; this program reads version {ANCHOR_VERSION}")]
    Version(u32),
    /// A member with an impossible value.
    #[error("invalid anchor: {member} must be {expected}")]
    Member {
        /// Which member.
        member: &'static str,
        /// What is allowed.
        expected: &'static str,
    },
    /// Its release keys.
    #[error("invalid anchor: {0}")]
    Keys(#[from] ReleaseKeysError),
    /// A simulator's roots.
    #[error("invalid anchor: {0}")]
    Roots(#[from] RootsError),
    /// A release is never made for a simulator.
    #[error(
        "this anchor is a simulator's: it accepts evidence that software made, and no release may \
         name it"
    )]
    Simulator,
    /// The page is on another host.
    #[error("the anchor is for {expected} and this page is at {found}")]
    Host {
        /// The anchor's relying party.
        expected: String,
        /// The page's host.
        found: String,
    },
    /// The list of releases cannot be read.
    #[error(transparent)]
    Published(#[from] PublishedError),
    /// The client's memory cannot be read.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// Nothing is served that the release keys signed.
    #[error("no release is known: the host serves no manifest that the release keys signed")]
    NoRelease,
    /// All releases under the release keys are unusable; the reason of the last one.
    #[error("no release is known: {0}")]
    Release(ReleaseError),
    /// A release without a configuration could run with anybody's operators and release keys.
    #[error("no release is known: the signed manifest names no configuration")]
    ReleaseWithoutConfiguration,
    /// The newest release under the release keys is older than what was seen before.
    #[error("the newest release has epoch {found}, the lowest that is accepted is {least}")]
    ReleaseTooOld {
        /// The release's.
        found: u32,
        /// The lowest accepted.
        least: u32,
    },
    /// The anchor is not the remembered one, and no chain of manifests leads to it.
    #[error(
        "this deployment is not the one seen before: {what} changed, and no chain of releases \
         signed under the keys known before explains it"
    )]
    Changed {
        /// What differs.
        what: &'static str,
    },
    /// The policy that the host serves cannot be used.
    #[error("the policy that the host serves cannot be used: {0}")]
    HostPolicyFile(PolicyFileError),
    /// The policy that the host serves cannot be used.
    #[error("the policy that the host serves cannot be used: {0}")]
    HostPolicyPins(PolicyError),
    /// The enclave is a release, and not what the host itself says that it runs.
    #[error("the enclave does not satisfy the policy that its own host serves: {0}")]
    HostPolicy(EvidenceError),
    /// The enclave.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The releases do not make a policy.
    #[error(transparent)]
    Policy(#[from] openkey_attestation::PolicyError),
}

impl AnchorError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLong => "anchor_too_long",
            Self::Malformed(_) => "anchor_malformed",
            Self::Version(_) => "anchor_version",
            Self::Member { .. } => "anchor_member",
            Self::Keys(_) => "anchor_keys",
            Self::Roots(_) => "anchor_roots",
            Self::Simulator => "anchor_simulator",
            Self::Host { .. } => "anchor_host",
            Self::Published(error) => error.rule(),
            Self::Known(error) => error.rule(),
            Self::NoRelease => "no_release",
            Self::Release(error) => error.rule(),
            Self::ReleaseWithoutConfiguration => "configuration_missing",
            Self::ReleaseTooOld { .. } => "epoch_too_old",
            Self::Changed { .. } => "deployment_changed",
            Self::HostPolicyFile(_) | Self::HostPolicyPins(_) => "host_policy_file",
            Self::HostPolicy(_) => "host_policy",
            Self::Evidence(error) => error.rule(),
            Self::Policy(error) => error.rule(),
        }
    }
}

/// Why a list of releases cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishedError {
    /// Longer than [`MAX_PUBLISHED`].
    #[error("the list of releases is longer than {MAX_PUBLISHED} bytes")]
    TooLong,
    /// Not JSON of that shape, or with unknown, missing or repeated members.
    #[error("invalid list of releases: {0}")]
    Malformed(String),
    /// Another version.
    #[error("the list of releases has version {0}; this program reads version 1")]
    Version(u32),
    /// More than [`MAX_RELEASES`] or [`MAX_ANCHORS`].
    #[error(
        "the list of releases names more than {MAX_RELEASES} releases or {MAX_ANCHORS} earlier \
         anchors"
    )]
    TooMany,
    /// One of its releases is no release file.
    #[error("release {index} of the list: {error}")]
    Release {
        /// Its place, from 1.
        index: usize,
        /// What is wrong.
        error: ReleaseError,
    },
    /// One of its anchors is none.
    #[error("earlier anchor {index} of the list is invalid: {reason}")]
    Anchor {
        /// Its place, from 1.
        index: usize,
        /// What is wrong.
        reason: String,
    },
    /// A release that nobody signed whom a client would believe.
    #[error(
        "manifest {0} of the list is signed neither by the anchor's release keys nor by those of an \
         earlier anchor in the list"
    )]
    Stranger(Hash32),
}

impl PublishedError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLong => "releases_too_long",
            Self::Malformed(_) => "releases_malformed",
            Self::Version(_) => "releases_version",
            Self::TooMany => "releases_too_many",
            Self::Release { .. } => "releases_release",
            Self::Anchor { .. } => "releases_anchor",
            Self::Stranger(_) => "releases_stranger",
        }
    }
}

/// Why a client's memory cannot be read. It is never taken for an empty one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "what is remembered of the deployment cannot be read ({0}); it is at most {MAX_KNOWN} bytes"
)]
pub struct KnownError(pub(super) String);

impl KnownError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        "known_malformed"
    }
}
