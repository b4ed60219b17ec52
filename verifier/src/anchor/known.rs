//! What a client remembers of a deployment, and whether a later anchor continues it.

use std::collections::BTreeSet;

use openkey_attestation::{ReleaseKeysText, json};
use openkey_protocol::message::Hash32;
use serde::{Deserialize, Deserializer, Serialize};

use super::{ANCHOR_FILE, Anchor, AnchorError, KnownError, Published, keys_text};
use crate::{
    policy,
    release::{PROGRAM, ReleaseKeys},
};

/// The version of the format.
const VERSION: u32 = 1;
/// Longest memory, in bytes.
pub const MAX_KNOWN: usize = 8 * 1024;
/// Most changes of an anchor that one client catches up with at once.
pub const MAX_CHAIN: u32 = 8;

/// A deployment as a client came to know it. Whoever keeps it keeps it from the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    root_id: Option<Hash32>,
    rp_id: String,
    release_keys: ReleaseKeys,
    epoch: u32,
    simulator: bool,
}

/// How an anchor relates to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Nothing is remembered: the anchor is taken as it is.
    First,
    /// The remembered deployment.
    Same,
    /// Another anchor, to which this many signed manifests lead.
    Explained(u32),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(deserialize_with = "nullable")]
    root_id: Option<String>,
    rp_id: String,
    release_keys: ReleaseKeysText,
    epoch: u32,
    simulator: bool,
}

impl Known {
    /// The deployment of an accepted anchor, with the highest epoch seen.
    pub(super) fn of(anchor: &Anchor, epoch: u32) -> Self {
        Self {
            root_id: anchor.root_id(),
            rp_id: anchor.rp_id().to_owned(),
            release_keys: anchor.release_keys().clone(),
            epoch,
            simulator: anchor.simulator().is_some(),
        }
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`KnownError`].
    pub fn from_json(text: &[u8]) -> Result<Self, KnownError> {
        let malformed = |reason: String| KnownError(reason);
        if text.len() > MAX_KNOWN {
            return Err(malformed("too long".into()));
        }
        let file: File = json::read(text).map_err(|error| malformed(error.to_string()))?;
        if file.version != VERSION {
            return Err(malformed(format!("version {}", file.version)));
        }
        let root_id = file.root_id.map(|text| text.parse()).transpose();
        Ok(Self {
            root_id: root_id.map_err(|_| malformed("root_id".into()))?,
            rp_id: file.rp_id,
            release_keys: policy::release_keys(&file.release_keys)
                .map_err(|error| malformed(error.to_string()))?,
            epoch: file.epoch,
            simulator: file.simulator,
        })
    }

    /// The text that is kept.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = File {
            version: VERSION,
            root_id: self.root_id.map(|id| id.to_string()),
            rp_id: self.rp_id.clone(),
            release_keys: keys_text(&self.release_keys),
            epoch: self.epoch,
            simulator: self.simulator,
        };
        // Numbers and texts always serialise; an empty text would be refused when read.
        serde_json::to_string(&file).unwrap_or_default()
    }

    /// The highest epoch seen.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether an anchor is this deployment's, or explained by what is published.
    ///
    /// # Errors
    ///
    /// [`AnchorError::Changed`].
    pub fn check(&self, anchor: &Anchor, published: &Published) -> Result<History, AnchorError> {
        let Some(what) = self.difference(anchor) else {
            return Ok(History::Same);
        };
        // Software's evidence is no continuation of hardware's, whoever signs; and passkeys are made for
        // one relying party: another one is another deployment.
        if self.simulator != anchor.simulator().is_some() || self.rp_id != anchor.rp_id() {
            return Err(AnchorError::Changed { what });
        }
        self.chain(anchor, published)
            .map(History::Explained)
            .ok_or(AnchorError::Changed { what })
    }

    fn difference(&self, anchor: &Anchor) -> Option<&'static str> {
        if self.simulator != anchor.simulator().is_some() {
            return Some("the kind of hardware");
        }
        if self.root_id != anchor.root_id() {
            return Some("the root key");
        }
        if !same(&self.release_keys, anchor.release_keys()) {
            return Some("the set of release keys");
        }
        (self.rp_id != anchor.rp_id()).then_some("the relying party")
    }

    /// How many manifests lead from here to an anchor: each names the hash of the next anchor and is
    /// signed under the keys before it, and epochs never go down on the way. A manifest explains
    /// whatever its time: a client may have been away for years.
    fn chain(&self, target: &Anchor, published: &Published) -> Option<u32> {
        let mut reached = BTreeSet::new();
        let mut ends = vec![(self.release_keys.clone(), self.epoch)];
        for steps in 1..=MAX_CHAIN {
            let mut next = Vec::new();
            for (keys, epoch) in ends {
                let (releases, _) = published.under(&keys);
                for manifest in releases.iter().map(crate::release::Release::manifest) {
                    let page = manifest.page.as_ref();
                    let Some(hash) = page.and_then(|page| page.get(ANCHOR_FILE)) else {
                        continue;
                    };
                    // The same maintainers may sign releases of other programs.
                    if manifest.epoch < epoch || manifest.name != PROGRAM {
                        continue;
                    }
                    if *hash == target.hash() {
                        return Some(steps);
                    }
                    let mut anchors = published.anchors();
                    let named = anchors
                        .find(|anchor| anchor.hash() == *hash && anchor.rp_id() == self.rp_id);
                    // A second way to an anchor leads nowhere else.
                    if let Some(anchor) = named.filter(|_| reached.insert(*hash)) {
                        let epoch = manifest.epoch.max(anchor.min_epoch());
                        next.push((anchor.release_keys().clone(), epoch));
                    }
                }
            }
            ends = next;
        }
        None
    }
}

/// The order of keys says nothing.
fn same(a: &ReleaseKeys, b: &ReleaseKeys) -> bool {
    let set = |keys: &ReleaseKeys| keys.keys().iter().copied().collect::<BTreeSet<_>>();
    a.threshold() == b.threshold() && set(a) == set(b)
}

fn nullable<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(from)
}
