//! Policies that name no code or no configuration, and enclaves that lie about theirs.

use openkey_protocol::{
    cbor,
    message::{Bare, Call, Evidence, Hash32, Reply, Request},
};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Ran, Server, now, verify},
    policy::{Case, live},
};

/// The same policies as the page's verifier is asked with (`verifier/wasm/tests/vectors.rs`).
const POLICIES: &str = include_str!("../data/policies.json");

#[test]
fn f13_a_policy_that_names_no_code_or_no_configuration_is_refused() {
    let case = Case::new(live(|_| ()));
    let policies: Vec<Value> = serde_json::from_str(POLICIES).unwrap();
    assert!(policies.len() > 20);
    let document = live(|_| ()).document(&[9; 32]);
    for row in &policies {
        let policy = |policy: &mut Value| {
            policy["measurements"] = row["measurements"].clone();
            if let Some(epoch) = row.get("min_epoch") {
                policy["min_epoch"] = epoch.clone();
            }
        };
        let ended = |ran: Ran, rule: &Value| match rule.as_str() {
            None => ran.accepted(),
            Some(rule @ "measurement_mismatch") => ran.refused(rule),
            Some(rule) => ran.not_judged(rule),
        };
        ended(case.judge(policy, &[]), &row["rule"]);
        let any = &row["any_configuration"];
        ended(case.judge(policy, &["--any-configuration"]), any);
        // A lowest epoch may come from a flag, too.
        if row["name"] == "a signer alone" {
            case.judge(policy, &["--min-epoch", "5"])
                .refused("measurement_mismatch");
            case.judge(policy, &["--min-epoch", "0"])
                .not_judged("code_missing");
        }
    }
    // Flags, and commands that judge files, come by the same rules.
    let file = case.files.write("document", &document);
    for (index, value) in [("8", "00"), ("1", "a1"), ("16", "cf"), ("0", "00")] {
        let pcr = format!("{index}={}", value.repeat(48));
        let document = ["document", &file, "--at", "document", "--root", &case.root];
        let flags = ["--pcr", &pcr, "--any-configuration"];
        verify(document.iter().chain(&flags)).not_judged("code_missing");
        let host = ["host", &case.server.url, "--root", &case.root];
        verify(host.iter().chain(&flags)).not_judged("code_missing");
        let account = ["account", &file, "--root", &case.root];
        verify(account.iter().chain(&flags)).not_judged("code_missing");
    }
}

/// The host boots the genuine image with its own configuration, and a program of its own says that
/// it runs with the right one.
#[test]
fn f13_a_binding_that_names_another_configuration_than_is_measured_is_refused() {
    let genuine = live(|_| ());
    let binding = cbor::encode(&genuine.binding()).unwrap();
    let lying = live(|live| live.configuration = Hash32([0xce; 32]));
    let mut case = Case::new(lying.clone());
    let document = lying.document_of(&[9; 32], now(), Some(&binding));
    let file = case.files.write("document", &document);
    let nonce = "09".repeat(32);
    let policy = case.files.write("policy.json", case.policy.to_string());
    for more in [["--at", "document"], ["--nonce", &nonce]] {
        let args = ["document", &file, "--policy", &policy];
        verify(args.iter().chain(&more)).refused("configuration_pcr");
    }
    // Nor is it shown as a document of some other program.
    let any = |policy: &mut Value| {
        policy["measurements"][0]
            .as_object_mut()
            .unwrap()
            .remove("16");
    };
    case.server = Server::new(move |asked| match asked.path.as_str() {
        "/api/v1/enclaves" => Answer::json(&json!({
            "enclaves": [{ "id": "e1", "member": "m1", "ready": true }],
        })),
        _ => {
            let Ok(Call {
                request: Request::Evidence { nonce },
                ..
            }) = cbor::decode(&asked.body)
            else {
                return Answer::new(400, "text/plain", "no");
            };
            let now = now();
            let document = lying.document_of(nonce.as_slice(), now, Some(&binding));
            let document = document.into();
            let reply = Reply::Bare(Bare::Evidence(Evidence { document }));
            Answer::cbor(cbor::encode(&reply).unwrap())
        }
    });
    case.with(&[]).refused("configuration_pcr");
    let ran = case.judge(any, &["--any-configuration"]);
    ran.refused("configuration_pcr");
}
