//! Revocations: somebody takes back what was delegated.

use super::link::{self, Coverage};
use super::{Ancestors, Capability, ChainError, Delegation, Window};
use crate::ability::Ability;
use crate::attenuation::Caveats;
use crate::cacao::Cacao;
use crate::cid::Cid;
use crate::did::Did;
use crate::resource::Resource;
use crate::ucan::Ucan;

const REVOKE: &str = "tinycloud.delegation/revoke";
/// The service under which a space's delegations are named.
const SERVICE: &str = "delegation";

/// A revocation, whichever token it came as.
#[derive(Clone, Debug, PartialEq)]
pub struct Revocation {
    cid: Cid,
    revoker: Did,
    target: Cid,
    window: Window,
    proofs: Vec<Cid>,
}

impl Revocation {
    /// That of a UCAN, whose signature the caller has verified. It must name what it revokes, as
    /// `urn:cid:<cid>` or `<space>/delegation/<cid>` with the ability to revoke, and nothing else:
    /// what it cites is never taken for its target.
    ///
    /// # Errors
    ///
    /// [`ChainError::Target`], [`ChainError::Did`], [`ChainError::Resource`].
    pub fn from_ucan(ucan: &Ucan) -> Result<Self, ChainError> {
        let mut targets = Capability::all(ucan.attenuation())?
            .into_iter()
            .filter(|capability| capability.ability.canonical() == REVOKE)
            .filter_map(|capability| target(&capability.resource));
        // It may be named in both ways.
        let target = targets.next().ok_or(ChainError::Target)?;
        if targets.any(|other| other != target) {
            return Err(ChainError::Target);
        }
        Ok(Self {
            cid: ucan.cid(),
            revoker: Did::parse(ucan.issuer())?,
            target,
            window: Window {
                not_before_ms: ucan.not_before_ms(),
                after: false,
                expires_ms: Some(ucan.expires_ms()),
            },
            proofs: ucan.proofs().to_vec(),
        })
    }

    /// That of a wallet's CACAO, whose signature the caller has verified: its URI is `ucan:<cid>`.
    ///
    /// # Errors
    ///
    /// [`ChainError::Target`], [`ChainError::Did`], [`ChainError::Recap`].
    pub fn from_cacao(cacao: &Cacao) -> Result<Self, ChainError> {
        let recap = cacao.recap()?;
        Ok(Self {
            cid: cacao.cid(),
            revoker: cacao.issuer(),
            target: cacao.revokes().ok_or(ChainError::Target)?,
            window: Window::of_cacao(cacao),
            proofs: recap.map_or_else(Vec::new, |recap| recap.proofs().to_vec()),
        })
    }

    /// Its name.
    #[must_use]
    pub const fn cid(&self) -> Cid {
        self.cid
    }

    /// Who signed it.
    #[must_use]
    pub const fn revoker(&self) -> &Did {
        &self.revoker
    }

    /// What it takes back.
    #[must_use]
    pub const fn target(&self) -> Cid {
        self.target
    }

    /// What it rests on.
    #[must_use]
    pub fn proofs(&self) -> &[Cid] {
        &self.proofs
    }

    /// Whether it takes effect: in its time, by the target's delegator or delegatee or the owner of a
    /// space in it, or by somebody whom one of these let revoke.
    ///
    /// `ancestors` must be those of its proofs, complete; `target` is what [`Self::target`] names.
    ///
    /// # Errors
    ///
    /// [`ChainError`]: the first rule that it breaks.
    pub fn check(
        &self,
        target: &Delegation,
        ancestors: &Ancestors,
        now_ms: i64,
    ) -> Result<(), ChainError> {
        if !self.window.contains(now_ms) {
            return Err(ChainError::RevocationTime);
        }
        let principal = match self.proofs.as_slice() {
            [] => &self.revoker,
            [proof] => self.principal(proof, ancestors, now_ms)?,
            _ => return Err(ChainError::Revoker),
        };
        let owns = |capability: &Capability| capability.is_owned_by(principal);
        let may = target.cid() == self.target
            && (target.delegator() == principal
                || target.delegatee() == principal
                || target.capabilities().iter().any(owns));
        if may {
            Ok(())
        } else {
            Err(ChainError::Revoker)
        }
    }

    /// In whose name the signer revokes: that of the delegator who let it.
    fn principal<'a>(
        &self,
        proof: &Cid,
        ancestors: &'a Ancestors,
        now_ms: i64,
    ) -> Result<&'a Did, ChainError> {
        let node = ancestors.get(proof)?;
        let delegation = &node.delegation;
        if delegation.delegatee() != &self.revoker {
            return Err(ChainError::Revoker);
        }
        let above = ancestors.above(proof)?;
        ancestors.check_carried(node, &above)?;
        for (cid, link) in [(*proof, node)].into_iter().chain(above) {
            if link.revoked {
                return Err(ChainError::InvokedRevoked(cid));
            }
            if !link.delegation.window().contains(now_ms) {
                return Err(ChainError::AncestorTime(cid));
            }
        }
        let ability = Ability::parse(REVOKE).map_err(|_| ChainError::Revoker)?;
        let wanted = Capability::new(Resource::Cid(self.target), ability, Caveats::none());
        let mut work = link::work();
        let lets = |held: &Capability| match &held.resource {
            Resource::Space(resource) => {
                resource.service() == SERVICE
                    && resource.path().is_none()
                    && resource.space().owner() == delegation.delegator()
                    && held.ability.covers(&wanted.ability)
                    && held.caveats.is_none()
            }
            _ => held.covers(&wanted, &mut work) == Ok(Coverage::Yes),
        };
        if delegation.capabilities().iter().any(lets) {
            Ok(delegation.delegator())
        } else {
            Err(ChainError::Revoker)
        }
    }
}

/// The delegation that a resource names.
fn target(resource: &Resource) -> Option<Cid> {
    match resource {
        Resource::Cid(cid) => Some(*cid),
        Resource::Space(resource) if resource.service() == SERVICE => {
            Cid::parse(resource.path()?).ok()
        }
        _ => None,
    }
}
