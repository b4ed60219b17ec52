//! The people around a deployment, played: three operators, two of whom make a quorum, and three
//! maintainers, two of whom release an image. They do what `openkey` does, with its keys and files:
//! everything here can be taken over by hand. Their keys lie in files beside each other, so that
//! nothing here is shared between people.

mod keys;
mod release;

use std::path::{Path, PathBuf};

use openkey_attestation::{UnixMillis, Verifier};
use openkey_cli::{
    Approval, Backup, BackupError, Ceremony, CeremonyError, GenesisFile, ORDER_LIFETIME,
    OperatorKey, Recipient, RecipientError, ReleaseKey,
};
use openkey_protocol::message::{
    Hash32, OperatorRequest, Request, Response, RootStatus, UpgradeStatus,
};
use openkey_verifier::configuration::Configuration;
use openkey_verifier::successors::{self, SuccessorsDiffer};
use serde_json::{Value, json};

pub use self::release::draft;
use crate::files;
use crate::person::{PersonError, Site};

/// Who they are.
const NAMES: [&str; 3] = ["anna", "ben", "cleo"];
/// How many of them make a quorum.
const THRESHOLD: usize = 2;
/// How many maintainers there are, and how many of them release.
const MAINTAINERS: usize = 3;
const RELEASE_THRESHOLD: usize = 2;

