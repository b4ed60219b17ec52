//! One statement per text.

use super::SqlError;

/// What keeps a text from being one statement.
pub(super) enum NotOne {
    /// There is none.
    None,
    /// There are several.
    Several,
    /// There is a NUL, where SQLite would stop reading.
    Nul,
}

impl From<NotOne> for SqlError {
    fn from(not_one: NotOne) -> Self {
        let what = match not_one {
            NotOne::None => "no statement",
            NotOne::Several => "more than one statement: send a batch",
            NotOne::Nul => "a statement cannot contain NUL",
        };
        Self::Parse(what.to_owned())
    }
}

/// The one statement of a text, without what may follow it: `;`, white space, comments.
///
/// A trigger holds statements, so a text that defines one is only trimmed: SQLite says whether
/// something follows it.
pub(super) fn one(sql: &str) -> Result<&str, NotOne> {
    if sql.contains('\0') {
        return Err(NotOne::Nul);
    }
    let mut words = Vec::new();
    let (mut begin, mut end, mut ended, mut several) = (None, 0, false, false);
    for (from, token) in (Tokens { sql, at: 0 }) {
        if token == ";" {
            ended = begin.is_some();
            continue;
        }
        several |= ended;
        begin.get_or_insert(from);
        end = from + token.len();
        // EXPLAIN QUERY PLAN CREATE TEMPORARY TRIGGER
        if words.len() < 6 {
            words.push(token);
        }
    }
    let statement = sql.get(begin.ok_or(NotOne::None)?..end).unwrap_or_default();
    let is = |word: &&str| word.eq_ignore_ascii_case("trigger");
    let mut leading = words.iter();
    let creates = leading.any(|word| word.eq_ignore_ascii_case("create"));
    if several && !(creates && leading.any(is)) {
        return Err(NotOne::Several);
    }
    Ok(statement)
}

/// Whether a text may join tables by the names of their columns, as `USING (…)` and `NATURAL` do. Wherever one
/// of these words may stand it counts, also in a quoted text: what SQLite takes for a word is its business.
pub(super) fn joins_by_name(sql: &str) -> bool {
    let small = sql.to_ascii_lowercase();
    let bytes = small.as_bytes();
    let is_word = |(at, word): (usize, &str)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + word.len());
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        // a digit may end a parameter: `?1NATURAL` is two words
        !before.is_some_and(|byte| goes_on(byte) && !byte.is_ascii_digit())
            && !after.is_some_and(goes_on)
    };
    ["natural", "using"]
        .iter()
        .any(|word| small.match_indices(word).any(is_word))
}

/// The columns of an index that is nothing but some columns, each perhaps with a collation and an order;
/// `None` for whatever is written otherwise.
pub(super) fn plain_index(sql: &str) -> Option<Vec<&str>> {
    let mut tokens = Tokens { sql, at: 0 }.map(|(_, token)| token).peekable();
    let is = |token: &str, word: &str| token.eq_ignore_ascii_case(word);
    for word in ["create", "index"] {
        tokens.next_if(|it| is(it, word))?;
    }
    if tokens.next_if(|it| is(it, "if")).is_some() {
        for word in ["not", "exists"] {
            tokens.next_if(|it| is(it, word))?;
        }
    }
    name(tokens.next()?)?;
    if tokens.next_if_eq(&".").is_some() {
        name(tokens.next()?)?;
    }
    tokens.next_if(|it| is(it, "on"))?;
    name(tokens.next()?)?;
    tokens.next_if_eq(&"(")?;
    let mut columns = Vec::new();
    loop {
        columns.push(name(tokens.next()?)?);
        if tokens.next_if(|it| is(it, "collate")).is_some() {
            name(tokens.next()?)?;
        }
        let _ = tokens.next_if(|it| is(it, "asc") || is(it, "desc"));
        match tokens.next()? {
            "," => {}
            ")" => break,
            _ => return None,
        }
    }
    tokens.next().is_none().then_some(columns)
}

/// A name, without its quotes.
fn name(token: &str) -> Option<&str> {
    let quoted = [('"', '"'), ('`', '`'), ('[', ']')]
        .into_iter()
        .find_map(|(open, close)| token.strip_prefix(open)?.strip_suffix(close));
    let is_word = token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    quoted.or_else(|| is_word.then_some(token))
}

/// Whether a column may be added that is computed, or a condition: wherever one of these words may stand.
pub(super) fn computes(sql: &str) -> bool {
    let mut tokens = Tokens { sql, at: 0 };
    tokens.any(|(_, token)| {
        let words = ["as", "generated", "check"];
        words.iter().any(|word| token.eq_ignore_ascii_case(word))
    })
}

/// Whether SQLite can only read what this text says, because of the word that it begins with.
pub(super) fn only_selects(sql: &str) -> bool {
    let first = Tokens { sql, at: 0 }.find(|(_, token)| *token != ";");
    first.is_some_and(|(_, word)| {
        ["select", "values"]
            .iter()
            .any(|reads| word.eq_ignore_ascii_case(reads))
    })
}

