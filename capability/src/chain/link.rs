//! What the links of a chain are made of.

use super::ChainError;
use crate::ability::Ability;
use crate::attenuation::{Attenuation, Caveats};
use crate::cacao::Cacao;
use crate::caveat::{ReadCaveats, TooMuch, Work};
use crate::cid::Cid;
use crate::did::Did;
use crate::resource::{Resource, ResourceError};
use crate::siwe::Timestamp;

/// Most comparisons of one check: of a capability with one that could cover it, of a caveat with another.
/// Clients come to some ten thousands, a token of a thousand values under a sign-in of thousands to two
/// million; the longest tokens would come to a thousand million, for which nobody waits.
pub(super) const MAX_COMPARISONS: usize = 1 << 22;

/// One thing that may be done: resource, ability, caveats.
#[derive(Clone, Debug, PartialEq)]
pub struct Capability {
    /// The resource that may be used.
    pub resource: Resource,
    /// What may be done with the resource.
    pub ability: Ability,
    /// Within which bounds.
    pub caveats: Caveats,
    /// The same as they are compared.
    read: ReadCaveats,
}

/// Whether one capability covers another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coverage {
    No,
    /// But for the caveats.
    Wider,
    Yes,
}

impl Capability {
    /// This one.
    #[must_use]
    pub fn new(resource: Resource, ability: Ability, caveats: Caveats) -> Self {
        Self {
            resource,
            ability,
            read: ReadCaveats::of(&caveats),
            caveats,
        }
    }

    /// All of a token's.
    pub(super) fn all(attenuation: &Attenuation) -> Result<Vec<Self>, ResourceError> {
        let one = |(resource, ability, caveats): (&str, &Ability, &Caveats)| {
            let resource = Resource::parse(resource)?;
            Ok(Self::new(resource, ability.clone(), caveats.clone()))
        };
        attenuation.iter().map(one).collect()
    }

    /// Whether `principal` owns the resource: then it needs nobody's leave.
    pub(super) fn is_owned_by(&self, principal: &Did) -> bool {
        self.resource.owner() == Some(principal)
    }

    /// Whether who holds `self` holds `required`.
    ///
    /// # Errors
    ///
    /// [`ChainError::TooMuch`]: that takes too long to compare.
    pub(super) fn covers(&self, required: &Self, work: &mut Work) -> Result<Coverage, ChainError> {
        let too_much = |TooMuch| ChainError::TooMuch;
        work.spend(1).map_err(too_much)?;
        if !required.resource.extends(&self.resource) || !self.ability.covers(&required.ability) {
            return Ok(Coverage::No);
        }
        let contained = required.read.is_contained(&self.read, work);
        Ok(if contained.map_err(too_much)? {
            Coverage::Yes
        } else {
            Coverage::Wider
        })
    }
}

/// What one check may cost.
pub(super) const fn work() -> Work {
    Work::new(MAX_COMPARISONS)
}

/// What somebody who does or grants all of this rests on: nothing, if all of it is their own.
pub(super) fn rests_on<'a>(
    capabilities: &[Capability],
    principal: &Did,
    proofs: &'a [Cid],
) -> &'a [Cid] {
    if capabilities.iter().all(|it| it.is_owned_by(principal)) {
        &[]
    } else {
        proofs
    }
}

/// When something is valid, in milliseconds of Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Not before then.
    pub not_before_ms: Option<i64>,
    /// Whether it is not valid at that very moment either: so it is with CACAOs.
    pub after: bool,
    /// Until then, inclusive.
    pub expires_ms: Option<i64>,
}

impl Window {
    pub(super) fn of_cacao(cacao: &Cacao) -> Self {
        Self {
            not_before_ms: cacao.not_before().map(Timestamp::unix_ms),
            after: true,
            expires_ms: cacao.expires().map(Timestamp::unix_ms),
        }
    }

    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(&self, now_ms: i64) -> bool {
        let begun = self.not_before_ms.is_none_or(|begin| {
            if self.after {
                begin < now_ms
            } else {
                begin <= now_ms
            }
        });
        begun && self.expires_ms.is_none_or(|end| now_ms <= end)
    }
}
