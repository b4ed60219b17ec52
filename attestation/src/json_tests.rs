//! Tests of [`super`].

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    version: u32,
    #[serde(default)]
    inner: Option<Inner>,
    #[serde(default)]
    list: Vec<Inner>,
    #[serde(default)]
    map: BTreeMap<String, String>,
    #[serde(default)]
    word: Option<Word>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    name: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    HandOver,
}

fn refused(text: &str) -> String {
    read::<Outer>(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn objects_of_the_shape_are_read() {
    let text = r#" {"word":"hand_over","map":{"a":"b"},"list":[{"name":"x"}],
        "inner":{"name":"é"},"version":1} "#;
    let outer: Outer = read(text.as_bytes()).unwrap();
    assert_eq!(outer.version, 1);
    assert_eq!(outer.inner, Some(Inner { name: "é".into() }));
    assert_eq!(outer.list, [Inner { name: "x".into() }]);
    assert_eq!(outer.map["a"], "b");
    assert_eq!(outer.word, Some(Word::HandOver));
    let outer: Outer = read(br#"{"version":1,"inner":null}"#).unwrap();
    assert_eq!(outer.inner, None);
}

#[test]
fn arrays_are_no_objects_at_any_depth() {
    // serde_json itself reads all three.
    assert!(serde_json::from_str::<Inner>(r#"["x"]"#).is_ok());
    assert!(read::<Inner>(br#"["x"]"#).is_err());
    assert_eq!(refused("[1]"), "an array where an object belongs");
    assert_eq!(
        refused(r#"{"version":1,"inner":["x"]}"#),
        "an array where an object belongs (in \"inner\")"
    );
    assert_eq!(
        refused(r#"{"version":1,"list":[{"name":"x"},["y"]]}"#),
        "an array where an object belongs (in \"list\".1)"
    );
}

#[test]
fn a_member_given_twice_is_refused_at_any_depth() {
    for text in [
        r#"{"version":1,"version":1}"#,
        r#"{"version":1,"map":{"a":"b","a":"c"}}"#,
        r#"{"version":1,"map":{"a":"b","\u0061":"b"}}"#,
        r#"{"version":1,"list":[{"name":"x","name":"x"}]}"#,
    ] {
        assert!(refused(text).contains("is given twice at line 1"), "{text}");
    }
}

#[test]
fn errors_name_the_member_and_speak_of_json() {
    assert_eq!(refused(""), "it is empty");
    assert_eq!(refused(" \n"), "it is empty");
    assert_eq!(refused("{"), "it ends in the middle of its JSON text");
    assert_eq!(refused("{]"), "it is not valid JSON at line 1, column 2");
    assert_eq!(refused("{} x"), "it is not valid JSON at line 1, column 4");
    assert_eq!(refused("{}"), "missing member \"version\"");
    assert!(refused("\u{feff}{}").contains("byte order mark"));
    assert_eq!(
        refused(r#"{"version":"1"}"#),
        "a text where a whole number from 0 on belongs (in \"version\")"
    );
    assert_eq!(
        refused(r#"{"version":1.5}"#),
        "a number where a whole number from 0 on belongs (in \"version\")"
    );
    assert_eq!(
        refused(r#"{"version":-1}"#),
        "a number that is not a whole number from 0 on (in \"version\")"
    );
    assert_eq!(
        refused(r#"{"version":1,"map":{"a":null}}"#),
        "null where a text belongs (in \"map\".\"a\")"
    );
    assert_eq!(
        refused("{\"version\":1,\"x\u{1b}\":0}").split(';').next(),
        Some("it is not valid JSON at line 1, column 16")
    );
    let unknown = refused(r#"{"version":1,"x\u001b":0}"#);
    assert!(unknown.starts_with("unknown member \"x\\u{1b}\"; the members are version,"));
    assert_eq!(
        refused(r#"{"version":1,"word":"other"}"#),
        "\"other\" is none of hand_over (in \"word\")"
    );
    // Nesting is bounded by the parser below.
    assert!(!refused(&"[".repeat(100_000)).is_empty());
}