/// What a text consists of, without white space and comments: quoted text, words, single characters.
struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.sql.get(self.at..)?;
            let first = rest.chars().next()?;
            let (length, is_token) = match first {
                ' ' | '\t' | '\n' | '\r' | '\u{c}' => (1, false),
                '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), false),
                '/' if rest.starts_with("/*") && rest.len() > 2 => {
                    let end = rest.get(2..).and_then(|rest| rest.find("*/"));
                    (end.map_or(rest.len(), |end| end + 4), false)
                }
                // A doubled quote inside is the end of one text and the begin of the next.
                '\'' | '"' | '`' | '[' => {
                    let close = if first == '[' { ']' } else { first };
                    let end = rest.get(1..).and_then(|rest| rest.find(close));
                    (end.map_or(rest.len(), |end| end + 2), true)
                }
                _ => {
                    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
                    let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
                    (end.max(first.len_utf8()), true)
                }
            };
            let from = self.at;
            self.at += length;
            if is_token {
                return Some((from, rest.get(..length)?));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::{Connection, Error};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]
        #[test]
        fn sqlite_agrees_whether_it_is_one(parts in prop::collection::vec(prop::sample::select(vec![
            "SELECT 1", "SELECT ", ";", "--", "\n", "/*", "*/", "'", "\"", "[", "]", "`", " ", "a", "1",
            ",", "\u{a0}", "é", "$a", "@", "#", "x'", "\\", "/", "-", "*", "CREATE TRIGGER ",
        ]), 0..12)) {
            let sql = parts.concat();
            let connection = Connection::open_in_memory().unwrap();
            let theirs = connection.prepare(&sql);
            match one(&sql) {
                // What is cut off is nothing to SQLite.
                Ok(it) => {
                    let is_one = !matches!(theirs, Err(Error::MultipleStatement));
                    prop_assert!(is_one || sql.contains("TRIGGER"), "{sql:?}");
                    prop_assert_eq!(theirs.is_ok(), connection.prepare(it).is_ok(), "{:?}", sql);
                }
                Err(NotOne::Several) => {
                    let first = theirs.is_ok_and(|theirs| theirs.column_count() > 0);
                    prop_assert!(!first, "{:?}", sql);
                }
                Err(_) => {
                    let rows = theirs.is_ok_and(|theirs| theirs.column_count() > 0);
                    prop_assert!(!rows, "{:?}", sql);
                }
            }
        }
    }

    #[test]
    fn joins_by_the_names_of_columns_are_found_wherever_they_are() {
        for sql in [
            "SELECT 1 FROM a JOIN b USING (k)",
            "SELECT 1 FROM a JOIN b\nusing/* */(k)",
            "SELECT 1 FROM a JOIN b USING \u{b}(k)",
            "SELECT 1 FROM \"a\"NATURAL JOIN b",
            "SELECT 1 FROM a \u{feff}NATURAL JOIN b",
            "SELECT 1 FROM a JOIN b ON ?1NATURAL JOIN c",
            "SELECT 1 FROM a JOIN b ON $a(')NATURAL JOIN c WHERE $b(')",
            "WITH c AS (SELECT 1 FROM a JOIN b USING(k)) SELECT 1 FROM c",
            "SELECT 'a using b'",
        ] {
            assert!(joins_by_name(sql), "{sql}");
        }
        for sql in [
            "SELECT 1 FROM a JOIN b ON a.k = b.k",
            "SELECT housing, using_it, unnatural, natural1 FROM causing",
        ] {
            assert!(!joins_by_name(sql), "{sql}");
        }
    }

    #[test]
    fn what_begins_with_another_word_may_write() {
        for sql in ["SELECT 1", " ; -- a\n/* b */ values (1)", "select(1)"] {
            assert!(only_selects(sql), "{sql}");
        }
        for sql in [
            "",
            "INSERT INTO t VALUES (1) RETURNING a",
            "WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c",
            "-- SELECT\nDELETE FROM t",
            "selects",
            "'select'",
            "PRAGMA user_version = 1",
        ] {
            assert!(!only_selects(sql), "{sql}");
        }
    }

    #[test]
    fn a_text_is_one_statement() {
        for (sql, statement) in [
            ("SELECT 1", "SELECT 1"),
            (" SELECT 1 ; ; -- one\n /* and; */ ;", "SELECT 1"),
            (
                "-- first; second\nSELECT ';' /* ; */ \";\"",
                "SELECT ';' /* ; */ \";\"",
            ),
            ("SELECT [;], `;`, 'it''s;'", "SELECT [;], `;`, 'it''s;'"),
            (";SELECT 1", "SELECT 1"),
            ("SELECT 'open", "SELECT 'open"),
            ("SELECT 1 /* open", "SELECT 1"),
            ("SELECT 'é;' AS é;", "SELECT 'é;' AS é"),
            (
                "create temp TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END;",
                "create temp TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END",
            ),
        ] {
            assert!(one(sql).is_ok_and(|it| it == statement), "{sql}");
        }
        for sql in ["", " ", ";", "-- one", "/* one", "/**/;"] {
            assert!(matches!(one(sql), Err(NotOne::None)), "{sql}");
        }
        for sql in [
            "SELECT 1; SELECT 2",
            "SELECT 1;x",
            "CREATE TABLE trigger_(a);x",
            "a;b;",
        ] {
            assert!(matches!(one(sql), Err(NotOne::Several)), "{sql}");
        }
        assert!(matches!(one("SELECT 1\0; x"), Err(NotOne::Nul)));
        let many = format!("SELECT 1{}", "; -- x\n".repeat(100_000));
        assert!(one(&many).is_ok_and(|it| it == "SELECT 1"));
    }
}
