//! The root key's life in messages: genesis, shares, secrets that operators bring, hand-over,
//! upgrade.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Bytes, Hash32, Key32, RootSource, Signed, Statement};
use crate::cbor;

/// The version that [`RootDescriptor::version`] must have.
pub const ROOT_DESCRIPTOR_VERSION: u32 = 1;
/// In front of a descriptor, ended by a zero byte, in the hash that is `root_id`.
pub const ROOT_ID_LABEL: &str = "openkey/root-id/v1";
/// In front of a share's index and bytes, ended by a zero byte, in the share's commitment.
pub const SHARE_LABEL: &str = "openkey/share/v1";
/// HPKE `info` of a share sealed to an operator at genesis, followed by the root id.
pub const GENESIS_INFO: &str = "openkey/hpke/genesis/v1";
/// HPKE `info` of a share posted to a boot key, followed by root id, identity key and expiry (8 bytes, the
/// most significant first).
pub const POST_SHARE_INFO: &str = "openkey/hpke/post-share/v2";
/// HPKE `info` of an operator's secret, followed by root id, identity key, the operator's place (4 bytes),
/// version and expiry (8 bytes each, all three with the most significant byte first) and the name.
pub const SECRET_INFO: &str = "openkey/hpke/secret/v2";
/// HPKE `info` of a root key handed over, followed by root id and the receiver's identity key.
pub const HAND_OVER_INFO: &str = "openkey/hpke/hand-over/v1";
/// Most operators of a deployment: people, who know each other.
pub const MAX_OPERATORS: usize = 16;
/// Longest name of an operator or a secret, in characters.
pub const MAX_OPERATOR_NAME: usize = 64;
/// Longest secret that an operator brings, in bytes: tokens and client secrets.
pub const MAX_SECRET: usize = 4096;
/// How long before its expiry an operator's order may reach an enclave, in milliseconds. A host that
/// keeps an order back can use it for that long, and no longer.
pub const MAX_ORDER_LIFETIME: u64 = 10 * 60 * 1000;
/// Longest release manifest, in bytes.
pub const MAX_MANIFEST: usize = 64 * 1024;
/// In front of the list of pending successors, ended by a zero byte, in the hash that fresh evidence
/// carries.
pub const PENDING_LABEL: &str = "openkey/pending-successors/v1";
/// In front of the list of withdrawn manifests, ended by a zero byte, in the hash that fresh evidence
/// carries.
pub const WITHDRAWN_LABEL: &str = "openkey/withdrawn-manifests/v1";

/// A message under HPKE (RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
/// ChaCha20Poly1305), with an `info` that says what it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The encapsulated key: 32 bytes.
    pub enc: Key32,
    /// Ciphertext and tag.
    pub ciphertext: Bytes,
}

/// One operator's public keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OperatorKeys {
    /// Who, for people; unique among the operators.
    pub name: String,
    /// X25519: shares are sealed to it.
    pub encryption: Key32,
    /// Ed25519: orders are signed with it.
    pub signing: Key32,
}

/// What is public about a root key. Its labelled hash is the `root_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RootDescriptor {
    /// 1.
    pub version: u32,
    /// Derived from the root key: whoever has the key can compute it, nobody can go back.
    pub commitment: Hash32,
    /// How many shares make the root key.
    pub threshold: u32,
    /// The holders of the shares, in the configuration's order.
    pub operators: Vec<OperatorKeys>,
    /// For each operator: SHA-256 of `openkey/share/v1`, a zero byte, the share's index from 1
    /// (one byte) and the share.
    pub shares: Vec<Hash32>,
    /// The release epoch of the program that made the key.
    pub epoch: u32,
    /// When. Milliseconds since 1970, by the enclave's clock.
    pub created_at: u64,
}

/// A root key wrapped for AWS KMS: useless without a data key that KMS gives to measured enclaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WrappedRoot {
    /// `CiphertextBlob` of `GenerateDataKey`.
    pub blob: Bytes,
    /// 24 bytes.
    pub nonce: Bytes,
    /// The root key under XChaCha20-Poly1305 with the data key; associated data: the root id.
    pub sealed: Bytes,
}

/// What a genesis publishes, signed by the identity key of the enclave that did it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GenesisTranscript {
    /// Deterministic CBOR of the [`RootDescriptor`].
    pub descriptor: Bytes,
    /// SHA-256 of `openkey/root-id/v1`, a zero byte and the descriptor.
    pub root_id: Hash32,
    /// One share for each operator, sealed to its encryption key (HPKE, info `openkey/hpke/genesis/v1`).
    pub shares: Vec<Sealed>,
    /// For KMS, where the configuration names a KMS key.
    pub wrapped: Option<WrappedRoot>,
    /// The caller's nonce.
    pub nonce: Bytes,
}

