//! What a client asks.

use serde::{Deserialize, Serialize};

use super::{
    AccountHead, AccountId, Action, Assertion, Bytes, HandOver, Hash32, NewCredential,
    OperatorRequest, UserHandle,
};

/// Shortest client nonce, in bytes: below it two clients may collide.
pub const MIN_NONCE: usize = 16;
/// Longest client nonce, in bytes: what the NSM signs into a document must stay small.
pub const MAX_NONCE: usize = 64;
/// Longest name of an account, passkey or key, in characters: it is shown in prompts.
pub const MAX_NAME_CHARS: usize = 64;

/// What the host may know of a request, for its limits. The enclave refuses a request that
/// arrives under another class than its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Asks the NSM, which is slow and serial.
    Evidence,
    /// Makes a new account.
    SignUp,
    /// Everything else.
    Request,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Who is there, and is it ready.
    Status,
    /// An attestation document over the caller's nonce (16 to 64 bytes).
    Evidence {
        /// Goes into the document's `nonce` unchanged.
        nonce: Bytes,
    },
    /// Begins a new account. Never finds an existing one.
    SignUp(SignUp),
    /// Ends the registration of the first passkey and makes the account.
    SignUpFinish(SignUpFinish),
    /// Begins a sign-in without a user name. Never makes an account.
    SignIn(SignIn),
    /// Asks for a prompt: the enclave says what the action would do.
    Propose(Propose),
    /// Brings the new passkey of an [`Action::AddPasskey`]: the answer is the prompt that an
    /// existing passkey must approve.
    PasskeyCreated(PasskeyCreated),
    /// Approves a prompt with a passkey assertion over its challenge.
    Approve(Approve),
    /// Reads with a read token.
    Read(Read),
    /// Genesis, shares, secrets, upgrade.
    Operator(OperatorRequest),
    /// Asks for the root key. Refused except on the channel.
    HandOver(HandOver),
}

impl Request {
    /// The class under which this request must arrive.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Evidence { .. } => Class::Evidence,
            Self::SignUp(_) | Self::SignUpFinish(_) => Class::SignUp,
            _ => Class::Request,
        }
    }

    /// The newest account head that the client has seen, in requests that carry one.
    #[must_use]
    pub const fn head(&self) -> Option<AccountHead> {
        match self {
            Self::Propose(Propose { head, .. })
            | Self::Approve(Approve { head, .. })
            | Self::Read(Read { head, .. }) => match head {
                Some(known) => Some(known.head),
                None => None,
            },
            Self::Status
            | Self::Evidence { .. }
            | Self::SignUp(_)
            | Self::SignUpFinish(_)
            | Self::SignIn(_)
            | Self::PasskeyCreated(_)
            | Self::Operator(_)
            | Self::HandOver(_) => None,
        }
    }
}

/// What a client keeps of an account and sends with its requests: the newest head it saw, and when it was
/// shown last. A store that kept a decision back can then not reveal it later: what was shown as current
/// at a time is continued only by decisions that are dated later, by more than minus the two minutes that
/// are left for the clocks of different enclaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KnownHead {
    /// The newest head that the client saw.
    pub head: AccountHead,
    /// [`super::Answer::at`] of the newest answer that showed this head as current. Milliseconds since 1970.
    pub shown_at: u64,
}

impl KnownHead {
    /// What a client keeps after an answer that shows `head` as current: never an older state, nor an
    /// earlier time of the same one.
    ///
    /// `known` must be what the call of that answer carried: the answer proves that `head` continues this, and
    /// says nothing of a head that was learned since the call was made. A client that has several calls under
    /// way, or shares what it knows, asks again from there before it keeps anything.
    #[must_use]
    pub fn after(known: Option<Self>, head: AccountHead, at: u64) -> Self {
        match known {
            Some(known) if known.head.account == head.account => {
                if known.head.version > head.version {
                    known
                } else if known.head == head {
                    Self {
                        shown_at: known.shown_at.max(at),
                        ..known
                    }
                } else {
                    Self { head, shown_at: at }
                }
            }
            _ => Self { head, shown_at: at },
        }
    }
}

/// Begins a new account. The nonce of its [`super::Call`] comes back in the receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// The page's origin; one of the measured configuration's.
    pub origin: String,
    /// What the authenticator will show for the account; at most 64 characters.
    pub name: String,
}

/// Ends the registration of the first passkey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignUpFinish {
    /// The sealed context of [`super::SignUpStarted`].
    pub context: Bytes,
    /// What the authenticator made.
    pub credential: NewCredential,
}

/// Begins a sign-in without a user name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The page's origin.
    pub origin: String,
}

/// Asks for a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Propose {
    /// Whose account.
    pub account: AccountId,
    /// The user handle of the account's passkeys: where its record is found.
    pub user_handle: UserHandle,
    /// The sealed read token of [`super::Outcome::SignedIn`], of this account. Needed for every action
    /// but [`Action::Confirm`], which names the receipt instead.
    pub token: Option<Bytes>,
    /// The page's origin.
    pub origin: String,
    /// The newest state that the client was shown; a record that does not continue it is refused.
    pub head: Option<KnownHead>,
    /// What is asked.
    pub action: Action,
}

/// Brings the passkey that is to be added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PasskeyCreated {
    /// The sealed context of [`super::NewPasskey`].
    pub context: Bytes,
    /// What the authenticator made.
    pub credential: NewCredential,
}

/// Approves a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The sealed context of [`super::Prompted`].
    pub context: Bytes,
    /// The assertion over the prompt's challenge, by a passkey of the account.
    pub assertion: Assertion,
    /// The assertion over the same challenge by the passkey that is to be added, as proof that somebody
    /// holds it: for a prompt of an [`Action::AddPasskey`], and for no other.
    pub possession: Option<Assertion>,
    /// The newest state that the client was shown.
    pub head: Option<KnownHead>,
    /// The digest of a prompt that was flagged dangerous, repeated: the second confirmation.
    pub confirmed: Option<Hash32>,
}

/// Reads with a read token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The sealed read token of [`super::Outcome::SignedIn`].
    pub token: Bytes,
    /// The newest state that the client was shown.
    pub head: Option<KnownHead>,
    /// What to read.
    pub query: Query,
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Query {
    /// Passkeys, keys and the signed head.
    Account,
    /// Decisions, newest first.
    History {
        /// Only entries with a smaller sequence number; `None` starts at the newest.
        before: Option<u64>,
        /// At most this many (1 to 50).
        limit: u32,
    },
}
