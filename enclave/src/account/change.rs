//! What an approval does to an account.

use openkey_protocol::message::{Address, Bytes, Error, ErrorCode, Hash32, KeyId};
use serde::{Deserialize, Serialize};

use super::{Account, MAX_KEYS, MAX_PASSKEYS, OwnerKey, Passkey, check_name};
use crate::errors::{refuse, refuse_because};

/// One approved action, without the bytes that a person saw: what is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Change {
    /// A read token.
    SignIn,
    /// The client has checked the receipt with this hash.
    Confirm {
        receipt: Hash32,
    },
    /// A signature over the digest of the prompt, by the key whose address was shown.
    Sign {
        key: KeyId,
        address: Address,
    },
    AddPasskey(Box<Passkey>),
    RenamePasskey {
        passkey: Bytes,
        name: String,
    },
    RemovePasskey {
        passkey: Bytes,
    },
    CreateKey {
        label: String,
    },
    LabelKey {
        key: KeyId,
        address: Address,
        label: String,
    },
    ArchiveKey {
        key: KeyId,
    },
    RestoreKey {
        key: KeyId,
    },
}

impl Change {
    /// Whether it changes who may approve or what can sign. Such a change is approved for one record
    /// of the account, by its hash, and refused at any other.
    pub(crate) const fn changes_authority(&self) -> bool {
        match self {
            Self::Confirm { .. }
            | Self::AddPasskey(_)
            | Self::RemovePasskey { .. }
            | Self::CreateKey { .. }
            | Self::ArchiveKey { .. }
            | Self::RestoreKey { .. } => true,
            Self::SignIn
            | Self::Sign { .. }
            | Self::RenamePasskey { .. }
            | Self::LabelKey { .. } => false,
        }
    }

    /// The key that there is already and that it concerns.
    pub(crate) const fn key(&self) -> Option<KeyId> {
        match self {
            Self::Sign { key, .. }
            | Self::LabelKey { key, .. }
            | Self::ArchiveKey { key }
            | Self::RestoreKey { key } => Some(*key),
            Self::SignIn
            | Self::Confirm { .. }
            | Self::AddPasskey(_)
            | Self::RenamePasskey { .. }
            | Self::RemovePasskey { .. }
            | Self::CreateKey { .. } => None,
        }
    }
}

impl Account {
    /// Refuses what cannot be done to this account now. Asked before a prompt is shown and again
    /// when it is approved.
    pub(crate) fn check(&self, change: &Change, now: u64) -> Result<(), Error> {
        if !self.confirmed && !matches!(change, Change::Confirm { .. } | Change::SignIn) {
            return Err(refuse(ErrorCode::NotConfirmed));
        }
        match change {
            Change::SignIn => Ok(()),
            Change::Confirm { receipt } => self.check_confirm(receipt),
            Change::Sign { key, address } => {
                self.shown_key(*key, address)?;
                self.signing_key(*key)?;
                self.check_rate(now)
            }
            Change::AddPasskey(passkey) => {
                check_name(&passkey.name)?;
                self.check_room_for_passkey()?;
                if self.passkey(passkey.id.as_slice()).is_ok() {
                    return Err(refuse(ErrorCode::PasskeyExists));
                }
                Ok(())
            }
            Change::RenamePasskey { passkey, name } => {
                check_name(name)?;
                something(self.passkey(passkey.as_slice())?.name != *name)
            }
            Change::RemovePasskey { passkey } => {
                self.passkey(passkey.as_slice())?;
                if self.passkeys.len() < 2 {
                    return Err(refuse(ErrorCode::LastPasskey));
                }
                Ok(())
            }
            Change::CreateKey { label } => {
                check_name(label)?;
                if self.keys.len() >= MAX_KEYS {
                    return Err(refuse_because(
                        ErrorCode::OutOfBounds,
                        "The account has as many keys as it can hold.",
                    ));
                }
                Ok(())
            }
            Change::LabelKey {
                key,
                address,
                label,
            } => {
                check_name(label)?;
                something(self.shown_key(*key, address)?.label != *label)
            }
            Change::ArchiveKey { key } => something(self.key(*key)?.archived_at.is_none()),
            Change::RestoreKey { key } => something(self.key(*key)?.archived_at.is_some()),
        }
    }

    fn check_confirm(&self, receipt: &Hash32) -> Result<(), Error> {
        if self.confirmed {
            return Err(refuse(ErrorCode::AlreadyConfirmed));
        }
        if self.receipt != *receipt {
            return Err(refuse_because(
                ErrorCode::NotConfirmed,
                "The receipt is not the one of this account.",
            ));
        }
        Ok(())
    }

    /// Refuses one passkey too many.
    pub(crate) fn check_room_for_passkey(&self) -> Result<(), Error> {
        if self.passkeys.len() >= MAX_PASSKEYS {
            return Err(refuse_because(
                ErrorCode::OutOfBounds,
                "The account has as many passkeys as it can hold.",
            ));
        }
        Ok(())
    }

    /// Does what [`Self::check`] allowed. `new_key` is the key of a [`Change::CreateKey`].
    pub(crate) fn apply(
        &mut self,
        change: &Change,
        new_key: Option<OwnerKey>,
        now: u64,
    ) -> Result<(), Error> {
        self.check(change, now)?;
        match change {
            Change::SignIn => {}
            Change::Confirm { .. } => self.confirmed = true,
            Change::Sign { .. } => self.note_signature(now),
            Change::AddPasskey(passkey) => self.passkeys.push((**passkey).clone()),
            Change::RenamePasskey { passkey, name } => {
                self.passkey_mut(passkey.as_slice())?.name.clone_from(name);
            }
            Change::RemovePasskey { passkey } => {
                self.passkeys.retain(|kept| kept.id != *passkey);
            }
            Change::CreateKey { .. } => {
                let key = new_key.ok_or_else(|| refuse(ErrorCode::Internal))?;
                self.keys.push(key);
            }
            Change::LabelKey { key, label, .. } => self.key_mut(*key)?.label.clone_from(label),
            Change::ArchiveKey { key } => self.key_mut(*key)?.archived_at = Some(now),
            Change::RestoreKey { key } => self.key_mut(*key)?.archived_at = None,
        }
        Ok(())
    }
}

fn something(would_change: bool) -> Result<(), Error> {
    if would_change {
        Ok(())
    } else {
        Err(refuse(ErrorCode::NothingToDo))
    }
}
