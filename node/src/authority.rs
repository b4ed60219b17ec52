//! What tokens rest on: delegations from the store, verified, and whether they were revoked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use openkey_capability::chain::{Ancestors, Delegation, Node};
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::token::Token;

use crate::error::Error;
use crate::store::{Statement, Store, StoreError};

/// Bytes of tokens whose delegations are kept, unless somebody says otherwise: a few thousand sessions.
const CACHE: usize = 4 * 1024 * 1024;

/// Whether it is asked now what was revoked, or by the transaction that uses the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocations {
    /// Now.
    Asked,
    /// Later: the chain is checked as if nothing was.
    Later,
}

/// What a token rests on.
#[derive(Debug)]
pub struct Chain {
    /// As the rules want it.
    pub ancestors: Ancestors,
    /// What was signed in all of it.
    pub statements: Vec<Statement>,
    /// Who delegated any of it.
    pub delegators: Vec<Did>,
    /// When the first of it ends, in milliseconds of Unix time.
    pub expires_ms: Option<i64>,
}

/// Delegations from the store.
///
/// It remembers which links were verified, by their names, which are the hashes of their bytes; never
/// what was decided, nor what was revoked.
pub struct Authority {
    store: Arc<dyn Store>,
    verified: Mutex<Verified>,
}

struct Verified {
    links: LruCache<Cid, (Arc<Delegation>, usize)>,
    bytes: usize,
    most: usize,
}

impl Authority {
    /// Over this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self::with_cache(store, CACHE)
    }

    /// Over this store, with links of so many bytes of tokens kept.
    #[must_use]
    pub fn with_cache(store: Arc<dyn Store>, bytes: usize) -> Self {
        Self {
            store,
            verified: Mutex::new(Verified {
                links: LruCache::unbounded(),
                bytes: 0,
                most: bytes,
            }),
        }
    }

    /// What these proofs are, and all that they rest on. What is missing is for the rules to refuse.
    ///
    /// # Errors
    ///
    /// [`Error::Chain`] for more links than are walked, [`Error::Store`].
    pub async fn chain(&self, proofs: &[Cid], revocations: Revocations) -> Result<Chain, Error> {
        let mut ancestors = Ancestors::of(proofs)?;
        let (mut statements, mut delegators, mut expires_ms) = (Vec::new(), Vec::new(), None);
        loop {
            let wanted = ancestors.wanted();
            if wanted.is_empty() {
                break;
            }
            let found = self.links(&wanted).await?;
            let signed: Vec<Statement> = found.values().map(|link| *link.statement()).collect();
            let revoked: HashMap<Statement, bool> = match revocations {
                Revocations::Later => HashMap::new(),
                Revocations::Asked => {
                    let known = self.store.revocations(&signed).await?;
                    let pairs = signed.iter().zip(known);
                    pairs
                        .map(|(statement, revoked)| (*statement, revoked.is_some()))
                        .collect()
                }
            };
            for cid in wanted {
                let node = found.get(&cid).map(|link| Node {
                    delegation: Arc::clone(link),
                    revoked: revoked.get(link.statement()).copied().unwrap_or(false),
                });
                ancestors.add(cid, node)?;
            }
            statements.extend(signed);
            delegators.extend(found.values().map(|link| link.delegator().clone()));
            let ends = found.values().filter_map(|link| link.window().expires_ms);
            expires_ms = ends.chain(expires_ms).min();
        }
        Ok(Chain {
            ancestors,
            statements,
            delegators,
            expires_ms,
        })
    }

    /// Whether an invocation was used up.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn is_used(&self, statement: &Statement) -> Result<bool, Error> {
        Ok(self.store.is_used(statement).await?)
    }

    /// One stored delegation.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn link(&self, cid: Cid) -> Result<Option<Arc<Delegation>>, Error> {
        Ok(self.links(&[cid]).await?.remove(&cid))
    }

    /// A stored token as a delegation, verified unless it was before.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store gives something that was never accepted.
    pub fn verified(&self, cid: Cid, token: &[u8]) -> Result<Arc<Delegation>, Error> {
        if let Some(link) = self.known(&cid) {
            return Ok(link);
        }
        let delegation = read_stored(token).filter(|link| link.cid() == cid);
        let link = Arc::new(delegation.ok_or_else(|| StoreError::Failed {
            reason: format!("the store holds something else as {cid}"),
        })?);
        self.remember(cid, &link, token.len());
        Ok(link)
    }

    async fn links(&self, cids: &[Cid]) -> Result<HashMap<Cid, Arc<Delegation>>, Error> {
        let mut found = HashMap::with_capacity(cids.len());
        let mut unknown = Vec::new();
        for cid in cids {
            match self.known(cid) {
                Some(link) => drop(found.insert(*cid, link)),
                None => unknown.push(*cid),
            }
        }
        if !unknown.is_empty() {
            let tokens = self.store.tokens(&unknown).await?;
            for (cid, token) in unknown.into_iter().zip(tokens) {
                if let Some(token) = token {
                    found.insert(cid, self.verified(cid, &token)?);
                }
            }
        }
        Ok(found)
    }

    fn known(&self, cid: &Cid) -> Option<Arc<Delegation>> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.links.get(cid).map(|(link, _)| Arc::clone(link))
    }

    fn remember(&self, cid: Cid, link: &Arc<Delegation>, bytes: usize) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.links.put(cid, (Arc::clone(link), bytes)).is_none() {
            verified.bytes += bytes;
        }
        while verified.bytes > verified.most
            && let Some((_, (_, bytes))) = verified.links.pop_lru()
        {
            verified.bytes -= bytes;
        }
    }
}

/// A token from the store: a JWT's text, or a CACAO's bytes. Whoever writes to the store behind the
/// node's back grants nothing by it.
fn read_stored(token: &[u8]) -> Option<Delegation> {
    let token = stored_token(token)?;
    token.verify().ok()?;
    token.delegation().ok()
}

/// The token of these stored bytes, read and not verified.
#[must_use]
pub fn stored_token(token: &[u8]) -> Option<Token> {
    match std::str::from_utf8(token) {
        Ok(text) => Token::from_header(text).ok(),
        // a CACAO begins with the byte of a map, with which no text does
        Err(_) => {
            let cacao = openkey_capability::cacao::Cacao::decode(token).ok()?;
            Some(Token::Cacao(Box::new(cacao)))
        }
    }
}
