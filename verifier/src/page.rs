//! The page that is served is the page that was released, byte for byte.

pub mod config;
pub mod headers;

use std::collections::BTreeMap;

use openkey_attestation::json;
use openkey_protocol::message::Hash32;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The version of release files this crate reads.
pub const RELEASE_VERSION: u32 = 1;
/// Most files of a page: a page that a person could read has some dozens.
pub const MAX_FILES: usize = 256;
/// Longest file of a page, in bytes; the verifier's WebAssembly is the largest.
pub const MAX_FILE: usize = 4 * 1024 * 1024;
/// Longest release file, in bytes: room for [`MAX_FILES`] long names.
pub const MAX_RELEASE_FILE: usize = 128 * 1024;
/// The file that is also served at the root of the origin.
pub const INDEX: &str = "index.html";

/// A release, as far as it concerns the page: what each of its files hashes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    files: BTreeMap<String, Hash32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseFile {
    version: u32,
    page: BTreeMap<String, String>,
}

impl Release {
    /// Reads a release file: `{"version":1,"page":{"index.html":"<SHA-256, hex>",…}}`.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`].
    pub fn from_json(text: &[u8]) -> Result<Self, ReleaseError> {
        if text.len() > MAX_RELEASE_FILE {
            return Err(ReleaseError::TooLong);
        }
        let file: ReleaseFile =
            json::read(text).map_err(|error| ReleaseError::Malformed(error.to_string()))?;
        if file.version != RELEASE_VERSION {
            return Err(ReleaseError::Version(file.version));
        }
        if file.page.len() > MAX_FILES {
            return Err(ReleaseError::TooManyFiles);
        }
        if !file.page.contains_key(INDEX) {
            return Err(ReleaseError::NoIndex);
        }
        let files = file
            .page
            .into_iter()
            .map(|(name, hash)| {
                if !is_plain(&name) {
                    return Err(ReleaseError::Name(name));
                }
                match hash.parse() {
                    Ok(hash) => Ok((name, hash)),
                    Err(_) => Err(ReleaseError::Hash(name)),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { files })
    }

    /// The page of a release manifest, if it names one.
    #[must_use]
    pub fn of_manifest(manifest: &crate::release::Manifest) -> Option<Self> {
        let files = manifest.page.clone()?;
        Some(Self { files })
    }

    /// The names of its files, relative to the origin, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Compares one served file with the released one.
    ///
    /// # Errors
    ///
    /// [`PageError`].
    pub fn check(&self, name: &str, bytes: &[u8]) -> Result<(), PageError> {
        let Some(expected) = self.files.get(name) else {
            return Err(PageError::NotReleased { file: name.into() });
        };
        let served = Hash32(Sha256::digest(bytes).into());
        if served == *expected {
            Ok(())
        } else {
            Err(PageError::Differs {
                file: name.into(),
                expected: *expected,
                served,
            })
        }
    }
}

/// Names that mean one thing to every server: no escapes, no dot segments, no query.
pub(crate) fn is_plain(name: &str) -> bool {
    const MAX_NAME: usize = 200;
    name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'))
        && name
            .split('/')
            .all(|segment| !segment.is_empty() && !segment.starts_with('.'))
}

/// Why a file is not a release file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// More than [`MAX_RELEASE_FILE`].
    #[error("the release file is longer than {MAX_RELEASE_FILE} bytes")]
    TooLong,
    /// Not JSON of that shape.
    #[error("invalid release file: {0}")]
    Malformed(String),
    /// Another version.
    #[error("the release file has version {0}, this program reads {RELEASE_VERSION}")]
    Version(u32),
    /// More than [`MAX_FILES`].
    #[error("the release file names more than {MAX_FILES} files")]
    TooManyFiles,
    /// No `index.html`.
    #[error("the release file names no {INDEX}")]
    NoIndex,
    /// A name that is not plain.
    #[error("the release file has a name that is not a plain path: {0:?}")]
    Name(String),
    /// A value that is not 64 hexadecimal digits.
    #[error("the release file has no SHA-256 for {0:?}")]
    Hash(String),
}

/// Why a served page is not the released one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// One file has other bytes.
    #[error("{file} is not the released file: served {served}, released {expected}")]
    Differs {
        /// Its name.
        file: String,
        /// SHA-256 of the released file.
        expected: Hash32,
        /// SHA-256 of the served file.
        served: Hash32,
    },
    /// The release does not name this file.
    #[error("{file} is not a file of the release")]
    NotReleased {
        /// Its name.
        file: String,
    },
    /// One file is not served.
    #[error("{file} is not served (HTTP status {status})")]
    Missing {
        /// Its name.
        file: String,
        /// What the server said instead of 200.
        status: u16,
    },
    /// One file is longer than any file of a page.
    #[error("{file} is served with more than {MAX_FILE} bytes")]
    TooLong {
        /// Its name.
        file: String,
    },
    /// A type under which a browser reads the bytes otherwise.
    #[error("{file} is served with Content-Type {served}; a browser needs {expected}, in UTF-8")]
    ContentType {
        /// Its name.
        file: String,
        /// What was served.
        served: String,
        /// What belongs there.
        expected: String,
    },
    /// A page that other code can run in.
    #[error("{file} is served with a Content-Security-Policy that is none for this page: {reason}")]
    Policy {
        /// Its name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header makes a browser see something else than these bytes.
    #[error(
        "{file} is served with the header {header}, which could change what a browser receives, keeps, \
         shows or reports: the server, or whatever stands in front of it, must not add it \
         (docs/verify.md lists those that it may)"
    )]
    Header {
        /// Its name.
        file: String,
        /// The header, with its value.
        header: String,
    },
}

impl PageError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Differs { .. } => "page_differs",
            Self::NotReleased { .. } => "page_not_released",
            Self::Missing { .. } => "page_missing",
            Self::TooLong { .. } => "page_too_long",
            Self::Header { .. } => "page_header",
            Self::ContentType { .. } => "page_content_type",
            Self::Policy { .. } => "page_policy",
        }
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
