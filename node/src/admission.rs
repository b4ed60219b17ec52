//! Invocations: the checks that each must pass before anything is done, in their order.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use openkey_capability::chain::{ChainError, Delegation, Invocation};
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::token::Token;
use openkey_capability::ucan::Ucan;

use crate::allowed::Grants;
use crate::asking;
use crate::authority::{Authority, Revocations};
use crate::error::Error;
use crate::store::{Admission, Store, StoreError};

/// How much longer than it is valid an invocation is remembered, in milliseconds: replicas' clocks
/// differ a little.
const REMEMBERED_MS: i64 = 60_000;

/// Until when an invocation that ends then is remembered.
pub(crate) const fn remembered_until(expires_ms: i64) -> i64 {
    expires_ms.saturating_add(REMEMBERED_MS)
}

/// The token of a request.
///
/// # Errors
///
/// [`Error::NoToken`], [`Error::TwoTokens`], [`Error::Token`].
pub fn token(headers: &HeaderMap) -> Result<Token, Error> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Error::NoToken)?;
    if values.next().is_some() {
        return Err(Error::TwoTokens);
    }
    let text = value.to_str().map_err(|_| Error::NoToken)?;
    asking::check(|| Token::from_header(text)).map_err(Error::Token)
}

/// An invocation that is in its time, and signed by who it says. What it may do is not known yet.
#[derive(Debug)]
pub struct Signed {
    /// As it was received.
    pub ucan: Box<Ucan>,
    /// What it says.
    pub invocation: Invocation,
}

/// Reads the invocation of a request and checks what can be checked without the store.
///
/// # Errors
///
/// [`Error`]: the first rule that it breaks.
pub fn signed(headers: &HeaderMap, now_ms: i64, longest_ms: i64) -> Result<Signed, Error> {
    let Token::Ucan(ucan) = token(headers)? else {
        return Err(Error::NotInvocation);
    };
    let invocation = asking::check(|| Invocation::from_ucan(&ucan))?;
    let begun = ucan.not_before_ms().is_none_or(|begin| begin <= now_ms);
    if !begun || ucan.expires_ms() < now_ms {
        return Err(ChainError::InvocationTime.into());
    }
    asking::check(|| ucan.verify()).map_err(|_| Error::Signature)?;
    if ucan.expires_ms() > now_ms.saturating_add(longest_ms) {
        return Err(Error::Lifetime);
    }
    Ok(Signed { ucan, invocation })
}

/// An invocation that its chain carries, to be used up by what is done with it.
#[derive(Debug)]
pub struct Authorised {
    /// Its name.
    pub cid: Cid,
    /// Who acts.
    pub invoker: Did,
    /// What may be done.
    pub grants: Grants,
    /// Who acts, and who delegated what that rests on: whose lists it is about.
    pub principals: Vec<Did>,
    /// The delegations that it rests on.
    pub links: Vec<Arc<Delegation>>,
    /// What uses it up.
    pub admission: Admission,
}

/// Holds an invocation to what it rests on. Whether that was revoked, and whether it was used up before,
/// is asked again by the transaction that uses it up.
///
/// A delegation that was posted is used up: many know it, and it says whose it is but not that it is to
/// be carried out.
///
/// # Errors
///
/// [`Error::Chain`], [`Error::Store`].
pub async fn authorise(
    authority: &Authority,
    signed: &Signed,
    revocations: Revocations,
    now_ms: i64,
) -> Result<Authorised, Error> {
    let invocation = &signed.invocation;
    let chain = authority.chain(invocation.rests_on(), revocations).await?;
    let bytes = signed.ucan.token().len().saturating_add(chain.bytes);
    let check = || invocation.check(&chain.ancestors, now_ms).map(Grants::of);
    let grants = asking::in_turn(bytes, check).await??;
    if revocations == Revocations::Asked && authority.is_used(invocation.statement()).await? {
        return Err(StoreError::Duplicate.into());
    }
    Ok(Authorised {
        cid: invocation.cid(),
        invoker: invocation.invoker().clone(),
        grants,
        principals: [invocation.invoker().clone()]
            .into_iter()
            .chain(chain.delegators)
            .collect(),
        links: chain.links,
        admission: Admission {
            statement: *invocation.statement(),
            expires_ms: signed.ucan.expires_ms(),
            chain_expires_ms: chain.expires_ms,
            until_ms: remembered_until(signed.ucan.expires_ms()),
            chain: chain.statements,
        },
    })
}

/// Says which link was revoked, when a transaction has found that one was, or when something else was
/// found wrong before anybody asked: what was revoked comes first.
pub async fn explain_revoked(
    authority: &Authority,
    signed: &Signed,
    now_ms: i64,
    error: Error,
) -> Error {
    // what was too much to compare is so again
    if !matches!(
        error,
        Error::Store(StoreError::Revoked(_)) | Error::Chain(_)
    ) || matches!(error, Error::Chain(ChainError::TooMuch))
    {
        return error;
    }
    match authorise(authority, signed, Revocations::Asked, now_ms).await {
        Err(explained) => explained,
        Ok(_) => error,
    }
}

/// Uses up an invocation that only reads.
///
/// # Errors
///
/// [`Error::Store`]: it was used before, or what it rests on was revoked.
pub async fn admit(store: &Arc<dyn Store>, authorised: &Authorised) -> Result<(), Error> {
    Ok(store.admit(authorised.admission.clone()).await?)
}
