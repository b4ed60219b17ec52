//! The caveat `xyz.tinycloud.resource/selector`: only a part of what the resource holds.

use super::{CaveatError, Wider, has_only, text};
use crate::attenuation::Caveat;
use crate::resource::is_at_or_below;

/// The member that says which kind it is, and what it says.
pub(super) const TYPE: (&str, &str) = ("type", "xyz.tinycloud.resource/selector");

/// Only what this value names.
///
/// ```json
/// {"type": "xyz.tinycloud.resource/selector", "kind": "prefix", "value": "photos/2026"}
/// ```
///
/// Reading is strict: another member or another kind refuse the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceSelector {
    /// This and nothing else.
    Exact(String),
    /// This and what is below it, as with paths of resources: `a` holds `a/b` but not `ab`.
    Prefix(String),
}

impl ResourceSelector {
    /// Reads a caveat with `"type": "xyz.tinycloud.resource/selector"`.
    ///
    /// # Errors
    ///
    /// [`CaveatError`] says which part.
    pub fn parse(caveat: &Caveat) -> Result<Self, CaveatError> {
        has_only(caveat, &[TYPE.0, "kind", "value"])?;
        if text(caveat, TYPE.0)? != TYPE.1 {
            return Err(CaveatError::Member(TYPE.0));
        }
        let value = text(caveat, "value")?.to_owned();
        match text(caveat, "kind")? {
            "exact" => Ok(Self::Exact(value)),
            "prefix" => Ok(Self::Prefix(value)),
            _ => Err(CaveatError::Member("kind")),
        }
    }

    /// Whether it selects this value.
    #[must_use]
    pub fn selects(&self, value: &str) -> bool {
        match self {
            Self::Exact(own) => value == own,
            Self::Prefix(own) => is_at_or_below(value, own),
        }
    }

    /// Whether `self` selects nothing that `parent` does not.
    ///
    /// # Errors
    ///
    /// [`Wider::Selector`] if it does.
    pub fn within(&self, parent: &Self) -> Result<(), Wider> {
        let is_within = match (self, parent) {
            (Self::Exact(value), _) | (Self::Prefix(value), Self::Prefix(_)) => {
                parent.selects(value)
            }
            (Self::Prefix(_), Self::Exact(_)) => false,
        };
        is_within.then_some(()).ok_or(Wider::Selector)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_is_exact_or_a_prefix() {
        let read = |kind: &str| {
            let caveat = json!({"type": TYPE.1, "kind": kind, "value": "a"});
            ResourceSelector::parse(caveat.as_object().unwrap())
        };
        assert_eq!(read("exact"), Ok(ResourceSelector::Exact("a".into())));
        let prefix = read("prefix").unwrap();
        assert!(prefix.selects("a") && prefix.selects("a/b") && !prefix.selects("ab"));
        assert_eq!(read("Prefix"), Err(CaveatError::Member("kind")));
    }

    #[test]
    fn a_selector_that_is_not_whole_is_refused() {
        for (caveat, error) in [
            (json!({}), CaveatError::Member("type")),
            (json!({"type": "x"}), CaveatError::Member("type")),
            (
                json!({"type": TYPE.1, "kind": "exact"}),
                CaveatError::Member("value"),
            ),
            (
                json!({"type": TYPE.1, "value": "a"}),
                CaveatError::Member("kind"),
            ),
            (
                json!({"type": TYPE.1, "kind": "exact", "value": 1}),
                CaveatError::Member("value"),
            ),
            (
                json!({"type": TYPE.1, "kind": "exact", "value": "a", "not": "b"}),
                CaveatError::Unknown,
            ),
        ] {
            let read = ResourceSelector::parse(caveat.as_object().unwrap());
            assert_eq!(read, Err(error), "{caveat}");
        }
    }
}
