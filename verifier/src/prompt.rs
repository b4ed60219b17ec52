//! A prompt belongs to what was asked, or it is refused before the person touches anything.

use openkey_protocol::message::{Action, Hash32, Payload, Prompt, PromptKind, Propose, Request};
use sha3::{Digest, Keccak256};

use crate::answer::{Asked, MAX_SKEW_MS};

/// Checks that a prompt answers exactly what was asked. `hash` is SHA-256 of the call's bytes.
///
/// Checked: the origin; that kind, account and key are those of the request; that the enclave does
/// not stand behind a head the client sent; the times; and the digest, computed here for texts
/// (EIP-191) and for everything that is not a signature. The digest of typed data is the enclave's
/// word, under its signature. That the prompt is the enclave's own, and an answer to this very call,
/// is for [`crate::answer::check`], which calls this.
///
/// # Errors
///
/// [`PromptError`].
pub fn check(
    prompt: &Prompt,
    request: &Request,
    hash: Hash32,
    asked: &Asked<'_>,
) -> Result<(), PromptError> {
    if asked.origin != Some(prompt.origin.as_str()) {
        return Err(PromptError::Origin);
    }
    match request {
        Request::SignIn(sign_in) => {
            // Who signs in is for the authenticator to say, not for the enclave to guess.
            if prompt.kind != PromptKind::SignIn
                || prompt.account.is_some()
                || prompt.head.is_some()
            {
                return Err(PromptError::Action);
            }
            same_origin(asked, &sign_in.origin)?;
        }
        Request::Propose(propose) => {
            same_action(prompt, propose)?;
            same_origin(asked, &propose.origin)?;
        }
        Request::PasskeyCreated(_) => {
            if prompt.kind != PromptKind::AddPasskey || prompt.account.is_none() {
                return Err(PromptError::Action);
            }
        }
        _ => return Err(PromptError::NotAsked),
    }
    if expected_digest(request, hash).is_some_and(|digest| prompt.digest != digest) {
        return Err(PromptError::Digest);
    }
    if prompt.issued_at > asked.now_ms.saturating_add(MAX_SKEW_MS) {
        return Err(PromptError::NotYetIssued);
    }
    if prompt.expires_at <= prompt.issued_at
        || prompt.expires_at.saturating_add(MAX_SKEW_MS) <= asked.now_ms
    {
        return Err(PromptError::Expired);
    }
    Ok(())
}

/// The caller's own statement of the origin must be the one inside the request.
fn same_origin(asked: &Asked<'_>, origin: &str) -> Result<(), PromptError> {
    if asked.origin == Some(origin) {
        Ok(())
    } else {
        Err(PromptError::Origin)
    }
}

fn same_action(prompt: &Prompt, propose: &Propose) -> Result<(), PromptError> {
    let kind = match &propose.action {
        Action::Confirm { .. } => PromptKind::Confirm,
        Action::Sign { payload, .. } => match payload {
            Payload::Text(_) => PromptKind::SignText,
            Payload::Siwe(_) | Payload::Session(_) => PromptKind::SignSiwe,
            Payload::TypedData(_) => PromptKind::SignTypedData,
        },
        // Answered by options for a new passkey; the prompt answers `PasskeyCreated`.
        Action::AddPasskey { .. } => return Err(PromptError::NotAsked),
        Action::RenamePasskey { .. } => PromptKind::RenamePasskey,
        Action::RemovePasskey { .. } => PromptKind::RemovePasskey,
        Action::CreateKey { .. } => PromptKind::CreateKey,
        Action::LabelKey { .. } => PromptKind::LabelKey,
        Action::ArchiveKey { .. } => PromptKind::ArchiveKey,
        Action::RestoreKey { .. } => PromptKind::RestoreKey,
    };
    if prompt.kind != kind || prompt.account != Some(propose.account) {
        return Err(PromptError::Action);
    }
    if let Action::Sign { key, .. } = &propose.action
        && prompt.key.as_ref().map(|shown| shown.key) != Some(*key)
    {
        return Err(PromptError::Key);
    }
    let Some(shown) = &prompt.head else {
        return Err(PromptError::Action);
    };
    if shown.account != propose.account {
        return Err(PromptError::Action);
    }
    match &propose.head {
        Some(known) if shown.version < known.head.version => Err(PromptError::RolledBack),
        Some(known) if shown.version == known.head.version && *shown != known.head => {
            Err(PromptError::Forked)
        }
        _ => Ok(()),
    }
}

/// The digest this crate can compute itself; `None` for typed data.
fn expected_digest(request: &Request, hash: Hash32) -> Option<Hash32> {
    let Request::Propose(Propose {
        action: Action::Sign { payload, .. },
        ..
    }) = request
    else {
        return Some(hash);
    };
    match payload {
        Payload::Text(text) | Payload::Siwe(text) | Payload::Session(text) => Some(eip191(text)),
        Payload::TypedData(_) => None,
    }
}

/// EIP-191, version 0x45 (`personal_sign`).
fn eip191(text: &str) -> Hash32 {
    let digest = Keccak256::new()
        .chain_update(b"\x19Ethereum Signed Message:\n")
        .chain_update(text.len().to_string())
        .chain_update(text)
        .finalize();
    Hash32(digest.into())
}

/// Why a prompt does not belong to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// It is for another page.
    #[error("the prompt is for another origin than this page's")]
    Origin,
    /// Such a request is not answered by a prompt.
    #[error("the bytes sent are not a request that a prompt answers")]
    NotAsked,
    /// Another kind of action, or another account.
    #[error("the prompt is for another action or another account than asked")]
    Action,
    /// Another key would sign.
    #[error("the prompt names another key than asked")]
    Key,
    /// What would be signed is not what was asked to be signed.
    #[error("the prompt's digest is not the digest of what was asked")]
    Digest,
    /// The enclave answers from an older state of the account than the client has seen.
    #[error("the prompt is older than the account head this client holds")]
    RolledBack,
    /// The enclave answers from another history of the account than the client has seen.
    #[error("the prompt is for another history of the account than the head this client holds")]
    Forked,
    /// Issued in the future, beyond [`MAX_SKEW_MS`].
    #[error("the prompt was issued in the future: check this device's clock")]
    NotYetIssued,
    /// Past its end, beyond [`MAX_SKEW_MS`].
    #[error("the prompt has expired: ask again, and check this device's clock")]
    Expired,
}

impl PromptError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Origin => "prompt_origin",
            Self::NotAsked => "prompt_not_asked",
            Self::Action => "prompt_action",
            Self::Key => "prompt_key",
            Self::Digest => "prompt_digest",
            Self::RolledBack => "rolled_back",
            Self::Forked => "forked",
            Self::NotYetIssued => "prompt_not_yet_issued",
            Self::Expired => "prompt_expired",
        }
    }
}

#[cfg(test)]
#[path = "prompt_tests.rs"]
mod tests;
