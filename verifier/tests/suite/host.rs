//! `openkey-verify host`, against servers of this process.

use std::sync::Mutex;

use openkey_attestation::UnixMillis;
use openkey_protocol::{
    cbor,
    message::{
        Answer as Signable, Bare, Call, Error, ErrorCode, Evidence, Hash32, Limits,
        PendingSuccessors, Reply, Request, Response, RootState, RootStatus, Status, UpgradeStatus,
        Verdict,
    },
};
use openkey_verifier::successors;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Asked, Files, Live, Server, now, verify};

pub(crate) fn list(ids: &[&str]) -> Answer {
    let enclaves: Vec<_> = ids
        .iter()
        .map(|id| json!({ "id": id, "member": "m1", "ready": true }))
        .collect();
    Answer::json(&json!({ "enclaves": enclaves }))
}

pub(crate) fn reply(document: Vec<u8>) -> Answer {
    let reply = Reply::Bare(Bare::Evidence(Evidence {
        document: document.into(),
    }));
    Answer::cbor(cbor::encode(&reply).unwrap())
}

pub(crate) fn nonce_of(asked: &Asked) -> Vec<u8> {
    assert_eq!(asked.method, "POST");
    match cbor::decode::<Call>(&asked.body).unwrap().request {
        Request::Evidence { nonce } => nonce.0,
        other => panic!("asked {other:?}"),
    }
}

/// A host with these enclaves, whose evidence `evidence` answers.
fn host(
    ids: &'static [&'static str],
    evidence: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> Server {
    Server::new(move |asked| match asked.path.as_str() {
        "/api/v1/enclaves" => list(ids),
        path if path.ends_with("/evidence") => evidence(asked),
        _ => Answer::new(404, "text/plain", "no"),
    })
}

fn policy(live: &Live) -> (Files, String) {
    let files = Files::new();
    let path = files.write("policy.json", live.policy());
    (files, path)
}

#[test]
fn a_host_with_its_own_enclave_is_accepted() {
    let live = Live::new();
    let (_files, policy) = policy(&live);
    let identity = hex::encode(live.identity.verifying_key().as_bytes());
    let server = host(&["e1"], move |asked| {
        assert_eq!(asked.path, "/api/v1/enclaves/e1/evidence");
        reply(live.document(&nonce_of(asked)))
    });
    let ran = verify(["host", &server.url, "--policy", &policy]).accepted();
    for part in [
        "accepted: enclave e1",
        &identity,
        "1.2.3",
        "SIMULATOR",
        "freshness: proven",
    ] {
        assert!(ran.stdout.contains(part), "{part} in {ran:?}");
    }
    let json = verify(["host", &server.url, "--policy", &policy, "--json"])
        .accepted()
        .json();
    assert_eq!(json["verdict"], "accepted");
    assert_eq!(json["url"], server.url);
    let enclave = &json["enclaves"][0];
    assert_eq!(enclave["id"], "e1");
    assert_eq!(enclave["verdict"], "accepted");
    assert_eq!(enclave["evidence"]["binding"]["identity"], identity);
    assert_eq!(enclave["evidence"]["binding"]["root_source"], "development");
    assert_eq!(enclave["evidence"]["binding"]["rollback"], "clients-only");
    assert_eq!(enclave["evidence"]["simulator"], true);
}

#[test]
fn every_run_has_a_nonce_of_its_own() {
    let live = Live::new();
    let (_files, policy) = policy(&live);
    let server = {
        let seen = Mutex::new(Vec::new());
        host(&["e1", "e2"], move |asked| {
            let nonce = nonce_of(asked);
            assert_eq!(nonce.len(), 32);
            let mut seen = seen.lock().unwrap();
            assert!(!seen.contains(&nonce));
            seen.push(nonce.clone());
            reply(live.document(&nonce))
        })
    };
    for _ in 0..2 {
        verify(["host", &server.url, "--policy", &policy]).accepted();
    }
    assert_eq!(server.requests(), 6);
}

