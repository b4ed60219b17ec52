//! What a host serves as `/releases.json`: signed manifests, and the anchors before the present one.

use openkey_attestation::json;
use openkey_protocol::message::Hash32;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Anchor, PublishedError};
use crate::release::{self, MAX_RELEASE_FILE, Release, ReleaseError, ReleaseFile, ReleaseKeys};

/// The version of the format.
const VERSION: u32 = 1;
/// Longest list, in bytes.
pub const MAX_PUBLISHED: usize = 1024 * 1024;
/// Most releases in a list: the ones that run, and those that explain changes of keys.
pub const MAX_RELEASES: usize = 16;
/// Most earlier anchors in a list: changes of release keys are rare.
pub const MAX_ANCHORS: usize = 8;

/// The releases and earlier anchors of a deployment. Their shape is checked, **their signatures are
/// not**: whose count is known only with an anchor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    releases: Vec<Vec<u8>>,
    anchors: Vec<(Anchor, String)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'a> {
    version: u32,
    #[serde(borrow)]
    releases: Vec<&'a RawValue>,
    #[serde(default)]
    anchors: Vec<String>,
}

/// What a list looks like; each release is read by itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only that it can be read counts")]
struct Shape {
    version: u32,
    releases: Vec<IgnoredAny>,
    #[serde(default)]
    anchors: Vec<String>,
}

impl Published {
    /// Reads `{"version":1,"releases":[{"manifest":…,"signatures":…},…],"anchors":["…",…]}`. Each
    /// anchor is the exact text of an earlier `anchor.json`: manifests name its hash.
    ///
    /// # Errors
    ///
    /// [`PublishedError`].
    pub fn from_json(text: &[u8]) -> Result<Self, PublishedError> {
        if text.len() > MAX_PUBLISHED {
            return Err(PublishedError::TooLong);
        }
        // The strict reading first: the one below takes arrays for objects.
        json::read::<Shape>(text).map_err(|error| PublishedError::Malformed(error.to_string()))?;
        let file: File<'_> = serde_json::from_slice(text)
            .map_err(|error| PublishedError::Malformed(error.to_string()))?;
        if file.version != VERSION {
            return Err(PublishedError::Version(file.version));
        }
        let mut list = Self::default();
        for release in file.releases {
            list.add_release(release.get().as_bytes())?;
        }
        for anchor in file.anchors {
            list.add_anchor(anchor)?;
        }
        Ok(list)
    }

    /// Adds a release file.
    ///
    /// # Errors
    ///
    /// [`PublishedError::Release`], [`PublishedError::TooMany`].
    pub fn add_release(&mut self, file: &[u8]) -> Result<(), PublishedError> {
        if self.releases.len() >= MAX_RELEASES {
            return Err(PublishedError::TooMany);
        }
        let index = self.releases.len() + 1;
        if file.len() > MAX_RELEASE_FILE {
            let error = ReleaseError::TooLong;
            return Err(PublishedError::Release { index, error });
        }
        ReleaseFile::from_json(file).map_err(|error| PublishedError::Release { index, error })?;
        self.releases.push(file.to_vec());
        Ok(())
    }

    /// Adds the text of an earlier anchor.
    ///
    /// # Errors
    ///
    /// [`PublishedError::Anchor`], [`PublishedError::TooMany`].
    pub fn add_anchor(&mut self, text: String) -> Result<(), PublishedError> {
        if self.anchors.len() >= MAX_ANCHORS {
            return Err(PublishedError::TooMany);
        }
        let anchor =
            Anchor::from_json(text.as_bytes()).map_err(|error| PublishedError::Anchor {
                index: self.anchors.len() + 1,
                reason: error.to_string(),
            })?;
        self.anchors.push((anchor, text));
        Ok(())
    }

    /// The file's text.
    ///
    /// # Errors
    ///
    /// [`PublishedError::TooLong`] if nobody would read it.
    pub fn to_json(&self) -> Result<String, PublishedError> {
        let malformed = |error: serde_json::Error| PublishedError::Malformed(error.to_string());
        let mut releases = Vec::new();
        for file in &self.releases {
            releases.push(serde_json::from_slice::<&RawValue>(file).map_err(malformed)?);
        }
        let file = File {
            version: VERSION,
            releases,
            anchors: self.anchors.iter().map(|(_, text)| text.clone()).collect(),
        };
        let mut text = serde_json::to_string(&file).map_err(malformed)?;
        text.push('\n');
        if text.len() > MAX_PUBLISHED {
            return Err(PublishedError::TooLong);
        }
        Ok(text)
    }

    /// The releases that enough of these keys signed, whatever their time. The others count for
    /// nothing; why the last one does not is returned beside.
    pub(super) fn under(&self, keys: &ReleaseKeys) -> (Vec<Release>, Option<ReleaseError>) {
        let mut releases = Vec::new();
        let mut refused = None;
        for release in self.each_under(keys) {
            match release {
                Ok(release) => releases.push(release),
                Err(error) => refused = Some(error),
            }
        }
        (releases, refused)
    }

    /// Every release in its order, or why these keys do not count for it.
    pub(super) fn each_under(
        &self,
        keys: &ReleaseKeys,
    ) -> impl Iterator<Item = Result<Release, ReleaseError>> {
        self.releases.iter().map(|file| release::signed(file, keys))
    }

    /// The hashes of the manifests, whoever signed them.
    pub(super) fn hashes(&self) -> impl Iterator<Item = Hash32> {
        self.releases.iter().filter_map(|file| {
            let body = ReleaseFile::from_json(file).ok()?.body().ok()?;
            Some(Hash32(Sha256::digest(body).into()))
        })
    }

    /// The earlier anchors.
    pub(super) fn anchors(&self) -> impl Iterator<Item = &Anchor> {
        self.anchors.iter().map(|(anchor, _)| anchor)
    }
}
