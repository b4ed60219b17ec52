//! What tokens rest on: delegations from the store, verified, and whether they were revoked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use openkey_capability::chain::{Ancestors, ChainError, Delegation, Node};
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::token::Token;

use crate::allowance::{Allowance, Read, Taken};
use crate::asking;
use crate::error::Error;
use crate::store::{Statement, Store, StoreError};

/// Bytes of tokens whose delegations are kept, unless somebody says otherwise: a few thousand sessions.
const CACHE: usize = 4 * 1024 * 1024;
/// Most bytes of the tokens of one chain: two of the largest, and sessions below.
const MAX_CHAIN: usize = 1024 * 1024;
/// Bytes of memory for one of a token that something rests on.
const EACH_BYTE: usize = 10;
/// Tokens that are read from the store at once.
const AT_ONCE: usize = 8;
/// Bytes of the tokens that one request holds which need no room.
const FREE: usize = 8 * 1024;

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
    /// The delegations, as they were verified.
    pub links: Vec<Arc<Delegation>>,
    /// When the first of it ends, in milliseconds of Unix time.
    pub expires_ms: Option<i64>,
    /// Bytes of its tokens.
    pub bytes: usize,
}

/// What a walk up a chain holds until it ends, or until its request does.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Bytes of tokens.
    bytes: usize,
    taken: Taken,
}

impl Walked {
    /// Room for so many bytes more, whether they are in memory already or not: what one holds stays there, when
    /// others do not need it any more.
    async fn with(&mut self, more: usize) -> Result<Allowance, Error> {
        let bytes = self.bytes.saturating_add(more);
        if bytes > MAX_CHAIN {
            return Err(ChainError::TooLarge(MAX_CHAIN).into());
        }
        if bytes <= FREE {
            return Ok(Allowance::LEAST);
        }
        self.taken.allow(more, bytes * EACH_BYTE).await
    }

    /// It is not held any more.
    pub(crate) async fn ended(&mut self) {
        self.bytes = 0;
        self.taken.give_back().await;
    }
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
        let (mut statements, mut delegators, mut links) = (Vec::new(), Vec::new(), Vec::new());
        let (mut expires_ms, mut walked) = (None, Walked::default());
        loop {
            let wanted = ancestors.wanted();
            if wanted.is_empty() {
                break;
            }
            let found = self.links(&wanted, &mut walked).await?;
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
            links.extend(found.into_values());
        }
        Ok(Chain {
            ancestors,
            statements,
            delegators,
            links,
            expires_ms,
            bytes: walked.bytes,
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
        self.link_within(cid, &mut Walked::default()).await
    }

    /// One stored delegation, which is held beside others.
    ///
    /// # Errors
    ///
    /// [`Error::Chain`] if they are too large together, [`Error::Memory`], [`Error::Store`].
    pub(crate) async fn link_within(
        &self,
        cid: Cid,
        walked: &mut Walked,
    ) -> Result<Option<Arc<Delegation>>, Error> {
        Ok(self.links(&[cid], walked).await?.remove(&cid))
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

    /// Those that there are.
    async fn links(
        &self,
        cids: &[Cid],
        walked: &mut Walked,
    ) -> Result<HashMap<Cid, Arc<Delegation>>, Error> {
        let mut found = HashMap::with_capacity(cids.len());
        let mut unknown = Vec::new();
        for cid in cids {
            match self.length(cid) {
                Some(length) => {
                    walked.with(length).await?;
                    // others may have come into its place meanwhile
                    match self.known(cid) {
                        Some(link) => {
                            walked.bytes += length;
                            found.insert(*cid, link);
                        }
                        None => unknown.push(*cid),
                    }
                }
                None => unknown.push(*cid),
            }
        }
        for cids in unknown.chunks(AT_ONCE) {
            let mut allowed = Allowance::LEAST;
            let tokens = loop {
                match self.store.tokens(cids, allowed).await? {
                    Read::All(tokens) => break tokens,
                    Read::Larger(bytes) => allowed = walked.with(bytes).await?,
                }
            };
            let length = tokens.iter().flatten().map(Vec::len).sum::<usize>();
            walked.with(length).await?;
            walked.bytes += length;
            asking::turn(length).await?;
            for (cid, token) in cids.iter().zip(tokens) {
                if let Some(token) = token {
                    let link = asking::check(|| self.verified(*cid, &token))?;
                    found.insert(*cid, link);
                }
            }
        }
        Ok(found)
    }

    fn known(&self, cid: &Cid) -> Option<Arc<Delegation>> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.links.get(cid).map(|(link, _)| Arc::clone(link))
    }

    /// Bytes of the token of one that is known.
    fn length(&self, cid: &Cid) -> Option<usize> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.links.peek(cid).map(|(_, bytes)| *bytes)
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
