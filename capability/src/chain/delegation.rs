//! Delegations: what somebody lets somebody else do.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::link::{self, Coverage};
use super::{Ancestors, Capability, ChainError, Node, Window};
use crate::cacao::Cacao;
use crate::cid::Cid;
use crate::did::Did;
use crate::ucan::Ucan;

/// A fact by which a delegation says that it ends with its delegatee.
const MODE_FACT: &str = "xyz.tinycloud.policy/delegationMode";
const TERMINAL: &str = "terminal";

/// A delegation, whichever token it came as.
#[derive(Clone, Debug, PartialEq)]
pub struct Delegation {
    cid: Cid,
    statement: [u8; 32],
    delegator: Did,
    delegatee: Did,
    window: Window,
    issued_ms: Option<i64>,
    capabilities: Vec<Capability>,
    proofs: Vec<Cid>,
    terminal: bool,
    carried: Carried,
}

impl Delegation {
    /// That of a UCAN, whose signature the caller has verified.
    ///
    /// # Errors
    ///
    /// [`ChainError::Did`], [`ChainError::Resource`].
    pub fn from_ucan(ucan: &Ucan) -> Result<Self, ChainError> {
        Ok(Self {
            cid: ucan.cid(),
            statement: ucan.statement(),
            delegator: Did::parse(ucan.issuer())?,
            delegatee: Did::parse(ucan.audience())?,
            window: Window {
                not_before_ms: ucan.not_before_ms(),
                after: false,
                expires_ms: Some(ucan.expires_ms()),
            },
            issued_ms: None,
            capabilities: Capability::all(ucan.attenuation())?,
            proofs: ucan.proofs().to_vec(),
            terminal: ucan.facts().iter().any(is_terminal),
            carried: Carried::default(),
        })
    }

    /// That of a wallet's CACAO, whose signature the caller has verified. What it grants is its ReCap;
    /// without one it grants nothing.
    ///
    /// # Errors
    ///
    /// [`ChainError::Did`], [`ChainError::Resource`], [`ChainError::Recap`].
    pub fn from_cacao(cacao: &Cacao) -> Result<Self, ChainError> {
        let recap = cacao.recap()?;
        let (capabilities, proofs) = match &recap {
            Some(recap) => (
                Capability::all(recap.attenuation())?,
                recap.proofs().to_vec(),
            ),
            None => (Vec::new(), Vec::new()),
        };
        Ok(Self {
            cid: cacao.cid(),
            statement: cacao.digest(),
            delegator: cacao.issuer(),
            delegatee: Did::parse(cacao.audience())?,
            window: Window::of_cacao(cacao),
            issued_ms: Some(cacao.issued_at().unix_ms()),
            capabilities,
            proofs,
            terminal: false,
            carried: Carried::default(),
        })
    }

    /// Its name.
    #[must_use]
    pub const fn cid(&self) -> Cid {
        self.cid
    }

    /// What was signed, as a hash: the same for every token that says it. Names can be changed by
    /// whoever has a token (another spelling of its signature is another name): what was
    /// revoked once must be known by this.
    #[must_use]
    pub const fn statement(&self) -> &[u8; 32] {
        &self.statement
    }

    /// Who lets somebody.
    #[must_use]
    pub const fn delegator(&self) -> &Did {
        &self.delegator
    }

    /// Who may.
    #[must_use]
    pub const fn delegatee(&self) -> &Did {
        &self.delegatee
    }

    /// The time within which the delegation is valid.
    #[must_use]
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// When it was signed, as it says itself, in milliseconds of Unix time; UCANs do not say.
    #[must_use]
    pub const fn issued_ms(&self) -> Option<i64> {
        self.issued_ms
    }

    /// The capabilities that the delegation gives.
    #[must_use]
    pub fn capabilities(&self) -> &[Capability] {
        &self.capabilities
    }

    /// What it cites.
    #[must_use]
    pub fn proofs(&self) -> &[Cid] {
        &self.proofs
    }

    /// Whether it says that nothing can be delegated on it.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// What it rests on: what it cites, or nothing if all of it is its delegator's own, who needs
    /// nobody's leave. What it then cites may be unknown, over or revoked, and changes nothing.
    #[must_use]
    pub fn rests_on(&self) -> &[Cid] {
        link::rests_on(&self.capabilities, &self.delegator, &self.proofs)
    }

    /// Whether it may be accepted now: in its time, everything in it either the delegator's own or
    /// covered by a delegation that it cites and that holds.
    ///
    /// `ancestors` must be those of what it rests on, complete.
    ///
    /// # Errors
    ///
    /// [`ChainError`]: the first rule that it breaks.
    pub fn check(&self, ancestors: &Ancestors, now_ms: i64) -> Result<(), ChainError> {
        if !self.window.contains(now_ms) {
            return Err(ChainError::DelegationTime);
        }
        // nobody could use it
        ancestors.check_length()?;
        for cid in self.rests_on() {
            let node = self.parent(cid, ancestors)?;
            if node.revoked {
                return Err(ChainError::ParentRevoked(*cid));
            }
            for (ancestor, above) in ancestors.above(cid)? {
                if above.revoked {
                    return Err(ChainError::ParentsAncestorRevoked {
                        ancestor,
                        parent: *cid,
                    });
                }
            }
        }
        self.check_parents(ancestors, Some(now_ms))
    }

