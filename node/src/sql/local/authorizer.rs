//! What a statement may do, decided while SQLite compiles it: what is not listed here is refused.

use std::collections::BTreeSet;

use rusqlite::hooks::{AuthAction, AuthContext};
use serde::{Deserialize, Serialize};

use super::allowed::{CHECKS, FUNCTIONS, INTERNAL_FUNCTIONS, PRAGMAS, PRAGMAS_OF, PRAGMAS_SET};
use crate::sql::access::{Access, Can};
use crate::sql::limited::Named;
use crate::sql::statement::joins_by_name;
use crate::sql::{Constraint, SqlError};

/// Where SQLite keeps the last number of tables that count their rows.
const SEQUENCE: &str = "sqlite_sequence";
/// Calls of functions in one statement, with its views and triggers: nothing looks at the clock between
/// two of them if the statement neither loops nor branches.
const CALLS: u32 = 64;

/// What the statements of a request may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::sql) struct Policy {
    pub(in crate::sql) can: Can,
    /// What whoever asks may do, though it is not all asked for now.
    holds: Can,
    tables: Option<BTreeSet<String>>,
    columns: Option<BTreeSet<String>>,
    constrained: bool,
    resource: String,
}

/// Why a statement was refused.
#[derive(Clone, Debug)]
pub(super) enum Denial {
    /// It writes, and only reading is allowed.
    Write,
    /// It needs the ability `admin`.
    Pragma,
    /// It calls too many functions.
    Calls,
    /// Anything else, in words.
    Other(String),
}

/// What a statement does, learnt while it is compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The table that it makes, changes or drops, or whose index or trigger, in small letters. What
    /// it reads and deletes there is part of that.
    defines: Option<String>,
    /// It drops a table. What else it reads and changes is what foreign keys ask for, and triggers that
    /// they fire.
    drops: bool,
    /// It makes a table, which has no rows, and the indexes that the table asks for.
    creates: bool,
    /// The table on which it makes an index.
    pub(super) indexes: Option<String>,
    /// The table that it alters, and whether it looks at the rows that are there.
    pub(super) alters: Option<String>,
    pub(super) verifies: bool,
    /// What it indexes anew: a table, an index or a collation.
    pub(super) reindexes: Option<String>,
    /// Tables that it would read or change without leave, if they had rows.
    pub(super) touches: BTreeSet<String>,
    /// It selects.
    selects: bool,
    /// It does something else.
    other: bool,
    /// How many functions it calls.
    calls: u32,
    /// It was compiled now, not found.
    pub(super) compiled: bool,
}

impl Seen {
    /// Whether the statement defines, or finds that there is nothing to define.
    pub(super) const fn defines(&self) -> bool {
        self.defines.is_some() || !(self.selects || self.other)
    }

    /// Counts calls from none on, as if nothing had been compiled.
    pub(super) const fn count_anew(&mut self) {
        self.calls = 0;
    }

    /// Whether what it defines is this table.
    fn is_on(&self, table: &str) -> bool {
        let defines = self.defines.as_ref();
        defines.is_some_and(|defines| defines.eq_ignore_ascii_case(table))
    }
}

impl Policy {
    pub(in crate::sql) fn new(access: &Access) -> Self {
        let constrained = matches!(access.named, Named::Constrained(_));
        Self {
            can: access.can,
            holds: access.holds,
            tables: access.narrowed.tables.clone(),
            columns: access.narrowed.columns.clone(),
            constrained,
            resource: access.resource.clone(),
        }
    }

    /// Whether a statement that was compiled under it is allowed to everybody who can do the same.
    pub(super) const fn is_common(&self) -> bool {
        self.tables.is_none() && self.columns.is_none()
    }

    /// Whether a compiled statement may be done again, whatever rows there are then.
    pub(super) const fn is_kept(&self) -> bool {
        self.is_common() && self.can.read && (self.can.write || !self.can.define)
    }

    /// Whether whoever asks may read all rows, and so may compute with them in definitions.
    pub(super) const fn computes(&self) -> bool {
        self.holds.read
    }

