//! What a host serves as policy beside a released page: for people who look from outside.

use openkey_attestation::{PolicyDraft, PolicyFileError, json};
use openkey_protocol::message::Hash32;
use serde::Deserialize;

use super::{Anchor, Known, Published, PublishedError, judge::matches};
use crate::{configuration, release::Release};

/// Why a policy that a host serves is more than its releases say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServedError {
    /// Not a policy file.
    #[error("the served policy cannot be used: {0}")]
    Policy(#[from] PolicyFileError),
    /// It would widen what is accepted, for a client that believed it.
    #[error(
        "the served policy has {0}: it would accept evidence that the releases do not; remove it \
         from the host's --policy"
    )]
    Widens(&'static str),
    /// Measurements that nobody released.
    #[error(
        "the served policy accepts measurements of no release that the anchor's keys signed \
         (set {0})"
    )]
    Measurements(usize),
    /// A list of releases that is none, or with releases of strangers.
    #[error(transparent)]
    Published(#[from] PublishedError),
    /// An earlier anchor from which nothing leads to the present one.
    #[error("an earlier anchor in the list ({0}) is not continued by the present one")]
    Anchor(Hash32),
}

impl ServedError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Policy(_) | Self::Widens(_) | Self::Measurements(_) => "page_served_policy",
            Self::Published(_) | Self::Anchor(_) => "page_releases",
        }
    }
}

/// Members that widen a policy; every other one is left to [`PolicyDraft`].
#[derive(Deserialize)]
struct Widening {
    roots: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    simulator: bool,
    #[serde(default)]
    allow_debug: bool,
}

/// Checks a served policy file: it names nothing but measurements of signed releases, and no roots,
/// simulator or debug mode. A page ignores these; somebody who copies the file would not.
///
/// # Errors
///
/// [`ServedError`].
pub fn check_policy(
    policy: &[u8],
    anchor: Option<&Anchor>,
    published: &Published,
) -> Result<(), ServedError> {
    let draft = PolicyDraft::parse(policy)?;
    let widening: Widening =
        json::read(policy).map_err(|error| PolicyFileError::Syntax(error.to_string()))?;
    for (is_there, member) in [
        (widening.roots.is_some(), "roots of its own"),
        (widening.simulator, "\"simulator\": true"),
        (widening.allow_debug, "\"allow_debug\": true"),
    ] {
        if is_there {
            return Err(ServedError::Widens(member));
        }
    }
    let releases = anchor.map_or_else(Vec::new, |anchor| published.under(anchor.release_keys()).0);
    for (index, set) in draft.measurements.iter().enumerate() {
        let set = match draft.configuration {
            Some(hash) => configuration::with(set, Hash32(hash)),
            None => set.clone(),
        };
        let released = |release: &Release| matches(&release.measurements(), &set);
        if !releases.iter().any(released) {
            return Err(ServedError::Measurements(index + 1));
        }
    }
    Ok(())
}

/// Checks a served list of releases: each is signed under the anchor, or under an earlier anchor that
/// the present one continues.
///
/// # Errors
///
/// [`ServedError`].
pub fn check_published(anchor: &Anchor, published: &Published) -> Result<(), ServedError> {
    let mut signed: Vec<Hash32> = Vec::new();
    let mut count = |anchor: &Anchor| {
        let (releases, _) = published.under(anchor.release_keys());
        signed.extend(releases.iter().map(Release::hash));
    };
    count(anchor);
    for earlier in published.anchors() {
        Known::of(earlier, earlier.min_epoch())
            .check(anchor, published)
            .map_err(|_| ServedError::Anchor(earlier.hash()))?;
        count(earlier);
    }
    match published.hashes().find(|hash| !signed.contains(hash)) {
        Some(stranger) => Err(PublishedError::Stranger(stranger).into()),
        None => Ok(()),
    }
}