    /// Whether everything in it is either the delegator's own or covered by a delegation that it cites,
    /// whatever the time is and whatever was revoked: what the tokens themselves say. A store that
    /// holds it says nothing of that.
    ///
    /// The answer never changes: its bytes name what it rests on by their hashes. So a good one is
    /// remembered.
    pub(super) fn check_carried(&self, ancestors: &Ancestors) -> Result<(), ChainError> {
        if self.carried.is_known() {
            return Ok(());
        }
        self.check_parents(ancestors, None)
            .map_err(|reason| ChainError::Link {
                cid: self.cid,
                reason: Box::new(reason),
            })?;
        self.carried.remember();
        Ok(())
    }

    fn check_parents(&self, ancestors: &Ancestors, now_ms: Option<i64>) -> Result<(), ChainError> {
        let dependent = || {
            let all = self.capabilities.iter();
            all.filter(|capability| !capability.is_owned_by(&self.delegator))
        };
        if dependent().next().is_none() {
            return Ok(());
        }
        let parents = self.parents(ancestors, now_ms)?;
        let mut work = link::work();
        for capability in dependent() {
            let mut held = parents.iter().flat_map(|parent| &parent.capabilities);
            let best = held.try_fold(Coverage::No, |best, held| {
                Ok::<_, ChainError>(better(best, held.covers(capability, &mut work)?))
            });
            match best? {
                Coverage::Yes => {}
                Coverage::Wider => {
                    return Err(ChainError::ChildCaveats {
                        resource: Box::new(capability.resource.clone()),
                        ability: capability.ability.clone(),
                    });
                }
                Coverage::No => {
                    return Err(ChainError::Capability {
                        resource: Box::new(capability.resource.clone()),
                        ability: capability.ability.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// One that it cites, which must be for its delegator.
    fn parent<'a>(&self, cid: &Cid, ancestors: &'a Ancestors) -> Result<&'a Node, ChainError> {
        let node = ancestors.get(cid)?;
        if node.delegation.delegatee == self.delegator {
            Ok(node)
        } else {
            Err(ChainError::Delegator(self.delegator.clone()))
        }
    }

    /// The cited delegations that this one may rest on. Each must be its delegator's; those that it
    /// outlives are left away, and are an error only if nothing is left.
    fn parents<'a>(
        &self,
        ancestors: &'a Ancestors,
        now_ms: Option<i64>,
    ) -> Result<Vec<&'a Self>, ChainError> {
        let mut parents = Vec::new();
        let mut outlived = None;
        for cid in self.rests_on() {
            let parent = &*self.parent(cid, ancestors)?.delegation;
            if parent.terminal {
                return Err(ChainError::Terminal);
            }
            match self.within(parent, now_ms) {
                Ok(()) => parents.push(parent),
                Err(error) => outlived = Some(error),
            }
        }
        match outlived {
            Some(error) if parents.is_empty() => Err(error),
            _ => Ok(parents),
        }
    }

    /// Whether its time lies in its parent's. One that does not say when it begins does so when it is
    /// accepted: session keys never say it, and whoever uses it is held to the parent's own time.
    fn within(&self, parent: &Self, now_ms: Option<i64>) -> Result<(), ChainError> {
        if let Some(end) = parent.window.expires_ms
            && self.window.expires_ms.is_none_or(|own| own > end)
        {
            return Err(ChainError::Expiry);
        }
        let is_early = match (self.window.not_before_ms, parent.window.not_before_ms) {
            (_, None) => false,
            (Some(own), Some(begin)) => own < begin,
            (None, Some(_)) => now_ms.is_some_and(|now_ms| !parent.window.contains(now_ms)),
        };
        if is_early {
            return Err(ChainError::NotBefore);
        }
        Ok(())
    }
}

/// Whether a delegation was found to be carried by what it rests on. It is no part of what it says.
#[derive(Debug, Default)]
struct Carried(AtomicBool);

impl Carried {
    fn is_known(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn remember(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Clone for Carried {
    fn clone(&self) -> Self {
        Self(AtomicBool::new(self.is_known()))
    }
}

impl PartialEq for Carried {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

pub(super) const fn better(one: Coverage, other: Coverage) -> Coverage {
    match (one, other) {
        (Coverage::Yes, _) | (_, Coverage::Yes) => Coverage::Yes,
        (Coverage::Wider, _) | (_, Coverage::Wider) => Coverage::Wider,
        _ => Coverage::No,
    }
}

fn is_terminal(fact: &Value) -> bool {
    fact.get(MODE_FACT).and_then(Value::as_str) == Some(TERMINAL)
}
