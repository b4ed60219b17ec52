//! A genesis, and what it promises.

mod error;

use base64ct::{Base64, Encoding};
use openkey_attestation::{Nonce, Policy, Refusal, UnixMillis, Verifier, json};
use openkey_protocol::{
    cbor,
    message::{
        GENESIS_INFO, Genesis, GenesisTranscript, Hash32, ROOT_DESCRIPTOR_VERSION, ROOT_ID_LABEL,
        RootDescriptor, SHARE_LABEL, Signed, WrappedRoot,
    },
};
use openkey_verifier::{
    account::HexStatement,
    configuration::Configuration,
    encoding,
    evidence::{self, Archival, EvidenceError, Fresh},
    statement::IdentityKey,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use self::error::CeremonyError;
use crate::{OperatorKey, info};

/// Longest genesis file, in bytes: descriptor, shares and evidence in text.
pub const MAX_GENESIS_FILE: usize = 256 * 1024;
/// The version of genesis files.
const VERSION: u32 = 1;

/// A genesis whose root id is the hash of its descriptor, and whose parts fit together.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceremony {
    transcript: GenesisTranscript,
    descriptor: RootDescriptor,
    hash: Hash32,
}

/// A genesis as operators keep and publish it: JSON
/// `{"version":1,"transcript":{"body":hex,"signature":hex},"evidence":base64}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    version: u32,
    transcript: HexStatement,
    evidence: String,
}

/// An operator's own share, opened, and held to the descriptor's commitment.
pub struct OpenedShare {
    /// Of which root key.
    pub root_id: Hash32,
    /// The operator's place, from 0.
    pub place: u32,
    /// The share. Secret.
    pub share: Zeroizing<Vec<u8>>,
}

/// The root id of a descriptor's bytes.
#[must_use]
pub fn root_id(descriptor: &[u8]) -> Hash32 {
    Hash32(
        Sha256::new()
            .chain_update(ROOT_ID_LABEL)
            .chain_update([0])
            .chain_update(descriptor)
            .finalize()
            .into(),
    )
}

impl Ceremony {
    /// Checks a genesis that was just asked for: evidence over the transcript, made now; the
    /// transcript signed by the identity key of that evidence; the nonce; the root id.
    ///
    /// # Errors
    ///
    /// [`CeremonyError`].
    pub fn fresh(
        genesis: &Genesis,
        verifier: &Verifier,
        policy: &Policy,
        nonce: &[u8],
        now: UnixMillis,
    ) -> Result<(Self, Fresh), CeremonyError> {
        let over = over(genesis)?;
        let document = genesis.document.as_slice();
        let evidence = evidence::fresh(verifier, document, policy, &over, now)?;
        let ceremony = Self::attested(genesis, evidence.identity(), evidence.binding().epoch)?;
        if ceremony.transcript.nonce.as_slice() != nonce {
            return Err(CeremonyError::Nonce);
        }
        Ok((ceremony, evidence))
    }

    /// Checks a genesis that somebody else asked for, at its own time.
    ///
    /// # Errors
    ///
    /// [`CeremonyError`].
    pub fn archival(
        genesis: &Genesis,
        verifier: &Verifier,
        policy: &Policy,
    ) -> Result<(Self, Archival), CeremonyError> {
        let over = over(genesis)?;
        let document = genesis.document.as_slice();
        let evidence = evidence::archival(verifier, document, policy, Some(&over))?;
        let ceremony = Self::attested(genesis, evidence.identity(), evidence.binding().epoch)?;
        Ok((ceremony, evidence))
    }

    /// Takes a genesis **without its evidence**: whoever pins the root id needs no more, since the
    /// root id is the hash of everything that matters in it.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::OtherRootId`] if it is another one's, [`CeremonyError::RootId`] if it does not fit
    /// together.
    pub fn pinned(genesis: &Genesis, expected: &Hash32) -> Result<Self, CeremonyError> {
        let transcript = genesis
            .transcript
            .unverified()
            .map_err(|_| CeremonyError::Descriptor("the transcript is none"))?;
        let ceremony = Self::read(transcript, genesis)?;
        let genesis = ceremony.root_id();
        if genesis == *expected {
            Ok(ceremony)
        } else {
            Err(CeremonyError::OtherRootId {
                genesis,
                expected: *expected,
            })
        }
    }

    fn attested(
        genesis: &Genesis,
        identity: &IdentityKey,
        epoch: u32,
    ) -> Result<Self, CeremonyError> {
        let ceremony = Self::read(identity.open(&genesis.transcript)?, genesis)?;
        if ceremony.descriptor.epoch != epoch {
            return Err(CeremonyError::Epoch {
                descriptor: ceremony.descriptor.epoch,
                evidence: epoch,
            });
        }
        Ok(ceremony)
    }

    fn read(transcript: GenesisTranscript, genesis: &Genesis) -> Result<Self, CeremonyError> {
        let bytes = transcript.descriptor.as_slice();
        if root_id(bytes) != transcript.root_id {
            return Err(CeremonyError::RootId);
        }
        let descriptor: RootDescriptor =
            cbor::decode(bytes).map_err(|_| CeremonyError::Descriptor("it does not decode"))?;
        let count = descriptor.operators.len();
        let fits = |threshold| usize::try_from(threshold).is_ok_and(|k| (1..=count).contains(&k));
        if descriptor.version != ROOT_DESCRIPTOR_VERSION {
            return Err(CeremonyError::Descriptor("it has another version"));
        }
        if !fits(descriptor.threshold) {
            return Err(CeremonyError::Descriptor("its threshold is impossible"));
        }
        if descriptor.shares.len() != count || transcript.shares.len() != count {
            return Err(CeremonyError::Descriptor("not every operator has a share"));
        }
        Ok(Self {
            transcript,
            descriptor,
            hash: Hash32(Sha256::digest(genesis.transcript.body.as_slice()).into()),
        })
    }

