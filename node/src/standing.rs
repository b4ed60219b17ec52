//! In whose name a request is made, of those who use what one owner has.

use std::sync::Arc;

use openkey_capability::chain::Delegation;
use openkey_capability::did::Did;

/// How near to the owner somebody is, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nearness {
    /// The owner.
    Owner,
    /// A principal to whom the owner has delegated, as to a session.
    Session,
    /// A principal to whom a session has delegated, as by a link, and all below it.
    Shared,
}

/// In whose name a request is made. Keys cost nothing, so a principal to whom something was shared and all
/// to whom it delegates in turn are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// How near to the owner that is.
    pub nearness: Nearness,
    /// The hash of the principal's DID.
    pub principal: [u8; 32],
}

impl Standing {
    /// The owner's.
    pub const OWNER: Self = Self {
        nearness: Nearness::Owner,
        principal: [0; 32],
    };

    /// That of an invoker whose invocation rests on these delegations, all of them accepted and in any order.
    #[must_use]
    pub fn of(owner: &Did, invoker: &Did, links: &[Arc<Delegation>]) -> Self {
        if invoker == owner {
            return Self::OWNER;
        }
        let mut of_owner = links.iter().filter(|link| link.delegator() == owner);
        if of_owner.any(|link| link.delegatee() == invoker) {
            return Self::new(Nearness::Session, invoker.as_str());
        }
        let is_shared = |link: &&Arc<Delegation>| {
            links.iter().any(|above| {
                above.delegator() == owner
                    && above.delegatee() == link.delegator()
                    && link.rests_on().contains(&above.cid())
            })
        };
        // of several the same, whatever else is cited
        let shared = links.iter().filter(is_shared);
        let first = shared.map(|link| link.delegatee().as_str()).min();
        Self::new(Nearness::Shared, first.unwrap_or_default())
    }

    fn new(nearness: Nearness, principal: &str) -> Self {
        let principal = *blake3::hash(principal.as_bytes()).as_bytes();
        Self {
            nearness,
            principal,
        }
    }
}
