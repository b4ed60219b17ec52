//! Release manifests: which image is a release, said by n of m maintainers.
//!
//! A manifest names an image's measurements, where its source is, its epoch (which never goes
//! down) and from when to when it may be accepted. It is a JSON file for people and programs;
//! what is signed has one form only: the bytes `openkey/release/v1`, a zero byte, and the
//! deterministic CBOR (RFC 8949 §4.2.1) of the file's member `manifest`, member for member, texts
//! as texts. `docs/verify.md` has the format; `tests/data/release` has vectors.
//!
//! Pure: bytes, keys and a time go in, a verdict comes out. Clients and enclaves run the same code.
//!
//! ```
//! use openkey_verifier::{attestation::UnixMillis, release::{self, ReleaseKeys}};
//!
//! let keys = br#"{"threshold":1,"keys":["d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"]}"#;
//! let keys = ReleaseKeys::from_json(keys).unwrap();
//! let refused = release::verify(b"not a manifest", &keys, UnixMillis(1_760_000_000_000));
//! assert_eq!(refused.unwrap_err().rule(), "release_file_malformed");
//! ```

mod error;
mod file;
mod keys;
mod manifest;

use openkey_attestation::{Measurements, UnixMillis};
use openkey_protocol::message::{Hash32, Key32};
use sha2::{Digest, Sha256};

pub use error::{ReleaseError, ReleaseKeysError};
pub use file::{MAX_SIGNATURES, ReleaseFile};
pub use keys::{MAX_RELEASE_KEYS, ReleaseKeys};
pub use manifest::{Manifest, Text, rfc3339};

/// In front of a manifest's CBOR under a signature, ended by a zero byte.
pub const RELEASE_LABEL: &str = "openkey/release/v1";
/// The program that a manifest of an enclave's image names.
pub const PROGRAM: &str = "openkey-enclave";
/// The version of manifests that this crate reads.
pub const RELEASE_VERSION: u32 = 1;
/// Longest release file, in bytes; what an operator may announce to an enclave.
pub const MAX_RELEASE_FILE: usize = openkey_protocol::message::MAX_MANIFEST;

/// A manifest that enough release keys signed. Only [`verify`] and [`signed`] make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    manifest: Manifest,
    hash: Hash32,
    signers: Vec<Key32>,
}

/// Reads a release file, counts its signatures, and checks that it is valid at this time.
///
/// # Errors
///
/// [`ReleaseError`].
pub fn verify(file: &[u8], keys: &ReleaseKeys, at: UnixMillis) -> Result<Release, ReleaseError> {
    let release = signed(file, keys)?;
    release.check_time(at)?;
    Ok(release)
}

/// Reads a release file and counts its signatures, whatever the time: for what is judged at a
/// time that is known only later ([`Release::check_time`]).
///
/// # Errors
///
/// [`ReleaseError`], except those about time.
pub fn signed(file: &[u8], keys: &ReleaseKeys) -> Result<Release, ReleaseError> {
    let file = ReleaseFile::from_json(file)?;
    let signers = file.signers(keys)?;
    let body = file.body()?;
    Ok(Release {
        manifest: file.into_manifest(),
        hash: Hash32(Sha256::digest(body).into()),
        signers,
    })
}

impl Release {
    /// What was signed.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the signed CBOR, without its label: the manifest's short name.
    #[must_use]
    pub const fn hash(&self) -> Hash32 {
        self.hash
    }

    /// The release keys that signed, in their own order.
    #[must_use]
    pub fn signers(&self) -> &[Key32] {
        &self.signers
    }

    /// Whether the manifest is of the enclave's program: the maintainers may sign others with the same
    /// keys.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::Program`].
    pub fn check_program(&self) -> Result<(), ReleaseError> {
        if self.manifest.name == PROGRAM {
            Ok(())
        } else {
            Err(ReleaseError::Program(self.manifest.name.clone()))
        }
    }

    /// Whether the manifest is valid at this time, bounds included.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::NotYet`], [`ReleaseError::Expired`].
    pub fn check_time(&self, at: UnixMillis) -> Result<(), ReleaseError> {
        let Manifest {
            not_before,
            not_after,
            ..
        } = self.manifest;
        if at < not_before {
            return Err(ReleaseError::NotYet { from: not_before });
        }
        if at > not_after {
            return Err(ReleaseError::Expired { until: not_after });
        }
        Ok(())
    }

    /// The measurements that an enclave of this release shows, with register 16 if the manifest
    /// names a configuration.
    #[must_use]
    pub fn measurements(&self) -> Measurements {
        match self.manifest.configuration {
            Some(configuration) => {
                crate::configuration::with(&self.manifest.measurements, configuration)
            }
            None => self.manifest.measurements.clone(),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
