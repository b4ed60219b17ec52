//! Caveats: how much of an ability is granted, and whether one grant stays within another.

use serde_json::Value;

use crate::attenuation::{Caveat, Caveats};

mod read;
mod selector;
mod statements;

pub(crate) use read::{ReadCaveats, TooMuch, Work};
pub use selector::ResourceSelector;
pub use statements::{ConstrainedStatements, Statement};

/// Why a caveat of a known kind cannot be read. Who meets one allows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaveatError {
    /// A member is missing, of another type, or says what cannot be.
    #[error("the member {0:?} of a caveat is missing or not what it must be")]
    Member(&'static str),
    /// A member that the kind does not have: it could be meant to restrict.
    #[error("a caveat has a member that its kind does not have")]
    Unknown,
    /// Two entries of a list have the same name or index.
    #[error("two entries of a caveat have the same {0:?}")]
    Twice(&'static str),
}

/// In what caveats are wider than those they must stay within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wider {
    /// No caveat where there must be one.
    #[error("a caveat is missing")]
    Missing,
    /// Neither the same nor of a kind that can be compared.
    #[error("a caveat is not among those it must stay within")]
    Different,
    /// One of the two cannot be read.
    #[error("a caveat cannot be read: {0}")]
    Unreadable(#[from] CaveatError),
    /// A statement of another name.
    #[error("a statement is not among those it must stay within")]
    Statement,
    /// A statement of the same name and other SQL.
    #[error("a statement has other SQL")]
    Sql,
    /// A fixed parameter was dropped or has another value.
    #[error("a fixed parameter is missing or has another value")]
    FixedParam,
    /// A selector selects more.
    #[error("a resource selector selects more")]
    Selector,
}

/// What one caveat restricts, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restriction {
    /// `{}`: nothing.
    None,
    /// `"mode": "constrained-statements"`.
    Statements(ConstrainedStatements),
    /// `"type": "xyz.tinycloud.resource/selector"`.
    Selector(ResourceSelector),
    /// Something else. Whoever does not know what it means must not act under it.
    Unknown,
}

impl Restriction {
    /// Reads a caveat by its kind.
    ///
    /// # Errors
    ///
    /// [`CaveatError`] if it is of a known kind and cannot be read.
    pub fn read(caveat: &Caveat) -> Result<Self, CaveatError> {
        let says = |(name, kind): (&str, &str)| caveat.get(name).is_some_and(|it| it == kind);
        if caveat.is_empty() {
            Ok(Self::None)
        } else if says(statements::MODE) {
            ConstrainedStatements::parse(caveat).map(Self::Statements)
        } else if says(selector::TYPE) {
            ResourceSelector::parse(caveat).map(Self::Selector)
        } else {
            Ok(Self::Unknown)
        }
    }
}

/// Whether what a child grants stays within what its parent does, as far as caveats go.
///
/// The objects of a list are alternatives: each allows what it allows. So each of the child's must be
/// within one of the parent's.
///
/// * The same list is always within itself.
/// * A parent without caveats ([`Caveats::is_none`]) allows anything.
/// * Otherwise every object of the child must restrict: an empty one would lift the parent's. An empty
///   object beside others in the parent is no licence for that either, as a reader that applies every
///   object of a list would not take it for one.
/// * Objects are compared by their kind ([`ConstrainedStatements::within`],
///   [`ResourceSelector::within`]); of unknown and different kinds, only the same is within. JSON
///   numbers are the same if they are written alike: `1` and `1.0` are not.
///
/// # Errors
///
/// [`Wider`] says in what the first object that is within none is wider than the first of the parent's
/// of its kind.
pub fn check_contained(child: &Caveats, parent: &Caveats) -> Result<(), Wider> {
    if parent.is_none() || child == parent {
        return Ok(());
    }
    let any_of_parent = |caveat: &Caveat| {
        if caveat.is_empty() {
            return Err(Wider::Missing);
        }
        let mut reason = Wider::Different;
        for of_parent in parent.as_slice() {
            match within(caveat, of_parent) {
                Ok(()) => return Ok(()),
                Err(wider) if reason == Wider::Different => reason = wider,
                Err(_) => {}
            }
        }
        Err(reason)
    };
    child.as_slice().iter().try_for_each(any_of_parent)
}

