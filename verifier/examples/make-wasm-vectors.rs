//! Writes the questions and answers that the browser module is tested with, as JSON, to stdout:
//! `cargo run -p openkey-verifier --example make-wasm-vectors > verifier/wasm/tests/vectors.json`.
//!
//! The documents are under a root whose key is thrown away. The answers are written out here, from
//! what goes in, and not taken from the code that is tested.

// What cannot be made here should stop the program where it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../attestation/tests/common/mod.rs"]
mod enclaves;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use enclaves::{Enclave, NONCE, NOW, PCRS, REGION, SECOND, SIMULATOR_ID};
use openkey_attestation::Pcrs;
use openkey_protocol::{
    cbor,
    message::{
        AccountHead, AccountId, AccountReceipt, Action, Address, EVIDENCE_BINDING_VERSION,
        EvidenceBinding, Hash32, KeyId, Line, Payload, Prompt, PromptKind, Propose,
        ReceiptCredential, ReceiptKey, Request, RollbackProtection, RootSource, Severity, Signed,
        Statement, Summary, Warning,
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sha3::Keccak256;

const ORIGIN: &str = "http://localhost:7100";
/// The first example of EIP-55.
const ADDRESS: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const TEXT: &str = "I like cats 🐈";
const SPKI: &[u8] = b"a public key, as the authenticator returned it";
const ZERO: [u8; 48] = [0; 48];

fn identity() -> SigningKey {
    SigningKey::from_bytes(&[0x42; 32])
}

fn account() -> AccountId {
    AccountId([0xac; 16])
}

fn key() -> ReceiptKey {
    ReceiptKey {
        key: KeyId(0),
        address: ADDRESS[2..].parse::<Address>().unwrap(),
    }
}

/// The cases, in order.
#[derive(Default)]
struct Cases(Vec<Value>);

impl Cases {
    fn ok(&mut self, name: &str, input: &Value, ok: Value) {
        self.0
            .push(json!({ "name": name, "input": input, "ok": ok }));
    }

    /// `input` is the JSON asked, or a text that is sent as it is.
    fn refused(&mut self, name: &str, rule: &str, input: impl Into<Value>) {
        let input: Value = input.into();
        self.0
            .push(json!({ "name": name, "input": input, "rule": rule }));
    }

    /// The first case of this op with one member set (or removed, by null), refused.
    fn bent(&mut self, rule: &str, op: &str, member: &str, value: Value) {
        let name = format!("{op} with another {member}: {rule}");
        self.0
            .push(json!({ "name": name, "like": op, "set": { member: value }, "rule": rule }));
    }
}

fn main() {
    let mut cases = Cases::default();
    inputs(&mut cases);
    documents(&mut cases);
    prompts(&mut cases);
    receipts(&mut cases);
    heads(&mut cases);
    println!("{}", serde_json::to_string_pretty(&cases.0).unwrap());
}

fn inputs(cases: &mut Cases) {
    for (name, input) in [
        ("nothing", ""),
        ("no JSON", "{"),
        ("no object", "[]"),
        ("no op", "{}"),
        ("another op", r#"{"op":"sign"}"#),
        ("an op of another type", r#"{"op":1}"#),
        ("an op twice", r#"{"op":"head","op":"head"}"#),
        ("an unknown member", r#"{"op":"head","force":true}"#),
        ("text behind it", r#"{"op":"head"} {}"#),
    ] {
        cases.refused(name, "input", input);
    }
}

fn policy(enclave: &Enclave, simulator: bool) -> Value {
    json!({
        "version": 1,
        "measurements": [{ "0": hex::encode([0xee; 48]) }, { "0": hex::encode(PCRS[0]) }],
        "roots": enclave.roots().to_pem(),
        "simulator": simulator,
    })
}

fn documents(cases: &mut Cases) {
    let enclave = Enclave::simulator();
    let binding = cbor::encode(&EvidenceBinding {
        version: EVIDENCE_BINDING_VERSION,
        identity: identity().verifying_key().to_bytes().into(),
        configuration: Hash32([0xcf; 32]),
        root_source: RootSource::Development,
        root_id: None,
        release: "1.2.3".into(),
        rollback: RollbackProtection::ClientsOnly,
    })
    .unwrap();
    let measurements: serde_json::Map<_, _> = (0..)
        .zip(PCRS)
        .map(|(index, pcr): (u8, _)| (index.to_string(), hex::encode(pcr).into()))
        .collect();
    let view = |user_data: Option<&[u8]>, binding: Value| {
        json!({
            "module_id": SIMULATOR_ID,
            "region": REGION,
            "timestamp_ms": NOW.0,
            "measurements": measurements,
            "simulator": true,
            "debug": false,
            "nonce": hex::encode(NONCE),
            "public_key": null,
            "user_data": user_data.map(hex::encode),
            "binding": binding,
            // The leaf is the first of the chain to end: three hours and three seconds.
            "certificate_expires_ms": (SECOND + 3 * 3600 + 3) * 1000,
            "root_sha256": hex::encode(Sha256::digest(&enclave.bundle[0])),
        })
    };
    let bound = json!({
        "identity": hex::encode(identity().verifying_key().as_bytes()),
        "configuration": "cf".repeat(32),
        "root_source": "development",
        "root_id": null,
        "release": "1.2.3",
        "rollback": "clients-only",
    });
    let document = enclave.document_with(|payload| payload.user_data = Some(&binding));
    let unbound = Base64::encode_string(&enclave.document());
    let debug = enclave.document_with(|payload| {
        payload.pcrs = Pcrs::new();
        (0..3).for_each(|index| assert!(payload.pcrs.insert(index, &ZERO)));
        payload.user_data = Some(&binding);
    });
    let ours = policy(&enclave, true);

    let input = json!({
        "op": "evidence",
        "document": Base64::encode_string(&document),
        "nonce": hex::encode(NONCE),
        "now_ms": NOW.0 + 5_000,
        "policy": ours,
    });
    cases.ok("evidence", &input, view(Some(&binding), bound.clone()));
    cases.bent("nonce_mismatch", "evidence", "nonce", json!("00"));
    cases.bent("expected_nonce_empty", "evidence", "nonce", json!(""));
    cases.bent("input", "evidence", "nonce", json!("zz"));
    cases.bent("input", "evidence", "nonce", Value::Null);
    cases.bent("input", "evidence", "now_ms", Value::Null);
    cases.bent("input", "evidence", "now_ms", json!(1.5));
    cases.bent("too_old", "evidence", "now_ms", json!(NOW.0 + 300_001));
    let early = json!(NOW.0 - 60_001);
    cases.bent("timestamp_in_the_future", "evidence", "now_ms", early);
    cases.bent("binding_missing", "evidence", "document", json!(unbound));
    let debug = json!(Base64::encode_string(&debug));
    cases.bent("debug_mode", "evidence", "document", debug);
    cases.bent("document_empty", "evidence", "document", json!(""));
    cases.bent("document_encoding", "evidence", "document", json!("*"));
    cases.bent("not_cose_sign1", "evidence", "document", json!("AAAA"));
    cases.bent("input", "evidence", "document", Value::Null);
    let mut changed = document.clone();
    changed[200] ^= 1;
    let changed = json!(Base64::encode_string(&changed));
    cases.bent("document_signature", "evidence", "document", changed);
    let hardware = policy(&enclave, false);
    cases.bent("simulator_document", "evidence", "policy", hardware);
    let mut aws = ours.clone();
    aws.as_object_mut().unwrap().remove("roots");
    cases.bent("unknown_root", "evidence", "policy", aws);
    let other = policy(&Enclave::simulator(), true);
    cases.bent("unknown_root", "evidence", "policy", other);
    let mut others = ours.clone();
    others["measurements"] = json!([{ "0": hex::encode([0xee; 48]) }]);
    cases.bent("measurement_mismatch", "evidence", "policy", others);
    let mut none = ours.clone();
    none["measurements"] = json!([]);
    cases.bent("policy_without_measurements", "evidence", "policy", none);
    let mut unknown = ours.clone();
    unknown["pcrs"] = json!([]);
    cases.bent("policy_file_syntax", "evidence", "policy", unknown);
    cases.bent("input", "evidence", "policy", Value::Null);
    cases.bent("input", "evidence", "origin", json!(ORIGIN));

    let input = json!({
        "op": "archival",
        "document": Base64::encode_string(&document),
        "policy": ours,
    });
    cases.ok("archival", &input, view(Some(&binding), bound));
    cases.bent("nonce_mismatch", "archival", "nonce", json!("00"));
    cases.bent("input", "archival", "now_ms", json!(NOW.0));
    let mut input = input;
    input["document"] = json!(unbound);
    input["nonce"] = json!(hex::encode(NONCE));
    cases.ok(
        "archival without a binding",
        &input,
        view(None, Value::Null),
    );
}

/// The members of a signed statement.
fn statement<T: Statement>(op: &str, statement: &T) -> Value {
    let signed = Signed::new(statement, |input| identity().sign(input).to_bytes()).unwrap();
    json!({
        "op": op,
        "identity": hex::encode(identity().verifying_key().as_bytes()),
        "body": hex::encode(&signed.body),
        "signature": hex::encode(&signed.signature),
    })
}

/// What is the same for every signed statement.
fn bent_statement(cases: &mut Cases, op: &str) {
    let stranger = SigningKey::from_bytes(&[1; 32]);
    let stranger = hex::encode(stranger.verifying_key().as_bytes());
    cases.bent("statement_signature", op, "identity", json!(stranger));
    let weak = format!("01{}", "00".repeat(31));
    cases.bent("identity_key", op, "identity", json!(weak));
    cases.bent("identity_key", op, "identity", json!("00"));
    cases.bent("input", op, "identity", Value::Null);
    let short = json!("00".repeat(63));
    cases.bent("statement_signature", op, "signature", short);
    let zeros = json!("00".repeat(64));
    cases.bent("statement_signature", op, "signature", zeros);
    cases.bent("statement_signature", op, "body", json!("a0"));
    cases.bent("input", op, "body", json!("a"));
    cases.bent("input", op, "body", Value::Null);
    cases.bent("input", op, "document", json!("00"));
}

fn propose(text: &str) -> Request {
    Request::Propose(Propose {
        account: account(),
        origin: ORIGIN.into(),
        nonce: NONCE.into(),
        head: None,
        action: Action::Sign {
            key: KeyId(0),
            payload: Payload::Text(text.into()),
        },
    })
}

fn prompts(cases: &mut Cases) {
    let request = cbor::encode(&propose(TEXT)).unwrap();
    let prefixed = format!("\x19Ethereum Signed Message:\n{}{TEXT}", TEXT.len());
    let digest: [u8; 32] = Keccak256::digest(prefixed).into();
    let honest = Prompt {
        kind: PromptKind::SignText,
        account: Some(account()),
        key: Some(key()),
        version: 3,
        challenge: vec![0xc4; 32].into(),
        digest: Hash32(digest),
        request: Hash32(Sha256::digest(&request).into()),
        nonce: NONCE.into(),
        origin: ORIGIN.into(),
        issued_at: NOW.0,
        expires_at: NOW.0 + 120_000,
        summary: Summary {
            title: "Sign a text".into(),
            lines: vec![Line {
                label: "Who asks".into(),
                value: ORIGIN.into(),
            }],
            warnings: vec![Warning {
                severity: Severity::Notice,
                text: "Read it.".into(),
            }],
            text: Some(TEXT.into()),
            confirm: false,
        },
    };
    let asked = |prompt: &Prompt| {
        let mut input = statement("prompt", prompt);
        input["request"] = json!(hex::encode(&request));
        input["nonce"] = json!(hex::encode(NONCE));
        input["origin"] = json!(ORIGIN);
        input["now_ms"] = json!(NOW.0 + 5_000);
        input
    };
    let input = asked(&honest);
    let ok = json!({
        "kind": "sign_text",
        "account": "ac".repeat(16),
        "key": { "key": 0, "address": ADDRESS },
        "version": 3,
        "challenge": "c4".repeat(32),
        "digest": hex::encode(digest),
        "request": hex::encode(Sha256::digest(&request)),
        "nonce": hex::encode(NONCE),
        "origin": ORIGIN,
        "issued_at": NOW.0,
        "expires_at": NOW.0 + 120_000,
        "summary": {
            "title": "Sign a text",
            "lines": [{ "label": "Who asks", "value": ORIGIN }],
            "warnings": [{ "severity": "notice", "text": "Read it." }],
            "text": TEXT,
            "confirm": false,
        },
    });
    cases.ok("prompt", &input, ok);
    bent_statement(cases, "prompt");
    let other = hex::encode(cbor::encode(&propose("I sell my house")).unwrap());
    cases.bent("prompt_request", "prompt", "request", json!(other));
    cases.bent("prompt_nonce", "prompt", "nonce", json!("00"));
    let elsewhere = json!("https://evil.example");
    cases.bent("prompt_origin", "prompt", "origin", elsewhere);
    let late = json!(NOW.0 + 180_000);
    cases.bent("prompt_expired", "prompt", "now_ms", late);
    let early = json!(NOW.0 - 60_001);
    cases.bent("prompt_not_yet_issued", "prompt", "now_ms", early);
    cases.bent("input", "prompt", "request", Value::Null);
    let mut lying = |rule: &str, change: fn(&mut Prompt)| {
        let mut prompt = honest.clone();
        change(&mut prompt);
        cases.refused(&format!("prompt: {rule}"), rule, asked(&prompt));
    };
    lying("prompt_action", |prompt| prompt.kind = PromptKind::SignSiwe);
    lying("prompt_action", |prompt| prompt.account = None);
    lying("prompt_key", |prompt| prompt.key = None);
    lying("prompt_digest", |prompt| prompt.digest = Hash32([0; 32]));
}

fn receipts(cases: &mut Cases) {
    let receipt = AccountReceipt {
        account: account(),
        version: 1,
        issued_at: NOW.0,
        rp_id: "localhost".into(),
        nonce: NONCE.into(),
        credentials: vec![ReceiptCredential {
            id: vec![0xc1; 20].into(),
            public_key_sha256: Hash32(Sha256::digest(SPKI).into()),
        }],
        keys: vec![key()],
    };
    let asked = |receipt: &AccountReceipt| {
        let mut input = statement("receipt", receipt);
        input["nonce"] = json!(hex::encode(NONCE));
        input["credential_id"] = json!("c1".repeat(20));
        input["public_key_spki"] = json!(hex::encode(SPKI));
        input
    };
    let input = asked(&receipt);
    let body = cbor::encode(&receipt).unwrap();
    let ok = json!({
        "account": "ac".repeat(16),
        "version": 1,
        "issued_at": NOW.0,
        "rp_id": "localhost",
        "nonce": hex::encode(NONCE),
        "credentials": [{
            "id": "c1".repeat(20),
            "public_key_sha256": hex::encode(Sha256::digest(SPKI)),
        }],
        "keys": [{ "key": 0, "address": ADDRESS }],
        "hash": hex::encode(Sha256::digest(body)),
    });
    cases.ok("receipt", &input, ok.clone());
    let mut without = input.clone();
    let members = without.as_object_mut().unwrap();
    members.remove("credential_id");
    members.remove("public_key_spki");
    cases.ok("receipt without a passkey to compare", &without, ok);
    bent_statement(cases, "receipt");
    cases.bent("receipt_nonce", "receipt", "nonce", json!("00"));
    cases.bent("input", "receipt", "nonce", Value::Null);
    cases.bent(
        "receipt_credential",
        "receipt",
        "credential_id",
        json!("c2"),
    );
    cases.bent(
        "receipt_public_key",
        "receipt",
        "public_key_spki",
        json!("00"),
    );
    let mut two = receipt.clone();
    two.credentials.push(two.credentials[0].clone());
    cases.refused("receipt of two passkeys", "receipt_passkeys", asked(&two));
    let mut none = receipt;
    none.keys.clear();
    cases.refused("receipt without a key", "receipt_empty", asked(&none));
}

fn heads(cases: &mut Cases) {
    let head = AccountHead {
        account: account(),
        version: 7,
        hash: Hash32([0x4e; 32]),
    };
    let view = |account: &str, version: u64, hash: &str| json!({ "account": account.repeat(16), "version": version, "hash": hash.repeat(32) });
    let input = statement("head", &head);
    cases.ok("head", &input, view("ac", 7, "4e"));
    bent_statement(cases, "head");
    let mut known = input.clone();
    known["known"] = view("ac", 6, "00");
    cases.ok("head after a known one", &known, view("ac", 7, "4e"));
    cases.bent("rolled_back", "head", "known", view("ac", 8, "4e"));
    cases.bent("head_forked", "head", "known", view("ac", 7, "00"));
    cases.bent("head_account", "head", "known", view("ad", 1, "4e"));
    cases.bent("input", "head", "known", view("ac", 1, "4"));
}
