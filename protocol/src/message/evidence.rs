//! What an attestation document binds besides measurements and nonce.

use serde::{Deserialize, Serialize};

use super::{Bytes, Hash32};

/// The version that [`EvidenceBinding::version`] must have.
pub const EVIDENCE_BINDING_VERSION: u32 = 4;

/// The document's `user_data`: deterministic CBOR of this map. The document's `public_key` is the
/// boot key: X25519, 32 bytes, to which operators seal what they bring (HPKE, RFC 9180).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EvidenceBinding {
    /// 4.
    pub version: u32,
    /// The Ed25519 public key of this boot, which signs answers and receipts (32 bytes).
    pub identity: Bytes,
    /// SHA-256 of the measured run-time configuration.
    pub configuration: Hash32,
    /// Where the root key came from; absent while it is awaited.
    pub root_source: Option<RootSource>,
    /// Commitment to the root key and the operators ([`super::RootDescriptor`]); absent while no
    /// genesis made one.
    pub root_id: Option<Hash32>,
    /// The program's release.
    pub release: String,
    /// The program's release epoch: never goes down.
    pub epoch: u32,
    /// In evidence for a channel: SHA-256 of the TLS key's SubjectPublicKeyInfo (DER).
    pub tls_key: Option<Hash32>,
    /// What keeps the store from returning older records.
    pub rollback: RollbackProtection,
    /// In fresh evidence of an enclave with its root key: the successors that wait for it.
    pub pending: Option<PendingSuccessors>,
    /// In fresh evidence of an enclave with its root key: SHA-256 of
    /// `openkey/withdrawn-manifests/v1`, a zero byte and the manifests whose withdrawal this boot saw in the
    /// records, in deterministic CBOR as the status lists them. Whoever withdraws one looks for its presence: it
    /// is absent from an older document, or another enclave's.
    pub withdrawn: Option<Hash32>,
}

/// The successors that wait for the root key, as an enclave knows them when it is asked; what another
/// enclave announced shows after at most ten seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PendingSuccessors {
    /// The store hides the list, or does not answer. No successor gets the root key meanwhile.
    Unknown,
    /// SHA-256 of `openkey/pending-successors/v1`, a zero byte and the list in deterministic CBOR as the
    /// status shows it.
    Known(Hash32),
}

/// Where a root key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RootSource {
    /// A file of the simulator. Protects nothing.
    Development,
    /// A running enclave of the same deployment, over the channel.
    HandOver,
    /// The operators' shares.
    Operators,
    /// AWS KMS with attestation of the recipient.
    Kms,
}

/// What keeps the host from answering with older records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RollbackProtection {
    /// The running enclave's memory and the heads that clients hold.
    ClientsOnly,
}