/// [`check_contained`], yes or no.
#[must_use]
pub fn is_contained(child: &Caveats, parent: &Caveats) -> bool {
    check_contained(child, parent).is_ok()
}

/// Whether one object, not empty, is within another.
fn within(child: &Caveat, parent: &Caveat) -> Result<(), Wider> {
    if child == parent {
        return Ok(());
    }
    match (Restriction::read(child)?, Restriction::read(parent)?) {
        (Restriction::Statements(child), Restriction::Statements(parent)) => child.within(&parent),
        (Restriction::Selector(child), Restriction::Selector(parent)) => child.within(&parent),
        _ => Err(Wider::Different),
    }
}

/// Refuses members other than these.
fn has_only(object: &Caveat, names: &[&str]) -> Result<(), CaveatError> {
    let known = object.keys().all(|name| names.contains(&name.as_str()));
    known.then_some(()).ok_or(CaveatError::Unknown)
}

/// The text of a member.
fn text<'a>(object: &'a Caveat, name: &'static str) -> Result<&'a str, CaveatError> {
    let text = object.get(name).and_then(Value::as_str);
    text.ok_or(CaveatError::Member(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn caveats(json: Value) -> Caveats {
        serde_json::from_value(json).unwrap()
    }

    fn check(child: Value, parent: Value) -> Result<(), Wider> {
        let (child, parent) = (caveats(child), caveats(parent));
        let result = check_contained(&child, &parent);
        let read = [&child, &parent].map(ReadCaveats::of);
        let contained = read[0].is_contained(&read[1], &mut Work::new(1000));
        assert_eq!(contained, Ok(result.is_ok()));
        assert_eq!(is_contained(&child, &parent), result.is_ok());
        assert!(is_contained(&child, &child) && is_contained(&child, &Caveats::none()));
        result
    }

    #[test]
    fn h8_comparing_caveats_costs_no_more_than_it_may() {
        let all = |names: std::ops::Range<usize>| {
            let caveats: Vec<_> = names.map(|name| json!({ "a": name })).collect();
            ReadCaveats::of(&caveats_of(caveats))
        };
        let check = |most| all(0..32).is_contained(&all(32..64), &mut Work::new(most));
        assert_eq!(check(64), Ok(false));
        assert_eq!(check(63), Err(TooMuch));
        // reversed: each is found behind half of the others
        let reversed = ReadCaveats::of(&caveats_of((0..32).rev().map(|name| json!({ "a": name }))));
        let check = |most| reversed.is_contained(&all(0..32), &mut Work::new(most));
        assert_eq!((check(32 + 528), check(32 + 527)), (Ok(true), Err(TooMuch)));
        // statements are compared one by one
        let statements = |count: usize| {
            let all = (0..count).map(|n| json!({"name": n.to_string(), "sql": "SELECT 1"}));
            let all: Vec<_> = all.collect();
            ReadCaveats::of(&caveats(json!([{"mode": "constrained-statements",
                "readOnly": true, "statements": all}])))
        };
        let check = |most| statements(9).is_contained(&statements(10), &mut Work::new(most));
        assert_eq!((check(21), check(20)), (Ok(true), Err(TooMuch)));
    }

    fn caveats_of(all: impl IntoIterator<Item = Value>) -> Caveats {
        caveats(Value::Array(all.into_iter().collect()))
    }

    #[test]
    fn a_parent_without_caveats_allows_anything() {
        assert_eq!(check(json!([{}]), json!([{}])), Ok(()));
        assert_eq!(check(json!([{"a": 1}]), json!([{}, {}])), Ok(()));
        assert_eq!(check(json!([{}, {}]), json!([{}])), Ok(()));
    }

    #[test]
    fn no_caveat_is_wider_than_any() {
        for child in [json!([{}]), json!([{"a": 1}, {}])] {
            assert_eq!(check(child.clone(), json!([{"a": 1}])), Err(Wider::Missing));
            assert_eq!(check(child, json!([{}, {"a": 1}])), Err(Wider::Missing));
        }
    }

    #[test]
    fn unknown_caveats_stay_the_same() {
        let parent = json!([{"a": {"b": [1, 2]}}, {"c": null}]);
        for child in [
            json!([{"a": {"b": [1, 2]}}]),
            json!([{"c": null}]),
            json!([{"c": null}, {"a": {"b": [1, 2]}}, {"c": null}]),
        ] {
            assert_eq!(check(child.clone(), parent.clone()), Ok(()), "{child}");
        }
        for child in [
            json!([{"a": {"b": [2, 1]}}]),
            json!([{"a": {"b": [1, 2]}, "c": null}]),
            json!([{"a": {"b": [1.0, 2]}}]),
            json!([{"c": null}, {"d": null}]),
        ] {
            let result = check(child.clone(), parent.clone());
            assert_eq!(result, Err(Wider::Different), "{child}");
        }
    }

    #[test]
    fn statements_are_only_dropped_and_parameters_only_added() {
        let list = |statements: Value| json!([{"mode": "constrained-statements", "readOnly": true, "statements": statements}]);
        let one =
            |sql: &str, fixed: Value| json!({"name": "one", "sql": sql, "fixedParams": fixed});
        let two = json!({"name": "two", "sql": "SELECT 2"});
        let mine = json!({"index": 0, "value": "mine"});
        let more = json!({"index": 1, "value": 1});
        let parent = list(json!([one("SELECT ?1", json!([mine])), two]));
        for (statements, result) in [
            (json!([]), Ok(())),
            (json!([two]), Ok(())),
            (json!([one("SELECT ?1", json!([more, mine]))]), Ok(())),
            (
                json!([one("SELECT ?1", json!([more]))]),
                Err(Wider::FixedParam),
            ),
            (
                json!([one("SELECT ?1", json!([{"index": 0, "value": "yours"}]))]),
                Err(Wider::FixedParam),
            ),
            (json!([one("SELECT ?2", json!([mine]))]), Err(Wider::Sql)),
            (
                json!([two, {"name": "x", "sql": "SELECT 2"}]),
                Err(Wider::Statement),
            ),
            (
                json!([two, two]),
                Err(Wider::Unreadable(CaveatError::Twice("name"))),
            ),
        ] {
            let child = list(statements);
            assert_eq!(check(child.clone(), parent.clone()), result, "{child}");
        }
        let writes =
            json!([{"mode": "constrained-statements", "readOnly": false, "statements": []}]);
        let unreadable = Err(Wider::Unreadable(CaveatError::Member("readOnly")));
        assert_eq!(check(writes.clone(), parent.clone()), unreadable);
        assert_eq!(check(parent, writes), unreadable);
    }

    #[test]
    fn a_selector_only_narrows() {
        let selector = |kind: &str, value: &str| json!([{"type": "xyz.tinycloud.resource/selector", "kind": kind, "value": value}]);
        for (child, parent, result) in [
            (("exact", "a"), ("exact", "a"), Ok(())),
            (("exact", "a/b"), ("exact", "a"), Err(Wider::Selector)),
            (("prefix", "a"), ("exact", "a"), Err(Wider::Selector)),
            (("exact", "a"), ("prefix", "a"), Ok(())),
            (("exact", "a/b"), ("prefix", "a"), Ok(())),
            (("exact", "ab"), ("prefix", "a"), Err(Wider::Selector)),
            (("prefix", "a/b"), ("prefix", "a/"), Ok(())),
            (("prefix", "a"), ("prefix", "a/"), Err(Wider::Selector)),
            (("prefix", "ab"), ("prefix", "a"), Err(Wider::Selector)),
        ] {
            let found = check(selector(child.0, child.1), selector(parent.0, parent.1));
            assert_eq!(found, result, "{child:?} {parent:?}");
        }
    }

    #[test]
    fn kinds_do_not_contain_each_other() {
        let statements =
            json!({"mode": "constrained-statements", "readOnly": true, "statements": []});
        let selector =
            json!({"type": "xyz.tinycloud.resource/selector", "kind": "prefix", "value": ""});
        let known = [statements, selector, json!({"a": 1})];
        for (at, child) in known.iter().enumerate() {
            for (other, parent) in known.iter().enumerate() {
                let result = check(json!([child]), json!([parent]));
                assert_eq!(result.is_ok(), at == other, "{child} {parent}");
            }
        }
        // One that tries to be both is neither.
        let both =
            json!({"type": "xyz.tinycloud.resource/selector", "mode": "constrained-statements"});
        assert_eq!(
            check(json!([both]), json!([{"a": 1}])),
            Err(Wider::Unreadable(CaveatError::Unknown))
        );
    }
}
