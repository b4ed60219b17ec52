//! Account heads: what a client keeps so that nobody can show it an older account.

use openkey_protocol::message::AccountHead;

/// Compares a head with the newest one the client holds of that account.
///
/// This finds what a client can tell from two heads alone. That a newer state continues the known one
/// is the enclave's word, which [`crate::answer::check`] demands.
///
/// # Errors
///
/// [`HeadError`].
pub fn check(head: &AccountHead, known: Option<&AccountHead>) -> Result<(), HeadError> {
    let Some(known) = known else {
        return Ok(());
    };
    if head.account != known.account {
        return Err(HeadError::Account);
    }
    if head.version < known.version {
        return Err(HeadError::RolledBack);
    }
    if head.version == known.version && head != known {
        return Err(HeadError::Forked);
    }
    Ok(())
}

/// Why a head does not follow the one the client holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
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
            Self::Account => "head_account",
            Self::RolledBack => "rolled_back",
            Self::Forked => "forked",
        }
    }
}

#[cfg(test)]
mod tests {
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
        let judge = |known: Option<AccountHead>| check(&head(1, 5, 9), known.as_ref());

        assert_eq!(judge(None), Ok(()));
        assert_eq!(judge(Some(head(1, 4, 8))), Ok(()));
        assert_eq!(judge(Some(head(1, 5, 9))), Ok(()));
        assert_eq!(judge(Some(head(1, 6, 9))), Err(HeadError::RolledBack));
        assert_eq!(judge(Some(head(1, 5, 8))), Err(HeadError::Forked));
        assert_eq!(judge(Some(head(2, 1, 9))), Err(HeadError::Account));
    }
}
