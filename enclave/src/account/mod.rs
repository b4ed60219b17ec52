//! An account: who may approve, what can sign, what was decided. Plain values and pure functions;
//! nothing here reads a clock, a store or a secret.

mod change;
mod excerpt;
mod history;
mod packed;
mod words;

use openkey_protocol::message::{
    AccountId, Address, Bytes, Error, ErrorCode, Hash32, KeyId, KeyView, PasskeyView, UserHandle,
};
use serde::{Deserialize, Serialize};

use crate::{
    chain::Chain,
    errors::{refuse, refuse_because},
    passkeys::{Credential, Verified},
};

pub(crate) use change::Change;
pub(crate) use excerpt::{excerpt, title};
pub(crate) use history::Decision;
pub(crate) use words::{account_summary, check_name, new_passkey_summary};

/// Passkeys of an account: more than anyone carries, and what keeps a record small.
pub(crate) const MAX_PASSKEYS: usize = 16;
/// Keys of an account, archived ones included.
pub(crate) const MAX_KEYS: usize = 64;
/// Signatures of an account in [`SIGNATURE_WINDOW`]: no person approves more.
pub(crate) const MAX_SIGNATURES: usize = 60;
/// Milliseconds.
pub(crate) const SIGNATURE_WINDOW: u64 = 60_000;
/// How long a consumed context is remembered after its end, in milliseconds: the clock of a replica,
/// or of the next boot, may be a little behind.
pub(crate) const USED_MARGIN: u64 = 60_000;
/// Consumed contexts remembered at once: those of three minutes of approvals, and some.
pub(crate) const MAX_USED: usize = 256;
/// The schema of account records that this program writes.
pub(crate) const SCHEMA: u32 = 3;

/// What an account record holds. Owner keys are sealed once more inside, so that none of this is a
/// secret that could sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    /// Where the record is found.
    pub(crate) user_handle: UserHandle,
    pub(crate) name: String,
    pub(crate) created_at: u64,
    /// SHA-256 of the receipt's body.
    pub(crate) receipt: Hash32,
    /// Whether the first passkey has confirmed the receipt. Before that no key signs.
    pub(crate) confirmed: bool,
    pub(crate) passkeys: Vec<Passkey>,
    pub(crate) keys: Vec<OwnerKey>,
    /// Consumed contexts that have not ended by themselves.
    #[serde(with = "packed")]
    pub(crate) used: Vec<Used>,
    /// When keys signed, within the last [`SIGNATURE_WINDOW`].
    #[serde(with = "packed")]
    pub(crate) signed_at: Vec<u64>,
    /// The decisions on this account.
    pub(crate) history: Chain,
}

/// A passkey of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passkey {
    pub(crate) id: Bytes,
    pub(crate) credential: Credential,
    pub(crate) public_key_sha256: Hash32,
    pub(crate) name: String,
    pub(crate) created_at: u64,
    pub(crate) used_at: Option<u64>,
    /// The signature counter of the last accepted assertion.
    pub(crate) counter: u32,
}

/// An owner key of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnerKey {
    pub(crate) address: Address,
    pub(crate) sealed: Bytes,
    pub(crate) label: String,
    pub(crate) created_at: u64,
    pub(crate) archived_at: Option<u64>,
}

/// A consumed context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) context: [u8; 16],
    pub(crate) expires_at: u64,
}

impl packed::Packed<24> for Used {
    fn pack(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let (context, expires_at) = bytes.split_at_mut(16);
        context.copy_from_slice(&self.context);
        expires_at.copy_from_slice(&self.expires_at.to_be_bytes());
        bytes
    }

    fn unpack(bytes: &[u8; 24]) -> Self {
        let (context, expires_at) = bytes.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Self {
            context: *context,
            expires_at: expires_at
                .first_chunk()
                .map_or(0, |at| u64::from_be_bytes(*at)),
        }
    }
}

impl Account {
    pub(crate) fn passkey(&self, id: &[u8]) -> Result<&Passkey, Error> {
        self.passkeys
            .iter()
            .find(|passkey| passkey.id.as_slice() == id)
            .ok_or_else(|| refuse(ErrorCode::UnknownPasskey))
    }

