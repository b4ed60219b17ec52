//! The caveat `constrained-statements`: SQL only by named statements.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{CaveatError, Wider, has_only, text};
use crate::attenuation::Caveat;

/// The member that says which kind it is, and what it says.
pub(super) const MODE: (&str, &str) = ("mode", "constrained-statements");

/// SQL only by these statements, which only read.
///
/// ```json
/// {"mode": "constrained-statements", "readOnly": true, "statements": [
///   {"name": "one", "sql": "SELECT * FROM t WHERE a = ?1 AND b = ?2",
///    "fixedParams": [{"index": 0, "value": "mine"}]}]}
/// ```
///
/// Reading is strict: another member, a name or an index twice, or `readOnly` other than `true` refuse
/// the whole. `fixedParams` may be absent, for none. No statements allow nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstrainedStatements(BTreeMap<String, Statement>);

/// One statement that may be run, and the parameters that its caller does not choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    sql: String,
    fixed: BTreeMap<u32, Value>,
}

impl ConstrainedStatements {
    /// Statements and fixed parameters.
    pub(super) fn weight(&self) -> usize {
        let statements = self.0.values();
        statements.map(|statement| 1 + statement.fixed.len()).sum()
    }

    /// Reads a caveat with `"mode": "constrained-statements"`.
    ///
    /// # Errors
    ///
    /// [`CaveatError`] says which part.
    pub fn parse(caveat: &Caveat) -> Result<Self, CaveatError> {
        has_only(caveat, &[MODE.0, "readOnly", "statements"])?;
        if text(caveat, MODE.0)? != MODE.1 {
            return Err(CaveatError::Member(MODE.0));
        }
        if caveat.get("readOnly") != Some(&Value::Bool(true)) {
            return Err(CaveatError::Member("readOnly"));
        }
        let mut statements = BTreeMap::new();
        for statement in objects(caveat.get("statements"), "statements")? {
            let statement = statement?;
            has_only(statement, &["name", "sql", "fixedParams"])?;
            let name = text(statement, "name")?.to_owned();
            if statements
                .insert(name, Statement::parse(statement)?)
                .is_some()
            {
                return Err(CaveatError::Twice("name"));
            }
        }
        Ok(Self(statements))
    }

    /// Name and statement, by name in bytewise order.
    pub fn statements(&self) -> impl Iterator<Item = (&str, &Statement)> {
        let statements = self.0.iter();
        statements.map(|(name, statement)| (name.as_str(), statement))
    }

    /// The statement with this name.
    #[must_use]
    pub fn statement(&self, name: &str) -> Option<&Statement> {
        self.0.get(name)
    }

    /// Whether `self` allows nothing that `parent` does not: each of its statements is one of the
    /// parent's, with the same SQL and at least the same fixed parameters.
    ///
    /// # Errors
    ///
    /// [`Wider`] says in what it is wider.
    pub fn within(&self, parent: &Self) -> Result<(), Wider> {
        for (name, statement) in self.statements() {
            let of_parent = parent.statement(name).ok_or(Wider::Statement)?;
            if statement.sql != of_parent.sql {
                return Err(Wider::Sql);
            }
            let mut fixed = of_parent.fixed.iter();
            if !fixed.all(|(index, value)| statement.fixed_param(*index) == Some(value)) {
                return Err(Wider::FixedParam);
            }
        }
        Ok(())
    }
}

impl Statement {
    fn parse(statement: &Caveat) -> Result<Self, CaveatError> {
        const INDEX: CaveatError = CaveatError::Member("index");
        let sql = text(statement, "sql")?.to_owned();
        let mut fixed = BTreeMap::new();
        if let Some(params) = statement.get("fixedParams") {
            for param in objects(Some(params), "fixedParams")? {
                let param = param?;
                has_only(param, &["index", "value"])?;
                let index = param.get("index").and_then(Value::as_u64).ok_or(INDEX)?;
                let value = param.get("value").ok_or(CaveatError::Member("value"))?;
                if value.is_array() || value.is_object() {
                    return Err(CaveatError::Member("value"));
                }
                let index = index.try_into().map_err(|_| INDEX)?;
                if fixed.insert(index, value.clone()).is_some() {
                    return Err(CaveatError::Twice("index"));
                }
            }
        }
        Ok(Self { sql, fixed })
    }

    /// The text that may be run, to the byte.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Index and value of the fixed parameters, by index. The index is the caveat's own number: what it
    /// counts from is for the SQL service to say. A value is null, a boolean, a number or a text.
    pub fn fixed_params(&self) -> impl Iterator<Item = (u32, &Value)> {
        self.fixed.iter().map(|(index, value)| (*index, value))
    }

