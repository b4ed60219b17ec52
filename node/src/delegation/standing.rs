//! How a stored delegation stands.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use openkey_capability::chain::{Delegation, MAX_NODES};
use openkey_capability::cid::Cid;

use crate::authority::Walked;
use crate::error::Error;
use crate::node::Node;
use crate::store::Revoked;

/// How a stored delegation stands, with everything that it rests on.
#[derive(Clone, Debug)]
pub struct Standing {
    /// It was revoked itself.
    pub revoked: Option<Revoked>,
    /// The nearest of what it rests on that was revoked.
    pub revoked_ancestor: Option<Cid>,
    /// It or something that it rests on is past its time.
    pub expired: bool,
    /// It or something that it rests on is before its time.
    pub pending: bool,
    /// Something that it rests on is not here.
    pub incomplete: bool,
}

impl Standing {
    /// Of this delegation, now.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn of(node: &Node, delegation: &Arc<Delegation>, now_ms: i64) -> Result<Self, Error> {
        let mut walked = Walked::default();
        let (links, incomplete) = walk(node, delegation, &mut walked).await?;
        let statements: Vec<_> = links.iter().map(|link| *link.statement()).collect();
        let mut revocations = node.store.revocations(&statements).await?.into_iter();
        let revoked = revocations.next().flatten();
        let above = links.iter().skip(1).zip(revocations);
        let revoked_ancestor = above
            .filter_map(|(link, revoked)| revoked.map(|_| link.cid()))
            .next();
        let ends =
            |link: &Arc<Delegation>| link.window().expires_ms.is_some_and(|end| end < now_ms);
        let expired = links.iter().any(ends);
        let outside = links.iter().any(|link| !link.window().contains(now_ms));
        drop(links);
        walked.ended().await;
        Ok(Self {
            revoked,
            revoked_ancestor,
            expired,
            pending: outside && !expired,
            incomplete,
        })
    }

    /// Whether it can be used.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        !self.is_revoked() && !self.expired && !self.pending && !self.incomplete
    }

    /// Whether it, or something that it rests on, was revoked.
    #[must_use]
    pub const fn is_revoked(&self) -> bool {
        self.revoked.is_some() || self.revoked_ancestor.is_some()
    }
}

/// A delegation and what it rests on, nearest first, and whether something of it is missing.
pub(super) async fn walk(
    node: &Node,
    of: &Arc<Delegation>,
    walked: &mut Walked,
) -> Result<(Vec<Arc<Delegation>>, bool), Error> {
    let mut seen = BTreeSet::from([of.cid()]);
    let mut queue: VecDeque<Cid> = of.rests_on().iter().copied().collect();
    let mut links = vec![Arc::clone(of)];
    let mut incomplete = false;
    while let Some(cid) = queue.pop_front() {
        if !seen.insert(cid) {
            continue;
        }
        let link = match node.authority.link_within(cid, walked).await {
            Err(Error::Chain(_)) => None,
            link => link?,
        };
        match link {
            Some(link) if links.len() < MAX_NODES => {
                queue.extend(link.rests_on());
                links.push(link);
            }
            _ => incomplete = true,
        }
    }
    Ok((links, incomplete))
}
