//! Trust anchors: whose releases a client of one deployment believes, and in which order.
//!
//! An [`Anchor`] is the file `anchor.json` beside the page: release keys, root id, relying party and
//! lowest epoch of one deployment. [`Published`] is what its host serves beside it: signed release
//! manifests, and earlier anchors. [`Known`] is what a client remembers of the deployment. [`judge`]
//! takes all of them and a document, and says what is known about the enclave.
//!
//! A host serves all but [`Known`] and the bytes of a page that somebody compared. So nothing that a
//! host serves widens what is accepted: manifests count only when enough release keys of the anchor
//! signed them, and an anchor that is not the remembered one counts only when a chain of manifests
//! explains it, each signed under the keys before it.

mod error;
mod judge;
mod known;
mod published;
mod served;

use openkey_attestation::{ReleaseKeysText, Roots, json};
use openkey_protocol::message::{Hash32, Key32};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::{configuration::Configuration, policy, release::ReleaseKeys};

pub use error::{AnchorError, KnownError, PublishedError};
pub use judge::{Judged, Question, judge, unusable};
pub use known::{History, Known, MAX_CHAIN, MAX_KNOWN};
pub use published::{MAX_ANCHORS, MAX_PUBLISHED, MAX_RELEASES, Published};
pub use served::{ServedError, check_policy, check_published};

/// The anchor's name among the files of a page.
pub const ANCHOR_FILE: &str = "anchor.json";
/// The version of anchors that this crate reads.
pub const ANCHOR_VERSION: u32 = 1;
/// Longest anchor, in bytes: all release keys there may be, and a simulator's roots.
pub const MAX_ANCHOR: usize = 32 * 1024;
/// Longest domain name (RFC 1035).
const MAX_RP_ID: usize = 253;

/// Whose releases are believed, for one deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    release_keys: ReleaseKeys,
    root_id: Option<Hash32>,
    rp_id: String,
    min_epoch: u32,
    simulator: Option<Roots>,
    hash: Hash32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    release_keys: ReleaseKeysText,
    #[serde(deserialize_with = "nullable")]
    root_id: Option<String>,
    rp_id: String,
    min_epoch: u32,
    // A null is a mistake, not an absence.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    simulator: Option<Simulator>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Simulator {
    roots: Vec<String>,
}

