//! Invocations: somebody does what they may.

use super::link::{self, Coverage};
use super::{Ancestors, Capability, ChainError, Delegation, Window};
use crate::attenuation::Caveats;
use crate::caveat::Work;
use crate::cid::Cid;
use crate::did::Did;
use crate::resource::Resource;
use crate::ucan::Ucan;

/// An invocation: a UCAN by whoever acts.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    cid: Cid,
    statement: [u8; 32],
    invoker: Did,
    window: Window,
    capabilities: Vec<Capability>,
    proofs: Vec<Cid>,
}

/// One thing that an invocation may do, and the bounds that it must be kept in.
#[derive(Clone, Debug, PartialEq)]
pub struct Granted<'a> {
    /// What was asked for.
    pub capability: &'a Capability,
    /// The caveats under which it was granted: **to be enforced by whoever carries it out**. None for
    /// an owner, or where nobody in the chain set any.
    pub caveats: &'a Caveats,
    /// The resources that were granted, under these caveats or none, and that the asked one is or lies
    /// below. None for an owner, who holds all.
    pub held: Vec<&'a Resource>,
}

impl Invocation {
    /// That of a UCAN, whose signature the caller has verified.
    ///
    /// # Errors
    ///
    /// [`ChainError::Did`], [`ChainError::Resource`].
    pub fn from_ucan(ucan: &Ucan) -> Result<Self, ChainError> {
        Ok(Self {
            cid: ucan.cid(),
            statement: ucan.statement(),
            invoker: Did::parse(ucan.issuer())?,
            window: Window {
                not_before_ms: ucan.not_before_ms(),
                after: false,
                expires_ms: Some(ucan.expires_ms()),
            },
            capabilities: Capability::all(ucan.attenuation())?,
            proofs: ucan.proofs().to_vec(),
        })
    }

    /// Its name.
    #[must_use]
    pub const fn cid(&self) -> Cid {
        self.cid
    }

    /// What was signed, as a hash: the same for every token that says it. Names can be changed by
    /// whoever has a token (another spelling of its signature is another name): what was
    /// used up must be known by this.
    #[must_use]
    pub const fn statement(&self) -> &[u8; 32] {
        &self.statement
    }

    /// Who acts.
    #[must_use]
    pub const fn invoker(&self) -> &Did {
        &self.invoker
    }

    /// The time within which the invocation is valid.
    #[must_use]
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// What is asked for.
    #[must_use]
    pub fn capabilities(&self) -> &[Capability] {
        &self.capabilities
    }

    /// What it cites.
    #[must_use]
    pub fn proofs(&self) -> &[Cid] {
        &self.proofs
    }

    /// What it rests on: what it cites, or nothing if all of it is its invoker's own.
    #[must_use]
    pub fn rests_on(&self) -> &[Cid] {
        link::rests_on(&self.capabilities, &self.invoker, &self.proofs)
    }