#[test]
fn f2_a_stored_document_never_satisfies_a_host() {
    let live = Live::new();
    let (_files, policy) = policy(&live);
    let stored = live.document(&[1; 32]);
    let server = host(&["e1"], move |_| reply(stored.clone()));
    let ran = verify(["host", &server.url, "--policy", &policy]).refused("nonce_mismatch");
    assert!(ran.stderr.contains("enclave e1"), "{ran:?}");
    assert_eq!(ran.stdout, "");
    // The right nonce and an old time.
    let live = Live::new();
    let files = Files::new();
    let policy = files.write(
        "policy.json",
        live.policy()
            .replace("\"max_age_seconds\": 300", "\"max_age_seconds\": 10"),
    );
    let server = host(&["e1"], move |asked| {
        let binding = cbor::encode(&live.binding()).unwrap();
        let old = UnixMillis(now().0 - 20_000);
        reply(live.document_of(&nonce_of(asked), old, Some(&binding)))
    });
    verify(["host", &server.url, "--policy", &policy]).refused("too_old");
}

#[test]
fn f8_a_simulator_is_refused_by_any_policy_that_does_not_ask_for_it() {
    let live = Live::new();
    let files = Files::new();
    let root = files.write("root.der", &live.enclave.bundle[0]);
    let server = host(&["e1"], move |asked| reply(live.document(&nonce_of(asked))));
    verify(["host", &server.url, "--any-measurement"]).refused("simulator_document");
    verify(["host", &server.url, "--any-measurement", "--root", &root])
        .refused("simulator_document");
}

#[test]
fn every_enclave_must_be_accepted() {
    let live = Live::new();
    let (_files, policy) = policy(&live);
    let bad = |answer: fn() -> Answer| {
        let live = live.clone();
        host(&["e1", "e2"], move |asked| {
            if asked.path.contains("e2") {
                answer()
            } else {
                reply(live.document(&nonce_of(asked)))
            }
        })
    };
    let judge = |server: &Server| verify(["host", &server.url, "--policy", &policy, "--json"]);
    let words = |json: &serde_json::Value| {
        let of = |value: &serde_json::Value| value["verdict"].as_str().unwrap().to_owned();
        (of(json), of(&json["enclaves"][0]), of(&json["enclaves"][1]))
    };

    let ran = judge(&bad(|| reply(vec![1]))).refused("not_cose_sign1");
    let expected = ("refused".into(), "accepted".into(), "refused".into());
    assert_eq!(words(&ran.json()), expected);

    let body = r#"{"code":"unavailable","message":"restarting","advice":"","request_id":"x"}"#;
    assert!(body.contains("restarting"));
    let ran = judge(&bad(|| {
        Answer::new(
            503,
            "application/json",
            r#"{"code":"unavailable","message":"restarting","advice":"","request_id":"x"}"#,
        )
    }));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.stderr.starts_with("error: host_status: enclave e2: "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("restarting"), "{ran:?}");
    let expected = ("not judged".into(), "accepted".into(), "not judged".into());
    assert_eq!(words(&ran.json()), expected);
}

#[test]
fn answers_that_are_no_evidence_are_refused() {
    let live = Live::new();
    let (_files, policy) = policy(&live);
    let judge = |answer: fn() -> Answer| {
        let server = host(&["e1"], move |_| answer());
        verify(["host", &server.url, "--policy", &policy])
    };
    judge(|| Answer::cbor("garbage")).refused("answer");
    judge(|| Answer::new(200, "text/html", "<html>")).refused("answer");
    judge(|| Answer::cbor(vec![0; 1024 * 1024 + 1])).refused("answer_too_long");
    judge(|| reply(Vec::new())).refused("document_truncated");
    // A refusal gives nothing to judge: without evidence nobody's signature is known.
    let refusal = || {
        let reply = Reply::Bare(Bare::Refused(Error {
            code: ErrorCode::Unavailable,
            message: "the NSM does not answer".into(),
            advice: "try again".into(),
        }));
        Answer::cbor(cbor::encode(&reply).unwrap())
    };
    let ran = judge(refusal).not_judged("unsigned_refusal");
    assert!(ran.stderr.contains("the NSM does not answer"), "{ran:?}");
}

