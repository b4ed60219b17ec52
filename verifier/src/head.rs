//! Account heads: what a client keeps so that nobody can show it an older account.

use openkey_protocol::message::{AccountHead, Signed};

use crate::statement::{IdentityKey, StatementError};

/// Opens a head and compares it with the newest one the client holds of that account.
///
/// # Errors
///
/// [`HeadError`].
pub fn check(
    identity: &IdentityKey,
    signed: &Signed<AccountHead>,
    known: Option<&AccountHead>,
) -> Result<AccountHead, HeadError> {
    let head = identity.open(signed)?;
    let Some(known) = known else {
        return Ok(head);
    };
    if head.account != known.account {
        return Err(HeadError::Account);
    }
    if head.version < known.version {
        return Err(HeadError::RolledBack);
    }
    if head.version == known.version && head != *known {
        return Err(HeadError::Forked);
    }
    Ok(head)
}

/// Why a head does not follow the one the client holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// Not a statement of this enclave.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Of another account.
    #[error("the head is of another account")]
    Account,
    /// Older than the one the client holds.
    #[error("the account head is older than the one this client holds")]
    RolledBack,
    /// As old as the one the client holds, and not the same: the account has two histories.
    #[error("the account head differs from the one this client holds at the same version")]
    Forked,
}

impl HeadError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Statement(error) => error.rule(),
            Self::Account => "head_account",
            Self::RolledBack => "rolled_back",
            Self::Forked => "forked",
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use openkey_protocol::message::{AccountId, Hash32};

    use super::*;

    fn head(account: u8, version: u64, hash: u8) -> AccountHead {
        AccountHead {
            account: AccountId([account; 32]),
            version,
            hash: Hash32([hash; 32]),
            entry: Hash32([hash; 32]),
        }
    }

    #[test]
    fn a_head_follows_the_known_one_or_is_refused() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let identity =
            IdentityKey::from_evidence_verified_earlier(key.verifying_key().as_bytes()).unwrap();
        let signed = Signed::new(&head(1, 5, 9), |input| key.sign(input).to_bytes()).unwrap();
        let judge = |known: Option<AccountHead>| check(&identity, &signed, known.as_ref());

        assert_eq!(judge(None), Ok(head(1, 5, 9)));
        assert_eq!(judge(Some(head(1, 4, 8))), Ok(head(1, 5, 9)));
        assert_eq!(judge(Some(head(1, 5, 9))), Ok(head(1, 5, 9)));
        assert_eq!(judge(Some(head(1, 6, 9))), Err(HeadError::RolledBack));
        assert_eq!(judge(Some(head(1, 5, 8))), Err(HeadError::Forked));
        assert_eq!(judge(Some(head(2, 1, 9))), Err(HeadError::Account));
    }
}