impl Statement for GenesisTranscript {
    const LABEL: &'static str = "openkey/genesis/v1";
}

/// A genesis with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The transcript.
    pub transcript: Signed<GenesisTranscript>,
    /// An attestation document whose nonce is SHA-256 of the transcript's body.
    pub document: Bytes,
}

/// What operators ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OperatorRequest {
    /// Makes the root key of a deployment that has none: the configuration names operators and no
    /// root id. Once for each boot.
    Genesis {
        /// Comes back in the transcript; also keeps two ceremonies apart.
        nonce: Bytes,
    },
    /// Brings one share.
    PostShare {
        /// The operator's place in the configuration, from 0.
        operator: u32,
        /// The share, sealed to the boot key (HPKE, info `openkey/hpke/post-share/v2`).
        share: Sealed,
        /// Until when the enclave takes it. Milliseconds since 1970; at most ten minutes
        /// ahead.
        expires_at: u64,
    },
    /// Brings a secret.
    SetSecret {
        /// The operator's place in the configuration, from 0.
        operator: u32,
        /// The order, signed with the operator's signing key.
        order: Signed<SecretOrder>,
    },
    /// Announces a successor image: from now on its delay runs.
    Announce {
        /// The successor's release manifest (JSON), signed by the configuration's release keys.
        manifest: Bytes,
    },
    /// Consents to a pending successor: this boot may hand the root key to it after the delay.
    Consent {
        /// The operator's place in the configuration, from 0.
        operator: u32,
        /// The consent, signed with the operator's signing key.
        consent: Signed<UpgradeConsent>,
    },
    /// Withdraws a successor, announced or not: it never gets the root key.
    Withdraw {
        /// The operator's place in the configuration, from 0.
        operator: u32,
        /// The withdrawal, signed with the operator's signing key.
        withdrawal: Signed<UpgradeWithdrawal>,
    },
}

/// What an operator signs for enclaves: they take it until it expires, and not if that is more than
/// [`MAX_ORDER_LIFETIME`] ahead.
pub trait Order: Statement {
    /// When it expires. Milliseconds since 1970.
    fn expires_at(&self) -> u64;
}

/// An operator's consent that one boot of the enclave hands the root key to one announced successor.
///
/// It ends with that boot: the host cannot use it at an enclave that the operator did not ask, nor
/// again after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpgradeConsent {
    /// SHA-256 of the manifest's signed body.
    pub manifest: Hash32,
    /// The deployment.
    pub root_id: Hash32,
    /// [`UpgradeStatus::announced_at`] as the operator saw it. Another announcement of the same
    /// manifest needs another consent.
    pub announced_at: u64,
    /// The identity key of the boot it is meant for.
    pub identity: Key32,
    /// Until when the enclave takes it; once taken it holds for as long as that boot.
    pub expires_at: u64,
}

impl Statement for UpgradeConsent {
    const LABEL: &'static str = "openkey/upgrade-consent/v2";
}

impl Order for UpgradeConsent {
    fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

/// An operator's withdrawal of a successor. It holds for every announcement of the manifest and for
/// every enclave of the deployment that receives it; there is no way back but another manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpgradeWithdrawal {
    /// SHA-256 of the manifest's signed body.
    pub manifest: Hash32,
    /// The deployment.
    pub root_id: Hash32,
    /// Until when enclaves take it; once taken it stays.
    pub expires_at: u64,
}

impl Statement for UpgradeWithdrawal {
    const LABEL: &'static str = "openkey/upgrade-withdrawal/v2";
}

impl Order for UpgradeWithdrawal {
    fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

/// An operator's order to keep a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SecretOrder {
    /// Its name: 1 to 64 characters of `a-z 0-9 . _ -`.
    pub name: String,
    /// One more than the version kept now; the first is 1.
    pub version: u64,
    /// The secret, sealed to the boot key (HPKE, info `openkey/hpke/secret/v2`).
    pub secret: Sealed,
    /// The identity key of the boot it is meant for.
    pub identity: Key32,
    /// Until when the enclave takes it; once taken the secret stays.
    pub expires_at: u64,
}

impl Statement for SecretOrder {
    const LABEL: &'static str = "openkey/secret-order/v2";
}

