//! Facts of an invocation: what it says about itself beside what it asks for.

use serde_json::Value;

use crate::error::Error;

/// The fact of this name; `None`: there is none.
///
/// # Errors
///
/// [`Error::Bad`] if it is given twice: two readers might keep to one each.
pub(crate) fn fact<'a>(facts: &'a [Value], name: &str) -> Result<Option<&'a Value>, Error> {
    one(facts.iter(), name)
}

/// The same, among facts that do not say what they are.
///
/// # Errors
///
/// [`Error::Bad`] if it is given twice.
pub(crate) fn untyped<'a>(facts: &'a [Value], name: &str) -> Result<Option<&'a Value>, Error> {
    /// Facts that say what they are have members of their own.
    const TYPE: &str = "type";
    one(facts.iter().filter(|fact| fact.get(TYPE).is_none()), name)
}

fn one<'a>(facts: impl Iterator<Item = &'a Value>, name: &str) -> Result<Option<&'a Value>, Error> {
    let mut found = facts.filter_map(|fact| fact.get(name));
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_) => Err(Error::Bad(format!("The fact {name} is given twice"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fact_is_given_once() {
        let facts = [
            json!({"a": 1}),
            json!({"b": null, "c": 2}),
            json!("a"),
            json!({"type": "x", "a": 3}),
        ];
        assert_eq!(untyped(&facts, "a").unwrap(), Some(&json!(1)));
        assert_eq!(fact(&facts, "b").unwrap(), Some(&Value::Null));
        assert_eq!(fact(&facts, "d").unwrap(), None);
        let error = fact(&facts, "a").unwrap_err();
        assert_eq!(error.to_string(), "The fact a is given twice");
    }
}
