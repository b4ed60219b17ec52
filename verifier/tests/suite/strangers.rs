//! What a host says, and how much of it people read; what an enclave says of withdrawn manifests.

use openkey_protocol::{
    cbor,
    message::{Bare, Error, ErrorCode, Hash32, Reply},
};
use openkey_verifier::successors;
use serde_json::json;

use crate::{
    harness::{Answer, Files, Live, Server, verify},
    host::{list, nonce_of, reply, status_of},
};

#[test]
fn a_refusal_of_a_host_is_cut_and_draws_no_rows() {
    let refusal = |message: String| {
        let server = Server::new(move |asked| match asked.path.as_str() {
            "/api/v1/enclaves" => list(&["e1"]),
            _ => {
                let error = Error {
                    code: ErrorCode::Unavailable,
                    message: message.clone(),
                    advice: message.clone(),
                };
                let reply = Reply::Bare(Bare::Refused(error));
                Answer::cbor(cbor::encode(&reply).unwrap())
            }
        });
        verify(["host", &server.url, "--any-measurement"]).not_judged("unsigned_refusal")
    };
    let ran = refusal("x".repeat(200_000));
    assert!(ran.stderr.len() < 700, "{}", ran.stderr.len());
    let wide = format!("no{}successors  none waits", "\u{3000} \u{a0}".repeat(30));
    let ran = refusal(wide);
    assert!(ran.stderr.contains("no successors none waits"), "{ran:?}");
}

#[test]
fn a_member_of_a_list_is_a_short_name() {
    let rows = format!("m1{}  successors    none waits", " ".repeat(50));
    for member in [rows.as_str(), &"m".repeat(65), "", "a b", "m\u{1b}", "é"] {
        let enclaves = json!([{ "id": "e1", "member": member, "ready": true }]);
        let body = json!({ "enclaves": enclaves });
        let server = Server::new(move |asked| match asked.path.as_str() {
            "/api/v1/enclaves" => Answer::json(&body),
            _ => Answer::new(404, "text/plain", "no"),
        });
        verify(["host", &server.url, "--any-measurement"]).refused("answer");
    }
}

#[test]
fn e8_withdrawn_manifests_are_shown_as_the_enclave_vouches_for_them() {
    let one = Hash32([0x5a; 32]);
    let host = |shown: Vec<Hash32>| {
        let mut live = Live::new();
        live.withdrawn = successors::withdrawn_hash(&[one]);
        live.pending = Some(openkey_protocol::message::PendingSuccessors::Known(
            successors::hash(&[]).unwrap(),
        ));
        let files = Files::new();
        let policy = files.write("policy.json", live.policy());
        let server = Server::new(move |asked| match asked.path.as_str() {
            "/api/v1/enclaves" => list(&["e1"]),
            path if path.ends_with("/evidence") => reply(live.document(&nonce_of(asked))),
            _ => status_of(&live, &asked.body, Vec::new(), shown.clone()),
        });
        (files, policy, server)
    };
    let (_files, policy, server) = host(vec![one]);
    let ran = verify(["host", &server.url, "--policy", &policy]).accepted();
    let row = ran.stdout.lines().find(|line| line.contains("5a5a5a5a"));
    assert!(row.unwrap().trim().starts_with("withdrawn "), "{ran:?}");
    let ran = verify(["host", &server.url, "--policy", &policy, "--json"]).accepted();
    let enclave = &ran.json()["enclaves"][0];
    assert_eq!(enclave["withdrawn"], json!([one.to_string()]));
    assert_eq!(enclave["successors"], json!([]));
    for shown in [vec![], vec![Hash32([1; 32])], vec![one, one]] {
        let (_files, policy, server) = host(shown);
        verify(["host", &server.url, "--policy", &policy]).refused("successors_differ");
    }
}

#[test]
fn roots_that_are_too_long_are_refused_and_not_cut() {
    let live = Live::new();
    let files = Files::new();
    let document = files.write("document", live.document(&[9; 32]));
    // Cut where it is too long, it would be one root.
    let roots = live.enclave.roots().to_pem().concat();
    let judge = |roots: String| {
        let roots = files.write("roots.pem", roots);
        let base = ["document", &document, "--at", "document", "--policy"];
        let policy = files.write("policy.json", live.policy());
        verify(base.iter().chain(&[policy.as_str(), "--root", &roots]))
    };
    judge(format!("{roots}\n{}", " ".repeat(60_000))).accepted();
    judge(format!("{roots}\n{}x", " ".repeat(70_000))).not_judged("root_too_long");
}
