//! Accounts, read for whoever has not shown yet that an account is theirs.
//!
//! Ids of an account prove nothing: the receipt names them, and the host sees them. So what is read here
//! takes no turn of the account and moves nothing in the enclave's memory, and of what the request claims to
//! know it tells no more than that it is right. What comes of it is judged again inside the turn.

use openkey_protocol::{
    message::{
        AccountId, Error, ErrorCode, HistoryEntry, KnownHead, MAX_GET, RecordId, UserHandle,
    },
    store::RecordStore,
};

use super::{
    Enclave,
    effort::Payer,
    history::{History, Reader, Word},
    records::{Loaded, check_head},
};
use crate::{account::Account, errors::refuse, seal::Kind};

impl<S: RecordStore> Enclave<S> {
    /// The account in which a passkey stands, or, if it stands in none, what there is in its place.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::RolledBack`] if the passkey is missing and the record does not continue `known`. It is
    /// the same refusal whatever is wrong with the head, also if there is no record, so that nobody finds out
    /// a version by guessing: a head counts as known only with the right hashes, which nobody guesses.
    /// [`ErrorCode::TooMany`] in its place, whether or not there is a record, if strangers have used up what
    /// they may have read.
    pub(super) async fn peek_passkey(
        &self,
        user_handle: UserHandle,
        account: Option<&AccountId>,
        known: Option<&KnownHead>,
        passkey: &[u8],
    ) -> Result<Loaded, Error> {
        if let Some(account) = account {
            check_head(account, known)?;
        }
        let stands = |account: &Account| account.passkey(passkey).is_ok();
        let peeked = self.peek(user_handle, stands).await?;
        let Some(loaded) = peeked else {
            return Err(match known {
                // Missing never becomes new for whoever knows that there was an account.
                Some(_) => {
                    self.check_strangers()?;
                    self.rolled_back_by(Word::Client)
                }
                None => refuse(ErrorCode::UnknownAccount),
            });
        };
        // Of another sign-up in the same place, as the prompt was made for.
        if account.is_some_and(|account| *account != loaded.account.id) {
            return Err(self.forked_by(Word::Client));
        }
        if let Some(known) = known
            && !stands(&loaded.account)
        {
            self.continues_claimed(&loaded, known).await?;
        }
        Ok(loaded)
    }

    /// The account of a user handle, as it stands. If `proves` does not hold for it, the enclave's memory has
    /// been asked, too: a store that hides what would prove it is found out.
    pub(super) async fn peek(
        &self,
        user_handle: UserHandle,
        proves: impl Fn(&Account) -> bool,
    ) -> Result<Option<Loaded>, Error> {
        let id = self.sealer.record_id(Kind::Account, &user_handle.0, 0);
        if let Some(record) = self.get(id).await? {
            let loaded = self.open_account(&id, user_handle, record)?;
            if proves(&loaded.account) {
                return Ok(Some(loaded));
            }
        }
        self.peek_again(id, user_handle).await
    }

    async fn peek_again(
        &self,
        id: RecordId,
        user_handle: UserHandle,
    ) -> Result<Option<Loaded>, Error> {
        // The memory first: nobody else's turn keeps what is read after it from being newer.
        let seen = self.seen_at_once(&id).await?;
        self.read_account(&id, user_handle, seen, Reader::Stranger)
            .await
    }

    /// Refuses an account that does not continue a head that anybody may have made up: in the same words
    /// whatever is wrong with it, and after the same work, so that not even the time tells on which side of
    /// it the account's version is.
    async fn continues_claimed(&self, loaded: &Loaded, known: &KnownHead) -> Result<(), Error> {
        let account = &loaded.account;
        // Once for all that follows: a refusal in the middle of it would tell how far it came.
        self.check_strangers()?;
        let history = History::of_account(&account.id, Reader::Admitted);
        let chain = &account.history;
        let (length, version) = (chain.length(), known.head.version);
        let followed = known.head.account == account.id && (1..=length).contains(&version);
        // As many entries in two reads, of which the second is the way to the version if there is one.
        let way = if followed {
            chain.path(version).len()
        } else {
            MAX_GET / 2
        };
        let rest = MAX_GET.saturating_sub(way);
        for read in [Some(rest), (!followed).then_some(way)]
            .into_iter()
            .flatten()
        {
            let entries: Vec<u64> = (1..=length).cycle().take(read).collect();
            if !entries.is_empty() {
                self.links::<HistoryEntry>(history, &entries).await?;
            }
        }
        if version == 0 {
            return Err(self.rolled_back_by(Word::Client));
        }
        let continued = self.continues_known(loaded, known, Reader::Admitted).await;
        continued.map_err(|error| match error.code {
            ErrorCode::Forked => refuse(ErrorCode::RolledBack),
            _ => error,
        })
    }
    /// Refuses all who have shown nothing while they have used up what they may have read.
    fn check_strangers(&self) -> Result<(), Error> {
        let now = self.platform.clock.now();
        self.effort.check(Payer::Strangers, now)
    }
}