    /// The value fixed for this index.
    #[must_use]
    pub fn fixed_param(&self, index: u32) -> Option<&Value> {
        self.fixed.get(&index)
    }
}

/// The objects of a list.
fn objects<'a>(
    list: Option<&'a Value>,
    name: &'static str,
) -> Result<impl Iterator<Item = Result<&'a Caveat, CaveatError>>, CaveatError> {
    let list = list.and_then(Value::as_array);
    let list = list.ok_or(CaveatError::Member(name))?;
    let object = move |value: &'a Value| value.as_object().ok_or(CaveatError::Member(name));
    Ok(list.iter().map(object))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(statements: Value) -> Result<ConstrainedStatements, CaveatError> {
        let caveat = json!({"mode": MODE.1, "readOnly": true, "statements": statements});
        ConstrainedStatements::parse(caveat.as_object().unwrap())
    }

    #[test]
    fn statements_are_found_by_name() {
        let read = read(json!([
            {"name": "b", "sql": "SELECT 2"},
            {"name": "a", "sql": "SELECT ?1, ?2", "fixedParams": [
                {"index": 1, "value": null}, {"index": 0, "value": 7}]},
        ]))
        .unwrap();
        let names: Vec<_> = read.statements().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        let a = read.statement("a").unwrap();
        assert_eq!(a.sql(), "SELECT ?1, ?2");
        let fixed: Vec<_> = a.fixed_params().collect();
        assert_eq!(fixed, [(0, &json!(7)), (1, &Value::Null)]);
        assert_eq!(
            (a.fixed_param(1), a.fixed_param(2)),
            (Some(&Value::Null), None)
        );
        assert!(read.statement("c").is_none());
        assert_eq!(read.statement("b").unwrap().fixed_params().count(), 0);
    }

    #[test]
    fn a_statement_that_is_not_whole_refuses_all() {
        let fixed = |param: Value| json!([{"name": "a", "sql": "s", "fixedParams": param}]);
        for (statements, error) in [
            (json!({}), CaveatError::Member("statements")),
            (json!(["a"]), CaveatError::Member("statements")),
            (json!([["a", "s", []]]), CaveatError::Member("statements")),
            (json!([{"name": "a"}]), CaveatError::Member("sql")),
            (json!([{"sql": "s"}]), CaveatError::Member("name")),
            (
                json!([{"name": 1, "sql": "s"}]),
                CaveatError::Member("name"),
            ),
            (
                json!([{"name": "a", "sql": "s", "x": 1}]),
                CaveatError::Unknown,
            ),
            (
                json!([{"name": "a", "sql": "s"}, {"name": "a", "sql": "t"}]),
                CaveatError::Twice("name"),
            ),
            (fixed(json!(null)), CaveatError::Member("fixedParams")),
            (fixed(json!([1])), CaveatError::Member("fixedParams")),
            (fixed(json!([{"value": 1}])), CaveatError::Member("index")),
            (
                fixed(json!([{"index": -1, "value": 1}])),
                CaveatError::Member("index"),
            ),
            (
                fixed(json!([{"index": 1.0, "value": 1}])),
                CaveatError::Member("index"),
            ),
            (
                fixed(json!([{"index": 4_294_967_296_u64, "value": 1}])),
                CaveatError::Member("index"),
            ),
            (fixed(json!([{"index": 0}])), CaveatError::Member("value")),
            (
                fixed(json!([{"index": 0, "value": []}])),
                CaveatError::Member("value"),
            ),
            (
                fixed(json!([{"index": 0, "value": 1, "x": 1}])),
                CaveatError::Unknown,
            ),
            (
                fixed(json!([{"index": 0, "value": 1}, {"index": 0, "value": 2}])),
                CaveatError::Twice("index"),
            ),
        ] {
            assert_eq!(read(statements.clone()), Err(error), "{statements}");
        }
    }

    #[test]
    fn only_what_reads_is_a_constraint() {
        for (caveat, error) in [
            (json!({}), CaveatError::Member("mode")),
            (json!({"mode": "x"}), CaveatError::Member("mode")),
            (
                json!({"mode": MODE.1, "statements": []}),
                CaveatError::Member("readOnly"),
            ),
            (
                json!({"mode": MODE.1, "readOnly": false, "statements": []}),
                CaveatError::Member("readOnly"),
            ),
            (
                json!({"mode": MODE.1, "readOnly": true}),
                CaveatError::Member("statements"),
            ),
            (
                json!({"mode": MODE.1, "readOnly": true, "statements": [], "type": "x"}),
                CaveatError::Unknown,
            ),
        ] {
            let read = ConstrainedStatements::parse(caveat.as_object().unwrap());
            assert_eq!(read, Err(error), "{caveat}");
        }
    }
}
