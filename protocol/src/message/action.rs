//! What a person may be asked to approve.

use serde::{Deserialize, Serialize};

use super::{Bytes, Hash32, KeyId};

/// One action on an account. Each is a consent of its own: nothing here happens without a passkey
/// assertion over a challenge that the enclave made for exactly this action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// The first use of a new account: the person's client has checked the receipt with this hash.
    /// Until then its key signs nothing.
    Confirm {
        /// SHA-256 of the receipt's signed body.
        receipt: Hash32,
    },
    /// Sign with an owner key.
    Sign {
        /// Which key.
        key: KeyId,
        /// What, exactly.
        payload: Payload,
    },
    /// Add a passkey. Answered by [`super::NewPasskey`]; the prompt follows when it is created. Two
    /// passkeys answer that prompt: the new one, and one that the account has.
    AddPasskey {
        /// What to call it.
        name: String,
    },
    /// Rename a passkey.
    RenamePasskey {
        /// Its credential id.
        passkey: Bytes,
        /// The new name.
        name: String,
    },
    /// Remove a passkey; the last one is refused.
    RemovePasskey {
        /// Its credential id.
        passkey: Bytes,
    },
    /// Make another key.
    CreateKey {
        /// What to call it.
        label: String,
    },
    /// Rename a key.
    LabelKey {
        /// Which key.
        key: KeyId,
        /// The new name.
        label: String,
    },
    /// Put a key away: it signs nothing until it is restored. It is never deleted.
    ArchiveKey {
        /// Which key.
        key: KeyId,
    },
    /// Bring an archived key back.
    RestoreKey {
        /// Which key.
        key: KeyId,
    },
}

/// The exact bytes to sign, and how to read them. The enclave parses them itself and signs nothing
/// that it cannot parse canonically.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Payload {
    /// A text, signed under the EIP-191 prefix (version 0x45). Refused if it looks like SIWE.
    Text(String),
    /// A Sign-In with Ethereum message (EIP-4361), signed under the EIP-191 prefix.
    Siwe(String),
    /// A Sign-In with Ethereum message with permissions that the page itself wrote, for a session key that
    /// it made or for a node that is to keep a space. Refused if it is not to the page's own site, or does
    /// more than that. Signed as [`Payload::Siwe`] is. What a person was given by others never comes so.
    Session(String),
    /// EIP-712 typed data: the JSON document of `eth_signTypedData_v4`.
    TypedData(String),
}

impl Payload {
    /// What is to be signed, of whichever kind.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Siwe(text) | Self::Session(text) | Self::TypedData(text) => {
                text
            }
        }
    }
}