impl Anchor {
    /// Reads the bytes of an `anchor.json`.
    ///
    /// # Errors
    ///
    /// [`AnchorError`]: the first rule of the format that they break.
    pub fn from_json(text: &[u8]) -> Result<Self, AnchorError> {
        if text.len() > MAX_ANCHOR {
            return Err(AnchorError::TooLong);
        }
        let file: File =
            json::read(text).map_err(|error| AnchorError::Malformed(error.to_string()))?;
        if file.version != ANCHOR_VERSION {
            return Err(AnchorError::Version(file.version));
        }
        if !is_domain(&file.rp_id) {
            return Err(AnchorError::Member {
                member: "rp_id",
                expected: "a domain in lower case, such as keys.example",
            });
        }
        if file.min_epoch == 0 {
            return Err(AnchorError::Member {
                member: "min_epoch",
                expected: "1 or more",
            });
        }
        let simulator = file
            .simulator
            .map(|simulator| Roots::custom_pem(simulator.roots.iter().map(String::as_bytes)))
            .transpose()?;
        let root_id = file
            .root_id
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| root_id())?;
        // Without a root id, the genuine image over a stranger's root key would do.
        if root_id.is_none() && simulator.is_none() {
            return Err(self::root_id());
        }
        Ok(Self {
            release_keys: policy::release_keys(&file.release_keys)?,
            root_id,
            rp_id: file.rp_id,
            min_epoch: file.min_epoch,
            simulator,
            hash: Hash32(Sha256::digest(text).into()),
        })
    }

    /// The anchor of the deployment with this measured configuration, as the text of its file. Of a
    /// `simulator` if its roots are named.
    ///
    /// # Errors
    ///
    /// [`AnchorError`]: the configuration names no release keys, or no root id yet.
    pub fn text_of(configuration: &Configuration, min_epoch: u32) -> Result<String, AnchorError> {
        let keys = configuration.release_keys.as_ref();
        let keys = keys.ok_or(AnchorError::Member {
            member: "release_keys",
            expected: "in the configuration: only signed releases can be checked",
        })?;
        let keys = ReleaseKeys::new(keys.threshold, keys.keys.clone())?;
        let root_id = configuration.root_id.ok_or_else(root_id)?;
        write(&keys, Some(root_id), &configuration.rp_id, min_epoch, None)
    }

    /// The anchor of a simulator, as the text of its file: evidence under these roots, made by
    /// software, is accepted, and no other. No release names such a file.
    ///
    /// # Errors
    ///
    /// [`AnchorError`].
    pub fn simulator_text(
        keys: &ReleaseKeys,
        root_id: Option<Hash32>,
        rp_id: &str,
        min_epoch: u32,
        roots: &Roots,
    ) -> Result<String, AnchorError> {
        write(keys, root_id, rp_id, min_epoch, Some(roots))
    }

    /// Who must sign releases.
    #[must_use]
    pub const fn release_keys(&self) -> &ReleaseKeys {
        &self.release_keys
    }

    /// Which root key; never absent outside a simulator.
    #[must_use]
    pub const fn root_id(&self) -> Option<Hash32> {
        self.root_id
    }

    /// The relying-party id of its passkeys.
    #[must_use]
    pub fn rp_id(&self) -> &str {
        &self.rp_id
    }

    /// The lowest release epoch that is accepted.
    #[must_use]
    pub const fn min_epoch(&self) -> u32 {
        self.min_epoch
    }

    /// The roots of the simulator that this anchor is for.
    #[must_use]
    pub const fn simulator(&self) -> Option<&Roots> {
        self.simulator.as_ref()
    }

    /// SHA-256 of the file: what a release manifest names.
    #[must_use]
    pub const fn hash(&self) -> Hash32 {
        self.hash
    }

    /// Refuses a page on another host than the relying party's: its passkeys belong elsewhere.
    ///
    /// # Errors
    ///
    /// [`AnchorError::Host`].
    pub fn check_host(&self, host: &str) -> Result<(), AnchorError> {
        let below = host
            .strip_suffix(&self.rp_id)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if below {
            return Ok(());
        }
        Err(AnchorError::Host {
            expected: self.rp_id.clone(),
            found: host.to_owned(),
        })
    }
}

fn write(
    keys: &ReleaseKeys,
    root_id: Option<Hash32>,
    rp_id: &str,
    min_epoch: u32,
    simulator: Option<&Roots>,
) -> Result<String, AnchorError> {
    let file = File {
        version: ANCHOR_VERSION,
        release_keys: keys_text(keys),
        root_id: root_id.map(|id| id.to_string()),
        rp_id: rp_id.to_owned(),
        min_epoch,
        simulator: simulator.map(|roots| Simulator {
            roots: roots.to_pem(),
        }),
    };
    let mut text = serde_json::to_string_pretty(&file)
        .map_err(|error| AnchorError::Malformed(error.to_string()))?;
    text.push('\n');
    // What is written must be readable: whoever made the parts may have broken a rule.
    Anchor::from_json(text.as_bytes())?;
    Ok(text)
}

pub(crate) fn keys_text(keys: &ReleaseKeys) -> ReleaseKeysText {
    ReleaseKeysText {
        threshold: keys.threshold(),
        keys: keys.keys().iter().map(Key32::to_string).collect(),
    }
}

const fn root_id() -> AnchorError {
    AnchorError::Member {
        member: "root_id",
        expected: "64 hexadecimal digits: an anchor is made after the genesis",
    }
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    (1..=MAX_RP_ID).contains(&text.len()) && text.split('.').all(label)
}

/// A null is an absence that somebody wrote down; a member that is not there is a mistake.
fn nullable<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(from)
}

fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
