//! The highest release epoch that a client has seen of each deployment.
//!
//! A release is withdrawn because something is wrong with it. A host that boots the old image again
//! has genuine evidence for it; only who remembers that there was a newer one can tell.

use std::collections::BTreeMap;

use openkey_attestation::json;
use openkey_protocol::message::{EvidenceBinding, Hash32};
use serde::{Deserialize, Serialize};

use crate::evidence::EvidenceError;

/// The version of the file.
const VERSION: u32 = 1;
/// Most deployments that one client remembers.
pub const MAX_DEPLOYMENTS: usize = 1024;
/// Longest file, in bytes.
pub const MAX_EPOCHS_FILE: usize = 128 * 1024;

/// The highest epoch seen of each root id. A deployment without a root id is not remembered: there
/// is nothing to know it by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs(BTreeMap<Hash32, u32>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    epochs: BTreeMap<String, u32>,
}

/// The epoch below which a client does not go back once it has accepted this evidence; 0 from an image
/// without the root key. It has served nobody, so that there is nothing to go back from, and a host can boot
/// every signed image, withdrawn ones too.
pub(crate) const fn counted(binding: &EvidenceBinding) -> u32 {
    match binding.root_source {
        Some(_) => binding.epoch,
        None => 0,
    }
}

impl Epochs {
    /// Reads `{"version":1,"epochs":{"<root id>":N,…}}`.
    ///
    /// # Errors
    ///
    /// [`EpochsError`].
    pub fn from_json(text: &[u8]) -> Result<Self, EpochsError> {
        if text.len() > MAX_EPOCHS_FILE {
            return Err(EpochsError::Malformed(format!(
                "it is longer than {MAX_EPOCHS_FILE} bytes"
            )));
        }
        let malformed = |message: String| EpochsError::Malformed(message);
        let file: File = json::read(text).map_err(|error| malformed(error.to_string()))?;
        if file.version != VERSION {
            return Err(malformed(format!(
                "it has version {}; this program knows version {VERSION}",
                file.version
            )));
        }
        if file.epochs.len() > MAX_DEPLOYMENTS {
            return Err(malformed(format!("more than {MAX_DEPLOYMENTS} root ids")));
        }
        let mut epochs = Self::default();
        for (id, epoch) in file.epochs {
            let id: Hash32 = id
                .parse()
                .map_err(|_| malformed("a root id is not 64 hexadecimal digits".into()))?;
            // The same id in capitals would be a second member for it.
            if epochs.0.insert(id, epoch).is_some() {
                return Err(malformed(format!("root id {id} is given twice")));
            }
        }
        Ok(epochs)
    }

    /// The file's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = File {
            version: VERSION,
            epochs: self
                .0
                .iter()
                .map(|(id, epoch)| (id.to_string(), *epoch))
                .collect(),
        };
        // Numbers and texts always serialise.
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Compares accepted evidence with what was seen before.
    ///
    /// # Errors
    ///
    /// [`EvidenceError::EpochTooOld`].
    pub fn check(&self, binding: &EvidenceBinding) -> Result<(), EvidenceError> {
        match binding.root_id.and_then(|id| self.0.get(&id)) {
            Some(&least) if binding.epoch < least => Err(EvidenceError::EpochTooOld {
                found: binding.epoch,
                least,
            }),
            _ => Ok(()),
        }
    }

    /// Remembers accepted evidence, if it counts. An epoch never goes down.
    ///
    /// # Errors
    ///
    /// [`EpochsError::Full`].
    pub fn note(&mut self, binding: &EvidenceBinding) -> Result<(), EpochsError> {
        match binding.root_id {
            Some(id) if Self::counts(binding) => self.raise(id, binding.epoch),
            _ => Ok(()),
        }
    }

    /// Whether an enclave with this evidence has an epoch to be kept: it has its root key.
    #[must_use]
    pub const fn counts(binding: &EvidenceBinding) -> bool {
        counted(binding) > 0
    }

    /// Adds what another run saw: of each deployment the higher epoch stays.
    ///
    /// # Errors
    ///
    /// [`EpochsError::Full`].
    pub fn merge(&mut self, other: &Self) -> Result<(), EpochsError> {
        other
            .0
            .iter()
            .try_for_each(|(id, epoch)| self.raise(*id, *epoch))
    }

    /// Whether merging `other` would change nothing.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let known = |(id, epoch): (&Hash32, &u32)| self.0.get(id).is_some_and(|own| own >= epoch);
        other.0.iter().all(known)
    }

    fn raise(&mut self, id: Hash32, epoch: u32) -> Result<(), EpochsError> {
        if self.0.len() >= MAX_DEPLOYMENTS && !self.0.contains_key(&id) {
            return Err(EpochsError::Full);
        }
        let own = self.0.entry(id).or_default();
        *own = epoch.max(*own);
        Ok(())
    }
}

