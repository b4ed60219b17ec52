//! `POST /revoke`: a delegation is taken back, with everything that rests on it.

use axum::http::HeaderMap;
use openkey_capability::chain::ChainError;
use openkey_capability::token::TokenError;
use serde::Serialize;

use crate::admission::token;
use crate::authority::Revocations;
use crate::error::Error;
use crate::node::Node;
use crate::store::{NewRevocation, StoreError};

/// The answer of `POST /revoke`.
#[derive(Debug, Serialize)]
pub struct RevokedCid {
    revoked: bool,
    cid: String,
}

/// Checks the revocation of a request and keeps it: from then on, on every replica, its target and what
/// rests on that can neither be invoked nor delegated.
///
/// # Errors
///
/// [`Error`]: the first rule that it breaks.
pub async fn revoke(node: &Node, headers: &HeaderMap) -> Result<RevokedCid, Error> {
    let now_ms = node.now_ms();
    let token = token(headers)?;
    let revocation = token.revocation().map_err(Error::Revocation)?;
    token
        .verify()
        .map_err(|_: TokenError| Error::Forbidden(Error::Signature.to_string()))?;
    let target = node.authority.link(revocation.target()).await?;
    let target = target.ok_or(Error::Revocation(ChainError::Missing))?;
    let chain = match node
        .authority
        .chain(revocation.proofs(), Revocations::Asked)
        .await
    {
        Err(Error::Chain(error)) => return Err(Error::Revocation(error)),
        other => other?,
    };
    revocation
        .check(&target, &chain.ancestors, now_ms)
        .map_err(|error| match error {
            // the target is there: what is not is a proof, and that is for whoever signed to mend
            ChainError::Missing => Error::Forbidden(error.to_string()),
            error => Error::Revocation(error),
        })?;
    let kept = node
        .store
        .revoke(NewRevocation {
            target: *target.statement(),
            token: token.as_bytes().to_vec(),
            revoker: revocation.revoker().clone(),
            // whoever takes back what they revoke with may do so: it counts as of before
            chain: chain
                .statements
                .into_iter()
                .filter(|it| it != target.statement())
                .collect(),
            now_ms,
        })
        .await;
    match kept {
        Err(StoreError::Revoked(_)) => return Err(Error::Revocation(ChainError::Revoker)),
        other => other?,
    }
    Ok(RevokedCid {
        revoked: true,
        cid: revocation.target().to_string(),
    })
}
