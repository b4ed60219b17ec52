//! What an enclave signs for people and their clients.

use serde::{Deserialize, Serialize};

use super::{AccountId, Address, Bytes, Grant, Hash32, KeyId, Statement, UserHandle};

/// Where an account stands. Clients keep the newest they saw, and when, and send both with every request
/// ([`super::KnownHead`]): an older or missing record is then refused as `rolled_back`, and one on whose
/// history the head does not lie, or that continues it by what was kept back, as `forked`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AccountHead {
    /// The account whose state this is.
    pub account: AccountId,
    /// Goes up by one with every change.
    pub version: u64,
    /// SHA-256 of the account's sealed record at that version.
    pub hash: Hash32,
    /// SHA-256 of the newest history entry at that version, zeros before the first.
    pub entry: Hash32,
}

/// Ends a registration: what the enclave holds for the person. The client compares the passkey's
/// public key with the one its own authenticator returned before it shows an address as its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AccountReceipt {
    /// The new account: the hash of the user handle and of the first passkey's public key.
    pub account: AccountId,
    /// The user handle of its passkeys.
    pub user_handle: UserHandle,
    /// Its version when this was signed.
    pub version: u64,
    /// Milliseconds since 1970, by the enclave's clock.
    pub issued_at: u64,
    /// The relying-party id its passkeys belong to.
    pub rp_id: String,
    /// The nonce of the call that began the registration.
    pub nonce: Bytes,
    /// Every passkey.
    pub credentials: Vec<ReceiptCredential>,
    /// Every key.
    pub keys: Vec<ReceiptKey>,
}

impl Statement for AccountReceipt {
    const LABEL: &'static str = "openkey/account-receipt/v2";
}

/// One passkey of a receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiptCredential {
    /// The credential id.
    pub id: Bytes,
    /// SHA-256 of its public key as SubjectPublicKeyInfo DER, which is what
    /// `AuthenticatorAttestationResponse.getPublicKey()` returns in a browser.
    pub public_key_sha256: Hash32,
}

/// One key of a receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiptKey {
    /// Its index.
    pub key: KeyId,
    /// Its Ethereum address.
    pub address: Address,
}

/// What a prompt asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PromptKind {
    /// A read token for fifteen minutes.
    SignIn,
    /// First use of a new account.
    Confirm,
    /// An EIP-191 signature over a text.
    SignText,
    /// An EIP-191 signature over a SIWE message.
    SignSiwe,
    /// An EIP-712 signature.
    SignTypedData,
    /// A new passkey.
    AddPasskey,
    /// Another name for a passkey.
    RenamePasskey,
    /// One passkey fewer.
    RemovePasskey,
    /// A new key.
    CreateKey,
    /// Another name for a key.
    LabelKey,
    /// A key put away.
    ArchiveKey,
    /// A key brought back.
    RestoreKey,
}

/// What the enclave says it is about to do. It comes in a signed [`super::Answer`], so that a client
/// can check that the prompt belongs to what it asked for before the person touches the
/// authenticator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// What kind of action.
    pub kind: PromptKind,
    /// Whose account; absent for a sign-in, where the authenticator says so.
    pub account: Option<AccountId>,
    /// The key that would sign, if one would.
    pub key: Option<ReceiptKey>,
    /// The account's head when this was prepared; absent for a sign-in. A change of authority is
    /// approved for exactly this record.
    pub head: Option<AccountHead>,
    /// The WebAuthn challenge an assertion must answer.
    pub challenge: Bytes,
    /// What an approval covers: for signatures the Keccak-256 digest that will be signed, for
    /// everything else SHA-256 of the call ([`super::Answer::request`]).
    pub digest: Hash32,
    /// The page's origin; an assertion made elsewhere is refused.
    pub origin: String,
    /// Milliseconds since 1970, by the enclave's clock.
    pub issued_at: u64,
    /// After this the approval is refused.
    pub expires_at: u64,
    /// The same in plain words.
    pub summary: Summary,
}

/// An action in plain words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// One sentence.
    pub title: String,
    /// Who asks, what moves or is granted, until when, on which chain.
    pub lines: Vec<Line>,
    /// What the signature hands out, in the order of the signed text; empty if nothing is.
    pub grants: Vec<Grant>,
    /// What a careful friend would point out.
    pub warnings: Vec<Warning>,
    /// The text that is signed, as it is shown: whole, but for runs of more than two blank lines or
    /// sixteen spaces, in whose place `[… 10,000 blank lines …]` stands. The exact bytes are those of
    /// the request, whose hash the prompt carries.
    pub text: Option<String>,
    /// True if an approval must repeat the digest ([`super::Approve::confirmed`]).
    pub confirm: bool,
}

/// One line of a summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What the line is about, such as `Who asks`.
    pub label: String,
    /// What it says.
    pub value: String,
}

/// One warning of a summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// How much it matters.
    pub severity: Severity,
    /// Why, in a sentence.
    pub text: String,
}

/// How much a warning matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Worth a second look.
    Attention,
    /// Can cost everything the key owns: needs a second confirmation.
    Danger,
}
