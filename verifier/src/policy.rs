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
fn with_configuration(policy: Policy, configuration: Hash32) -> Result<Policy, PolicyError> {
    policy.try_map_measurements(|set| pin(set, configuration))
}

/// What is said beside a policy file: by flags, or by the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The configuration that every set is held to.
    pub configuration: Option<Hash32>,
    /// Accept images with any configuration: the caller looks at what the document says of it.
    pub any_configuration: bool,
    /// The root id that the enclave must have.
    pub root_id: Option<Hash32>,
    /// The lowest epoch.
    pub min_epoch: Option<u32>,
    /// Something secret is given to whoever passes, or a root key is believed in. A policy for looking may
    /// be lax; under this one every document that passes must be of a program that was named, in a
    /// configuration that was named, that the host cannot look into.
    pub entrusts: bool,
}

/// Holds a policy to what is said beside it, and to what every policy must say: which code, with
/// which configuration. The one way to a policy for every command and for the page, so that none
/// accepts what another refuses.
///
/// # Errors
///
/// [`PolicyError`], except [`PolicyError::File`].
pub fn judge_by(mut policy: Policy, terms: &Terms) -> Result<Policy, PolicyError> {
    if let Some(configuration) = terms.configuration {
        policy = with_configuration(policy, configuration)?;
    }
    if let Some(root_id) = terms.root_id {
        if policy
            .pinned_root_id()
            .is_some_and(|known| *known != root_id.0)
        {
            return Err(PolicyError::RootIdMismatch);
        }
        policy = policy.pin_root_id(root_id.0);
    }
    if let Some(epoch) = terms.min_epoch {
        policy = at_least(policy, epoch);
    }
    if terms.entrusts {
        require_program(&policy)?;
    }
    // After the epoch: a signer counts only beside one.
    require_code(&policy)?;
    if terms.entrusts || !terms.any_configuration {
        require_configuration(&policy)?;
    }
    Ok(policy)
}

/// Refuses a policy that names an image and lets it run with any configuration: whose operators,
/// release keys and pages these are stands in the configuration, so that a host could boot the
/// genuine image with its own.
fn require_configuration(policy: &Policy) -> Result<(), PolicyError> {
    let pinned = |set: &Measurements| is_measured(set, CONFIGURATION_PCR);
    match policy.measurements() {
        Some(sets) if !sets.iter().all(pinned) => Err(PolicyError::ConfigurationMissing),
        _ => Ok(()),
    }
}

/// The whole image.
const IMAGE_PCR: u8 = 0;
/// Kernel with boot ramdisk, and application: the image in two parts. A stock kernel alone runs
/// anything.
const PARTS_PCRS: [u8; 2] = [1, 2];
/// The certificate that signed the image: all images of that signer, the withdrawn ones too.
const SIGNER_PCR: u8 = 8;

/// Refuses a policy of which one set names no code: a role (PCR3), an instance (PCR4) or a
/// configuration (PCR16) says nothing about it, nor does a register that nothing was measured into.
fn require_code(policy: &Policy) -> Result<(), PolicyError> {
    // Releases count from 1, so that 0 excludes none.
    let bounded = policy.lowest_epoch().is_some_and(|epoch| epoch > 0);
    for set in policy.measurements().unwrap_or_default() {
        let signer = is_measured(set, SIGNER_PCR);
        if !(names_code(set) || (signer && bounded)) {
            return Err(if signer {
                PolicyError::SignerAlone
            } else {
                PolicyError::CodeMissing
            });
        }
    }
    Ok(())
}

/// Refuses a policy under which a program passes that is not named itself (a signer may sign others), or
/// whose memory the host can read.
fn require_program(policy: &Policy) -> Result<(), PolicyError> {
    if policy.accepts_debug() {
        return Err(PolicyError::DebugAllowed);
    }
    let sets = policy.measurements().unwrap_or_default();
    if sets.is_empty() || !sets.iter().all(names_code) {
        return Err(PolicyError::ProgramMissing);
    }
    Ok(())
}

fn names_code(set: &Measurements) -> bool {
    is_measured(set, IMAGE_PCR) || PARTS_PCRS.iter().all(|index| is_measured(set, *index))
}

fn is_measured(set: &Measurements, index: u8) -> bool {
    set.get(index).is_some_and(|pcr| !pcr.is_zero())
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
        "the policy names an image and no configuration (PCR16, not zeros): whoever runs the host \
         could run the image with their own operators and release keys; name the configuration in \
         the policy or, for a command, with --configuration or --any-configuration"
    )]
    ConfigurationMissing,
    /// It names no program.
    #[error(
        "the policy has a measurement set that names no code: name PCR0, or PCR1 and PCR2 together, \
         not zeros; a kernel (PCR1), a role (PCR3), an instance (PCR4) or a configuration (PCR16) \
         alone lets any program in"
    )]
    CodeMissing,
    /// It names a signer and no epoch.
    #[error(
        "the policy names a signer (PCR8) and no code: that lets every image in that the signer ever \
         signed; name PCR0, or a lowest epoch of at least 1 beside it (min_epoch, --min-epoch)"
    )]
    SignerAlone,
    /// Something is entrusted to programs that it does not name.
    #[error(
        "nothing secret is given, and no root key believed in, under a policy that does not name every \
         program itself: name PCR0, or PCR1 and PCR2 together, in every measurement set"
    )]
    ProgramMissing,
    /// Something is entrusted to an enclave whose memory the host can read.
    #[error(
        "nothing secret is given to an enclave in debug mode, whose memory the host can read, and no \
         root key of one is believed in: remove \"allow_debug\" from the policy"
    )]
    DebugAllowed,
    /// It names two configurations for one image.
    #[error(
        "the policy or release names another configuration than the one given: remove one of them"
    )]
    ConfigurationMismatch,
    /// It names two root ids.
    #[error("the policy pins another root id than the one given: remove one of them")]
    RootIdMismatch,
}

impl PolicyError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::File(error) => error.rule(),
            Self::ConfigurationMissing => "configuration_missing",
            Self::CodeMissing | Self::SignerAlone | Self::ProgramMissing => "code_missing",
            Self::DebugAllowed => "debug_allowed",
            Self::RootIdMismatch => "root_id_conflict",
            Self::ConfigurationMismatch => "configuration_mismatch",
        }
    }
}
