//! The highest release epoch that a client has seen of each deployment.
//!
//! A release is withdrawn because something is wrong with it. A host that boots the old image again
//! has genuine evidence for it; only who remembers that there was a newer one can tell.

use std::collections::BTreeMap;

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

impl Epochs {
    /// Reads `{"version":1,"epochs":{"<root id>":N,…}}`.
    ///
    /// # Errors
    ///
    /// [`EpochsError`].
    pub fn from_json(json: &[u8]) -> Result<Self, EpochsError> {
        if json.len() > MAX_EPOCHS_FILE {
            return Err(EpochsError::Malformed("too long".into()));
        }
        let file: File = serde_json::from_slice(json)
            .map_err(|error| EpochsError::Malformed(error.to_string()))?;
        if file.version != VERSION || file.epochs.len() > MAX_DEPLOYMENTS {
            return Err(EpochsError::Malformed(
                "another version, or too many deployments".into(),
            ));
        }
        file.epochs
            .into_iter()
            .map(|(id, epoch)| id.parse().map(|id| (id, epoch)))
            .collect::<Result<_, _>>()
            .map(Self)
            .map_err(|_| EpochsError::Malformed("a root id is 64 hexadecimal digits".into()))
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

    /// Remembers accepted evidence. An epoch never goes down.
    ///
    /// # Errors
    ///
    /// [`EpochsError::Full`].
    pub fn note(&mut self, binding: &EvidenceBinding) -> Result<(), EpochsError> {
        let Some(id) = binding.root_id else {
            return Ok(());
        };
        if self.0.len() >= MAX_DEPLOYMENTS && !self.0.contains_key(&id) {
            return Err(EpochsError::Full);
        }
        let epoch = self.0.entry(id).or_default();
        *epoch = binding.epoch.max(*epoch);
        Ok(())
    }
}

/// Why epochs cannot be remembered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EpochsError {
    /// Not a file of epochs.
    #[error("the file of epochs is not as it should be: {0}")]
    Malformed(String),
    /// [`MAX_DEPLOYMENTS`] are remembered.
    #[error("{MAX_DEPLOYMENTS} deployments are remembered, and no more")]
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
    use openkey_protocol::message::{EVIDENCE_BINDING_VERSION, RollbackProtection};

    use super::*;

    fn binding(root_id: Option<u8>, epoch: u32) -> EvidenceBinding {
        EvidenceBinding {
            version: EVIDENCE_BINDING_VERSION,
            identity: [1; 32].into(),
            configuration: Hash32([2; 32]),
            root_source: None,
            root_id: root_id.map(|byte| Hash32([byte; 32])),
            release: "1".into(),
            epoch,
            tls_key: None,
            rollback: RollbackProtection::ClientsOnly,
            pending: None,
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

    #[test]
    fn the_file_is_strict_and_bounded() {
        for bad in [
            "",
            "{}",
            r#"{"version":2,"epochs":{}}"#,
            r#"{"version":1,"epochs":{"00":1}}"#,
            r#"{"version":1,"epochs":{},"more":1}"#,
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