#[test]
fn a_genuine_document_that_binds_nothing_is_refused() {
    let live = Live::new();
    let (_files, policy) = policy(&live);
    let server = host(&["e1"], move |asked| {
        reply(live.document_of(&nonce_of(asked), now(), None))
    });
    verify(["host", &server.url, "--policy", &policy]).refused("binding_missing");
}

#[test]
fn hosts_without_an_answer_are_not_judged() {
    let any = "--any-measurement";
    for url in [
        "keys.example",
        "http://keys.example",
        "ftp://localhost",
        "https://u@x",
        "https://localhost:99999",
        "http://localhost:",
        "http://localhost:0",
        "",
    ] {
        verify(["host", url, any]).not_judged("url");
    }
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    verify(["host", &format!("http://{free}"), any]).not_judged("connection");
    let judge = |answer: fn() -> Answer| {
        let server = Server::new(move |_| answer());
        verify(["host", &server.url, any])
    };
    let ran = judge(|| Answer::new(404, "text/plain", "no")).not_judged("host_status");
    assert!(ran.stderr.contains("another program"), "{ran:?}");
    let named = r#"{"code":"not_found","message":"There is nothing at this path."}"#;
    let server = Server::new(move |_| Answer::new(404, "application/json", named));
    let ran = verify(["host", &server.url, any]).not_judged("host_status");
    assert!(!ran.stderr.contains("another program"), "{ran:?}");
    let wrong = r#"{"code":"wrong_host","message":"This server is not known under this name."}"#;
    let server = Server::new(move |_| Answer::new(403, "application/json", wrong));
    let ran = verify(["host", &server.url, any]).not_judged("host_status");
    assert!(
        ran.stderr.contains("the address of the page itself"),
        "{ran:?}"
    );
    // Somebody answered, who is no host of this protocol.
    judge(|| Answer::new(200, "text/html", "<html>")).refused("answer");
    judge(|| list(&["../../x"])).refused("answer");
    let long = || Answer::new(200, "application/json", " ".repeat(64 * 1024 + 1));
    judge(long).refused("answer_too_long");
    judge(|| Answer::new(302, "text/plain", "").header("location", "https://keys.example/"))
        .not_judged("host_status");
    let server = Server::new(|_| list(&[]));
    verify(["host", &server.url, any]).refused("no_enclave");
    // Without a choice nothing is even asked.
    verify(["host", &server.url]).not_judged("no_policy");
    assert_eq!(server.requests(), 1);
}

fn waiting() -> UpgradeStatus {
    UpgradeStatus {
        release: "9.9.9".into(),
        epoch: 4,
        manifest: Hash32([0x5a; 32]),
        announced_at: 1_790_000_000_000,
        allowed_from: 1_790_086_400_000,
        consents: vec![2],
        consents_needed: 1,
    }
}

/// A status that lists these successors, signed for this call.
fn status(live: &Live, body: &[u8], upgrades: Vec<UpgradeStatus>) -> Answer {
    status_of(live, body, upgrades, Vec::new())
}

/// The same with these withdrawn manifests.
pub(crate) fn status_of(
    live: &Live,
    body: &[u8],
    upgrades: Vec<UpgradeStatus>,
    withdrawn: Vec<Hash32>,
) -> Answer {
    status_in(RootState::Ready, live, body, upgrades, withdrawn)
}

