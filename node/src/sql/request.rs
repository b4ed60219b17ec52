//! What is asked for.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{SqlError, Value};

/// Largest request, in bytes.
pub const MAX_REQUEST: usize = 1 << 20;
/// Most rows that a caller can ask for at once.
pub const MAX_ROWS: u64 = 1000;
/// Largest response that a caller can ask for, in bytes.
pub const MAX_RESPONSE_ASKED: u64 = 4 << 20;

/// A statement with its values, by position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Exactly one statement. A `;` and comments may follow.
    pub sql: String,
    /// The values of `?1`, `?2` and so on: as many as the statement takes.
    pub params: Vec<Value>,
}

/// How large a response may be; what is larger is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Most rows.
    pub rows: Option<u64>,
    /// Most bytes of the response.
    pub bytes: Option<u64>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Request {
    /// The rows of a statement.
    Query(Command, Bounds),
    /// A statement for what it does, after definitions. All of it is done, or nothing.
    Execute {
        /// Statements that define, to be run before.
        schema: Vec<String>,
        /// The statement.
        command: Command,
    },
    /// Statements for what they do. All of them are done, or none.
    Batch(Vec<Command>),
    /// A statement that the caller's caveats name.
    Named {
        /// Its name.
        name: String,
        /// Its values.
        params: Vec<Value>,
    },
    /// The whole database as a file.
    Export,
}

/// Every member of every action.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    action: String,
    sql: Option<String>,
    #[serde(borrow)]
    params: Option<Vec<&'a RawValue>>,
    schema: Option<Vec<String>>,
    #[serde(borrow)]
    statements: Option<Vec<&'a RawValue>>,
    name: Option<String>,
    max_rows: Option<u64>,
    max_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct BodyStatement<'a> {
    sql: String,
    #[serde(borrow)]
    params: Option<Vec<&'a RawValue>>,
}

impl Request {
    /// Reads a request body. Members that its action does not have are not looked at, as with present
    /// nodes; `null` is an absent member.
    ///
    /// # Errors
    ///
    /// [`SqlError::Parse`] says what is wrong, also with a request that is too large.
    pub fn parse(body: &[u8]) -> Result<Self, SqlError> {
        if body.len() > MAX_REQUEST {
            return Err(parse("the request is larger than 1 MiB"));
        }
        let body = str::from_utf8(body).map_err(|error| parse(&error.to_string()))?;
        let body: Body<'_> = object(body)?;
        Ok(match body.action.as_str() {
            "query" => Self::Query(
                command(body.sql, body.params)?,
                Bounds {
                    rows: within(body.max_rows, "maxRows", MAX_ROWS)?,
                    bytes: within(body.max_bytes, "maxBytes", MAX_RESPONSE_ASKED)?,
                },
            ),
            "execute" => Self::Execute {
                schema: body.schema.unwrap_or_default(),
                command: command(body.sql, body.params)?,
            },
            "batch" => {
                let statements = body.statements.ok_or_else(|| missing("statements"))?;
                let commands = statements.into_iter();
                let commands = commands.map(|it| {
                    let it: BodyStatement<'_> = object(it.get())?;
                    command(Some(it.sql), it.params)
                });
                Self::Batch(commands.collect::<Result<_, _>>()?)
            }
            "export" => Self::Export,
            "executeStatement" | "execute_statement" => Self::Named {
                name: body.name.ok_or_else(|| missing("name"))?,
                params: values(body.params)?,
            },
            _ => return Err(parse("unknown action")),
        })
    }
}

fn parse(what: &str) -> SqlError {
    SqlError::Parse(what.to_owned())
}

/// Reads an object. Without this look, its members could also be a list, by position.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, SqlError> {
    if json.trim_ascii_start().starts_with('[') {
        return Err(parse("a list where an object must be"));
    }
    serde_json::from_str(json).map_err(|error| SqlError::Parse(error.to_string()))
}

fn missing(member: &str) -> SqlError {
    parse(&format!("missing field `{member}`"))
}

fn command(sql: Option<String>, params: Option<Vec<&RawValue>>) -> Result<Command, SqlError> {
    Ok(Command {
        sql: sql.ok_or_else(|| missing("sql"))?,
        params: values(params)?,
    })
}

