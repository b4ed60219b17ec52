//! The policy file: one JSON format for every program.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Policy, PolicyError};
use crate::json;
use crate::limits::{
    DEFAULT_AGE_SECONDS, DEFAULT_CHANNEL_AGE_SECONDS, DEFAULT_SKEW_SECONDS, MAX_POLICY_FILE,
    MAX_RELEASES,
};
use crate::measurement::{Measurements, Pcr};
use crate::roots::{Roots, RootsError};

/// The version of the format.
const VERSION: u32 = 1;

/// A policy and the roots it holds under, as files carry them.
///
/// ```json
/// {
///   "version": 1,
///   "measurements": [{ "0": "<96 hex digits>", "1": "…", "2": "…" }],
///   "roots": ["-----BEGIN CERTIFICATE-----\n…"],
///   "max_age_seconds": 300,
///   "max_channel_age_seconds": 3600,
///   "max_skew_seconds": 60,
///   "allow_debug": false,
///   "simulator": false,
///   "root_id": "<64 hex digits>",
///   "min_epoch": 1
/// }
/// ```
///
/// `version` and `measurements` are required; a document must match one set whole. `roots` are PEM,
/// one certificate each, and replace the AWS root; absent means the AWS root alone. `root_id` and
/// `min_epoch` are what the enclave's program must say of itself; absent means that nothing is
/// asked. The values shown are the defaults of the others. Unknown and repeated members are
/// refused.
///
/// A file may also name signed release manifests instead of measurements, or beside them
/// ([`PolicyDraft`]); [`PolicyFile::parse`], which reads no other files, refuses such a one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    /// What is accepted.
    pub policy: Policy,
    /// Under which roots.
    pub roots: Roots,
}

/// Why a text is not a policy file, or a policy not one for a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// Longer than [`MAX_POLICY_FILE`].
    #[error("the policy file is longer than {MAX_POLICY_FILE} bytes")]
    TooLong,
    /// Not JSON of this format: what is wrong, and where.
    #[error("invalid policy file: {0}")]
    Syntax(String),
    /// Another version of the format.
    #[error("the policy file has version {0}; this program knows version {VERSION}")]
    Version(u32),
    /// A policy that cannot be.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A root that is not one.
    #[error("a root in the policy file: {0}")]
    Root(#[from] RootsError),
    /// The file names release manifests or a configuration, and nobody read them.
    #[error(
        "the policy names release manifests or a configuration: use a program that reads them, \
         such as openkey-verify"
    )]
    Releases,
    /// Release manifests without keys that they are signed with, or the reverse.
    #[error("the policy names releases without release_keys, or release_keys without releases")]
    ReleaseKeys,
    /// More manifests than are ever accepted side by side; nobody reads them.
    #[error("the policy names {0} releases; at most {MAX_RELEASES} are read")]
    TooManyReleases(usize),
    /// Files cannot say "any measurement", nor bind keys: such a policy is made for one question.
    #[error("the policy cannot be written into a file")]
    NotForFiles,
}

impl PolicyFileError {
    /// The broken rule's stable name.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLong => "policy_file_too_long",
            Self::Syntax(_) => "policy_file_syntax",
            Self::Version(_) => "policy_file_version",
            Self::Policy(policy) => policy.rule(),
            Self::Root(root) => root.rule(),
            Self::Releases => "policy_releases",
            Self::ReleaseKeys => "policy_release_keys",
            Self::TooManyReleases(_) => "policy_releases_too_many",
            Self::NotForFiles => "policy_not_for_files",
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    // A null is a mistake, not an absence.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    measurements: Option<Vec<Set>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    releases: Option<Vec<String>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    release_keys: Option<ReleaseKeysText>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    roots: Option<Vec<String>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    configuration: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    root_id: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    min_epoch: Option<u32>,
    #[serde(default = "default_age")]
    max_age_seconds: u64,
    #[serde(default = "default_channel_age")]
    max_channel_age_seconds: u64,
    #[serde(default = "default_skew")]
    max_skew_seconds: u64,
    #[serde(default)]
    allow_debug: bool,
    #[serde(default)]
    simulator: bool,
}

