//! What is public about a root key: the descriptor, its hash (`root_id`), and the commitments in it.

use openkey_protocol::{
    cbor,
    message::{
        Bytes, Hash32, MAX_BOOT_FILE, OperatorKeys, ROOT_DESCRIPTOR_VERSION, ROOT_ID_LABEL,
        RootDescriptor, SHARE_LABEL,
    },
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::RootKey;
use crate::{configuration::Configuration, platform::Platform};

/// A descriptor with its encoding and hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    content: RootDescriptor,
    bytes: Vec<u8>,
    id: Hash32,
}

/// Why a descriptor is not the deployment's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The host gave none.
    #[error("the host gave no root descriptor")]
    Missing,
    /// It does not hash to the configuration's root id.
    #[error("the host's root descriptor does not hash to the configured root_id")]
    RootId,
    /// It is not the encoding of a descriptor of this version.
    #[error("the root descriptor is not one that this program reads")]
    Malformed,
    /// Its operators or threshold are not the configuration's.
    #[error("the root descriptor's operators are not the configured ones")]
    Operators,
    /// It was made by a program of a later epoch.
    #[error("the root key was made by a newer program than this enclave")]
    NewerEpoch,
}

impl Descriptor {
    /// Encodes a new descriptor. `None` if it has no encoding.
    pub(crate) fn new(content: RootDescriptor) -> Option<Self> {
        let bytes = cbor::encode(&content).ok()?;
        let id = root_id(&bytes);
        Some(Self { content, bytes, id })
    }

    /// The descriptor of a platform's deployment, read from what its host handed over.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`]; [`DescriptorError::Missing`] also where no root id is configured.
    pub fn of(platform: &Platform) -> Result<Self, DescriptorError> {
        let configuration = platform.configuration();
        let id = configuration.root_id().ok_or(DescriptorError::Missing)?;
        let bytes = platform.files().descriptor.as_ref();
        Self::read(
            bytes.map(Bytes::as_slice),
            &id,
            configuration,
            platform.epoch(),
        )
    }

    /// Reads what the host handed over and holds it to the measured configuration.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`].
    pub fn read(
        bytes: Option<&[u8]>,
        expected: &Hash32,
        configuration: &Configuration,
        epoch: u32,
    ) -> Result<Self, DescriptorError> {
        let bytes = bytes.ok_or(DescriptorError::Missing)?;
        // The hash first: nothing else of a stranger's file is looked at.
        if bytes.len() > MAX_BOOT_FILE || root_id(bytes) != *expected {
            return Err(DescriptorError::RootId);
        }
        let content: RootDescriptor =
            cbor::decode(bytes).map_err(|_| DescriptorError::Malformed)?;
        if content.version != ROOT_DESCRIPTOR_VERSION
            || content.shares.len() != content.operators.len()
        {
            return Err(DescriptorError::Malformed);
        }
        let Some(operators) = configuration.operators() else {
            return Err(DescriptorError::Operators);
        };
        let same = operators.keys().eq(content.operators.iter());
        if !same || operators.threshold() != content.threshold {
            return Err(DescriptorError::Operators);
        }
        if content.epoch > epoch {
            return Err(DescriptorError::NewerEpoch);
        }
        Ok(Self {
            content,
            bytes: bytes.to_vec(),
            id: *expected,
        })
    }

    /// Its content.
    #[must_use]
    pub const fn content(&self) -> &RootDescriptor {
        &self.content
    }

    /// Its encoding.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its hash, the `root_id`.
    #[must_use]
    pub const fn id(&self) -> Hash32 {
        self.id
    }

    /// The operator at a place.
    #[must_use]
    pub fn operator(&self, index: u32) -> Option<&OperatorKeys> {
        self.content.operators.get(usize::try_from(index).ok()?)
    }

    /// Whether a key is the root key that this descriptor commits to.
    #[must_use]
    pub fn commits_to(&self, key: &RootKey) -> bool {
        commitment(key).0.ct_eq(&self.content.commitment.0).into()
    }
}

/// SHA-256 of the label, a zero byte and the descriptor.
fn root_id(descriptor: &[u8]) -> Hash32 {
    Hash32(
        Sha256::new()
            .chain_update(ROOT_ID_LABEL)
            .chain_update([0])
            .chain_update(descriptor)
            .finalize()
            .into(),
    )
}

/// Derived from the root key by HKDF under a label of its own. It may be public: the root key has
/// 256 bits of entropy, so nothing can be found by trying, and no other derivation shares its label.
pub(crate) fn commitment(key: &RootKey) -> Hash32 {
    Hash32(**key.derive::<32>(&[b"root-commitment"]))
}

/// The public commitment to one share. A share is 32 bytes that are uniformly random by themselves
/// (or the root key, where one operator is enough), so its hash gives nothing away; and any number
/// of share commitments is as hard to use as one.
pub(crate) fn share_commitment(index: u8, share: &[u8]) -> Hash32 {
    Hash32(
        Sha256::new()
            .chain_update(SHARE_LABEL)
            .chain_update([0, index])
            .chain_update(share)
            .finalize()
            .into(),
    )
}
