//! The people around a deployment, played: three operators, two of whom make a quorum, and three
//! maintainers, two of whom release an image. Their keys lie in files beside each other, so that
//! nothing here is shared between people.

mod keys;
mod release;

use std::path::{Path, PathBuf};

use openkey_attestation::{Nonce, PolicyFile, UnixMillis, Verifier};
use openkey_protocol::cbor;
use openkey_protocol::message::{
    Genesis, GenesisTranscript, Hash32, Key32, OperatorRequest, Request, Response, RootStatus,
};
use openkey_verifier::evidence;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::keys::{Maintainers, OperatorKey};
use crate::files;
use crate::person::{PersonError, Site};

/// Who they are.
const NAMES: [&str; 3] = ["anna", "ben", "cleo"];
/// How many of them make a quorum.
const THRESHOLD: usize = 2;

/// Files that a genesis leaves behind.
const TRANSCRIPT: &str = "genesis.cbor";
pub(crate) const DESCRIPTOR: &str = "descriptor.cbor";
pub(crate) const WRAPPED: &str = "wrapped.cbor";

/// What operators could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StaffError {
    /// A file of theirs cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An enclave refused, or did not answer, or is not the right one.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// What an enclave answered does not hold.
    #[error("the enclave's answer does not hold: {0}")]
    Answer(&'static str),
    /// A release manifest cannot be made.
    #[error("release manifest: {0}")]
    Release(String),
}

/// Operators and maintainers with their keys.
pub struct Staff {
    operators: Vec<OperatorKey>,
    maintainers: Maintainers,
}

impl Staff {
    /// Reads their keys, made at the first time, in a directory that only its owner can enter.
    ///
    /// # Errors
    ///
    /// [`StaffError::File`]; a key is never made in the place of another.
    pub fn open(dir: &Path) -> Result<Self, StaffError> {
        files::private_dir(dir).map_err(|error| file(dir, &error))?;
        let operators = NAMES
            .into_iter()
            .map(|name| OperatorKey::open(&dir.join(format!("{name}.json")), name))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            operators,
            maintainers: Maintainers::open(&dir.join("maintainers.json"))?,
        })
    }

    /// How many operators make a quorum.
    #[must_use]
    pub const fn threshold(&self) -> usize {
        THRESHOLD
    }

    /// `operators` of the measured configuration.
    ///
    /// # Errors
    ///
    /// Never in practice: what is signed always has an encoding.
    pub fn operators_json(&self) -> Result<Value, StaffError> {
        let keys: Result<Vec<Value>, _> = self.operators.iter().map(OperatorKey::public).collect();
        Ok(json!({ "threshold": THRESHOLD, "keys": keys? }))
    }

    /// `release_keys` of the measured configuration.
    #[must_use]
    pub fn release_keys_json(&self) -> Value {
        self.maintainers.public()
    }

    /// The ceremony: asks an enclave that has no root key to make one, checks evidence and
    /// transcript, and keeps what it published. Returns the root id.
    ///
    /// # Errors
    ///
    /// [`StaffError`].
    pub fn genesis(&self, site: &Site, keep: &Path) -> Result<Hash32, StaffError> {
        let nonce = crate::person::nonce()?;
        let request = Request::Operator(OperatorRequest::Genesis {
            nonce: nonce.into(),
        });
        let Response::Genesis(genesis) = site.call(&request)? else {
            return Err(StaffError::Answer("it is no genesis"));
        };
        let transcript = checked(&genesis, site, &nonce)?;
        files::private_dir(keep).map_err(|error| file(keep, &error))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = keep.join(name);
            files::write_public(&path, bytes).map_err(|error| file(&path, &error))
        };
        let encoded = |value: Result<Vec<u8>, cbor::EncodeError>| {
            value.map_err(|_| StaffError::Answer("it has no encoding"))
        };
        write(TRANSCRIPT, &encoded(cbor::encode(&genesis))?)?;
        write(DESCRIPTOR, transcript.descriptor.as_slice())?;
        if let Some(wrapped) = &transcript.wrapped {
            write(WRAPPED, &encoded(cbor::encode(wrapped))?)?;
        }
        Ok(transcript.root_id)
    }

    /// One operator's share of the genesis kept in `kept`, posted to an enclave whose evidence
    /// satisfies the site's policy, sealed to its boot key.
    ///
    /// # Errors
    ///
    /// [`StaffError`].
    pub fn post_share(
        &self,
        site: &Site,
        kept: &Path,
        operator: usize,
    ) -> Result<RootStatus, StaffError> {
        let path = kept.join(TRANSCRIPT);
        let bytes = std::fs::read(&path).map_err(|error| file(&path, &error))?;
        let genesis: Genesis = cbor::decode(&bytes).map_err(|error| file(&path, &error))?;
        // checked when it was kept
        let transcript = genesis.transcript.unverified();
        let transcript = transcript.map_err(|error| file(&path, &error))?;
        let key = self.operators.get(operator);
        let share = transcript.shares.get(operator);
        let (Some(key), Some(share)) = (key, share) else {
            return Err(StaffError::Answer("it has no share for this operator"));
        };
        let share = key
            .open_share(transcript.root_id, share)
            .ok_or(StaffError::Answer("the share does not open"))?;

        let evidence = site.evidence()?;
        let boot_key: [u8; 32] = evidence
            .claims()
            .public_key
            .as_deref()
            .and_then(|key| key.try_into().ok())
            .ok_or(StaffError::Answer("its evidence has no boot key"))?;
        let identity = evidence.identity().as_bytes();
        let sealed = keys::seal_share(Key32(boot_key), transcript.root_id, identity, &share)
            .ok_or(StaffError::Answer("nothing can be sealed to its boot key"))?;
        let request = Request::Operator(OperatorRequest::PostShare {
            operator: u32::try_from(operator).unwrap_or(u32::MAX),
            share: sealed,
        });
        match site.call(&request)? {
            Response::Root(status) => Ok(status),
            _ => Err(StaffError::Answer("it is not where the root key stands")),
        }
    }
}

fn checked(
    genesis: &Genesis,
    site: &Site,
    nonce: &[u8; 32],
) -> Result<GenesisTranscript, StaffError> {
    let digest = Sha256::digest(genesis.transcript.body.as_slice());
    let expected = Nonce::new(&digest).map_err(|_| StaffError::Answer("no nonce"))?;
    let policy: &PolicyFile = site.policy();
    let verifier = Verifier::new(policy.roots.clone());
    let evidence = evidence::fresh(
        &verifier,
        genesis.document.as_slice(),
        &policy.policy,
        &expected,
        UnixMillis(crate::time::now_ms()),
    )
    .map_err(PersonError::from)?;
    let transcript = evidence
        .identity()
        .open(&genesis.transcript)
        .map_err(|_| StaffError::Answer("the transcript is not signed by the attested key"))?;
    if transcript.nonce.as_slice() != nonce {
        return Err(StaffError::Answer("the transcript is of another ceremony"));
    }
    Ok(transcript)
}

fn file(path: &Path, error: &dyn std::fmt::Display) -> StaffError {
    StaffError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_private_and_stay() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("operators");
        let first = Staff::open(&dir).unwrap();
        let again = Staff::open(&dir).unwrap();
        assert_eq!(
            first.operators_json().unwrap(),
            again.operators_json().unwrap()
        );
        assert_eq!(first.release_keys_json(), again.release_keys_json());
        for entry in std::fs::read_dir(&dir).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(dir.join("ben.json"), "{}").unwrap();
        assert!(matches!(Staff::open(&dir), Err(StaffError::File { .. })));
    }
}
