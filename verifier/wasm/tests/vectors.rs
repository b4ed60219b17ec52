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

/// The same policies as `openkey-verify` is asked with: what one refuses, the other refuses.
#[test]
fn f13_the_page_refuses_every_policy_that_the_commands_refuse() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let policies: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/data/policies.json")).unwrap();
    assert!(policies.len() > 20);
    let ask = |op: &str, policy: &Value, any_configuration: bool| {
        let mut input = vectors.iter().find(|case| case["name"] == op).unwrap()["input"].clone();
        input["policy"]["measurements"] = policy["measurements"].clone();
        if let Some(epoch) = policy.get("min_epoch") {
            // The enclave of the vectors runs epoch 3; what is refused is refused before.
            input["policy"]["min_epoch"] = epoch.clone();
        }
        if any_configuration {
            input["any_configuration"] = true.into();
        }
        let answer: Value = serde_json::from_slice(&answer(input.to_string().as_bytes())).unwrap();
        answer["error"]["rule"].clone()
    };
    for policy in &policies {
        assert_eq!(ask("evidence", policy, false), policy["rule"], "{policy}");
        assert_eq!(ask("archival", policy, false), policy["rule"], "{policy}");
        let any = &policy["any_configuration"];
        assert_eq!(ask("archival", policy, true), *any, "{policy}");
        // Fresh evidence has no such waiver.
        let waived = ask("evidence", policy, true);
        // Policies are judged before members that the question does not take.
        let missing = policy["rule"]
            .as_str()
            .filter(|rule| rule.ends_with("_missing"));
        let expected = missing.unwrap_or("input");
        assert_eq!(waived, expected, "{policy}");
    }
}

#[test]
fn questions_are_objects() {
    let json = answer(br#" ["head"] "#);
    let given: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(given["error"]["rule"], "input");
    assert_eq!(
        given["error"]["message"],
        "invalid input: it is not a JSON object"
    );
}
