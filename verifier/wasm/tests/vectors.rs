//! The same questions and answers as `verifier.test.mjs` asks of the built file, asked natively:
//! the browser's verifier and this one give the same verdicts.

// A test that cannot go on should stop where it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use openkey_verifier_wasm::{MAX_INPUT, answer};
use serde_json::Value;

/// A case's own input, or that of the case it is like, with members set or (by null) removed.
fn input(case: &Value, cases: &[Value]) -> String {
    if let Some(text) = case["input"].as_str() {
        return text.to_owned();
    }
    let Some(like) = case.get("like") else {
        return case["input"].to_string();
    };
    let base = cases.iter().find(|base| &base["name"] == like).unwrap();
    let mut input = base["input"].as_object().unwrap().clone();
    for (member, value) in case["set"].as_object().unwrap() {
        match value {
            Value::Null => input.remove(member),
            value => input.insert(member.clone(), value.clone()),
        };
    }
    Value::Object(input).to_string()
}

#[test]
fn every_question_gets_its_answer() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert!(vectors.len() > 80);
    for case in &vectors {
        let json = answer(input(case, &vectors).as_bytes());
        let given: Value = serde_json::from_slice(&json).unwrap();
        match case.get("rule") {
            Some(rule) => assert_eq!(&given["error"]["rule"], rule, "{}", case["name"]),
            None => assert_eq!(given["ok"], case["ok"], "{}: {given}", case["name"]),
        }
    }
}

#[test]
fn long_inputs_are_refused_unread() {
    let json = answer(&vec![b' '; MAX_INPUT + 1]);
    let given: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(given["error"]["rule"], "input");
}
