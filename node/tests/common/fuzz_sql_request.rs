//! Any bytes as a request to a database: the fuzz target's body, also run on its corpus by the tests.

use openkey_node::sql::{Bounds, Command, MAX_RESPONSE_ASKED, MAX_ROWS, Request, Value};
use serde_json::{Map, Value as Json, json};

/// Whether the bytes are a request.
pub(crate) fn run(input: &[u8]) -> bool {
    let Ok(request) = Request::parse(input) else {
        return false;
    };
    let again = written(&request).to_string();
    assert_eq!(Request::parse(again.as_bytes()).as_ref(), Ok(&request));
    // Nested deeper than this reader goes, only the request's own members are read.
    if let Ok(json) = serde_json::from_slice::<Json>(input) {
        assert!(says(&json, &request), "{json} is not {request:?}");
    }
    true
}

fn written(request: &Request) -> Json {
    match request {
        Request::Query(command, bounds) => {
            let Bounds { rows, bytes } = bounds;
            assert!(rows.is_none_or(|rows| (1..=MAX_ROWS).contains(&rows)));
            assert!(bytes.is_none_or(|bytes| (1..=MAX_RESPONSE_ASKED).contains(&bytes)));
            let mut all = statement(command);
            all.insert("action".to_owned(), json!("query"));
            all.insert("maxRows".to_owned(), json!(rows));
            all.insert("maxBytes".to_owned(), json!(bytes));
            all.into()
        }
        Request::Execute { schema, command } => {
            let mut all = statement(command);
            all.insert("action".to_owned(), json!("execute"));
            all.insert("schema".to_owned(), json!(schema));
            all.into()
        }
        Request::Batch(commands) => {
            let all: Vec<Json> = commands.iter().map(|it| statement(it).into()).collect();
            json!({ "action": "batch", "statements": all })
        }
        Request::Named { name, params } => {
            json!({ "action": "executeStatement", "name": name, "params": values(params) })
        }
        Request::Export => json!({ "action": "export" }),
        other => panic!("{other:?} is not known here"),
    }
}

fn statement(command: &Command) -> Map<String, Json> {
    let members = [
        ("sql", json!(command.sql)),
        ("params", values(&command.params)),
    ];
    members
        .map(|(name, it)| (name.to_owned(), it))
        .into_iter()
        .collect()
}

fn values(params: &[Value]) -> Json {
    let value = |value: &Value| match value {
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Real(number) => {
            assert!(number.is_finite());
            json!(number)
        }
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!(bytes),
        Value::Compound => json!({}),
    };
    params.iter().map(value).collect()
}

/// Whether another reader of JSON finds the same statements and values.
fn says(json: &Json, request: &Request) -> bool {
    let is = |json: &Json, command: &Command| {
        json["sql"] == json!(command.sql) && are(&json["params"], &command.params)
    };
    match request {
        Request::Query(command, bounds) => {
            is(json, command)
                && json["maxRows"].as_u64() == bounds.rows
                && json["maxBytes"].as_u64() == bounds.bytes
        }
        Request::Execute { schema, command } => {
            let said = &json["schema"];
            is(json, command) && (*said == json!(schema) || (said.is_null() && schema.is_empty()))
        }
        Request::Batch(commands) => {
            let said = json["statements"].as_array();
            said.is_some_and(|said| {
                said.len() == commands.len() && said.iter().zip(commands).all(|(a, b)| is(a, b))
            })
        }
        Request::Named { name, params } => {
            json["name"] == json!(name) && are(&json["params"], params)
        }
        _ => json["action"] == "export",
    }
}

fn are(json: &Json, params: &[Value]) -> bool {
    match json.as_array() {
        None => json.is_null() && params.is_empty(),
        Some(all) => all.len() == params.len() && all.iter().zip(params).all(|(a, b)| is(a, b)),
    }
}

fn is(json: &Json, value: &Value) -> bool {
    match (json, value) {
        (Json::Null, Value::Null) | (Json::Object(_), Value::Compound) => true,
        (Json::Bool(said), Value::Integer(number)) => i64::from(*said) == *number,
        // `-0` is the integer 0 here, and a float to the other reader.
        (Json::Number(said), Value::Integer(number)) => {
            said.as_i64() == Some(*number) || (*number == 0 && said.as_f64() == Some(0.0))
        }
        (Json::Number(said), Value::Real(_)) => said.is_f64(),
        (Json::String(said), Value::Text(text)) => said == text,
        (Json::Array(said), Value::Blob(bytes)) => json!(said) == json!(bytes),
        (Json::Array(said), Value::Compound) => said
            .iter()
            .any(|it| it.as_u64().is_none_or(|byte| byte > 255)),
        _ => false,
    }
}