/// The same of an enclave whose root key stands there.
fn status_in(
    state: RootState,
    live: &Live,
    body: &[u8],
    upgrades: Vec<UpgradeStatus>,
    withdrawn: Vec<Hash32>,
) -> Answer {
    let status = Status {
        release: "1.2.3".into(),
        root_source: None,
        root: RootStatus {
            state,
            root_id: None,
            epoch: 1,
            sources: Vec::new(),
            upgrades,
            upgrades_known: true,
            withdrawn,
            secrets: Vec::new(),
            secrets_known: true,
        },
        now: 0,
        rp_id: "localhost".into(),
        origins: Vec::new(),
        limits: Limits {
            payload_bytes: 0,
            passkeys: 0,
            keys: 0,
            signatures_per_minute: 0,
            accounts: 0,
        },
    };
    let reply = Reply::Answer(live.sign(&Signable {
        request: Hash32(Sha256::digest(body).into()),
        nonce: cbor::decode::<Call>(body).unwrap().nonce,
        at: now().0,
        continued: None,
        result: Verdict::Ok(Response::Status(status)),
    }));
    Answer::cbor(cbor::encode(&reply).unwrap())
}

/// A host whose enclave vouches for `pending`, while the host shows `shown`.
fn showing(
    pending: impl Into<Option<PendingSuccessors>>,
    shown: Vec<UpgradeStatus>,
) -> (Files, String, Server) {
    showing_in(RootState::Ready, pending, shown)
}

fn showing_in(
    state: RootState,
    pending: impl Into<Option<PendingSuccessors>>,
    shown: Vec<UpgradeStatus>,
) -> (Files, String, Server) {
    let mut live = Live::new();
    live.pending = pending.into();
    let (files, policy) = policy(&live);
    let server = Server::new(move |asked| match asked.path.as_str() {
        "/api/v1/enclaves" => list(&["e1"]),
        path if path.ends_with("/evidence") => reply(live.document(&nonce_of(asked))),
        path if path.ends_with("/request") => {
            status_in(state, &live, &asked.body, shown.clone(), Vec::new())
        }
        _ => Answer::new(404, "text/plain", "no"),
    });
    (files, policy, server)
}

#[test]
fn e8_nothing_waits_where_the_root_key_has_left() {
    let named = PendingSuccessors::Known(successors::hash(&[waiting()]).unwrap());
    let (_files, policy, server) = showing_in(RootState::HandedOver, named, vec![waiting()]);
    let watch = ["host", &server.url, "--policy", &policy, "--refuse-waiting"];
    let ran = verify(watch).accepted();
    assert!(ran.stdout.contains("HANDED OVER to a successor"), "{ran:?}");
    assert!(!ran.stdout.contains("WAITING"), "{ran:?}");
    assert!(!ran.stdout.contains("9.9.9"), "{ran:?}");
    let json = verify([&watch[..], &["--json"]].concat()).accepted().json();
    assert_eq!(json["successors_waiting"], 0);
    let one = &json["enclaves"][0];
    assert_eq!(
        (&one["handed_over"], &one["successors"]),
        (&json!(true), &json!(null))
    );
}

