//! Why a request was refused.

use serde::{Deserialize, Serialize};

/// A refusal: which rule, what happened, what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub struct Error {
    /// For programs.
    pub code: ErrorCode,
    /// What happened, in a sentence that holds no secret and no caller-supplied markup.
    pub message: String,
    /// What the person can do, in a sentence.
    pub advice: String,
}

/// Which rule refused a request. Stable names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The bytes are not a request of this protocol.
    Malformed,
    /// The request arrived under another class than its own.
    WrongClass,
    /// A text, name, nonce or payload is too long, too short or too many.
    OutOfBounds,
    /// The page's origin is not one of the measured configuration.
    WrongOrigin,
    /// No such account, and the enclave never knew one.
    UnknownAccount,
    /// The store answers with an older record than the enclave or the client knows, or hides it.
    RolledBack,
    /// The store answers with a record that does not continue the one the enclave or the client
    /// knows: the account has two histories.
    Forked,
    /// A record does not open under its own name: it was changed, or moved from another place.
    RecordCorrupt,
    /// No such passkey in this account.
    UnknownPasskey,
    /// No such key in this account.
    UnknownKey,
    /// The key is archived.
    KeyArchived,
    /// The account's first passkey has not confirmed its receipt.
    NotConfirmed,
    /// The account is already confirmed.
    AlreadyConfirmed,
    /// The last passkey cannot be removed.
    LastPasskey,
    /// The passkey is already registered.
    PasskeyExists,
    /// The key is not archived, or has that label already: nothing would change.
    NothingToDo,
    /// The read token is missing, has expired, or is not one of this account.
    SignInNeeded,
    /// The context is not one of this deployment, or of another kind.
    ContextInvalid,
    /// The context has expired.
    ContextExpired,
    /// The context has been used.
    ContextUsed,
    /// The sign-up began at another boot of the enclave, or at another enclave: it begins again.
    BeginAgain,
    /// The account has changed since the prompt was shown.
    AccountChanged,
    /// The passkey's answer does not hold: signature, challenge, relying party, user verification,
    /// counter, cross-origin use or a foreign user handle.
    AssertionRefused,
    /// The new passkey does not hold.
    CredentialRefused,
    /// The passkey that is to be added has not signed the prompt's challenge.
    PossessionNeeded,
    /// The proof of the passkey that is to be added does not hold, or the prompt adds none.
    PossessionRefused,
    /// The action is flagged dangerous and was not confirmed a second time.
    ConfirmationNeeded,
    /// The text looks like SIWE or a SIWE-ReCap but does not parse canonically.
    SiweRefused,
    /// The SIWE message is for another address, has expired, or hands out what cannot be granted.
    SiweUnsupported,
    /// The typed data cannot be read without ambiguity.
    TypedDataRefused,
    /// The text holds characters that a person cannot see.
    TextRefused,
    /// Too many in too short a time.
    TooMany,
    /// Too many requests wait for the same account, or for evidence: nothing was done, and the same
    /// request can be repeated after a second.
    Busy,
    /// No room for another account.
    Full,
    /// Another change came first.
    Conflict,
    /// It was decided and handed to the store, which did not confirm it: it may have happened. A look at the
    /// account is final three minutes after the end of the prompt: a decision that it does not show then is
    /// refused later. A signature may exist all the same.
    OutcomeUnknown,
    /// The root key is awaited: only evidence, status and operators' requests are served.
    AwaitingRootKey,
    /// The root key went to a successor: this enclave serves no accounts and changes nothing any more.
    Superseded,
    /// What an operator brought does not fit the configuration, the descriptor or the commitment.
    OperatorRefused,
    /// An operator's order has expired: it was kept back on its way.
    OrderExpired,
    /// The root key does not move to that enclave.
    HandOverRefused,
    /// A release manifest is not signed by the configuration's release keys, or not acceptable.
    ManifestRefused,
    /// A part the enclave needs (store, NSM) does not answer; nothing was handed to the store.
    Unavailable,
    /// A bug: the enclave failed its own check. This says nothing about an approval.
    Internal,
}
