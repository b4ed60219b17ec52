//! Questions about what an enclave signs.

use ed25519_dalek::{Signer, SigningKey};
use openkey_protocol::{
    cbor,
    message::{
        AccountHead, AccountId, AccountReceipt, AccountView, Action, Address, Answer, ApprovedBy,
        Call, ConcernedKey, Error, ErrorCode, Excerpt, Grant, GrantKind, GrantedAbility, Hash32,
        HistoryEntry, HistoryPage, KeyId, KeyView, KnownHead, Limits, Line, PasskeyView, Payload,
        Prompt, PromptKind, Prompted, Propose, Query, Read, ReceiptCredential, ReceiptKey, Request,
        RequestOptions, Response, RootState, RootStatus, Severity, Signed, Statement, Status,
        Summary, UpgradeStatus, UserHandle, Verdict, Warning,
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
        token: Some(vec![0x70; 24].into()),
        origin: ORIGIN.into(),
        head: None,
        action: Action::Sign {
            key: KeyId(0),
            payload: Payload::Text(text.into()),
        },
    })
}

fn call(request: Request) -> Vec<u8> {
    let nonce = NONCE.into();
    cbor::encode(&Call { nonce, request }).unwrap()
}

/// The question about an honest answer, five seconds after it was given.
fn answered(call: &[u8], continued: Option<AccountHead>, result: Verdict) -> Value {
    let answer = Answer {
        request: Hash32(Sha256::digest(call).into()),
        nonce: NONCE.into(),
        at: NOW.0,
        continued,
        result,
    };
    let mut input = statement("answer", &answer);
    input["call"] = json!(hex::encode(call));
    input["origin"] = json!(ORIGIN);
    input["now_ms"] = json!(NOW.0 + 5_000);
    input
}

