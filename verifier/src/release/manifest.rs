//! What a manifest says: as text, and checked.

use core::fmt;
use std::collections::BTreeMap;

use openkey_attestation::{Measurements, Pcr, UnixMillis};
use openkey_protocol::message::Hash32;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{RELEASE_VERSION, ReleaseError};
use crate::page;

/// Longest name or release, in characters.
const MAX_NAME: usize = 64;
/// Longest description of a tool, in characters: a version, a digest, a list of flags.
const MAX_TOOL: usize = 256;
/// Most tools of a toolchain.
const MAX_TOOLS: usize = 32;
/// The registers of every image: the whole of it, kernel and ramdisk of boot, application.
const IMAGE_PCRS: [&str; 3] = ["0", "1", "2"];
/// The register of an image that carries a signature of its own.
const SIGNED_IMAGE_PCR: &str = "8";

/// A manifest, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// Which program.
    pub name: String,
    /// Its release.
    pub release: String,
    /// Its release epoch: never goes down. At least 1.
    pub epoch: u32,
    /// The commit of its source, 40 or 64 lower-case hexadecimal digits.
    pub source_commit: String,
    /// SHA-256 of its `Cargo.lock`.
    pub cargo_lock_sha256: Hash32,
    /// What it was built with.
    pub toolchain: BTreeMap<String, String>,
    /// PCR0, 1 and 2, and PCR8 if the image is signed.
    pub measurements: Measurements,
    /// SHA-256 of the run-time configuration, if the release is for one deployment.
    pub configuration: Option<Hash32>,
    /// What each file of the page hashes to, if it has one.
    pub page: Option<BTreeMap<String, Hash32>>,
    /// Its first moment.
    pub not_before: UnixMillis,
    /// Its last moment.
    pub not_after: UnixMillis,
}

/// A manifest as its file has it, and as it is signed: the same members and texts in CBOR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// 1.
    pub version: u32,
    /// Which program: 1 to 64 of `a-z 0-9 . _ -`.
    pub name: String,
    /// Its release: 1 to 64 of `A-Z a-z 0-9 . _ + -`.
    pub release: String,
    /// Its release epoch, from 1.
    pub epoch: u32,
    /// 40 or 64 lower-case hexadecimal digits.
    pub source_commit: String,
    /// 64 lower-case hexadecimal digits.
    pub cargo_lock_sha256: String,
    /// Tool and version, at most 32.
    #[serde(deserialize_with = "map")]
    pub toolchain: BTreeMap<String, String>,
    /// `"0"`, `"1"`, `"2"`, perhaps `"8"`: 96 lower-case hexadecimal digits.
    #[serde(deserialize_with = "map")]
    pub measurements: BTreeMap<String, String>,
    /// 64 lower-case hexadecimal digits, or null.
    #[serde(deserialize_with = "present")]
    pub configuration: Option<String>,
    /// Path and SHA-256 of the page's files, or null.
    #[serde(deserialize_with = "optional_map")]
    pub page: Option<BTreeMap<String, String>>,
    /// RFC 3339 in UTC, to the second: `2026-02-06T12:00:00Z`.
    pub not_before: String,
    /// Likewise, later.
    pub not_after: String,
}

impl Text {
    /// Checks every member.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::Version`], [`ReleaseError::Member`].
    pub fn check(&self) -> Result<Manifest, ReleaseError> {
        if self.version != RELEASE_VERSION {
            return Err(ReleaseError::Version(self.version));
        }
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let release = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
        let printable = |b: u8| (b' '..=b'~').contains(&b);
        require(
            made_of(&self.name, MAX_NAME, lower),
            "name",
            "1 to 64 of a-z 0-9 . _ -",
        )?;
        require(
            made_of(&self.release, MAX_NAME, release),
            "release",
            "1 to 64 of A-Z a-z 0-9 . _ + -",
        )?;
        require(self.epoch > 0, "epoch", "1 or more")?;
        let commit = &self.source_commit;
        require(
            is_lower_hex(commit, 40) || is_lower_hex(commit, 64),
            "source_commit",
            "40 or 64 lower-case hexadecimal digits",
        )?;
        require(
            self.toolchain.len() <= MAX_TOOLS
                && self.toolchain.iter().all(|(tool, version)| {
                    made_of(tool, MAX_NAME, lower) && made_of(version, MAX_TOOL, printable)
                }),
            "toolchain",
            "at most 32 tools, each with a version of 1 to 256 printable characters",
        )?;
        let not_before = instant(&self.not_before, "not_before")?;
        let not_after = instant(&self.not_after, "not_after")?;
        require(
            not_before < not_after,
            "not_after",
            "later than its not_before",
        )?;
        Ok(Manifest {
            name: self.name.clone(),
            release: self.release.clone(),
            epoch: self.epoch,
            source_commit: commit.clone(),
            cargo_lock_sha256: hash(&self.cargo_lock_sha256, "cargo_lock_sha256")?,
            toolchain: self.toolchain.clone(),
            measurements: self.measurements()?,
            configuration: self
                .configuration
                .as_deref()
                .map(|text| hash(text, "configuration"))
                .transpose()?,
            page: self.page.as_ref().map(page).transpose()?,
            not_before,
            not_after,
        })
    }

