//! What a chain is made of, as far as somebody has fetched it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{ChainError, Delegation};
use crate::cid::Cid;

/// Most different delegations that are walked for one check.
pub const MAX_NODES: usize = 64;

/// A stored delegation, and whether it was revoked.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What was accepted once.
    pub delegation: Arc<Delegation>,
    /// Whether it was revoked since.
    pub revoked: bool,
}

/// The delegations that something rests on: those that it cites, what these rest on
/// ([`Delegation::rests_on`]), and so on.
///
/// A caller asks what is [`Self::wanted`], brings it with [`Self::add`], and asks again until nothing
/// is: no more than [`MAX_NODES`] times in all, and every delegation once, however they cite each other.
#[derive(Clone, Debug, Default)]
pub struct Ancestors {
    known: BTreeMap<Cid, Option<Node>>,
    wanted: BTreeSet<Cid>,
}

impl Ancestors {
    /// Those of something that cites these.
    ///
    /// # Errors
    ///
    /// [`ChainError::TooLong`].
    pub fn of(proofs: &[Cid]) -> Result<Self, ChainError> {
        let mut ancestors = Self::default();
        ancestors.want(proofs)?;
        Ok(ancestors)
    }

    /// What has to be brought next; nothing once all is there.
    #[must_use]
    pub fn wanted(&self) -> Vec<Cid> {
        self.wanted.iter().copied().collect()
    }

    /// Brings one: what the store holds under that name. What has another name is not it.
    ///
    /// # Errors
    ///
    /// [`ChainError::TooLong`] if it rests on too much.
    pub fn add(&mut self, cid: Cid, found: Option<Node>) -> Result<(), ChainError> {
        if !self.wanted.remove(&cid) {
            return Ok(());
        }
        let found = found.filter(|node| node.delegation.cid() == cid);
        let proofs = found.as_ref().map(|node| Arc::clone(&node.delegation));
        self.known.insert(cid, found);
        match proofs {
            Some(delegation) => self.want(delegation.rests_on()),
            None => Ok(()),
        }
    }

    fn want(&mut self, proofs: &[Cid]) -> Result<(), ChainError> {
        for proof in proofs {
            if !self.known.contains_key(proof) {
                self.wanted.insert(*proof);
            }
        }
        if self.known.len() + self.wanted.len() > MAX_NODES {
            return Err(ChainError::TooLong);
        }
        Ok(())
    }

    /// Whether something may rest on one that rests on these.
    pub(super) fn check_length(&self) -> Result<(), ChainError> {
        if self.known.len() < MAX_NODES {
            Ok(())
        } else {
            Err(ChainError::TooLong)
        }
    }

    /// One that was brought.
    pub(super) fn get(&self, cid: &Cid) -> Result<&Node, ChainError> {
        let known = self.known.get(cid).and_then(Option::as_ref);
        known.ok_or(ChainError::Missing)
    }

    /// Whether one and everything above it are carried by what they cite, up to their roots.
    ///
    /// # Errors
    ///
    /// [`ChainError::Link`]: the nearest that is not.
    pub(super) fn check_carried(
        &self,
        node: &Node,
        above: &[(Cid, &Node)],
    ) -> Result<(), ChainError> {
        node.delegation.check_carried(self)?;
        above
            .iter()
            .try_for_each(|(_, node)| node.delegation.check_carried(self))
    }

    /// Everything above one, nearest first, without itself.
    pub(super) fn above(&self, cid: &Cid) -> Result<Vec<(Cid, &Node)>, ChainError> {
        let mut seen = BTreeSet::from([*cid]);
        let mut queue = VecDeque::from([*cid]);
        let mut above = Vec::new();
        while let Some(next) = queue.pop_front() {
            for proof in self.get(&next)?.delegation.rests_on() {
                if seen.insert(*proof) {
                    above.push((*proof, self.get(proof)?));
                    queue.push_back(*proof);
                }
            }
        }
        Ok(above)
    }
}
