//! Names that people give, and account changes in plain words.

use openkey_capability::visible::first_hidden_in_name;
use openkey_protocol::message::{
    Action, Error, ErrorCode, Hash32, Line, MAX_NAME_CHARS, PromptKind, Severity, Summary, Warning,
};
use sha3::{Digest, Keccak256};
use time::OffsetDateTime;

use super::{Account, Passkey};
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
        Action::RenamePasskey { passkey, name } => {
            let lines = passkey_lines(account.passkey(passkey.as_slice())?);
            (
                PromptKind::RenamePasskey,
                plain(
                    "Rename a passkey",
                    vec![lines, vec![line("New name", name)]],
                ),
            )
        }
        Action::RemovePasskey { passkey } => {
            let lines = passkey_lines(account.passkey(passkey.as_slice())?);
            (
                PromptKind::RemovePasskey,
                Summary {
                    warnings: vec![attention("This passkey will no longer open the account.")],
                    ..plain("Remove a passkey", vec![lines])
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
        // Signatures are read and told by the consent module; a new passkey is made before its words.
        Action::Sign { .. } | Action::AddPasskey { .. } => {
            return Err(refuse(ErrorCode::Internal));
        }
    })
}

/// What adding this passkey would do, in plain words, for who holds it and for who has the account.
pub(crate) fn new_passkey_summary(account: &Account, passkey: &Passkey) -> (PromptKind, Summary) {
    let lines = vec![
        line("Joins account", &account.name),
        line("Account id", &account.id.to_string()),
        line("New passkey", &passkey.name),
        line("Fingerprint", &fingerprint(&passkey.public_key_sha256)),
    ];
    (
        PromptKind::AddPasskey,
        Summary {
            warnings: vec![attention(
                "Whoever holds this passkey can approve everything in this account.",
            )],
            ..plain("Add a passkey", vec![lines])
        },
    )
}

/// What tells a passkey from another one: names may be equal, and whoever adds a passkey chooses its
/// name. The fingerprint is of the public key, which nobody can choose.
fn passkey_lines(passkey: &Passkey) -> Vec<Line> {
    vec![
        line("Passkey", &passkey.name),
        line("Added", &day_and_time(passkey.created_at)),
        line("Fingerprint", &fingerprint(&passkey.public_key_sha256)),
    ]
}

/// The last 8 bytes of the public key's hash, in groups of four digits; the page shows the same
/// ones in the list of passkeys. To make a key with the same ones takes 2^64 attempts.
fn fingerprint(public_key_sha256: &Hash32) -> String {
    let [.., a, b, c, d, e, f, g, h] = public_key_sha256.0;
    format!("{a:02x}{b:02x} {c:02x}{d:02x} {e:02x}{f:02x} {g:02x}{h:02x}")
}

/// Such as `29 November 2026, 22:49 UTC`.
fn day_and_time(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).map_or_else(
        |_| "a date beyond the year 9999".to_owned(),
        |t| {
            let (day, month, year) = (t.day(), t.month(), t.year());
            format!(
                "{day} {month} {year}, {:02}:{:02} UTC",
                t.hour(),
                t.minute()
            )
        },
    )
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

/// What stands in the receipt as well: a prompt to confirm is for whoever holds it.
fn key_lines(account: &Account) -> Vec<Line> {
    let keys = account.keys.iter();
    keys.map(|key| line("Key", &checksummed(key))).collect()
}

/// The EIP-55 text of a key's address.
fn checksummed(key: &super::OwnerKey) -> String {
    key.address
        .checksummed(|bytes| Keccak256::digest(bytes).into())
}
