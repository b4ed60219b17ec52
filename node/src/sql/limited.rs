//! What caveats, granted or one's own, leave of what abilities allow.

use std::collections::{BTreeMap, BTreeSet};

use openkey_capability::attenuation::Caveats;
use openkey_capability::caveat::{Restriction, Statement};
use serde::Deserialize;
use serde_json::Value;

use super::SqlError;

/// Statements by name.
#[derive(Clone, Debug)]
pub(super) enum Named {
    /// Those that the invoker brings: a convenience.
    Own(BTreeMap<String, String>),
    /// The only ones that may be run.
    Constrained(BTreeMap<String, Statement>),
}

/// What an invoker's own fact restricts. Names are in small letters, as SQLite does not tell them
/// apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Narrowed {
    pub(super) read_only: bool,
    pub(super) tables: Option<BTreeSet<String>>,
    /// `column` or `table.column`.
    pub(super) columns: Option<BTreeSet<String>>,
}

impl Narrowed {
    /// Whether not every table and column may be seen.
    pub(super) const fn hides(&self) -> bool {
        self.tables.is_some() || self.columns.is_some()
    }
}

/// `{tables?, columns?, statements?, readOnly?}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fact {
    tables: Option<BTreeSet<String>>,
    columns: Option<BTreeSet<String>>,
    statements: Option<Vec<FactStatement>>,
    read_only: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactStatement {
    name: String,
    sql: String,
}

/// Reads the fact `sqlCaveats`. A member that is not known could be meant to restrict, so it refuses
/// the whole.
pub(super) fn own(fact: Option<&Value>) -> Result<(Named, Narrowed), SqlError> {
    let Some(fact) = fact.filter(|fact| !fact.is_null()) else {
        return Ok((Named::Own(BTreeMap::new()), Narrowed::default()));
    };
    let fact = Fact::deserialize(fact).map_err(|error| {
        SqlError::denied(format!("the fact sqlCaveats cannot be read: {error}"))
    })?;
    let mut statements = BTreeMap::new();
    for statement in fact.statements.unwrap_or_default() {
        if statements.insert(statement.name, statement.sql).is_some() {
            return Err(SqlError::denied(
                "two statements of the fact sqlCaveats have the same name",
            ));
        }
    }
    let small = |names: BTreeSet<String>| {
        let names = names.iter().map(|name| name.to_ascii_lowercase());
        names.collect::<BTreeSet<_>>()
    };
    let narrowed = Narrowed {
        read_only: fact.read_only.unwrap_or(false),
        tables: fact.tables.map(small),
        columns: fact.columns.map(small),
    };
    Ok((Named::Own(statements), narrowed))
}

/// Adds what the caveats of one more ability constrain to what those before did.
///
/// The objects of a list are alternatives. Here they are taken as narrowly as they can be read: one
/// of its selectors, if there are any, must select the path, and with any constrained statements only
/// those of the list, and of other lists, may be run. An empty object beside others lifts nothing.
pub(super) fn constrain(
    constrained: &mut Option<BTreeMap<String, Statement>>,
    caveats: &Caveats,
    path: &str,
) -> Result<(), SqlError> {
    let mut selected = None;
    for caveat in caveats.as_slice() {
        let restriction = Restriction::read(caveat).map_err(|error| {
            SqlError::denied(format!(
                "a caveat of the delegation cannot be read: {error}"
            ))
        })?;
        match restriction {
            Restriction::None => {}
            Restriction::Selector(selector) => {
                selected = Some(selected.unwrap_or(false) || selector.selects(path));
            }
            Restriction::Statements(statements) => {
                let all = constrained.get_or_insert_default();
                for (name, statement) in statements.statements() {
                    let before = all.insert(name.to_owned(), statement.clone());
                    if before.is_some_and(|before| before != *statement) {
                        return Err(SqlError::denied(
                            "two caveats of the delegation have a statement of the same name",
                        ));
                    }
                }
            }
            _ => {
                return Err(SqlError::denied(
                    "a caveat of the delegation is not known here",
                ));
            }
        }
    }
    if selected == Some(false) {
        return Err(SqlError::denied(
            "a caveat of the delegation selects another path",
        ));
    }
    Ok(())
}