/// Why epochs cannot be remembered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EpochsError {
    /// Not a file of epochs.
    #[error("invalid epochs file: {0}")]
    Malformed(String),
    /// [`MAX_DEPLOYMENTS`] are remembered.
    #[error("it remembers {MAX_DEPLOYMENTS} deployments, which is all it can: use another file")]
    Full,
}

impl EpochsError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "epochs_file",
            Self::Full => "epochs_full",
        }
    }
}

#[cfg(test)]
mod tests {
    use openkey_protocol::message::{EVIDENCE_BINDING_VERSION, RollbackProtection, RootSource};

    use super::*;

    fn binding(root_id: Option<u8>, epoch: u32) -> EvidenceBinding {
        EvidenceBinding {
            version: EVIDENCE_BINDING_VERSION,
            identity: [1; 32].into(),
            configuration: Hash32([2; 32]),
            root_source: Some(RootSource::Operators),
            root_id: root_id.map(|byte| Hash32([byte; 32])),
            release: "1".into(),
            epoch,
            tls_key: None,
            rollback: RollbackProtection::ClientsOnly,
            pending: None,
            withdrawn: None,
        }
    }

    #[test]
    fn p2_an_epoch_that_was_seen_never_goes_down() {
        let mut epochs = Epochs::default();
        epochs.note(&binding(Some(1), 5)).unwrap();
        epochs.note(&binding(Some(1), 4)).unwrap();
        let epochs = Epochs::from_json(epochs.to_json().as_bytes()).unwrap();
        assert_eq!(
            epochs.check(&binding(Some(1), 4)),
            Err(EvidenceError::EpochTooOld { found: 4, least: 5 })
        );
        assert_eq!(epochs.check(&binding(Some(1), 5)), Ok(()));
        // Other deployments have other epochs.
        assert_eq!(epochs.check(&binding(Some(2), 1)), Ok(()));
        assert_eq!(epochs.check(&binding(None, 1)), Ok(()));
    }

    /// A host can boot a signed image at any time, and need not give it the root key.
    #[test]
    fn p2_an_image_without_the_root_key_raises_no_epoch() {
        let mut epochs = Epochs::default();
        epochs.note(&binding(Some(1), 5)).unwrap();
        let waiting = EvidenceBinding {
            root_source: None,
            ..binding(Some(1), 6)
        };
        assert_eq!(epochs.check(&waiting), Ok(()));
        epochs.note(&waiting).unwrap();
        assert_eq!(epochs.check(&binding(Some(1), 5)), Ok(()));
    }

    #[test]
    fn p2_what_two_runs_saw_is_merged_by_maximum() {
        let epochs = |seen: &[(u8, u32)]| {
            let mut epochs = Epochs::default();
            for (id, epoch) in seen {
                epochs.note(&binding(Some(*id), *epoch)).unwrap();
            }
            epochs
        };
        let mut one = epochs(&[(1, 5), (2, 3)]);
        let other = epochs(&[(1, 4), (2, 6), (3, 1)]);
        assert!(!one.covers(&other) && !other.covers(&one));
        one.merge(&other).unwrap();
        assert_eq!(one, epochs(&[(1, 5), (2, 6), (3, 1)]));
        assert!(one.covers(&other));
        assert!(one.covers(&Epochs::default()));
    }

    #[test]
    fn the_file_is_strict_and_bounded() {
        for bad in [
            "",
            "{}",
            r#"{"version":2,"epochs":{}}"#,
            r#"{"version":1,"epochs":{"00":1}}"#,
            r#"{"version":1,"epochs":{},"more":1}"#,
            r#"[1,{}]"#,
            &format!(
                r#"{{"version":1,"epochs":{{"{0}":5,"{0}":1}}}}"#,
                "ab".repeat(32)
            ),
            &format!(
                r#"{{"version":1,"epochs":{{"{}":5,"{}":1}}}}"#,
                "ab".repeat(32),
                "AB".repeat(32)
            ),
        ] {
            assert!(Epochs::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
        let mut epochs = Epochs::default();
        for index in 0..MAX_DEPLOYMENTS {
            let mut one = binding(Some(0), 1);
            let mut id = [0; 32];
            id[..8].copy_from_slice(&u64::try_from(index).unwrap().to_be_bytes());
            one.root_id = Some(Hash32(id));
            epochs.note(&one).unwrap();
        }
        assert_eq!(epochs.note(&binding(Some(9), 1)), Err(EpochsError::Full));
        assert!(epochs.to_json().len() <= MAX_EPOCHS_FILE);
    }
}