    /// Holds the genesis to the configuration of the enclave that made it: the same operators in the
    /// same order, the same threshold, a wrapped root key if and only if it names a KMS key.
    ///
    /// # Errors
    ///
    /// [`CeremonyError`].
    pub fn check_configuration(&self, configuration: &Configuration) -> Result<(), CeremonyError> {
        let Some(operators) = &configuration.operators else {
            return Err(CeremonyError::Configuration("names no operators"));
        };
        if configuration.root_id.is_some_and(|id| id != self.root_id()) {
            return Err(CeremonyError::Configuration("names another root id"));
        }
        let same = operators.keys == self.descriptor.operators
            && operators.threshold == self.descriptor.threshold;
        if !same {
            return Err(CeremonyError::Operators);
        }
        match (&configuration.kms, &self.transcript.wrapped) {
            (Some(_), None) => Err(CeremonyError::Wrapped("names", "lacks")),
            (None, Some(_)) => Err(CeremonyError::Wrapped("names no", "has")),
            _ => Ok(()),
        }
    }

    /// Opens an operator's own share and holds it to the commitment in the descriptor.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::NotAnOperator`], [`CeremonyError::ShareSealed`],
    /// [`CeremonyError::ShareCommitment`].
    pub fn share(&self, key: &OperatorKey) -> Result<OpenedShare, CeremonyError> {
        let at = self
            .descriptor
            .operators
            .iter()
            .position(|operator| operator == key.public())
            .ok_or(CeremonyError::NotAnOperator)?;
        let parts = (
            self.transcript.shares.get(at),
            self.descriptor.shares.get(at),
        );
        let (Some(sealed), Some(committed)) = parts else {
            return Err(CeremonyError::NotAnOperator);
        };
        let info = info(GENESIS_INFO, &[self.root_id().as_bytes()]);
        let share = key
            .open(&info, sealed)
            .map_err(|_| CeremonyError::ShareSealed)?;
        // At most MAX_OPERATORS.
        let index = u8::try_from(at + 1).map_err(|_| CeremonyError::NotAnOperator)?;
        let commitment: [u8; 32] = Sha256::new()
            .chain_update(SHARE_LABEL)
            .chain_update([0, index])
            .chain_update(&*share)
            .finalize()
            .into();
        if commitment != committed.0 {
            return Err(CeremonyError::ShareCommitment);
        }
        Ok(OpenedShare {
            root_id: self.root_id(),
            place: u32::from(index) - 1,
            share,
        })
    }

    /// The root id.
    #[must_use]
    pub const fn root_id(&self) -> Hash32 {
        self.transcript.root_id
    }

    /// SHA-256 of the transcript's body: everything that the genesis published.
    #[must_use]
    pub const fn hash(&self) -> Hash32 {
        self.hash
    }

    /// What is public about the root key.
    #[must_use]
    pub const fn descriptor(&self) -> &RootDescriptor {
        &self.descriptor
    }

    /// Its bytes, as the enclave boots with them.
    #[must_use]
    pub fn descriptor_bytes(&self) -> &[u8] {
        self.transcript.descriptor.as_slice()
    }

    /// The root key wrapped for KMS, if there is a KMS key.
    #[must_use]
    pub const fn wrapped(&self) -> Option<&WrappedRoot> {
        self.transcript.wrapped.as_ref()
    }
}

/// The nonce of a genesis's evidence: SHA-256 of the transcript's body.
fn over(genesis: &Genesis) -> Result<Nonce, CeremonyError> {
    Nonce::new(&Sha256::digest(genesis.transcript.body.as_slice()))
        .map_err(|_| EvidenceError::from(Refusal::NonceMissing).into())
}

impl GenesisFile {
    /// The file of a genesis.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        Self {
            version: VERSION,
            transcript: HexStatement {
                body: hex::encode(&genesis.transcript.body),
                signature: hex::encode(&genesis.transcript.signature),
            },
            evidence: Base64::encode_string(genesis.document.as_slice()),
        }
    }

    /// Reads a file; nothing in it is checked yet.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::File`].
    pub fn read(text: &[u8]) -> Result<Genesis, CeremonyError> {
        let malformed = |what: String| CeremonyError::File(what);
        if text.len() > MAX_GENESIS_FILE {
            return Err(malformed("too long".into()));
        }
        let file: Self = json::read(text).map_err(|error| malformed(error.to_string()))?;
        if file.version != VERSION {
            return Err(malformed("another version".into()));
        }
        let hex = |text: &str| hex::decode(text).map_err(|_| malformed("not hex".into()));
        let document = encoding::document_bytes(file.evidence.as_bytes())
            .map_err(|error| malformed(error.to_string()))?;
        Ok(Genesis {
            transcript: Signed::from_parts(
                hex(&file.transcript.body)?.into(),
                hex(&file.transcript.signature)?.into(),
            ),
            document: document.into(),
        })
    }

    /// The file's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A number and texts always serialise.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
