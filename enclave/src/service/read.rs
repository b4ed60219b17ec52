//! Reading with a read token: lists and reads, nothing else.

use openkey_protocol::{
    message::{
        AccountId, AccountView, Bytes, Error, ErrorCode, HistoryPage, KeyId, Query, Read, Response,
    },
    store::RecordStore,
};
use serde::{Deserialize, Serialize};

use super::{Enclave, TOKEN_LIFE, internal, records::Loaded};
use crate::{
    account::entry_hash,
    errors::{refuse, refuse_because},
    seal::Kind,
};

/// Most entries on a page of history: with the entry before them they fit one read of the store.
const MAX_PAGE: u32 = 50;

/// What a read token says. It ends with its passkey.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    account: AccountId,
    passkey: Bytes,
}

pub(super) const fn token_life(now: u64) -> u64 {
    now.saturating_add(TOKEN_LIFE)
}

impl<S: RecordStore> Enclave<S> {
    pub(super) fn issue_token(
        &self,
        account: AccountId,
        passkey: Bytes,
        expires_at: u64,
    ) -> Result<Bytes, Error> {
        let token = Token { account, passkey };
        self.sealer
            .issue(Kind::Token, expires_at, &self.entropy.array(), &token)
            .map(Bytes)
            .map_err(internal)
    }

    pub(super) async fn read(&self, request: Read) -> Result<Response, Error> {
        let token: Token = self.redeem(Kind::Token, &request.token)?.content;
        let place = self.place(token.account).await;
        let loaded = self.load(&place, request.head.as_ref()).await?;
        drop(place);
        if loaded.account.passkey(token.passkey.as_slice()).is_err() {
            return Err(refuse_because(
                ErrorCode::UnknownPasskey,
                "The passkey that signed in was removed.",
            ));
        }
        match request.query {
            Query::Account => Ok(Response::Account(self.view(&loaded)?)),
            Query::History { before, limit } => {
                let page = self.page(&loaded, before, limit).await?;
                Ok(Response::History(page))
            }
        }
    }

    fn view(&self, loaded: &Loaded) -> Result<AccountView, Error> {
        let account = &loaded.account;
        let keys = account.keys.iter().zip(0..);
        Ok(AccountView {
            account: account.id,
            name: account.name.clone(),
            created_at: account.created_at,
            confirmed: account.confirmed,
            passkeys: account.passkeys.iter().map(|p| p.view()).collect(),
            keys: keys.map(|(key, at)| key.view(KeyId(at))).collect(),
            history: account.history,
            head: self.signed_head(&loaded.head())?,
        })
    }

    /// A page of history, newest first. The newest page hangs on the account's own record; any other
    /// on the entry that its reader has seen already: the oldest of the page before.
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
        let newest = account.history.saturating_add(1);
        let before = before.unwrap_or(newest).min(newest);
        let oldest = before.saturating_sub(u64::from(limit)).max(1);
        let anchored = before == newest;
        let mut sequences: Vec<u64> = (oldest..before).rev().collect();
        if sequences.is_empty() {
            return Ok(HistoryPage {
                entries: Vec::new(),
                next: None,
            });
        }
        if !anchored {
            sequences.insert(0, before);
        }
        let mut entries = self.history(account.id, &sequences).await?.into_iter();
        let mut expected = if anchored {
            account.history_head
        } else {
            let anchor = entries.next().ok_or_else(|| self.rolled_back())?;
            anchor.previous
        };
        let entries: Vec<_> = entries.collect();
        for entry in &entries {
            if entry_hash(entry)? != expected {
                return Err(self.rolled_back());
            }
            expected = entry.previous;
        }
        Ok(HistoryPage {
            entries,
            next: (oldest > 1).then_some(oldest),
        })
    }
}