fn default_age() -> u64 {
    DEFAULT_AGE_SECONDS
}

fn default_channel_age() -> u64 {
    DEFAULT_CHANNEL_AGE_SECONDS
}

fn default_skew() -> u64 {
    DEFAULT_SKEW_SECONDS
}

fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Release keys as a policy file has them; `openkey-verifier` reads them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseKeysText {
    /// How many of them must sign.
    pub threshold: u32,
    /// Ed25519 public keys, 64 hexadecimal digits each.
    pub keys: Vec<String>,
}

/// A policy file that may name signed release manifests (`releases`: names of their files, and
/// `release_keys`), and the `configuration` (64 hexadecimal digits: its SHA-256) that their images
/// must run with. Whoever reads the manifests adds their measurements and finishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDraft {
    /// The file's own measurement sets.
    pub measurements: Vec<Measurements>,
    /// Files of release manifests, relative to the policy file.
    pub releases: Vec<String>,
    /// Who must have signed them; there when [`Self::releases`] are.
    pub release_keys: Option<ReleaseKeysText>,
    /// SHA-256 of the run-time configuration.
    pub configuration: Option<[u8; 32]>,
    /// Everything else, under [`Policy::any_measurement`].
    rest: PolicyFile,
}

/// PCR values by decimal index.
#[derive(Serialize)]
#[serde(transparent)]
struct Set(BTreeMap<u8, String>);

impl<'de> Deserialize<'de> for Set {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Set;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of PCR indices and hexadecimal values")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Set, M::Error> {
                let mut set = BTreeMap::new();
                while let Some((key, value)) = members.next_entry::<String, String>()? {
                    // `+7` and `07` parse as numbers, and would be second names of PCR7.
                    let index = key
                        .parse::<u8>()
                        .ok()
                        .filter(|index| index.to_string() == key)
                        .ok_or_else(|| M::Error::custom(format!("{key:?} is not a PCR index")))?;
                    if set.insert(index, value).is_some() {
                        return Err(M::Error::custom(format!("duplicate member `{key}`")));
                    }
                }
                Ok(Set(set))
            }
        }

        from.deserialize_map(Members)
    }
}

impl Set {
    fn measurements(self) -> Result<Measurements, PolicyFileError> {
        let syntax = |error: &dyn fmt::Display| PolicyFileError::Syntax(error.to_string());
        let pcrs: Result<Vec<(u8, Pcr)>, _> = self
            .0
            .into_iter()
            .map(|(index, value)| value.parse().map(|pcr| (index, pcr)))
            .collect();
        Measurements::new(pcrs.map_err(|error| syntax(&error))?).map_err(|error| syntax(&error))
    }
}

impl PolicyFile {
    /// Reads the bytes of a policy file.
    ///
    /// # Errors
    ///
    /// The first rule of the format that they break; [`PolicyFileError::Releases`] if it names
    /// manifests or a configuration.
    pub fn parse(json: &[u8]) -> Result<Self, PolicyFileError> {
        let draft = PolicyDraft::parse(json)?;
        if draft.release_keys.is_some() || draft.configuration.is_some() {
            return Err(PolicyFileError::Releases);
        }
        let sets = draft.measurements.clone();
        draft.finish(sets)
    }