fn values(params: Option<Vec<&RawValue>>) -> Result<Vec<Value>, SqlError> {
    let params = params.unwrap_or_default();
    params.into_iter().map(Value::read).collect()
}

fn within(number: Option<u64>, member: &str, most: u64) -> Result<Option<u64>, SqlError> {
    match number {
        Some(number) if !(1..=most).contains(&number) => {
            Err(parse(&format!("{member} must be from 1 to {most}")))
        }
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Request, SqlError> {
        Request::parse(json.as_bytes())
    }

    fn command(sql: &str, params: &[Value]) -> Command {
        Command {
            sql: sql.into(),
            params: params.to_vec(),
        }
    }

    #[test]
    fn every_action_is_read() {
        let one = [Value::Integer(1)];
        for (json, request) in [
            (
                r#"{"action":"query","sql":"q","params":[1],"maxRows":1000,"maxBytes":4194304}"#,
                Request::Query(
                    command("q", &one),
                    Bounds {
                        rows: Some(1000),
                        bytes: Some(4 << 20),
                    },
                ),
            ),
            (
                r#"{"sql":"q","params":null,"action":"query"}"#,
                Request::Query(command("q", &[]), Bounds::default()),
            ),
            (
                r#"{"action":"execute","sql":"e","schema":["s","t"]}"#,
                Request::Execute {
                    schema: vec!["s".into(), "t".into()],
                    command: command("e", &[]),
                },
            ),
            (
                r#"{"action":"batch","statements":[{"sql":"a"},{"sql":"b","params":[1]}]}"#,
                Request::Batch(vec![command("a", &[]), command("b", &one)]),
            ),
            (r#"{"action":"export"}"#, Request::Export),
            // what an action does not have is not looked at
            (
                r#"{"action":"query","sql":"q","more":1,"schema":[]}"#,
                Request::Query(command("q", &[]), Bounds::default()),
            ),
            (
                r#"{"action":"batch","statements":[{"sql":"a","more":1}],"maxRows":7}"#,
                Request::Batch(vec![command("a", &[])]),
            ),
            (r#"{"action":"export","sql":"q"}"#, Request::Export),
        ] {
            assert_eq!(read(json), Ok(request), "{json}");
        }
        for action in ["executeStatement", "execute_statement"] {
            let json = format!(r#"{{"action":"{action}","name":"n","params":[1]}}"#);
            let request = Request::Named {
                name: "n".into(),
                params: one.to_vec(),
            };
            assert_eq!(read(&json), Ok(request));
        }
    }

    #[test]
    fn whatever_is_no_request_is_refused() {
        let long = format!(
            r#"{{"action":"query","sql":"{}"}}"#,
            "x".repeat(MAX_REQUEST)
        );
        let deep = format!(
            r#"{{"action":"query","sql":"q","params":[{}"#,
            "[".repeat(100_000)
        );
        for json in [
            "",
            "[]",
            "null",
            "{}",
            r#"{"action":"drop"}"#,
            r#"{"action":"Query","sql":"q"}"#,
            r#"{"action":"query"}"#,
            r#"{"action":"query","sql":1}"#,
            r#"{"action":"query","sql":"q","sql":"r"}"#,
            r#"{"action":"query","sql":"q","params":{}}"#,
            r#"{"action":"query","sql":"q","params":[9223372036854775808]}"#,
            r#"{"action":"query","sql":"q","maxRows":0}"#,
            r#"{"action":"query","sql":"q","maxRows":1001}"#,
            r#"{"action":"query","sql":"q","maxRows":-1}"#,
            r#"{"action":"query","sql":"q","maxRows":1.5}"#,
            r#"{"action":"query","sql":"q","maxBytes":0}"#,
            r#"{"action":"query","sql":"q","maxBytes":4194305}"#,
            r#"{"action":"batch"}"#,
            r#"{"action":"batch","statements":[{}]}"#,
            r#"{"action":"executeStatement"}"#,
            r#"{"action":"export"} x"#,
            // members by position
            r#" ["query","q",null,null,null,null,null,null]"#,
            r#"{"action":"batch","statements":[["a",[1]]]}"#,
            &long,
            &deep,
        ] {
            let error = read(json).unwrap_err();
            assert_eq!(error.status(), 400, "{json}");
            assert!(error.to_string().starts_with("Parse error: "), "{error}");
        }
    }
}
