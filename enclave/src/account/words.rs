//! Names that people give, and account changes in plain words.

use openkey_capability::visible::first_hidden_in_name;
use openkey_protocol::message::{
    Action, Error, ErrorCode, Line, MAX_NAME_CHARS, PromptKind, Severity, Summary, Warning,
};
use sha3::{Digest, Keccak256};

use super::Account;
use crate::errors::{refuse, refuse_because};

/// Refuses names that a prompt could not show truthfully: empty, too long, or with characters that
/// are invisible or turn the text around.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let length = name.chars().count();
    if length == 0 || length > MAX_NAME_CHARS || name.trim() != name {
        return Err(refuse_because(
            ErrorCode::OutOfBounds,
            "A name must have 1 to 64 characters, with no space at either end.",
        ));
    }
    if let Some(hidden) = first_hidden_in_name(name) {
        return Err(refuse_because(
            ErrorCode::TextRefused,
            format!(
                "Character {} of the name is U+{:04X}, {}: a person would not see it.",
                hidden.position,
                u32::from(hidden.character),
                hidden.kind
            ),
        ));
    }
    Ok(())
}

/// What an action other than a signature would do, in plain words.
pub(crate) fn account_summary(
    account: &Account,
    action: &Action,
) -> Result<(PromptKind, Summary), Error> {
    Ok(match action {
        Action::Confirm { .. } => (
            PromptKind::Confirm,
            plain("Confirm your new account", vec![key_lines(account)]),
        ),
        Action::AddPasskey { name } => (
            PromptKind::AddPasskey,
            Summary {
                warnings: vec![attention(
                    "Whoever holds this passkey can approve everything in this account.",
                )],
                ..plain("Add a passkey", vec![vec![line("New passkey", name)]])
            },
        ),
        Action::RenamePasskey { passkey, name } => {
            let old = &account.passkey(passkey.as_slice())?.name;
            let lines = vec![line("Passkey", old), line("New name", name)];
            (
                PromptKind::RenamePasskey,
                plain("Rename a passkey", vec![lines]),
            )
        }
        Action::RemovePasskey { passkey } => {
            let old = &account.passkey(passkey.as_slice())?.name;
            (
                PromptKind::RemovePasskey,
                Summary {
                    warnings: vec![attention("This passkey will no longer open the account.")],
                    ..plain("Remove a passkey", vec![vec![line("Passkey", old)]])
                },
            )
        }
        Action::CreateKey { label } => (
            PromptKind::CreateKey,
            plain("Create a key", vec![vec![line("Name", label)]]),
        ),
        Action::LabelKey { key, label } => {
            let owned = account.key(*key)?;
            let lines = vec![
                line("Key", &checksummed(owned)),
                line("Name", &owned.label),
                line("New name", label),
            ];
            (PromptKind::LabelKey, plain("Rename a key", vec![lines]))
        }
        Action::ArchiveKey { key } => {
            let owned = account.key(*key)?;
            let lines = vec![line("Key", &checksummed(owned)), line("Name", &owned.label)];
            (
                PromptKind::ArchiveKey,
                Summary {
                    warnings: vec![notice("The key signs nothing until it is restored.")],
                    ..plain("Archive a key", vec![lines])
                },
            )
        }
        Action::RestoreKey { key } => {
            let owned = account.key(*key)?;
            let lines = vec![line("Key", &checksummed(owned)), line("Name", &owned.label)];
            (PromptKind::RestoreKey, plain("Restore a key", vec![lines]))
        }
        // Signatures are read and told by the consent module.
        Action::Sign { .. } => return Err(refuse(ErrorCode::Internal)),
    })
}

fn plain(title: &str, lines: Vec<Vec<Line>>) -> Summary {
    Summary {
        title: title.to_owned(),
        lines: lines.into_iter().flatten().collect(),
        ..Summary::default()
    }
}

fn line(label: &str, value: &str) -> Line {
    Line {
        label: label.to_owned(),
        value: value.to_owned(),
    }
}

fn attention(text: &str) -> Warning {
    Warning {
        severity: Severity::Attention,
        text: text.to_owned(),
    }
}

fn notice(text: &str) -> Warning {
    Warning {
        severity: Severity::Notice,
        text: text.to_owned(),
    }
}

fn key_lines(account: &Account) -> Vec<Line> {
    let mut lines = vec![line("Account", &account.name)];
    lines.extend(
        account
            .keys
            .iter()
            .map(|key| line("Key", &checksummed(key))),
    );
    lines
}

/// The EIP-55 text of a key's address.
fn checksummed(key: &super::OwnerKey) -> String {
    key.address
        .checksummed(|bytes| Keccak256::digest(bytes).into())
}