    pub(crate) fn passkey_mut(&mut self, id: &[u8]) -> Result<&mut Passkey, Error> {
        self.passkeys
            .iter_mut()
            .find(|passkey| passkey.id.as_slice() == id)
            .ok_or_else(|| refuse(ErrorCode::UnknownPasskey))
    }

    pub(crate) fn key(&self, key: KeyId) -> Result<&OwnerKey, Error> {
        usize::try_from(key.0)
            .ok()
            .and_then(|at| self.keys.get(at))
            .ok_or_else(|| refuse(ErrorCode::UnknownKey))
    }

    fn key_mut(&mut self, key: KeyId) -> Result<&mut OwnerKey, Error> {
        usize::try_from(key.0)
            .ok()
            .and_then(|at| self.keys.get_mut(at))
            .ok_or_else(|| refuse(ErrorCode::UnknownKey))
    }

    /// The key that a person was shown, by index and address: on another history of the account the
    /// same index may hold another key.
    pub(crate) fn shown_key(&self, key: KeyId, address: &Address) -> Result<&OwnerKey, Error> {
        let owned = self.key(key)?;
        if owned.address != *address {
            return Err(refuse(ErrorCode::AccountChanged));
        }
        Ok(owned)
    }

    /// The key that signs: there, and not archived.
    pub(crate) fn signing_key(&self, key: KeyId) -> Result<&OwnerKey, Error> {
        let owned = self.key(key)?;
        match owned.archived_at {
            None => Ok(owned),
            Some(_) => Err(refuse(ErrorCode::KeyArchived)),
        }
    }

    /// The index the next key gets. Keys are never deleted.
    pub(crate) fn next_key(&self) -> KeyId {
        KeyId(u32::try_from(self.keys.len()).unwrap_or(u32::MAX))
    }

    /// Refuses a context that was consumed.
    pub(crate) fn check_unused(&self, context: &[u8; 16]) -> Result<(), Error> {
        let used = self.used.iter().any(|used| used.context == *context);
        if used {
            return Err(refuse(ErrorCode::ContextUsed));
        }
        Ok(())
    }

    /// Remembers a consumed context until it ends by itself.
    pub(crate) fn consume(
        &mut self,
        context: &[u8; 16],
        expires_at: u64,
        now: u64,
    ) -> Result<(), Error> {
        self.used
            .retain(|used| used.expires_at.saturating_add(USED_MARGIN) > now);
        if self.used.len() >= MAX_USED {
            return Err(refuse_because(
                ErrorCode::TooMany,
                "The account has approved too much in the last minutes.",
            ));
        }
        self.used.push(Used {
            context: *context,
            expires_at,
        });
        Ok(())
    }

    /// Refuses one signature too many in a minute.
    pub(crate) fn check_rate(&self, now: u64) -> Result<(), Error> {
        if self.recent_signatures(now) >= MAX_SIGNATURES {
            return Err(refuse_because(
                ErrorCode::TooMany,
                "The account has signed too often in the last minute.",
            ));
        }
        Ok(())
    }

    fn recent_signatures(&self, now: u64) -> usize {
        let recent = |at: &&u64| now.saturating_sub(**at) < SIGNATURE_WINDOW;
        self.signed_at.iter().filter(recent).count()
    }

    fn note_signature(&mut self, now: u64) {
        self.signed_at
            .retain(|at| now.saturating_sub(*at) < SIGNATURE_WINDOW);
        self.signed_at.push(now);
    }
}

impl Passkey {
    /// Notes an assertion that was accepted.
    pub(crate) const fn answered(&mut self, verified: &Verified) {
        self.counter = verified.counter;
        self.credential.backup_eligible = verified.backup_eligible;
        self.credential.backed_up = verified.backed_up;
    }

    pub(crate) fn view(&self) -> PasskeyView {
        PasskeyView {
            id: self.id.clone(),
            name: self.name.clone(),
            public_key_sha256: self.public_key_sha256,
            created_at: self.created_at,
            used_at: self.used_at,
        }
    }
}

impl OwnerKey {
    pub(crate) fn view(&self, key: KeyId) -> KeyView {
        KeyView {
            key,
            address: self.address,
            label: self.label.clone(),
            created_at: self.created_at,
            archived_at: self.archived_at,
        }
    }
}

#[cfg(test)]
mod tests;