#[test]
fn e8_waiting_successors_are_shown_as_the_enclave_vouches_for_them() {
    let known = |list: &[UpgradeStatus]| PendingSuccessors::Known(successors::hash(list).unwrap());
    let (_files, policy, server) = showing(known(&[waiting()]), vec![waiting()]);
    let ran = verify(["host", &server.url, "--policy", &policy]).accepted();
    for part in ["9.9.9 (epoch 4)", "1 of 1 consents", "5a5a5a"] {
        assert!(ran.stdout.contains(part), "{part} in {ran:?}");
    }
    let ran = verify(["host", &server.url, "--policy", &policy, "--json"]);
    let json = ran.accepted().json();
    let one = &json["enclaves"][0]["successors"][0];
    assert_eq!(one["manifest_sha256"], "5a".repeat(32));
    assert_eq!(one["allowed_from_ms"], 1_790_086_400_000_u64);
    assert_eq!(json["successors_waiting"], 1);
    // For a watch: in words, and as an exit status if it wants one.
    let ran = verify(["host", &server.url, "--policy", &policy]).accepted();
    assert!(
        ran.stdout.contains("WAITING: 1 successor waits for"),
        "{ran:?}"
    );
    let watch = ["host", &server.url, "--policy", &policy, "--refuse-waiting"];
    let ran = verify(watch).refused("successor_waits");
    assert!(ran.stdout.contains("WAITING: 1 successor"), "{ran:?}");
    assert!(!ran.stdout.contains("--refuse-waiting"), "{ran:?}");
    assert!(ran.stdout.contains("allowed from"), "{ran:?}");
    assert!(ran.stdout.contains("  those of "), "{ran:?}");

    let (_files, policy, server) = showing(known(&[]), Vec::new());
    let ran = verify(["host", &server.url, "--policy", &policy]).accepted();
    assert!(ran.stdout.contains("none waits"), "{ran:?}");
    let (_files, policy, server) = showing(PendingSuccessors::Unknown, Vec::new());
    let ran = verify(["host", &server.url, "--policy", &policy]).refused("successors_unknown");
    assert!(ran.stdout.contains("UNKNOWN"), "{ran:?}");
    let ran = verify(["host", &server.url, "--policy", &policy, "--json"]);
    let json = ran.refused("successors_unknown").json();
    assert_eq!(json["enclaves"][0]["rule"], "successors_unknown");
    assert!(json["enclaves"][0]["evidence"].is_object());
    let ran = verify(["host", &server.url, "--policy", &policy, "--allow-unknown"]).accepted();
    assert!(ran.stdout.contains("UNKNOWN"), "{ran:?}");

    // A boot without a root key says nothing of successors: a watch must not read that as "none waits".
    let (_files, policy, server) = showing(None, Vec::new());
    verify(["host", &server.url, "--policy", &policy]).accepted();
    let watch = ["host", &server.url, "--policy", &policy, "--refuse-waiting"];
    verify(watch).refused("successors_unknown");
    let allowed = [&watch[..], &["--allow-unknown"]].concat();
    verify(allowed).accepted();
}

#[test]
fn e8_a_host_that_hides_a_waiting_successor_is_refused() {
    let hash = successors::hash(&[waiting()]).unwrap();
    let mut earlier = waiting();
    earlier.announced_at = 0;
    for shown in [vec![], vec![earlier], vec![waiting(), waiting()]] {
        let (_files, policy, server) = showing(PendingSuccessors::Known(hash), shown);
        verify(["host", &server.url, "--policy", &policy]).refused("successors_differ");
    }
}

#[test]
fn e16_waiting_successors_count_only_as_this_boot_signs_them_now() {
    let hash = successors::hash(&[waiting()]).unwrap();
    let judge = |play: fn(&Live, &Asked) -> Answer| {
        let mut live = Live::new();
        live.pending = Some(PendingSuccessors::Known(hash));
        let (_files, policy) = policy(&live);
        let server = Server::new(move |asked| match asked.path.as_str() {
            "/api/v1/enclaves" => list(&["e1"]),
            path if path.ends_with("/evidence") => reply(live.document(&nonce_of(asked))),
            path if path.ends_with("/request") => play(&live, asked),
            _ => Answer::new(404, "text/plain", "no"),
        });
        verify(["host", &server.url, "--policy", &policy])
    };
    // The right list under another key, and under this one for another call.
    judge(|live, asked| {
        let mut other = live.clone();
        other.identity = ed25519_dalek::SigningKey::from_bytes(&[0x43; 32]);
        status(&other, &asked.body, vec![waiting()])
    })
    .refused("statement_signature");
    judge(|live, _| {
        let other = Call {
            nonce: vec![7; 32].into(),
            request: Request::Status,
        };
        status(live, &cbor::encode(&other).unwrap(), vec![waiting()])
    })
    .refused("answer_request");
    judge(|_, _| {
        let reply = Reply::Bare(Bare::Refused(Error {
            code: ErrorCode::Unavailable,
            message: "not now".into(),
            advice: String::new(),
        }));
        Answer::cbor(cbor::encode(&reply).unwrap())
    })
    .not_judged("unsigned_refusal");
}
