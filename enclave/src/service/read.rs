//! Read tokens, and reading with them: lists and reads, nothing else.

use openkey_protocol::{
    message::{
        AccountId, AccountView, Bytes, Error, ErrorCode, HistoryEntry, HistoryPage, KeyId, Propose,
        Query, Read, Response, UserHandle,
    },
    store::RecordStore,
};
use serde::{Deserialize, Serialize};

use super::{
    Enclave, PROMPT_LIFE, TOKEN_LIFE,
    history::{History, Reader},
    internal,
    records::Loaded,
};
use crate::{
    account::Account,
    errors::{refuse, refuse_because},
    seal::{Kind, TicketError},
};

/// Most entries on a page of history: they fit one read of the store.
pub(crate) const MAX_PAGE: u32 = 50;

/// What a read token says. It ends with its passkey.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    pub(super) account: AccountId,
    user_handle: UserHandle,
    passkey: Bytes,
}

impl Token {
    /// Refuses the token of a passkey that was removed.
    pub(super) fn check_passkey(&self, account: &Account) -> Result<(), Error> {
        if account.passkey(self.passkey.as_slice()).is_err() {
            return Err(refuse_because(
                ErrorCode::UnknownPasskey,
                "The passkey that signed in was removed.",
            ));
        }
        Ok(())
    }
}

/// When the token of a sign-in ends whose prompt ends then: [`TOKEN_LIFE`] after that prompt was made. One answer
/// may be brought to several copies of the store, at any time until its prompt ends: none of the tokens lasts
/// longer than another.
pub(super) const fn token_end(prompt_end: u64) -> u64 {
    prompt_end.saturating_add(TOKEN_LIFE - PROMPT_LIFE)
}

impl<S: RecordStore> Enclave<S> {
    pub(super) fn issue_token(
        &self,
        account: &Account,
        passkey: Bytes,
        expires_at: u64,
    ) -> Result<Bytes, Error> {
        let token = Token {
            account: account.id,
            user_handle: account.user_handle,
            passkey,
        };
        self.sealer
            .issue(
                Kind::Token,
                expires_at,
                &self.platform.entropy.array(),
                &token,
            )
            .map(Bytes)
            .map_err(internal)
    }

    /// Opens a read token, if its time is not over by either clock. Asked before anything of an account
    /// is looked at, so that a refusal says nothing about one.
    fn redeem_token(&self, token: &Bytes) -> Result<Token, Error> {
        let now = self.platform.clock.expiry_now();
        let redeemed = self.sealer.redeem(Kind::Token, now, token.as_slice());
        let ticket = redeemed.map_err(|error| {
            let message = match error {
                TicketError::Invalid => "The read token is not one of this deployment.",
                TicketError::Expired => "The read token has expired.",
            };
            refuse_because(ErrorCode::SignInNeeded, message)
        })?;
        Ok(ticket.content)
    }

    /// The read token of a proposal: of the very account that the proposal names.
    pub(super) fn proposer(&self, request: &Propose) -> Result<Token, Error> {
        let Some(token) = &request.token else {
            return Err(refuse(ErrorCode::SignInNeeded));
        };
        let token = self.redeem_token(token)?;
        if token.account != request.account || token.user_handle != request.user_handle {
            return Err(refuse_because(
                ErrorCode::SignInNeeded,
                "The read token is another account's.",
            ));
        }
        Ok(token)
    }

    pub(super) async fn read(&self, request: Read) -> Result<Response, Error> {
        let token = self.redeem_token(&request.token)?;
        let place = self.place(token.user_handle).await?;
        let head = request.head.as_ref();
        let loaded = self.load_for(&place, &token, head).await?;
        // Before it is shown: what its owner saw is never forgotten.
        self.remember(&place, &loaded).await?;
        drop(place);
        match request.query {
            Query::Account => Ok(Response::Account(self.view(&loaded))),
            Query::History { before, limit } => {
                let page = self.page(&loaded, before, limit).await?;
                Ok(Response::History(page))
            }
        }
    }

    fn view(&self, loaded: &Loaded) -> AccountView {
        let account = &loaded.account;
        let keys = account.keys.iter().zip(0..);
        AccountView {
            account: account.id,
            name: account.name.clone(),
            created_at: account.created_at,
            confirmed: account.confirmed,
            passkeys: account.passkeys.iter().map(|p| p.view()).collect(),
            keys: keys.map(|(key, at)| key.view(KeyId(at))).collect(),
            history: account.history.length(),
            head: loaded.head(),
        }
    }

    /// A page of history, newest first. Its newest entry is reached from the account's own record link
    /// by link, and each other from the one above it: a decision of a chain that was rolled back does
    /// not pass for one of this.
    async fn page(
        &self,
        loaded: &Loaded,
        before: Option<u64>,
        limit: u32,
    ) -> Result<HistoryPage, Error> {
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(refuse(ErrorCode::OutOfBounds));
        }
        let account = &loaded.account;
        let end = account.history.length().saturating_add(1);
        let before = before.unwrap_or(end).min(end);
        let oldest = before.saturating_sub(u64::from(limit)).max(1);
        let sequences: Vec<u64> = (oldest..before).rev().collect();
        let Some(top) = sequences.first() else {
            return Ok(HistoryPage {
                head: loaded.head(),
                entries: Vec::new(),
                next: None,
            });
        };
        // From the record to the page's newest entry, and on through the page.
        let path = account.history.path(*top);
        let on_the_way = path.len().saturating_sub(1);
        let all: Vec<u64> = path.into_iter().take(on_the_way).chain(sequences).collect();
        let history = History::of_account(&account.id, Reader::Owner);
        let links = self
            .follow::<HistoryEntry>(history, &account.history, &all)
            .await?;
        let page = links.into_iter().skip(on_the_way);
        Ok(HistoryPage {
            head: loaded.head(),
            entries: page.map(|link| link.entry).collect(),
            next: (oldest > 1).then_some(oldest),
        })
    }
}
