//! `openkey-verify account`.

use openkey_protocol::message::{
    AccountReceipt, Address, Answer as Signable, Error, ErrorCode, Hash32, KeyId,
    ReceiptCredential, ReceiptKey, Signed, UserHandle, Verdict,
};
use openkey_verifier::{account::ReceiptFile, receipt::account_id};

use crate::harness::{Answer, Files, Live, Ran, Server, verify};

const NONCE: &[u8] = &[5; 32];

fn receipt() -> AccountReceipt {
    AccountReceipt {
        account: account_id(&UserHandle([0xac; 16]), &Hash32([8; 32])),
        user_handle: UserHandle([0xac; 16]),
        version: 1,
        issued_at: 1_800_000_000_000,
        rp_id: "localhost".into(),
        nonce: vec![6; 32].into(),
        credentials: vec![ReceiptCredential {
            id: vec![7; 16].into(),
            public_key_sha256: Hash32([8; 32]),
        }],
        keys: vec![ReceiptKey {
            key: KeyId(0),
            // The first example of EIP-55.
            address: "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
                .parse::<Address>()
                .unwrap(),
        }],
    }
}

struct Case {
    live: Live,
    files: Files,
    policy: String,
}

impl Case {
    fn new() -> Self {
        let live = Live::new();
        let files = Files::new();
        let policy = files.write("policy.json", live.policy());
        Self {
            live,
            files,
            policy,
        }
    }

    fn file(&self) -> ReceiptFile {
        let signed = self.live.sign(&receipt());
        ReceiptFile::new(&signed, &self.live.document(NONCE), NONCE)
    }

    fn judge_bytes(&self, json: impl AsRef<[u8]>) -> Ran {
        let path = self.files.write("receipt.json", json);
        verify(["account", &path, "--policy", &self.policy])
    }

    fn judge(&self, file: &ReceiptFile) -> Ran {
        self.judge_bytes(serde_json::to_string(file).unwrap())
    }
}

#[test]
fn a_receipt_is_printed_and_accepted() {
    let case = Case::new();
    let ran = case.judge(&case.file()).accepted();
    for part in [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "did:pkh:eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        &receipt().account.to_string(),
        &"08".repeat(32),
        "SIMULATOR",
        "freshness: not proven",
    ] {
        assert!(ran.stdout.contains(part), "{part} in {ran:?}");
    }
    let json = serde_json::to_string(&case.file()).unwrap();
    let path = case.files.write("receipt.json", &json);
    let ran = verify(["account", &path, "--policy", &case.policy, "--json"]).accepted();
    let view = ran.json();
    assert_eq!(view["verdict"], "accepted");
    assert_eq!(view["freshness"], "not proven");
    assert_eq!(view["receipt"]["account"], receipt().account.to_string());
    assert_eq!(
        view["receipt"]["keys"][0]["address"],
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    );
    assert_eq!(view["evidence"]["binding"]["release"], "1.2.3");

    let server = Server::new(move |_| Answer::new(200, "application/json", json.clone()));
    let url = format!("{}/receipt.json", server.url);
    verify(["account", &url, "--policy", &case.policy]).accepted();
    let server = Server::new(|_| Answer::new(404, "text/plain", "no"));
    verify(["account", &server.url, "--policy", &case.policy]).not_judged("host_status");
}

#[test]
fn f12_a_receipt_that_the_enclave_did_not_sign_is_refused() {
    let case = Case::new();
    let mut swapped = receipt();
    swapped.credentials[0].public_key_sha256 = Hash32([9; 32]);
    // The body of one receipt, the signature of another.
    let mut file = case.file();
    file.receipt.body = hex::encode(case.live.sign(&swapped).body);
    case.judge(&file).refused("statement_signature");
    // Signed by a key that no evidence vouches for.
    let stranger = Signed::new(&receipt(), |input| {
        use ed25519_dalek::Signer;
        ed25519_dalek::SigningKey::from_bytes(&[1; 32])
            .sign(input)
            .to_bytes()
    })
    .unwrap();
    let file = ReceiptFile::new(&stranger, &case.live.document(NONCE), NONCE);
    case.judge(&file).refused("statement_signature");
    // A statement of another kind.
    let answer = case.live.sign(&Signable {
        request: Hash32([0; 32]),
        nonce: NONCE.into(),
        at: 0,
        continued: None,
        result: Verdict::Refused(Error {
            code: ErrorCode::Unavailable,
            message: String::new(),
            advice: String::new(),
        }),
    });
    let file = ReceiptFile::new(&answer, &case.live.document(NONCE), NONCE);
    case.judge(&file).refused("statement_signature");
}

#[test]
fn evidence_of_something_else_is_refused() {
    let case = Case::new();
    let signed = case.live.sign(&receipt());
    // Another nonce than the document's.
    let file = ReceiptFile::new(&signed, &case.live.document(&[4; 32]), NONCE);
    case.judge(&file).refused("nonce_mismatch");
    // Another root.
    let stranger = Live::new();
    let file = ReceiptFile::new(&signed, &stranger.document(NONCE), NONCE);
    let ran = case.judge(&file).refused("unknown_root");
    assert!(ran.stderr.contains("--policy FILE"), "{ran:?}");
    // A policy that does not ask for simulators.
    let path = case
        .files
        .write("receipt.json", serde_json::to_string(&case.file()).unwrap());
    let ran = verify(["account", &path, "--any-measurement"]).refused("simulator_document");
    assert!(ran.stderr.contains("--policy FILE"), "{ran:?}");
}

#[test]
fn files_that_are_no_receipts_are_refused() {
    let case = Case::new();
    for json in ["", "{}", "[]", "null", r#"{"version":1}"#] {
        let ran = case.judge_bytes(json).refused("receipt_file_malformed");
        for words in ["receipt.json: ", "openkey-receipt-"] {
            assert!(ran.stderr.contains(words), "{words} in {ran:?}");
        }
    }
    case.judge_bytes(" ".repeat(256 * 1024 + 1))
        .refused("receipt_file_too_long");
    let bent = |change: fn(&mut ReceiptFile)| {
        let mut file = case.file();
        change(&mut file);
        case.judge(&file)
    };
    bent(|file| file.version = 2).refused("receipt_file_version");
    bent(|file| file.nonce = "zz".into()).refused("receipt_file_malformed");
    bent(|file| file.nonce.clear()).refused("expected_nonce_empty");
    bent(|file| file.receipt.body = "zz".into()).refused("receipt_file_malformed");
    bent(|file| file.receipt.signature.clear()).refused("statement_signature");
    bent(|file| file.evidence.clear()).refused("document_empty");
    bent(|file| file.evidence = "*".into()).refused("document_encoding");
    let mut json = serde_json::to_value(case.file()).unwrap();
    json["more"] = 1.into();
    case.judge_bytes(json.to_string())
        .refused("receipt_file_malformed");
}
