//! `POST /revoke`: a delegation is taken back, with everything that rests on it.

use axum::http::HeaderMap;
use openkey_capability::chain::{ChainError, Delegation, Revocation};
use openkey_capability::token::{Token, TokenError};
use serde::Serialize;

use crate::admission::token;
use crate::asking;
use crate::authority::{Chain, Revocations};
use crate::error::Error;
use crate::node::Node;
use crate::store::{Ahead, NewRevocation, RevocationAhead, StoreError};

/// The answer of `POST /revoke`.
#[derive(Debug, Serialize)]
pub struct RevokedCid {
    revoked: bool,
    cid: String,
}

/// Checks the revocation of a request and keeps it: from then on, on every replica, its target and what
/// rests on that can neither be invoked nor delegated. What is not here is revoked by its name: it is
/// refused when it comes, if who revokes it may.
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
    let chain = match node
        .authority
        .chain(revocation.proofs(), Revocations::Asked)
        .await
    {
        Err(Error::Chain(error)) => return Err(Error::Revocation(error)),
        other => other?,
    };
    let asked = Asked {
        token,
        revocation,
        chain,
        now_ms,
    };
    loop {
        let target = node.authority.link(asked.revocation.target()).await?;
        let done = match target {
            Some(target) => asked.revoke(node, &target).await.map(|()| true)?,
            None => asked.revoke_ahead(node).await?,
        };
        if done {
            return Ok(RevokedCid {
                revoked: true,
                cid: asked.revocation.target().to_string(),
            });
        }
    }
}

/// A revocation whose signature holds.
struct Asked {
    token: Token,
    revocation: Revocation,
    chain: Chain,
    now_ms: i64,
}

impl Asked {
    /// Compares in turn, if what is compared is large.
    async fn in_turn<T>(&self, compare: impl FnOnce() -> T) -> Result<T, Error> {
        let bytes = self.token.as_bytes().len();
        asking::in_turn(bytes.saturating_add(self.chain.bytes), compare).await
    }

    async fn revoke(&self, node: &Node, target: &Delegation) -> Result<(), Error> {
        let check = || (self.revocation).check(target, &self.chain.ancestors, self.now_ms);
        self.in_turn(check).await?.map_err(refused)?;
        let kept = node
            .store
            .revoke(NewRevocation {
                target: *target.statement(),
                token: self.token.as_bytes().to_vec(),
                revoker: self.revocation.revoker().clone(),
                // also what has ended is revoked, as long as it is kept: the time may be wrong
                expires_ms: target.window().expires_ms,
                // whoever takes back what they revoke with may do so: it counts as of before
                chain: self
                    .chain
                    .statements
                    .iter()
                    .filter(|it| *it != target.statement())
                    .copied()
                    .collect(),
                now_ms: self.now_ms,
            })
            .await;
        match kept {
            Err(StoreError::Revoked(_)) => Err(Error::Revocation(ChainError::Revoker)),
            other => {
                other?;
                // what rests on it and was allowed to become durable before
                Ok(node.databases.ended(target.statement()).await?)
            }
        }
    }

    /// False: the target has come meanwhile.
    async fn revoke_ahead(&self, node: &Node) -> Result<bool, Error> {
        let name = || (self.revocation).in_whose_name(&self.chain.ancestors, self.now_ms);
        let principal = self.in_turn(name).await?.map_err(refused)?;
        let kept = node
            .store
            .revoke_ahead(RevocationAhead {
                target: self.revocation.target(),
                token: self.token.as_bytes().to_vec(),
                revoker: self.revocation.revoker().clone(),
                principal: principal.clone(),
                chain: self.chain.statements.clone(),
                now_ms: self.now_ms,
            })
            .await;
        match kept {
            Err(StoreError::Revoked(_)) => Err(Error::Revocation(ChainError::Revoker)),
            Ok(Ahead::Stranger) => Err(Error::Revocation(ChainError::Missing)),
            Ok(Ahead::Revoked(target)) => {
                node.databases.ended(&target).await?;
                Ok(true)
            }
            other => Ok(other? == Ahead::Kept),
        }
    }
}

fn refused(error: ChainError) -> Error {
    match error {
        // what is not here is a proof, and that is for whoever signed to mend
        ChainError::Missing => Error::Forbidden(error.to_string()),
        error => Error::Revocation(error),
    }
}