    /// Whether it may be carried out now: in its time, everything in it either the invoker's own or
    /// covered by a delegation that it cites, which holds up to its root: every link is compared with
    /// what it cites itself, and every root with the owner.
    ///
    /// `ancestors` must be those of what it rests on, complete. An invocation that repeats no caveats
    /// inherits those it was granted with.
    ///
    /// # Errors
    ///
    /// [`ChainError`]: the first rule that it breaks.
    pub fn check<'a>(
        &'a self,
        ancestors: &'a Ancestors,
        now_ms: i64,
    ) -> Result<Vec<Granted<'a>>, ChainError> {
        if !self.window.contains(now_ms) {
            return Err(ChainError::InvocationTime);
        }
        let held = self.held(ancestors, now_ms)?;
        let mut work = link::work();
        let all = self.capabilities.iter();
        all.map(|capability| self.granted(capability, &held, &mut work))
            .collect()
    }

    /// In whose name it asks: who delegated what it rests on, up to the roots, nearest first. Nothing
    /// says that they granted what it asks for.
    ///
    /// `ancestors` must be those of what it rests on, complete.
    ///
    /// # Errors
    ///
    /// [`ChainError`]: the first rule that something it rests on breaks.
    pub fn delegators<'a>(
        &self,
        ancestors: &'a Ancestors,
        now_ms: i64,
    ) -> Result<Vec<&'a Did>, ChainError> {
        let chains = self.chains(ancestors, now_ms)?;
        Ok(chains
            .concat()
            .into_iter()
            .map(Delegation::delegator)
            .collect())
    }

    /// What the cited delegations hold.
    fn held<'a>(
        &self,
        ancestors: &'a Ancestors,
        now_ms: i64,
    ) -> Result<Vec<&'a Capability>, ChainError> {
        let chains = self.chains(ancestors, now_ms)?;
        let cited = chains.iter().filter_map(|chain| chain.first());
        Ok(cited.flat_map(|cited| cited.capabilities()).collect())
    }

    /// The cited delegations, each the first of all that it rests on, and each good up to its root.
    fn chains<'a>(
        &self,
        ancestors: &'a Ancestors,
        now_ms: i64,
    ) -> Result<Vec<Vec<&'a Delegation>>, ChainError> {
        let (mut chains, proofs) = (Vec::new(), self.rests_on());
        for (at, cid) in proofs.iter().enumerate() {
            if proofs.iter().take(at).any(|earlier| earlier == cid) {
                return Err(ChainError::Twice);
            }
            let node = ancestors.get(cid)?;
            if node.delegation.delegatee() != &self.invoker {
                return Err(ChainError::Invoker);
            }
            if node.revoked {
                return Err(ChainError::InvokedRevoked(*cid));
            }
            let above = ancestors.above(cid)?;
            if let Some((ancestor, _)) = above.iter().find(|(_, above)| above.revoked) {
                return Err(ChainError::InvokedsAncestorRevoked {
                    ancestor: *ancestor,
                    invoked: *cid,
                });
            }
            let mut chain = Vec::with_capacity(1 + above.len());
            ancestors.check_carried(node, &above)?;
            for (cid, node) in [(*cid, node)].into_iter().chain(above) {
                if !node.delegation.window().contains(now_ms) {
                    return Err(ChainError::AncestorTime(cid));
                }
                chain.push(&*node.delegation);
            }
            chains.push(chain);
        }
        Ok(chains)
    }

    fn granted<'a>(
        &self,
        capability: &'a Capability,
        held: &[&'a Capability],
        work: &mut Work,
    ) -> Result<Granted<'a>, ChainError> {
        if capability.is_owned_by(&self.invoker) {
            let caveats = &capability.caveats;
            return Ok(Granted {
                capability,
                caveats,
                held: Vec::new(),
            });
        }
        let mut wider = false;
        let mut found: Option<&Capability> = None;
        let mut covering: Vec<&Capability> = Vec::new();
        for held in held {
            match held.covers(capability, work)? {
                Coverage::No => continue,
                // It inherits what it does not repeat.
                Coverage::Wider if !capability.caveats.is_none() => {
                    wider = true;
                    continue;
                }
                Coverage::Wider | Coverage::Yes => {}
            }
            covering.push(held);
            // The freer one, if there are several.
            if found.is_none_or(|found| !found.caveats.is_none() && held.caveats.is_none()) {
                found = Some(held);
            }
        }
        let (resource, ability) = (&capability.resource, &capability.ability);
        match found {
            Some(held) => Ok(Granted {
                capability,
                caveats: if capability.caveats.is_none() {
                    &held.caveats
                } else {
                    &capability.caveats
                },
                held: covering
                    .into_iter()
                    .filter(|it| it.caveats == held.caveats || !capability.caveats.is_none())
                    .map(|it| &it.resource)
                    .collect(),
            }),
            None if wider => Err(ChainError::InvocationCaveats {
                resource: Box::new(resource.clone()),
                ability: ability.clone(),
            }),
            None => Err(ChainError::Action {
                resource: Box::new(resource.clone()),
                ability: ability.clone(),
            }),
        }
    }
}
