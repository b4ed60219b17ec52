//! What was decided on an account, as its owner reads it.

use serde::{Deserialize, Serialize};

use super::{AccountHead, Address, Bytes, Hash32, KeyId, Line, PromptKind};

/// A stretch of an account's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HistoryPage {
    /// Where the account stands.
    pub head: AccountHead,
    /// Newest first.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page begins ([`super::Query::History::before`]); absent at the end.
    pub next: Option<u64>,
}

/// One decision: a link of the account's audit chain. It is at most 7168 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HistoryEntry {
    /// Its place in the chain, from 1.
    pub sequence: u64,
    /// SHA-256 of the entry before it (zeros at the first).
    pub previous: Hash32,
    /// SHA-256 of the sealed account record that this was decided on. The entry with sequence `n` was
    /// decided on version `n` of the record, so the history commits to every earlier state.
    pub record: Hash32,
    /// When. Milliseconds since 1970.
    pub at: u64,
    /// What kind of action.
    pub kind: PromptKind,
    /// The summary's title.
    pub title: String,
    /// What else the person was told.
    pub told: Excerpt,
    /// The page it was approved on.
    pub origin: String,
    /// The passkey that approved it.
    pub passkey: ApprovedBy,
    /// What was approved ([`super::Prompt::digest`]).
    pub digest: Hash32,
    /// The key that signed, was made, renamed, archived or restored.
    pub key: Option<ConcernedKey>,
    /// The signature that was released.
    pub signature: Option<Bytes>,
}

/// Largest entry of a history, in bytes of its CBOR.
pub const MAX_ENTRY: usize = 7 * 1024;

/// A passkey as it was when it approved: it may be renamed or removed later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovedBy {
    /// Its credential id.
    pub id: Bytes,
    /// Its name then.
    pub name: String,
    /// SHA-256 of its public key, as in [`super::PasskeyView`].
    pub public_key_sha256: Hash32,
}

/// A key as it was when the decision was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConcernedKey {
    /// Its index.
    pub key: KeyId,
    /// Its Ethereum address.
    pub address: Address,
    /// Its name then; before the decision, if the decision gave it another one.
    pub label: String,
}

/// The beginning of what a summary said: enough to tell decisions apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Excerpt {
    /// The first lines of the summary. A label or value that is cut ends with `…`.
    pub lines: Vec<Line>,
    /// How many lines followed.
    pub left_out: u32,
    /// The beginning of a signed text; sign-in messages and typed data are told by lines.
    pub text: Option<String>,
}
