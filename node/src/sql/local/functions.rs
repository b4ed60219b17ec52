//! Functions in place of SQLite's own whose time grows with the product of their arguments' lengths:
//! for a text of a megabyte, hours, and nothing interrupts them.

use std::collections::HashSet;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};

/// Largest exponent of a number that is written without one.
const PLAIN: i32 = 16;

/// Longest text, in bytes, that `replace` makes of another.
pub(super) const MAX_VALUE: usize = 4 << 20;

pub(super) fn install(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("instr", 2, flags, |ctx| instr(ctx))?;
    connection.create_scalar_function("replace", 3, flags, |ctx| replace(ctx))?;
    for (name, left, right) in [
        ("trim", true, true),
        ("ltrim", true, false),
        ("rtrim", false, true),
    ] {
        connection.create_scalar_function(name, 2, flags, move |ctx| trim(ctx, left, right))?;
    }
    Ok(())
}

/// `instr(X, Y)`: where Y begins in X, from 1, in characters or, of blobs, in bytes; 0 if nowhere.
fn instr(ctx: &Context<'_>) -> Result<Option<i64>> {
    if let (ValueRef::Blob(hay), ValueRef::Blob(needle)) = (ctx.get_raw(0), ctx.get_raw(1)) {
        return Ok(Some(place(memchr::memmem::find(hay, needle))));
    }
    let (Some(hay), Some(needle)) = (text(ctx, 0), text(ctx, 1)) else {
        return Ok(None);
    };
    let found = hay.find(&*needle);
    let characters = found.and_then(|at| hay.get(..at));
    Ok(Some(place(characters.map(|before| before.chars().count()))))
}

fn place(at: Option<usize>) -> i64 {
    at.map_or(0, |at| {
        i64::try_from(at).unwrap_or(i64::MAX).saturating_add(1)
    })
}

/// `replace(X, Y, Z)`: X with Z for every Y.
fn replace(ctx: &Context<'_>) -> Result<Option<String>> {
    let (Some(whole), Some(from)) = (text(ctx, 0), text(ctx, 1)) else {
        return Ok(None);
    };
    if from.is_empty() {
        return Ok(Some(whole));
    }
    let Some(to) = text(ctx, 2) else {
        return Ok(None);
    };
    let grows = to.len().saturating_sub(from.len());
    let length = whole.matches(&*from).count().saturating_mul(grows);
    if whole.len().saturating_add(length) > MAX_VALUE {
        return Err(Error::UserFunctionError("string or blob too big".into()));
    }
    Ok(Some(whole.replace(&*from, &to)))
}

/// `trim(X, Y)` and its two halves: X without the characters of Y at its ends.
fn trim(ctx: &Context<'_>, left: bool, right: bool) -> Result<Option<String>> {
    let (Some(whole), Some(of)) = (text(ctx, 0), text(ctx, 1)) else {
        return Ok(None);
    };
    let of: HashSet<char> = of.chars().collect();
    let mut rest = whole.as_str();
    if left {
        rest = rest.trim_start_matches(|c| of.contains(&c));
    }
    if right {
        rest = rest.trim_end_matches(|c| of.contains(&c));
    }
    Ok(Some(rest.to_owned()))
}

/// A value as text, as SQLite converts it.
fn text(ctx: &Context<'_>, at: usize) -> Option<String> {
    match ctx.get_raw(at) {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Real(value) => Some(real(value)),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

/// A number as SQLite writes it: the shortest digits that are this number, with a point always, and
/// with an exponent if there would be many zeros.
fn real(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    // of the two zeros there is one
    let value = value + 0.0;
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..=PLAIN).contains(&exponent) {
        let plain = value.to_string();
        let point = if plain.contains('.') { "" } else { ".0" };
        return plain + point;
    }
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}{point}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::types::Value;

    use super::*;

    /// Whether SQLite writes a value as we do: of some numbers it writes digits that they do not need.
    fn is_written_alike(value: &Value) -> bool {
        let Value::Real(number) = value else {
            return true;
        };
        let connection = Connection::open_in_memory().unwrap();
        let text = connection.query_row("SELECT CAST(?1 AS TEXT)", [number], |row| row.get(0));
        real(*number) == text.unwrap_or_else(|_| String::new())
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            (any::<i32>(), -300i32..300)
                .prop_map(|(n, e)| Value::Real(format!("{n}e{e}").parse().unwrap())),
            (-20_000_000i32..10_000_000).prop_map(|n| Value::Real(f64::from(n) / 1e6)),
            "[aäb.1]{0,6}".prop_map(Value::Text),
            "[aäb]{0,6}".prop_map(|text| Value::Blob(text.into_bytes())),
        ]
        .prop_filter("SQLite writes it otherwise", is_written_alike)
    }

    #[test]
    fn numbers_are_written_as_sqlite_writes_them() {
        for number in [
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            1e15,
            1e17,
            1.5e-5,
            1e300,
            f64::INFINITY,
            -2.25e-7,
        ] {
            assert!(is_written_alike(&Value::Real(number)), "{number}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn they_are_as_those_of_sqlite(x in values(), y in values(), z in values()) {
            let (theirs, ours) = (Connection::open_in_memory().unwrap(), Connection::open_in_memory().unwrap());
            install(&ours).unwrap();
            for call in ["instr(?1, ?2)", "replace(?1, ?2, ?3)", "trim(?1, ?2)", "ltrim(?1, ?2)",
                "rtrim(?1, ?2)", "replace(?1, '', '')"]
            {
                // Each value is used, so that there are three to be bound.
                let sql = format!("SELECT {call}, ?1, ?2, ?3");
                let run = |connection: &Connection| -> Value {
                    connection.query_row(&sql, (&x, &y, &z), |row| row.get(0)).unwrap()
                };
                prop_assert_eq!(run(&ours), run(&theirs), "{}", call);
            }
        }
    }

    #[test]
    fn what_replace_makes_is_bounded_before_it_is_made() {
        let ours = Connection::open_in_memory().unwrap();
        install(&ours).unwrap();
        let long = "a".repeat(1 << 20);
        let made = ours.query_row("SELECT replace(?1, 'a', ?1)", [&long], |_| Ok(()));
        assert!(made.is_err());
    }
}