    /// The file's text: indented JSON with a line end, every member spelled out, `roots` when they
    /// are not the AWS root alone.
    ///
    /// # Errors
    ///
    /// A policy that accepts any measurement or binds a key.
    pub fn to_json(&self) -> Result<String, PolicyFileError> {
        let policy = &self.policy;
        let bound =
            policy.bound_public_key().is_some() || policy.bound_user_data_sha256().is_some();
        let sets = policy
            .measurements()
            .filter(|_| !bound)
            .ok_or(PolicyFileError::NotForFiles)?;
        let file = File {
            version: VERSION,
            measurements: Some(
                sets.iter()
                    .map(|set| Set(set.iter().map(|(i, pcr)| (i, pcr.to_string())).collect()))
                    .collect(),
            ),
            releases: None,
            release_keys: None,
            configuration: None,
            root_id: policy.pinned_root_id().map(hex::encode),
            min_epoch: policy.lowest_epoch(),
            roots: (self.roots != Roots::aws()).then(|| self.roots.to_pem()),
            max_age_seconds: policy.accepted_age().as_secs(),
            max_channel_age_seconds: policy.accepted_channel_age().as_secs(),
            max_skew_seconds: policy.accepted_skew().as_secs(),
            allow_debug: policy.accepts_debug(),
            simulator: policy.is_for_simulator(),
        };
        let mut text = serde_json::to_string_pretty(&file)
            .map_err(|error| PolicyFileError::Syntax(error.to_string()))?;
        text.push('\n');
        Ok(text)
    }
}

impl PolicyDraft {
    /// Reads the bytes of a policy file.
    ///
    /// # Errors
    ///
    /// The first rule of the format that they break.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyFileError> {
        if text.len() > MAX_POLICY_FILE {
            return Err(PolicyFileError::TooLong);
        }
        let file: File =
            json::read(text).map_err(|error| PolicyFileError::Syntax(error.to_string()))?;
        if file.version != VERSION {
            return Err(PolicyFileError::Version(file.version));
        }
        let releases = file.releases.unwrap_or_default();
        if releases.len() > MAX_RELEASES {
            return Err(PolicyFileError::TooManyReleases(releases.len()));
        }
        if releases.is_empty() != file.release_keys.is_none() {
            return Err(PolicyFileError::ReleaseKeys);
        }
        let measurements = match file.measurements {
            Some(sets) => sets
                .into_iter()
                .map(Set::measurements)
                .collect::<Result<_, _>>()?,
            None if releases.is_empty() => {
                return Err(PolicyFileError::Syntax(
                    "neither measurements nor releases are named".into(),
                ));
            }
            None => Vec::new(),
        };
        let mut policy = Policy::any_measurement()
            .max_age(Duration::from_secs(file.max_age_seconds))?
            .max_channel_age(Duration::from_secs(file.max_channel_age_seconds))?
            .max_skew(Duration::from_secs(file.max_skew_seconds))?
            .allow_debug(file.allow_debug)
            .simulator(file.simulator);
        if let Some(root_id) = file.root_id {
            policy = policy.pin_root_id(hash("root_id", &root_id)?);
        }
        if let Some(epoch) = file.min_epoch {
            policy = policy.min_epoch(epoch);
        }
        let roots = match file.roots {
            None => Roots::aws(),
            Some(pems) => Roots::custom_pem(pems.iter().map(String::as_bytes))?,
        };
        Ok(Self {
            measurements,
            releases,
            release_keys: file.release_keys,
            configuration: file
                .configuration
                .map(|text| hash("configuration", &text))
                .transpose()?,
            rest: PolicyFile { policy, roots },
        })
    }

    /// The policy with these measurement sets: the file's own and those of its releases.
    ///
    /// # Errors
    ///
    /// No set, or too many.
    pub fn finish(self, sets: Vec<Measurements>) -> Result<PolicyFile, PolicyFileError> {
        let PolicyFile { mut policy, roots } = self.rest;
        policy.sets = Policy::one_of(sets)?.sets;
        Ok(PolicyFile { policy, roots })
    }
}

fn hash(member: &str, text: &str) -> Result<[u8; 32], PolicyFileError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| PolicyFileError::Syntax(format!("{member} is not 64 hexadecimal digits")))?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
