//! What the links of a chain are made of.

use super::ChainError;
use crate::ability::Ability;
use crate::attenuation::{Attenuation, Caveats};
use crate::cacao::Cacao;
use crate::caveat;
use crate::cid::Cid;
use crate::did::Did;
use crate::resource::{Resource, ResourceError};
use crate::siwe::Timestamp;

/// Most pairs of a capability and one that could cover it, for one check. Clients come to some ten
/// thousands; the longest tokens would come to a thousand million, for which nobody waits.
const MAX_PAIRS: usize = 1 << 22;

/// One thing that may be done: resource, ability, caveats.
#[derive(Clone, Debug, PartialEq)]
pub struct Capability {
    /// The resource that may be used.
    pub resource: Resource,
    /// What may be done with the resource.
    pub ability: Ability,
    /// Within which bounds.
    pub caveats: Caveats,
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
    /// All of a token's.
    pub(super) fn all(attenuation: &Attenuation) -> Result<Vec<Self>, ResourceError> {
        let one = |(resource, ability, caveats): (&str, &Ability, &Caveats)| {
            Ok(Self {
                resource: Resource::parse(resource)?,
                ability: ability.clone(),
                caveats: caveats.clone(),
            })
        };
        attenuation.iter().map(one).collect()
    }

    /// Whether `principal` owns the resource: then it needs nobody's leave.
    pub(super) fn is_owned_by(&self, principal: &Did) -> bool {
        self.resource.owner() == Some(principal)
    }

    /// Whether who holds `self` holds `required`.
    pub(super) fn covers(&self, required: &Self) -> Coverage {
        if !required.resource.extends(&self.resource) || !self.ability.covers(&required.ability) {
            Coverage::No
        } else if caveat::is_contained(&required.caveats, &self.caveats) {
            Coverage::Yes
        } else {
            Coverage::Wider
        }
    }
}

/// Refuses what takes too long to compare.
///
/// # Errors
///
/// [`ChainError::TooMuch`].
pub(super) fn check_pairs(wanted: usize, held: usize) -> Result<(), ChainError> {
    if wanted.saturating_mul(held) > MAX_PAIRS {
        Err(ChainError::TooMuch)
    } else {
        Ok(())
    }
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