    /// Whether what SQLite says of rows may be told.
    pub(super) const fn is_told(&self) -> bool {
        self.is_common() && self.holds.read && !self.constrained
    }

    pub(super) fn error(&self, denial: &Denial) -> SqlError {
        match denial {
            Denial::Calls => SqlError::Sqlite(format!(
                "too many function calls: a statement may have {CALLS}"
            )),
            Denial::Write if self.constrained => SqlError::Constrained(Constraint::Write),
            _ if self.constrained => SqlError::Constrained(Constraint::Escape),
            Denial::Write => SqlError::ReadOnly,
            Denial::Pragma => SqlError::Unauthorized {
                resource: self.resource.clone(),
                ability: "admin".into(),
            },
            Denial::Other(what) => SqlError::Permission(what.clone()),
        }
    }

    /// Whether the text of a statement may be compiled. SQLite does not ask about columns that are compared
    /// because of their names.
    pub(super) fn allows_text(&self, sql: &str) -> Result<(), Denial> {
        if (!self.is_common() || !self.can.read) && joins_by_name(sql) {
            return other(
                "NATURAL and USING where not everything may be read: compare columns with ON",
            );
        }
        Ok(())
    }

    /// Whether one thing may be done.
    pub(super) fn allows(
        &self,
        context: &AuthContext<'_>,
        seen: &mut Seen,
        modules: &BTreeSet<String>,
    ) -> Result<(), Denial> {
        seen.compiled = true;
        // by a trigger of somebody else's
        let fired = seen.drops && context.accessor.is_some();
        seen.selects |= context.action == AuthAction::Select;
        seen.other |= matches!(
            context.action,
            AuthAction::Insert { .. }
                | AuthAction::Update { .. }
                | AuthAction::Delete { .. }
                | AuthAction::Pragma { .. }
        );
        if context.database_name == Some("temp") {
            // Definitions look whether something temporary depends on what they change.
            let looks = match context.action {
                AuthAction::Read { .. } => true,
                AuthAction::Update { .. } => seen.defines.is_some(),
                _ => false,
            };
            if !looks {
                return other("temporary tables, indexes, views, triggers");
            }
        }
        match context.action {
            AuthAction::Select | AuthAction::Recursive => self.select(),
            AuthAction::Read {
                table_name,
                column_name,
            } => self.read((table_name, column_name), fired, seen, modules),
            AuthAction::Insert { table_name } => {
                self.change(table_name, seen)?;
                self.whole_rows(table_name, seen)
            }
            AuthAction::Delete { table_name } => {
                if seen.is_on(table_name) && !fired {
                    return Ok(());
                }
                self.change(table_name, seen)?;
                self.whole_rows(table_name, seen)
            }
            AuthAction::Update {
                table_name,
                column_name,
            } => {
                self.change(table_name, seen)?;
                if is_schema(table_name) {
                    return Ok(());
                }
                self.sees(table_name, Some(column_name), seen)
            }
            AuthAction::CreateTable { table_name } => {
                seen.creates = true;
                self.define(table_name, seen, modules)
            }
            AuthAction::CreateView { view_name } => self.define(view_name, seen, modules),
            // it does what whoever fires it may
            AuthAction::CreateTrigger { .. } if self.tables.is_some() => {
                other("triggers where tables are restricted")
            }
            AuthAction::CreateTrigger { .. }
                if self.can.define && !(self.holds.read && self.holds.write) =>
            {
                other("triggers for whom not everything may be read and written")
            }
            AuthAction::CreateIndex { table_name, .. } => {
                if !seen.creates {
                    seen.indexes = Some(table_name.to_ascii_lowercase());
                }
                self.define(table_name, seen, modules)
            }
            AuthAction::AlterTable { table_name, .. } => {
                seen.alters = Some(table_name.to_ascii_lowercase());
                self.define(table_name, seen, modules)
            }
            AuthAction::CreateTrigger { table_name, .. }
            | AuthAction::DropIndex { table_name, .. }
            | AuthAction::DropTrigger { table_name, .. } => self.define(table_name, seen, modules),
            AuthAction::DropTable { table_name } => {
                self.define(table_name, seen, modules)?;
                seen.drops = true;
                Ok(())
            }
            AuthAction::DropView { view_name } => self.define(view_name, seen, modules),
            AuthAction::Reindex { index_name } => {
                if seen.indexes.is_none() && !seen.creates {
                    seen.reindexes = Some(index_name.to_ascii_lowercase());
                }
                self.define("", seen, modules)
            }
            AuthAction::Function { function_name } => self.function(function_name, seen),
            AuthAction::Pragma {
                pragma_name,
                pragma_value,
            } => self.pragma(pragma_name, pragma_value, seen),
            AuthAction::Attach { .. } => other("ATTACH and VACUUM"),
            AuthAction::Detach { .. } => other("DETACH"),
            AuthAction::Analyze { .. } => other("ANALYZE"),
            AuthAction::CreateVtable { .. } | AuthAction::DropVtable { .. } => {
                other("virtual tables")
            }
            AuthAction::CreateTempTable { .. }
            | AuthAction::CreateTempIndex { .. }
            | AuthAction::CreateTempTrigger { .. }
            | AuthAction::CreateTempView { .. }
            | AuthAction::DropTempTable { .. }
            | AuthAction::DropTempIndex { .. }
            | AuthAction::DropTempTrigger { .. }
            | AuthAction::DropTempView { .. } => {
                other("temporary tables, indexes, views, triggers")
            }
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
                other("transactions: a batch is one")
            }
            _ => other("this kind of statement"),
        }
    }

    /// Whether a compiled statement may be run.
    pub(super) fn allows_whole(&self, seen: &Seen, reads: bool) -> Result<(), Denial> {
        if !reads && self.can.only_reads() {
            // also what finds that there is nothing to define
            return Err(Denial::Write);
        }
        // `SELECT 1` reads nothing that would have been asked for.
        if self.can.read || self.can.pragma || seen.defines() {
            return Ok(());
        }
        other("this access only defines: CREATE, ALTER, DROP")
    }

    fn select(&self) -> Result<(), Denial> {
        // What a definition selects comes before it is known to be one.
        if self.can.read || self.can.pragma || self.can.define {
            return Ok(());
        }
        other("no ability of the invocation reads")
    }

    fn read(
        &self,
        (table, column): (&str, &str),
        fired: bool,
        seen: &mut Seen,
        modules: &BTreeSet<String>,
    ) -> Result<(), Denial> {
        let table = &*table.to_ascii_lowercase();
        if let Some(pragma) = table.strip_prefix("pragma_") {
            return self.pragma(pragma, None, seen);
        }
        if modules.contains(table) {
            return other(format!("the virtual table {table}"));
        }
        let is_own = is_schema(table) || table == SEQUENCE;
        let is_on = seen.is_on(table);
        seen.verifies |= is_on && seen.alters.is_some();
        if (is_on && !fired) || (is_own && seen.defines.is_some()) {
            return Ok(());
        }
        if seen.drops && !self.holds.read {
            seen.touches.insert(table.to_owned());
        }
        if !self.can.read && !seen.drops {
            // Whoever defines may read only what SQLite reads of the schema.
            return if is_schema(table) && self.can.define {
                Ok(())
            } else {
                other("no ability of the invocation reads")
            };
        }
        self.sees(table, (!column.is_empty()).then_some(column), seen)
    }

    /// Whether rows of a table may be changed.
    fn change(&self, table: &str, seen: &mut Seen) -> Result<(), Denial> {
        let table = table.to_ascii_lowercase();
        if table.starts_with("sqlite_") {
            // Definitions write here. SQLite lets nobody else write the schema itself.
            return if self.can.define && (seen.defines.is_some() || is_schema(&table)) {
                Ok(())
            } else if self.can.only_reads() {
                Err(Denial::Write)
            } else {
                other(format!("writing to {table}"))
            };
        }
        if seen.drops && !self.holds.write {
            seen.touches.insert(table);
            return Ok(());
        }
        if self.can.write || seen.drops {
            Ok(())
        } else if self.can.define {
            other("this access only defines: CREATE, ALTER, DROP")
        } else {
            Err(Denial::Write)
        }
    }

    fn define(
        &self,
        table: &str,
        seen: &mut Seen,
        modules: &BTreeSet<String>,
    ) -> Result<(), Denial> {
        if !self.can.define {
            return Err(Denial::Write);
        }
        let small = table.to_ascii_lowercase();
        if small == SEQUENCE && seen.defines.is_some() {
            // A table that counts its rows is being made, and is the first one that does.
            return Ok(());
        }
        if small.starts_with("sqlite_") || small.starts_with("pragma_") || modules.contains(&small)
        {
            return other(format!("the name {table}"));
        }
        if self.columns.is_some() {
            return other("definitions where columns are restricted");
        }
        seen.defines = Some(small.clone());
        if self
            .tables
            .as_ref()
            .is_some_and(|tables| !tables.contains(&small))
        {
            return other(format!("the table {table}"));
        }
        Ok(())
    }

    /// Whether the invoker's own fact lets a column be seen, or something of a table.
    fn sees(&self, table: &str, column: Option<&str>, seen: &Seen) -> Result<(), Denial> {
        let table = table.to_ascii_lowercase();
        if table.starts_with("sqlite_") && seen.defines.is_some() {
            return Ok(());
        }
        if self
            .tables
            .as_ref()
            .is_some_and(|tables| !tables.contains(&table))
        {
            return other(format!("the table {table}"));
        }
        if let (Some(columns), Some(column)) = (&self.columns, column) {
            let column = column.to_ascii_lowercase();
            if !columns.contains(&column) && !columns.contains(&format!("{table}.{column}")) {
                return other(format!("the column {table}.{column}"));
            }
        }
        Ok(())
    }

    /// Whether whole rows come or go, which have every column.
    fn whole_rows(&self, table: &str, seen: &Seen) -> Result<(), Denial> {
        if is_schema(table) {
            return Ok(());
        }
        if self.columns.is_some() {
            return other("inserting and deleting where columns are restricted");
        }
        self.sees(table, None, seen)
    }

    fn function(&self, name: &str, seen: &mut Seen) -> Result<(), Denial> {
        seen.calls += 1;
        if seen.calls > CALLS {
            return Err(Denial::Calls);
        }
        let name = name.to_ascii_lowercase();
        // what the rows that are there break is told by it
        seen.verifies |= name == "sqlite_fail";
        let is = |names: &[&str]| names.binary_search(&&*name).is_ok();
        // SQLite itself lets only definitions call the internal ones.
        if is(FUNCTIONS) || (seen.defines.is_some() && is(INTERNAL_FUNCTIONS)) {
            Ok(())
        } else {
            other(format!("the function {name}"))
        }
    }

    fn pragma(&self, name: &str, value: Option<&str>, seen: &mut Seen) -> Result<(), Denial> {
        if name == "quick_check" && seen.alters.is_some() {
            // ALTER TABLE checks what it has changed.
            seen.verifies = true;
            return Ok(());
        }
        if !self.can.pragma {
            return Err(Denial::Pragma);
        }
        let name = name.to_ascii_lowercase();
        let is = |names: &[&str]| names.contains(&&*name);
        let allowed = match value {
            None => is(PRAGMAS) || is(PRAGMAS_OF),
            Some(_) => is(PRAGMAS_OF) || (is(PRAGMAS_SET) && !self.can.only_reads()),
        };
        if !allowed {
            return other(format!("the pragma {name}"));
        }
        if !self.holds.read && CHECKS.contains(&&*name) {
            return other(format!("the pragma {name}, which reads rows"));
        }
        if !self.is_common() {
            return other("pragmas where tables or columns are restricted");
        }
        Ok(())
    }
}

/// The table that holds the schema, by one of its names, and that of temporary ones, which is empty.
fn is_schema(table: &str) -> bool {
    matches!(
        table,
        "sqlite_master" | "sqlite_schema" | "sqlite_temp_master" | "sqlite_temp_schema"
    )
}

fn other<T>(what: impl Into<String>) -> Result<T, Denial> {
    Err(Denial::Other(what.into()))
}
