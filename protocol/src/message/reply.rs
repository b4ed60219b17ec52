//! What an enclave answers.

use serde::{Deserialize, Serialize};

use super::{
    AccountHead, AccountId, AccountReceipt, Address, Answer, Bytes, CreationOptions, Error,
    Genesis, Hash32, HistoryPage, KeyId, Prompt, RequestOptions, RootSource, RootStatus, Sealed,
    Signed,
};

/// One reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// Signed by the enclave: all that somebody acts on, refusals included.
    Answer(Signed<Answer>),
    /// Not signed: worth no more than the word of the host that carries it.
    Bare(Bare),
}

/// The replies that no identity key signs. Whatever else an enclave says is a [`Response`] or an
/// [`Error`] inside an [`Answer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bare {
    /// To [`super::Request::Evidence`]. The NSM signs it over the request's nonce, and it is where a
    /// client learns the identity key from.
    Evidence(Evidence),
    /// To [`super::Request::HandOver`]: the root key, sealed to the asker's boot key
    /// (HPKE, info `openkey/hpke/hand-over/v1`), on a channel that is attested at both ends.
    HandedOver(Sealed),
    /// What arrived is no [`super::Call`], so no answer could name it.
    Refused(Error),
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Response {
    /// To [`super::Request::Status`].
    Status(Status),
    /// To [`super::Request::SignUp`].
    SignUpStarted(SignUpStarted),
    /// To [`super::Request::SignUpFinish`].
    SignedUp(SignedUp),
    /// To [`super::Request::SignIn`], [`super::Request::Propose`] and
    /// [`super::Request::PasskeyCreated`].
    Prompted(Prompted),
    /// To [`super::Request::Propose`] of [`super::Action::AddPasskey`].
    NewPasskey(NewPasskey),
    /// To [`super::Request::Approve`].
    Approved(Approved),
    /// To [`super::Query::Account`].
    Account(AccountView),
    /// To [`super::Query::History`].
    History(HistoryPage),
    /// To [`super::OperatorRequest::Genesis`].
    Genesis(Genesis),
    /// To every other [`super::OperatorRequest`]: where the root key stands now.
    Root(RootStatus),
}

/// Who is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The program's release.
    pub release: String,
    /// Where the root key came from; absent while it is awaited.
    pub root_source: Option<RootSource>,
    /// Where the root key stands.
    pub root: RootStatus,
    /// Milliseconds since 1970, by the enclave's clock.
    pub now: u64,
    /// The relying-party id of the measured configuration.
    pub rp_id: String,
    /// The origins of the measured configuration.
    pub origins: Vec<String>,
    /// Its limits.
    pub limits: Limits,
}

/// An enclave's limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a payload to sign.
    pub payload_bytes: u32,
    /// Passkeys of an account.
    pub passkeys: u32,
    /// Keys of an account.
    pub keys: u32,
    /// Signatures of an account in a minute.
    pub signatures_per_minute: u32,
    /// Accounts this deployment can hold.
    pub accounts: u64,
}

/// An attestation document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// COSE_Sign1, as the NSM gave it; its `user_data` is an [`super::EvidenceBinding`].
    pub document: Bytes,
}

/// The first half of a registration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignUpStarted {
    /// For the authenticator.
    pub options: CreationOptions,
    /// To be returned as it is; sealed.
    pub context: Bytes,
    /// After this the registration is refused. Milliseconds since 1970.
    pub expires_at: u64,
}

/// A new account that still has to be confirmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedUp {
    /// What the enclave holds: a statement of its own, since people keep it.
    pub receipt: Signed<AccountReceipt>,
    /// Where the account stands.
    pub head: AccountHead,
}

/// A prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Prompted {
    /// What the enclave is about to do.
    pub prompt: Box<Prompt>,
    /// For the authenticator.
    pub options: RequestOptions,
    /// To be returned as it is; sealed.
    pub context: Bytes,
}

/// Ready for a new passkey to be created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPasskey {
    /// For the authenticator.
    pub options: CreationOptions,
    /// To be returned as it is; sealed.
    pub context: Bytes,
    /// After this the new passkey is refused. Milliseconds since 1970.
    pub expires_at: u64,
}

/// An approval that took effect, durably.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// Where the account stands now.
    pub head: AccountHead,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// A read token (also the outcome of a confirmation).
    SignedIn {
        /// To be returned as it is; sealed. It lists and reads, nothing else.
        token: Bytes,
        /// When it ends. Milliseconds since 1970.
        expires_at: u64,
    },
    /// A signature.
    Signature {
        /// r ‖ s ‖ v, 65 bytes, s low, v 27 or 28.
        signature: Bytes,
        /// The Keccak-256 digest under it.
        digest: Hash32,
        /// The address whose key signed.
        address: Address,
    },
    /// A change of the account.
    Changed,
    /// A new key.
    KeyCreated(KeyView),
}

/// An account as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AccountView {
    /// Its id.
    pub account: AccountId,
    /// What its authenticators show.
    pub name: String,
    /// When it was made. Milliseconds since 1970.
    pub created_at: u64,
    /// False until the first passkey has confirmed the receipt.
    pub confirmed: bool,
    /// Its passkeys, oldest first.
    pub passkeys: Vec<PasskeyView>,
    /// Its keys, oldest first.
    pub keys: Vec<KeyView>,
    /// How many decisions its history holds.
    pub history: u64,
    /// Where it stands.
    pub head: AccountHead,
}

/// A passkey as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PasskeyView {
    /// The credential id.
    pub id: Bytes,
    /// Its name.
    pub name: String,
    /// SHA-256 of its public key as SubjectPublicKeyInfo DER.
    pub public_key_sha256: Hash32,
    /// When it was added. Milliseconds since 1970.
    pub created_at: u64,
    /// When it last approved something. Milliseconds since 1970.
    pub used_at: Option<u64>,
}

/// A key as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyView {
    /// Its index.
    pub key: KeyId,
    /// Its Ethereum address.
    pub address: Address,
    /// Its name.
    pub label: String,
    /// When it was made. Milliseconds since 1970.
    pub created_at: u64,
    /// When it was put away. Milliseconds since 1970.
    pub archived_at: Option<u64>,
}