    fn measurements(&self) -> Result<Measurements, ReleaseError> {
        const EXPECTED: &str =
            "the PCRs 0, 1 and 2, and perhaps 8, in 96 lower-case hexadecimal digits each";
        let wrong = || ReleaseError::Member {
            member: "measurements",
            expected: EXPECTED,
        };
        let known = |index: &String| {
            IMAGE_PCRS.contains(&index.as_str()) || index.as_str() == SIGNED_IMAGE_PCR
        };
        let complete = IMAGE_PCRS
            .iter()
            .all(|index| self.measurements.contains_key(*index));
        if !complete || !self.measurements.keys().all(known) {
            return Err(wrong());
        }
        let mut pcrs = Vec::new();
        for (index, value) in &self.measurements {
            require(is_lower_hex(value, 96), "measurements", EXPECTED)?;
            let pcr: Pcr = value.parse().map_err(|_| wrong())?;
            // An image in debug mode measures zeros: any image would be this release.
            require(
                !pcr.is_zero(),
                "measurements",
                "without a register of zeros, which is debug mode",
            )?;
            pcrs.push((index.parse().map_err(|_| wrong())?, pcr));
        }
        Measurements::new(pcrs).map_err(|_| wrong())
    }
}

fn page(files: &BTreeMap<String, String>) -> Result<BTreeMap<String, Hash32>, ReleaseError> {
    require(
        files.len() <= page::MAX_FILES && files.contains_key(page::INDEX),
        "page",
        "at most 256 files with index.html among them",
    )?;
    files
        .iter()
        .map(|(name, text)| {
            require(
                page::is_plain(name),
                "page",
                "named by plain paths without escapes and dot segments",
            )?;
            Ok((name.clone(), hash(text, "page")?))
        })
        .collect()
}

fn require(holds: bool, member: &'static str, expected: &'static str) -> Result<(), ReleaseError> {
    if holds {
        Ok(())
    } else {
        Err(ReleaseError::Member { member, expected })
    }
}

fn made_of(text: &str, longest: usize, allowed: impl Fn(u8) -> bool) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(allowed)
}

/// Lower case only: what is signed is the text.
fn is_lower_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn hash(text: &str, member: &'static str) -> Result<Hash32, ReleaseError> {
    const EXPECTED: &str = "64 lower-case hexadecimal digits";
    require(is_lower_hex(text, 64), member, EXPECTED)?;
    text.parse().map_err(|_| ReleaseError::Member {
        member,
        expected: EXPECTED,
    })
}

/// One text for one instant.
fn instant(text: &str, member: &'static str) -> Result<UnixMillis, ReleaseError> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|time| u64::try_from(time.unix_timestamp()).ok())
        .map(UnixMillis::from_seconds)
        .filter(|time| rfc3339(*time) == text)
        .ok_or(ReleaseError::Member {
            member,
            expected: "a time such as 2026-02-06T12:00:00Z",
        })
}

/// A time as manifests have it, to the second: `2026-02-06T12:00:00Z`.
#[must_use]
pub fn rfc3339(time: UnixMillis) -> String {
    i64::try_from(time.seconds())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| time.to_string())
}

/// A null is an absence that somebody wrote down; a member that is not there is a mistake.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(from)
}

fn map<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    from.deserialize_map(Members)
}

fn optional_map<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    struct Map(BTreeMap<String, String>);

    impl<'de> Deserialize<'de> for Map {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            map(from).map(Map)
        }
    }

    Ok(Option::<Map>::deserialize(from)?.map(|map| map.0))
}

/// Of two members with one name serde keeps the last, other programs the first.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, String>()? {
            if map.contains_key(&name) {
                return Err(M::Error::custom(format!("duplicate member `{name}`")));
            }
            map.insert(name, value);
        }
        Ok(map)
    }
}