/// What operators could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StaffError {
    /// A file of theirs cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// The file's path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An enclave refused, or did not answer, or is not the right one.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// A genesis does not hold.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// The files of a genesis do not belong together.
    #[error(transparent)]
    Deployment(#[from] BackupError),
    /// Nothing can be sealed to an enclave.
    #[error(transparent)]
    Recipient(#[from] RecipientError),
    /// An enclave's host shows other successors than the enclave vouches for.
    #[error(transparent)]
    Successors(#[from] SuccessorsDiffer),
    /// An enclave answered another question.
    #[error("the enclave's answer is {0}")]
    Answer(&'static str),
    /// A release manifest cannot be made.
    #[error("release manifest: {0}")]
    Release(String),
}

/// Operators and maintainers with their keys.
pub struct Staff {
    operators: Vec<OperatorKey>,
    maintainers: Vec<ReleaseKey>,
}

impl Staff {
    /// Reads their keys, made at the first time, in a directory that only its owner can enter.
    ///
    /// # Errors
    ///
    /// [`StaffError::File`]; a key is never made in the place of another.
    pub fn open(dir: &Path) -> Result<Self, StaffError> {
        files::private_dir(dir).map_err(|error| file(dir, &error))?;
        let operators = NAMES.into_iter().map(|name| keys::operator(dir, name));
        let maintainers = (1..=MAINTAINERS).map(|number| keys::maintainer(dir, number));
        Ok(Self {
            operators: operators.collect::<Result<_, _>>()?,
            maintainers: maintainers.collect::<Result<_, _>>()?,
        })
    }

    /// How many operators make a quorum.
    #[must_use]
    pub const fn threshold(&self) -> usize {
        THRESHOLD
    }

    /// `operators` of the measured configuration.
    #[must_use]
    pub fn operators_json(&self) -> Value {
        let keys = self.operators.iter().map(OperatorKey::entry);
        json!({ "threshold": THRESHOLD, "keys": keys.collect::<Vec<_>>() })
    }

    /// `release_keys` of the measured configuration.
    #[must_use]
    pub fn release_keys_json(&self) -> Value {
        let keys = self.maintainers.iter().map(|key| key.public().to_string());
        json!({ "threshold": RELEASE_THRESHOLD, "keys": keys.collect::<Vec<_>>() })
    }

    /// The ceremony: asks an enclave that has no root key to make one, checks evidence, transcript,
    /// configuration and every share, and keeps what it published. Returns the root id.
    ///
    /// # Errors
    ///
    /// [`StaffError`].
    pub fn genesis(
        &self,
        site: &Site,
        configuration: &[u8],
        keep: &Path,
    ) -> Result<Hash32, StaffError> {
        let nonce = crate::person::nonce()?;
        let request = Request::Operator(OperatorRequest::Genesis {
            nonce: nonce.into(),
        });
        let Response::Genesis(genesis) = site.call(&request)? else {
            return Err(StaffError::Answer("no genesis"));
        };
        let policy = site.policy();
        let verifier = Verifier::new(policy.roots.clone());
        let now = UnixMillis(crate::time::now_ms());
        let (ceremony, _) = Ceremony::fresh(&genesis, &verifier, &policy.policy, &nonce, now)?;
        for key in &self.operators {
            ceremony.share(key)?;
        }
        let deployment = Backup::of_genesis(&genesis, configuration)?;
        files::private_dir(keep).map_err(|error| file(keep, &error))?;
        for (name, bytes) in deployment.files() {
            let path = keep.join(name);
            files::write_public(&path, bytes).map_err(|error| file(&path, &error))?;
        }
        self.sign_approvals(&ceremony, deployment.configuration(), keep)?;
        Ok(ceremony.root_id())
    }

    /// All of them decide on a configuration of the root key whose genesis is kept in `kept`, as people do
    /// with `openkey operator approve`: approvals there that cover another configuration are replaced. A
    /// simulation that moves to another port has another configuration.
    ///
    /// # Errors
    ///
    /// [`StaffError`]; the configuration must be of that root key and of these operators.
    pub fn approve(&self, configuration: &[u8], kept: &Path) -> Result<(), StaffError> {
        let path = kept.join(Backup::GENESIS);
        let bytes = std::fs::read(&path).map_err(|error| file(&path, &error))?;
        let genesis = GenesisFile::read(&bytes)?;
        let configuration =
            Configuration::from_json(configuration).map_err(|error| file(kept, &error))?;
        let root_id = configuration.root_id.ok_or(CeremonyError::RootId)?;
        let ceremony = Ceremony::pinned(&genesis, &root_id)?;
        self.sign_approvals(&ceremony, &configuration, kept)
    }

    fn sign_approvals(
        &self,
        ceremony: &Ceremony,
        configuration: &Configuration,
        keep: &Path,
    ) -> Result<(), StaffError> {
        for key in &self.operators {
            let name = format!("{}-{}", key.public().name, Approval::FILE);
            let path = keep.join(name);
            let approval =
                Approval::sign(key, ceremony, configuration).map_err(BackupError::from)?;
            let text = approval.to_json();
            // Every signature over the same bytes is the same, so that nothing changes for nothing.
            if std::fs::read(&path).is_ok_and(|known| known == text.as_bytes()) {
                continue;
            }
            files::write_public(&path, text.as_bytes()).map_err(|error| file(&path, &error))?;
        }
        Ok(())
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
        let path = kept.join(Backup::GENESIS);
        let bytes = std::fs::read(&path).map_err(|error| file(&path, &error))?;
        let genesis = GenesisFile::read(&bytes)?;
        let evidence = site.evidence()?;
        let root_id = evidence.binding().root_id.ok_or(CeremonyError::RootId)?;
        let ceremony = Ceremony::pinned(&genesis, &root_id)?;
        let key = self.operators.get(operator);
        let opened = ceremony.share(key.ok_or(CeremonyError::NotAnOperator)?)?;
        let request = Recipient::of(&evidence)?.share(&opened, expires_at())?;
        match site.call(&Request::Operator(request))? {
            Response::Root(status) => Ok(status),
            _ => Err(StaffError::Answer("not where the root key stands")),
        }
    }

    /// One operator's consent to a successor, at an enclave whose evidence satisfies the site's policy
    /// and vouches for the announcement.
    ///
    /// # Errors
    ///
    /// [`StaffError`].
    pub fn consent(
        &self,
        site: &Site,
        operator: usize,
        announced: &UpgradeStatus,
    ) -> Result<RootStatus, StaffError> {
        let Response::Status(status) = site.call(&Request::Status)? else {
            return Err(StaffError::Answer("no status"));
        };
        let evidence = site.evidence()?;
        successors::check(evidence.binding(), &status.root.upgrades)?;
        let mut listed = status.root.upgrades.iter();
        if !listed.any(|it| {
            (it.manifest, it.announced_at) == (announced.manifest, announced.announced_at)
        }) {
            return Err(StaffError::Answer("another list of successors"));
        }
        let root_id = evidence.binding().root_id.ok_or(CeremonyError::RootId)?;
        let key = self.operators.get(operator);
        let key = key.ok_or(CeremonyError::NotAnOperator)?;
        let place = u32::try_from(operator).map_err(|_| CeremonyError::NotAnOperator)?;
        let request =
            Recipient::of(&evidence)?.consent(key, place, root_id, announced, expires_at())?;
        match site.call(&Request::Operator(request))? {
            Response::Root(status) => Ok(status),
            _ => Err(StaffError::Answer("not where the root key stands")),
        }
    }
}

/// Until when an order is good that is given now.
fn expires_at() -> u64 {
    crate::time::now_ms().saturating_add(ORDER_LIFETIME)
}

/// The root id of the genesis kept in a directory, by whomever it was held; `None` if there was none.
pub(crate) fn root_id(kept: &Path) -> Result<Option<Hash32>, StaffError> {
    let path = kept.join(Backup::CONFIGURATION);
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| file(&path, &error))?,
    };
    let configuration = Configuration::from_json(&bytes).map_err(|error| file(&path, &error))?;
    Ok(configuration.root_id)
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
        assert_eq!(first.operators_json(), again.operators_json());
        assert_eq!(first.release_keys_json(), again.release_keys_json());
        let files: Vec<_> = std::fs::read_dir(&dir).unwrap().flatten().collect();
        assert_eq!(files.len(), NAMES.len() + MAINTAINERS);
        for entry in files {
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::copy(dir.join("anna.json"), dir.join("ben.json")).unwrap();
        assert!(matches!(Staff::open(&dir), Err(StaffError::File { .. })));
        std::fs::write(dir.join("ben.json"), "{}").unwrap();
        assert!(matches!(Staff::open(&dir), Err(StaffError::File { .. })));
    }
}
