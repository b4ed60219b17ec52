//! What an authorised request may do. Whoever carries it out says by a type which caveats it keeps to:
//! there is no other way to learn what was granted.

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Caveats;
use openkey_capability::caveat::{ResourceSelector, Restriction};
use openkey_capability::chain::{self, Capability};
use openkey_capability::resource::{Resource, SpaceResource};

use crate::error::Error;

/// Caveats that an endpoint keeps to.
pub trait Keeps: Sized {
    /// What the caveats of a grant leave of this resource.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]: nothing, or one of them is of a kind that the endpoint does not keep to.
    fn read(caveats: &Caveats, resource: &Resource) -> Result<Self, Error>;
}

/// Resource selectors are kept to: one of those that there are must select the path. Any other caveat
/// lets nothing through, as nobody has said what it means for anything but a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected(Vec<ResourceSelector>);

impl Selected {
    /// The selectors that select the path. There is none where none restricts.
    #[must_use]
    pub fn selectors(&self) -> &[ResourceSelector] {
        &self.0
    }
}

impl Keeps for Selected {
    fn read(caveats: &Caveats, resource: &Resource) -> Result<Self, Error> {
        if caveats.is_none() {
            return Ok(Self::default());
        }
        let path = match resource {
            Resource::Space(resource) => resource.path(),
            _ => None,
        };
        let selecting = |caveat| match (Restriction::read(caveat), path) {
            (Ok(Restriction::Selector(selector)), Some(path)) => {
                Some(selector).filter(|it| it.selects(path))
            }
            _ => None,
        };
        let selecting: Vec<_> = caveats.as_slice().iter().filter_map(selecting).collect();
        if selecting.is_empty() {
            return Err(Error::Forbidden(
                "A caveat of the delegation does not allow this".to_owned(),
            ));
        }
        Ok(Self(selecting))
    }
}

/// One thing that may be done.
#[derive(Clone, Debug)]
pub struct Allowed<K> {
    /// The resource and the ability.
    pub capability: Capability,
    /// What its caveats leave of it.
    pub kept: K,
    /// What was granted, of which this is all or a part; nothing for an owner, who holds all.
    pub held: Vec<Resource>,
}

/// What a request was granted, in the order of its token.
#[derive(Clone, Debug)]
pub struct Grants(Vec<Grant>);

#[derive(Clone, Debug)]
struct Grant {
    capability: Capability,
    caveats: Caveats,
    held: Vec<Resource>,
}

impl Grants {
    pub(crate) fn of(granted: Vec<chain::Granted<'_>>) -> Self {
        let one = |granted: chain::Granted<'_>| Grant {
            capability: granted.capability.clone(),
            caveats: granted.caveats.clone(),
            held: granted.held.into_iter().cloned().collect(),
        };
        Self(granted.into_iter().map(one).collect())
    }

    /// Those of somebody who asks for nothing but their own.
    #[must_use]
    pub fn own(capabilities: Vec<Capability>) -> Self {
        let one = |capability: Capability| Grant {
            caveats: capability.caveats.clone(),
            capability,
            held: Vec::new(),
        };
        Self(capabilities.into_iter().map(one).collect())
    }

    /// All that may be done, for an endpoint that keeps to caveats of these kinds.
    ///
    /// # Errors
    ///
    /// [`Keeps::read`]'s, for the first that it refuses.
    pub fn keeping<K: Keeps>(&self) -> Result<Vec<Allowed<K>>, Error> {
        let one = |grant: &Grant| {
            Ok(Allowed {
                kept: K::read(&grant.caveats, &grant.capability.resource)?,
                capability: grant.capability.clone(),
                held: grant.held.clone(),
            })
        };
        self.0.iter().map(one).collect()
    }

    /// What the caveats of these kinds leave of a resource that lies within one that was asked for;
    /// `None`: the ability was not granted there.
    #[must_use]
    pub fn within<K: Keeps>(&self, ability: &Ability, wanted: &SpaceResource) -> Option<K> {
        let covers = |grant: &&Grant| match &grant.capability.resource {
            Resource::Space(asked) => {
                grant.capability.ability.covers(ability) && wanted.extends(asked)
            }
            _ => false,
        };
        let resource = Resource::Space(wanted.clone());
        let mut covering = self.0.iter().filter(covers);
        covering.find_map(|grant| K::read(&grant.caveats, &resource).ok())
    }
}
