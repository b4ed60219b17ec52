//! Names of the protocol's types, variants and members as they are on the wire.

use serde_json::Value;

/// Rewrites the descriptions of a schema, which are Rust's own documentation: a link such as
/// ``[`super::Action::AddPasskey`]`` becomes `` `Action.add_passkey` ``.
pub(super) fn names(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "description" => *text = words(text),
                    value => names(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(names),
        _ => {}
    }
}

fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for (index, part) in text.split('`').enumerate() {
        if index > 0 {
            words.push('`');
        }
        if index % 2 == 1 {
            words.push_str(&path(part));
        } else {
            let part = if index > 0 {
                part.strip_prefix(']').unwrap_or(part)
            } else {
                part
            };
            words.push_str(part.strip_suffix('[').unwrap_or(part));
        }
    }
    words
}

/// `super::Query::History::before` as `Query.history.before`.
fn path(path: &str) -> String {
    let path = path
        .trim_start_matches("super::")
        .trim_start_matches("crate::");
    let mut segments = path.split("::");
    let mut name = segments.next().unwrap_or_default().to_owned();
    for segment in segments {
        name.push('.');
        for (at, c) in segment.char_indices() {
            if c.is_ascii_uppercase() && at > 0 {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn links_become_names_of_the_wire() {
        for (rust, wire) in [
            ("To [`super::Query::Account`].", "To `Query.account`."),
            (
                "([`super::Query::History::before`]); x",
                "(`Query.history.before`); x",
            ),
            (
                "of [`Action::AddPasskey`] in [1]",
                "of `Action.add_passkey` in [1]",
            ),
            ("[`Call`] `a[0]` [`Answer`]", "`Call` `a[0]` `Answer`"),
            ("nothing", "nothing"),
        ] {
            let mut schema = json!({ "properties": { "a": [{ "description": rust }] } });
            names(&mut schema);
            assert_eq!(schema["properties"]["a"][0]["description"], wire);
        }
    }

    #[test]
    fn a_member_with_the_name_description_is_no_text() {
        let schema = json!({ "properties": { "description": { "type": "string" } } });
        let mut named = schema.clone();
        names(&mut named);
        assert_eq!(named, schema);
    }
}
