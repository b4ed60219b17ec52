//! Policies that name signed releases, a configuration and a root key.
//!
//! `openkey-attestation` reads the file; here its release manifests become measurements, and the
//! configuration becomes register 16.

use openkey_attestation::{
    Measurements, Policy, PolicyDraft, PolicyFile, PolicyFileError, ReleaseKeysText,
};
use openkey_protocol::message::Hash32;

use crate::{
    configuration::{self, CONFIGURATION_PCR},
    release::{Release, ReleaseKeys, ReleaseKeysError},
};

/// The release keys of a policy file.
///
/// # Errors
///
/// [`ReleaseKeysError`].
pub fn release_keys(text: &ReleaseKeysText) -> Result<ReleaseKeys, ReleaseKeysError> {
    let keys: Result<Vec<_>, _> = text.keys.iter().map(|key| key.parse()).collect();
    let keys =
        keys.map_err(|_| ReleaseKeysError::Malformed("a key is 64 hexadecimal digits".into()))?;
    ReleaseKeys::new(text.threshold, keys)
}

/// Finishes a policy file with its releases, checked with its release keys: an enclave must match
/// one of the file's sets or one of the releases whole.
///
/// Where only releases are named, no lower epoch than the lowest of theirs is accepted.
///
/// # Errors
///
/// [`PolicyError`].
pub fn complete(draft: PolicyDraft, releases: &[Release]) -> Result<PolicyFile, PolicyError> {
    if draft.releases.len() != releases.len() {
        return Err(PolicyFileError::Releases.into());
    }
    let configuration = draft.configuration.map(Hash32);
    let only_releases = draft.measurements.is_empty();
    let sets = draft.measurements.clone().into_iter();
    let sets = sets
        .chain(releases.iter().map(Release::measurements))
        .map(|set| match configuration {
            Some(configuration) => pin(set, configuration),
            None => Ok(set),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let PolicyFile { mut policy, roots } = draft.finish(sets)?;
    let lowest = releases
        .iter()
        .map(|release| release.manifest().epoch)
        .min();
    if let Some(lowest) = lowest.filter(|_| only_releases) {
        policy = at_least(policy, lowest);
    }
    Ok(PolicyFile { policy, roots })
}

/// The same policy, refusing lower epochs, too.
#[must_use]
pub fn at_least(policy: Policy, epoch: u32) -> Policy {
    let epoch = policy
        .lowest_epoch()
        .map_or(epoch, |known| known.max(epoch));
    policy.min_epoch(epoch)
}

/// The same policy with every measurement set held to one configuration.
///
/// # Errors
///
/// [`PolicyError::ConfigurationMismatch`] if a set names another one.
pub fn with_configuration(policy: Policy, configuration: Hash32) -> Result<Policy, PolicyError> {
    policy.try_map_measurements(|set| pin(set, configuration))
}

/// Refuses a policy that names an image and lets it run with any configuration: whose operators,
/// release keys and pages these are stands in the configuration, so that a host could boot the
/// genuine image with its own.
///
/// # Errors
///
/// [`PolicyError::ConfigurationMissing`].
pub fn require_configuration(policy: &Policy) -> Result<(), PolicyError> {
    let pinned = |set: &Measurements| set.get(CONFIGURATION_PCR).is_some();
    match policy.measurements() {
        Some(sets) if !sets.iter().all(pinned) => Err(PolicyError::ConfigurationMissing),
        _ => Ok(()),
    }
}

/// Registers that say which program runs: image, kernel, application, and who signed the image.
const CODE_PCRS: [u8; 4] = [0, 1, 2, 8];

/// Refuses a policy that takes a role (PCR3), an instance (PCR4) or a configuration for an identity
/// of code: the host chooses the first two, and any program can measure the third.
///
/// # Errors
///
/// [`PolicyError::CodeMissing`].
pub fn require_code(policy: &Policy) -> Result<(), PolicyError> {
    let named = |set: &Measurements| CODE_PCRS.iter().any(|index| set.get(*index).is_some());
    match policy.measurements() {
        Some(sets) if !sets.iter().all(named) => Err(PolicyError::CodeMissing),
        _ => Ok(()),
    }
}

fn pin(set: Measurements, configuration: Hash32) -> Result<Measurements, PolicyError> {
    match set.get(CONFIGURATION_PCR) {
        Some(known) if *known == configuration::pcr(configuration) => Ok(set),
        Some(_) => Err(PolicyError::ConfigurationMismatch),
        None => Ok(configuration::with(&set, configuration)),
    }
}

/// Why a policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Its file.
    #[error(transparent)]
    File(#[from] PolicyFileError),
    /// It names an image without its configuration.
    #[error(
        "the policy names an image and no configuration (register 16): whoever runs the host \
         could run it with their own operators and release keys; say which with \
         --configuration, or --any-configuration"
    )]
    ConfigurationMissing,
    /// It names no program.
    #[error(
        "the policy names no program: a role (PCR3), an instance (PCR4) or a configuration (PCR16) \
         says nothing about the code; name at least PCR0"
    )]
    CodeMissing,
    /// It names two configurations for one image.
    #[error("the policy or release names another configuration than the one given")]
    ConfigurationMismatch,
}

impl PolicyError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::File(error) => error.rule(),
            Self::ConfigurationMissing => "configuration_missing",
            Self::CodeMissing => "code_missing",
            Self::ConfigurationMismatch => "configuration_mismatch",
        }
    }
}