/// What an answer shows if it has none of these.
fn shown(members: Value) -> Value {
    let mut all = json!({
        "at": NOW.0, "refused": null, "prompt": null, "head": null, "keys": [], "above": null,
    });
    for (name, value) in members.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

pub(crate) fn prompts(cases: &mut Cases) {
    let asked_for = call(propose(TEXT));
    let prefixed = format!("\x19Ethereum Signed Message:\n{}{TEXT}", TEXT.len());
    let digest: [u8; 32] = Keccak256::digest(prefixed).into();
    let honest = Prompt {
        kind: PromptKind::SignText,
        account: Some(account()),
        key: Some(key()),
        head: Some(head(3)),
        challenge: vec![0xc4; 32].into(),
        digest: Hash32(digest),
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
    let prompted = |prompt: &Prompt| {
        let response = Response::Prompted(Prompted {
            prompt: Box::new(prompt.clone()),
            options: RequestOptions {
                challenge: vec![0xc4; 32].into(),
                rp_id: "localhost".into(),
                allow: Vec::new(),
                timeout_ms: 120_000,
            },
            context: vec![0xcc; 24].into(),
        });
        Verdict::Ok(response)
    };
    let asked = |prompt: &Prompt| answered(&asked_for, None, prompted(prompt));
    let input = asked(&honest);
    let ok = json!({
        "kind": "sign_text",
        "account": account().to_string(),
        "key": { "key": 0, "address": ADDRESS },
        "head": head_view(account().to_string(), 3, "4e", &"e7".repeat(32)),
        "challenge": "c4".repeat(32),
        "digest": hex::encode(digest),
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
    cases.ok("answer", &input, shown(json!({ "prompt": ok })));
    bent_statement(cases, "answer");
    let other = hex::encode(call(propose("I sell my house")));
    cases.bent("answer_request", "answer", "call", json!(other));
    cases.bent("input", "answer", "call", Value::Null);
    cases.bent("input", "answer", "nonce", json!("00"));
    cases.bent("input", "answer", "above", json!("00"));
    let elsewhere = json!("https://evil.example");
    cases.bent("prompt_origin", "answer", "origin", elsewhere);
    cases.bent("prompt_origin", "answer", "origin", Value::Null);
    let late = json!(NOW.0 + 180_000);
    cases.bent("answer_too_old", "answer", "now_ms", late);
    let early = json!(NOW.0 - 60_001);
    cases.bent("answer_not_yet_given", "answer", "now_ms", early);
    let mut lying = |rule: &str, change: fn(&mut Prompt)| {
        let mut prompt = honest.clone();
        change(&mut prompt);
        cases.refused(&format!("prompt: {rule}"), rule, asked(&prompt));
    };
    lying("prompt_action", |prompt| prompt.kind = PromptKind::SignSiwe);
    lying("prompt_action", |prompt| prompt.account = None);
    lying("prompt_key", |prompt| prompt.key = None);
    lying("prompt_digest", |prompt| prompt.digest = Hash32([0; 32]));
    lying("prompt_challenge", |prompt| prompt.challenge.0.push(0));
    lying("prompt_expired", |prompt| {
        prompt.expires_at = prompt.issued_at
    });
    lying("prompt_not_yet_issued", |prompt| prompt.issued_at += 65_001);
    let refusal = Error {
        code: ErrorCode::UnknownAccount,
        message: "There is no such account.".into(),
        advice: "Sign up.".into(),
    };
    let refused = answered(&asked_for, None, Verdict::Refused(refusal));
    let words = json!({
        "code": "unknown_account",
        "message": "There is no such account.",
        "advice": "Sign up.",
    });
    cases.ok("a refusal", &refused, shown(json!({ "refused": words })));
}

fn read(head: Option<AccountHead>, query: Query) -> Vec<u8> {
    call(Request::Read(Read {
        token: vec![0x70; 24].into(),
        head: head.map(|head| KnownHead { head, shown_at: 1 }),
        query,
    }))
}

pub(crate) fn views(cases: &mut Cases) {
    let view = AccountView {
        account: account(),
        name: "Ada".into(),
        created_at: NOW.0,
        confirmed: true,
        passkeys: vec![PasskeyView {
            id: vec![0xc1; 20].into(),
            name: "phone".into(),
            public_key_sha256: Hash32([0x33; 32]),
            created_at: NOW.0,
            used_at: None,
        }],
        keys: vec![KeyView {
            key: KeyId(0),
            address: key().address,
            label: "first".into(),
            created_at: NOW.0,
            archived_at: None,
        }],
        history: 2,
        head: head(7),
    };
    let ok = |view: &AccountView| Verdict::Ok(Response::Account(view.clone()));
    let seen = head_view(account().to_string(), 7, "4e", &"e7".repeat(32));
    let shows = shown(json!({
        "head": seen,
        "keys": [{ "key": 0, "address": ADDRESS }],
    }));
    let asked = read(None, Query::Account);
    cases.ok(
        "an account",
        &answered(&asked, None, ok(&view)),
        shows.clone(),
    );
    let mut other = view.clone();
    other.account = AccountId([1; 32]);
    let lying = answered(&asked, None, ok(&other));
    cases.refused("an account of another head", "account_view", lying);
    for (name, known, continued, rule) in [
        ("the known head", head(7), Some(head(7)), None),
        ("an older head", head(6), Some(head(6)), None),
        (
            "a head that is not continued",
            head(6),
            None,
            Some("not_continued"),
        ),
        (
            "another head than sent",
            head(6),
            Some(head(5)),
            Some("not_continued"),
        ),
        ("a newer head", head(8), Some(head(8)), Some("rolled_back")),
    ] {
        let asked = read(Some(known), Query::Account);
        let input = answered(&asked, continued, ok(&view));
        match rule {
            None => cases.ok(&format!("an account after {name}"), &input, shows.clone()),
            Some(rule) => cases.refused(&format!("an account after {name}"), rule, input),
        }
    }
    let fork = AccountHead {
        hash: Hash32([1; 32]),
        ..head(7)
    };
    let input = answered(&read(Some(fork), Query::Account), Some(fork), ok(&view));
    cases.refused("an account beside the known head", "forked", input);

    let entry = |sequence, previous| HistoryEntry {
        sequence,
        previous,
        record: Hash32([0x55; 32]),
        at: NOW.0,
        kind: PromptKind::SignText,
        title: "Sign a text".into(),
        origin: ORIGIN.into(),
        told: Excerpt {
            lines: Vec::new(),
            left_out: 0,
            text: Some("The meeting is at nine.".into()),
        },
        passkey: ApprovedBy {
            id: vec![0xc1; 20].into(),
            name: "Laptop".into(),
            public_key_sha256: Hash32([0x33; 32]),
        },
        digest: Hash32([0x44; 32]),
        key: Some(ConcernedKey {
            key: KeyId(0),
            address: Address([0x22; 20]),
            label: "First key".into(),
        }),
        signature: None,
    };
    let hash = |entry: &HistoryEntry| Hash32(Sha256::digest(cbor::encode(entry).unwrap()).into());
    let first = entry(1, Hash32([0; 32]));
    let second = entry(2, hash(&first));
    let newest = hash(&second);
    let seen = head_view(account().to_string(), 7, "4e", &newest.to_string());
    let page = |entries: &[&HistoryEntry], next| {
        Verdict::Ok(Response::History(HistoryPage {
            head: AccountHead {
                entry: newest,
                ..head(7)
            },
            entries: entries.iter().map(|&entry| entry.clone()).collect(),
            next,
        }))
    };
    let query = |before| Query::History { before, limit: 2 };
    let asked = read(None, query(None));
    let whole = answered(&asked, None, page(&[&second, &first], None));
    let zeros = "00".repeat(32);
    let ends = |above: &str| shown(json!({ "head": seen, "above": above }));
    cases.ok("a history", &whole, ends(&zeros));
    for (name, entries) in [
        ("an entry short", &[&first][..]),
        ("turned round", &[&first, &second]),
        ("with an entry twice", &[&second, &second]),
    ] {
        let input = answered(&asked, None, page(entries, Some(2)));
        cases.refused(&format!("a history {name}"), "history_chain", input);
    }
    let beginning = answered(&asked, None, page(&[&second], Some(2)));
    let above = hash(&first).to_string();
    cases.ok("a history's newest page", &beginning, ends(&above));
    let mut rest = answered(&read(None, query(Some(2))), None, page(&[&first], None));
    cases.ok("a history's oldest page alone", &rest, ends(&zeros));
    rest["above"] = json!(above);
    cases.ok("a history's oldest page", &rest, ends(&zeros));
    rest["above"] = json!("11".repeat(32));
    cases.refused("a page of another history", "history_chain", rest);
    let newer = answered(
        &read(None, query(Some(2))),
        None,
        page(&[&second, &first], None),
    );
    cases.refused("a page of what was not asked for", "history_range", newer);
    let swapped = answered(&asked, None, ok(&view));
    cases.refused("an account for a history", "answer_kind", swapped);
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

fn head_view(account: String, version: u64, hash: &str, entry: &str) -> Value {
    json!({ "account": account, "version": version, "hash": hash.repeat(32), "entry": entry })
}

/// What a status with these successors answers.
fn status(upgrades: Vec<UpgradeStatus>) -> Verdict {
    Verdict::Ok(Response::Status(Status {
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
            secrets_known: true,
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
    }))
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
    let asked = call(Request::Status);
    let question = |result| {
        let mut input = answered(&asked, None, result);
        input["op"] = json!("successors");
        input["pending"] = json!(named);
        input.as_object_mut().unwrap().remove("origin");
        input
    };
    let view = json!([{
        "release": "2.0.0",
        "epoch": 4,
        "manifest_sha256": "5a".repeat(32),
        "announced_at_ms": NOW.0,
        "allowed_from_ms": NOW.0 + 86_400_000,
        "consents": [2],
        "consents_needed": 1,
    }]);
    cases.ok("successors", &question(status(vec![waits.clone()])), view);
    let mut earlier = waits.clone();
    earlier.allowed_from = NOW.0;
    for (name, listed) in [
        ("no successor", vec![]),
        ("a successor with an earlier end", vec![earlier]),
        ("a successor twice", vec![waits.clone(), waits]),
    ] {
        let input = question(status(listed));
        cases.refused(&format!("{name} listed"), "successors_differ", input);
    }
    let refusal = Verdict::Refused(Error {
        code: ErrorCode::Unavailable,
        message: "the NSM does not answer".into(),
        advice: String::new(),
    });
    cases.refused("successors refused", "answer_kind", question(refusal));
    let other = call(Request::Read(Read {
        token: vec![1].into(),
        head: None,
        query: Query::Account,
    }));
    cases.bent(
        "answer_request",
        "successors",
        "call",
        json!(hex::encode(other)),
    );
    bent_statement(cases, "successors");
    let zeros = json!("00".repeat(32));
    cases.bent("successors_differ", "successors", "pending", zeros);
    cases.bent("input", "successors", "pending", json!("none"));
    cases.bent("input", "successors", "pending", Value::Null);
    cases.bent("input", "successors", "call", Value::Null);
    cases.bent("input", "successors", "nonce", json!("00"));
}