impl Order for SecretOrder {
    fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

/// Where the root key stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RootStatus {
    /// Whether it is there.
    pub state: RootState,
    /// The configuration's root id.
    pub root_id: Option<Hash32>,
    /// The program's release epoch.
    pub epoch: u32,
    /// Every source tried or waited for, in the configured order, with what came of it.
    pub sources: Vec<SourceStatus>,
    /// Successors that were announced, are not withdrawn and whose manifests have not expired, in the
    /// order of their announcement. Fresh evidence carries the hash of this list
    /// (`openkey/pending-successors/v1`, a zero byte and the list).
    pub upgrades: Vec<UpgradeStatus>,
    /// Whether `upgrades` is complete. `false` while the store hides the list or does not answer, and
    /// without a root key: then `upgrades` has what this boot remembers, and no successor gets the
    /// root key.
    pub upgrades_known: bool,
    /// Manifests (SHA-256 of the signed body) that operators withdrew, in the records as this boot saw
    /// them: a withdrawal that is in memory alone holds until a restart, and is not among them. One is
    /// dropped only after its manifest has expired. Fresh evidence carries the hash of this list
    /// (`openkey/withdrawn-manifests/v1`, a zero byte and the list).
    pub withdrawn: Vec<Hash32>,
    /// Names and versions of the secrets that operators brought.
    pub secrets: Vec<SecretStatus>,
    /// Whether `secrets` is complete. `false` while the store hides the record from this boot or does not
    /// answer, and without a root key.
    pub secrets_known: bool,
}

/// Whether the root key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RootState {
    /// There is none yet: operators are named, and a genesis is awaited.
    AwaitingGenesis,
    /// A genesis took place in this boot; this enclave serves nothing else.
    GenesisDone,
    /// It is awaited.
    Waiting {
        /// Good shares so far.
        have: u32,
        /// Shares needed.
        need: u32,
    },
    /// It is there.
    Ready,
    /// It went to a successor: this enclave serves accounts no more.
    HandedOver,
}

/// One source and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SourceStatus {
    /// The source of the root key.
    pub source: RootSource,
    /// In a sentence of the enclave's own: what failed, or what is awaited.
    pub explanation: String,
}

/// A pending successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpgradeStatus {
    /// The successor's release.
    pub release: String,
    /// Its epoch.
    pub epoch: u32,
    /// SHA-256 of the manifest's signed body.
    pub manifest: Hash32,
    /// When it was announced. Milliseconds since 1970, by the enclave's clock.
    pub announced_at: u64,
    /// When its delay has ended and its manifest is valid. The root key is handed to it from then on, if
    /// operators consent.
    pub allowed_from: u64,
    /// The operators that have consented to it at this boot: places in the configuration, ascending.
    pub consents: Vec<u32>,
    /// How many must.
    pub consents_needed: u32,
}

/// What is hashed (SHA-256) into fresh evidence: [`PENDING_LABEL`], a zero byte and the deterministic
/// CBOR of [`RootStatus::upgrades`].
///
/// # Errors
///
/// [`cbor::EncodeError`], which a test excludes.
pub fn pending_input(upgrades: &[UpgradeStatus]) -> Result<Vec<u8>, cbor::EncodeError> {
    Ok(labelled(PENDING_LABEL, &cbor::encode(&upgrades)?))
}

/// What is hashed (SHA-256) into fresh evidence: [`WITHDRAWN_LABEL`], a zero byte and the
/// deterministic CBOR of [`RootStatus::withdrawn`].
///
/// # Errors
///
/// [`cbor::EncodeError`], which a test excludes.
pub fn withdrawn_input(withdrawn: &[Hash32]) -> Result<Vec<u8>, cbor::EncodeError> {
    Ok(labelled(WITHDRAWN_LABEL, &cbor::encode(&withdrawn)?))
}

fn labelled(label: &str, list: &[u8]) -> Vec<u8> {
    [label.as_bytes(), &[0], list].concat()
}

/// A kept secret, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SecretStatus {
    /// Its name.
    pub name: String,
    /// How often it was set.
    pub version: u64,
}

/// Asks a running enclave for the root key; accepted only on the channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// The root id of the asker's configuration.
    pub root_id: Hash32,
    /// If the asker is a successor: the release manifest that names it.
    pub manifest: Option<Bytes>,
}

/// Credentials for AWS requests: the host's own, worth nothing without attestation.
#[derive(
    Clone, PartialEq, Eq, Serialize, Deserialize, zeroize::Zeroize, zeroize::ZeroizeOnDrop,
)]
#[serde(deny_unknown_fields)]
pub struct AwsCredentials {
    /// `AccessKeyId`.
    pub access_key_id: String,
    /// `SecretAccessKey`.
    pub secret_access_key: String,
    /// `SessionToken`, with temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsCredentials(..)")
    }
}
