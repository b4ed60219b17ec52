//! Questions about what an enclave signs.

use ed25519_dalek::{Signer, SigningKey};
use openkey_protocol::{
    cbor,
    message::{
        AccountHead, AccountId, AccountReceipt, Action, Address, Grant, GrantKind, GrantedAbility,
        Hash32, KeyId, Limits, Line, Payload, Prompt, PromptKind, Propose, ReceiptCredential,
        ReceiptKey, Reply, Request, Response, RootState, RootStatus, Severity, Signed, Statement,
        Status, Summary, UpgradeStatus, UserHandle, Warning,
    },
};
use openkey_verifier::receipt::account_id;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sha3::Keccak256;

use crate::{
    Cases, ORIGIN,
    enclaves::{NONCE, NOW},
    identity,
};

/// The first example of EIP-55.
const ADDRESS: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const TEXT: &str = "I like cats 🐈";
const SPKI: &[u8] = b"a public key, as the authenticator returned it";

const USER_HANDLE: UserHandle = UserHandle([0xac; 16]);

fn account() -> AccountId {
    account_id(&USER_HANDLE, &Hash32(Sha256::digest(SPKI).into()))
}

fn key() -> ReceiptKey {
    ReceiptKey {
        key: KeyId(0),
        address: ADDRESS[2..].parse::<Address>().unwrap(),
    }
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
        user_handle: USER_HANDLE,
        origin: ORIGIN.into(),
        nonce: NONCE.into(),
        head: None,
        action: Action::Sign {
            key: KeyId(0),
            payload: Payload::Text(text.into()),
        },
    })
}

pub(crate) fn prompts(cases: &mut Cases) {
    let request = cbor::encode(&propose(TEXT)).unwrap();
    let prefixed = format!("\x19Ethereum Signed Message:\n{}{TEXT}", TEXT.len());
    let digest: [u8; 32] = Keccak256::digest(prefixed).into();
    let honest = Prompt {
        kind: PromptKind::SignText,
        account: Some(account()),
        key: Some(key()),
        head: Some(head(3)),
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
            grants: vec![Grant {
                kind: GrantKind::Hosting,
                resource: "tinycloud:key:z6Mk:notes/space".into(),
                owner: "Yours".into(),
                scope: "Your space “notes”".into(),
                abilities: vec![GrantedAbility {
                    ability: "tinycloud.space/host".into(),
                    words: "Keep the space".into(),
                    severity: None,
                    within: None,
                }],
                reaches_secrets: false,
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
        "account": account().to_string(),
        "key": { "key": 0, "address": ADDRESS },
        "head": head_view(account().to_string(), 3, "4e"),
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
            "grants": [{
                "kind": "hosting",
                "resource": "tinycloud:key:z6Mk:notes/space",
                "owner": "Yours",
                "scope": "Your space “notes”",
                "abilities": [{
                    "ability": "tinycloud.space/host",
                    "words": "Keep the space",
                    "severity": null,
                    "within": null,
                }],
                "reaches_secrets": false,
            }],
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

pub(crate) fn receipts(cases: &mut Cases) {
    let receipt = AccountReceipt {
        account: account(),
        user_handle: USER_HANDLE,
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
        "account": account().to_string(),
        "user_handle": USER_HANDLE.to_string(),
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
    let mut other = receipt.clone();
    other.user_handle.0[0] ^= 1;
    cases.refused(
        "receipt of another account",
        "receipt_account",
        asked(&other),
    );
    let mut none = receipt;
    none.keys.clear();
    cases.refused("receipt without a key", "receipt_empty", asked(&none));
}

fn head(version: u64) -> AccountHead {
    AccountHead {
        account: account(),
        version,
        hash: Hash32([0x4e; 32]),
        entry: Hash32([0xe7; 32]),
    }
}

fn head_view(account: String, version: u64, hash: &str) -> Value {
    json!({
        "account": account,
        "version": version,
        "hash": hash.repeat(32),
        "entry": "e7".repeat(32),
    })
}

pub(crate) fn heads(cases: &mut Cases) {
    let view = |version, hash: &str| head_view(account().to_string(), version, hash);
    let input = statement("head", &head(7));
    cases.ok("head", &input, view(7, "4e"));
    bent_statement(cases, "head");
    let mut known = input.clone();
    known["known"] = view(6, "00");
    cases.ok("head after a known one", &known, view(7, "4e"));
    cases.bent("rolled_back", "head", "known", view(8, "4e"));
    cases.bent("forked", "head", "known", view(7, "00"));
    cases.bent(
        "head_account",
        "head",
        "known",
        head_view("ad".repeat(32), 1, "4e"),
    );
    cases.bent("input", "head", "known", view(1, "4"));
}

/// A reply with these successors, in hex.
fn status(upgrades: Vec<UpgradeStatus>) -> String {
    let status = Status {
        release: "1.2.3".into(),
        root_source: None,
        root: RootStatus {
            state: RootState::Ready,
            root_id: None,
            epoch: 3,
            sources: Vec::new(),
            upgrades,
            upgrades_known: true,
            withdrawn: Vec::new(),
            secrets: Vec::new(),
        },
        now: NOW.0,
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
    hex::encode(cbor::encode(&Reply::Ok(Response::Status(status))).unwrap())
}

pub(crate) fn successors(cases: &mut Cases) {
    let waits = UpgradeStatus {
        release: "2.0.0".into(),
        epoch: 4,
        manifest: Hash32([0x5a; 32]),
        announced_at: NOW.0,
        allowed_from: NOW.0 + 86_400_000,
        consents: vec![2],
        consents_needed: 1,
    };
    // Written out: the label, a zero byte, and the list in CBOR.
    let mut input = b"openkey/pending-successors/v1\0".to_vec();
    input.extend(cbor::encode(&vec![waits.clone()]).unwrap());
    let named = hex::encode(Sha256::digest(input));
    let question = json!({
        "op": "successors",
        "pending": named,
        "status": status(vec![waits.clone()]),
    });
    let view = json!([{
        "release": "2.0.0",
        "epoch": 4,
        "manifest_sha256": "5a".repeat(32),
        "announced_at_ms": NOW.0,
        "allowed_from_ms": NOW.0 + 86_400_000,
        "consents": [2],
        "consents_needed": 1,
    }]);
    cases.ok("successors", &question, view);
    let mut earlier = waits.clone();
    earlier.allowed_from = NOW.0;
    for shown in [vec![], vec![earlier], vec![waits.clone(), waits]] {
        cases.bent(
            "successors_differ",
            "successors",
            "status",
            json!(status(shown)),
        );
    }
    cases.bent(
        "successors_differ",
        "successors",
        "pending",
        json!("00".repeat(32)),
    );
    cases.bent("input", "successors", "pending", json!("none"));
    cases.bent("input", "successors", "status", json!("f6"));
    cases.bent("input", "successors", "status", Value::Null);
    cases.bent("input", "successors", "nonce", json!("00"));
}
