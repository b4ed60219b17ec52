//! `openkey-verify document`.

use crate::{
    enclaves::{Enclave, MODULE_ID, NONCE, PCRS},
    harness::{Files, verify, verify_stdin},
};

/// The second of [`crate::enclaves::NOW`].
const AT: &str = "2025-10-09T08:53:21Z";

struct Case {
    files: Files,
    enclave: Enclave,
    root: String,
}

impl Case {
    fn new(enclave: Enclave) -> Self {
        let files = Files::new();
        let root = files.write("root.der", &enclave.bundle[0]);
        Self {
            files,
            enclave,
            root,
        }
    }

    fn judge(&self, file: impl AsRef<[u8]>, more: &[&str]) -> crate::harness::Ran {
        let file = self.files.write("document", file);
        let args = ["document", &file, "--root", &self.root];
        verify(args.iter().chain(more))
    }
}

const ARCHIVAL: &[&str] = &["--at", "document", "--any-measurement"];

fn base64_lines(bytes: &[u8], width: usize) -> String {
    use base64ct::{Base64, Encoding};
    let text = Base64::encode_string(bytes);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(width)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    lines.join("\r\n") + "\n"
}

#[test]
fn a_fresh_document_is_accepted_in_every_encoding() {
    let case = Case::new(Enclave::hardware());
    let document = case.enclave.document();
    let nonce = hex::encode(NONCE);
    let pcrs: Vec<_> = (0..3)
        .map(|i| format!("{i}={}", hex::encode(PCRS[i])))
        .collect();
    let mut more = vec!["--nonce", &nonce, "--at", AT, "--any-configuration"];
    for pcr in &pcrs {
        more.extend(["--pcr", pcr]);
    }
    for file in [
        document.clone(),
        base64_lines(&document, 64).into_bytes(),
        base64_lines(&document, 76).into_bytes(),
        base64_lines(&document, usize::MAX).into_bytes(),
        hex::encode(&document).into_bytes(),
        hex::encode_upper(&document).into_bytes(),
        base64_lines(&document, 64)
            .replace('+', "-")
            .replace('/', "_")
            .into_bytes(),
        format!(
            "-----BEGIN ATTESTATION DOCUMENT-----\n{}-----END ATTESTATION DOCUMENT-----\n",
            base64_lines(&document, 64)
        )
        .into_bytes(),
        serde_json::json!({ "attestation": base64_lines(&document, usize::MAX).trim() })
            .to_string()
            .into_bytes(),
        serde_json::json!({ "type": "Buffer", "data": document })
            .to_string()
            .into_bytes(),
        format!("\u{feff}{}", base64_lines(&document, 76)).into_bytes(),
        // What `>` writes in Windows PowerShell.
        format!("\u{feff}{}", hex::encode(&document))
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect(),
    ] {
        let ran = case.judge(&file, &more).accepted();
        assert!(ran.stdout.starts_with("accepted\n"), "{ran:?}");
        assert!(ran.stdout.contains(MODULE_ID), "{ran:?}");
        assert!(ran.stdout.contains(&hex::encode(PCRS[2])), "{ran:?}");
        assert!(ran.stdout.contains("freshness: proven"), "{ran:?}");
        let args = ["document", "-", "--root", &case.root];
        let stdin = verify_stdin(args.iter().chain(&more), &file).accepted();
        assert_eq!(stdin.stdout, ran.stdout);
    }
}

#[test]
fn an_archival_check_says_that_freshness_is_not_proven() {
    let case = Case::new(Enclave::hardware());
    let document = case.enclave.document();
    let ran = case.judge(&document, ARCHIVAL).accepted();
    assert!(ran.stdout.contains("freshness: not proven"), "{ran:?}");
    // A nonce beside it is compared, and still proves no freshness.
    let nonce = hex::encode(NONCE);
    let more = [ARCHIVAL, &["--nonce", &nonce]].concat();
    let ran = case.judge(&document, &more).accepted();
    assert!(ran.stdout.contains("freshness: not proven"), "{ran:?}");
    let more = [ARCHIVAL, &["--nonce", "00"]].concat();
    case.judge(&document, &more).refused("nonce_mismatch");
}

#[test]
fn the_json_is_stable() {
    let case = Case::new(Enclave::hardware());
    let document = case.enclave.document();
    let more = [ARCHIVAL, &["--json"]].concat();
    let ran = case.judge(&document, &more).accepted();
    let members: Vec<_> = ran
        .stdout
        .split(",\"")
        .filter_map(|part| part.split_once("\":"))
        .map(|(name, _)| name.trim_start_matches("{\"").to_owned())
        .filter(|name| name.parse::<u8>().is_err())
        .collect();
    assert_eq!(
        members,
        [
            "verdict",
            "evidence",
            "freshness",
            "judged_at_ms",
            "module_id",
            "region",
            "timestamp_ms",
            "measurements",
            "simulator",
            "debug",
            "nonce",
            "public_key",
            "user_data",
            "binding",
            "certificate_expires_ms",
            "root_sha256",
        ]
    );
    let json = ran.json();
    assert_eq!(json["verdict"], "accepted");
    assert_eq!(json["evidence"], "archival");
    assert_eq!(json["freshness"], "not proven");
    assert_eq!(json["module_id"], MODULE_ID);
    assert_eq!(json["timestamp_ms"], 1_760_000_000_123_u64);
    assert_eq!(json["measurements"]["0"], hex::encode(PCRS[0]));
    assert_eq!(json["nonce"], hex::encode(NONCE));
    assert_eq!(json["user_data"], serde_json::Value::Null);
    assert_eq!(json["binding"], serde_json::Value::Null);

    let ran = case.judge(b"", &more).refused("document_empty");
    assert_eq!(
        ran.json(),
        serde_json::json!({
            "verdict": "refused",
            "rule": "document_empty",
            "message": format!("{}: the document is empty", case.files.path("document").display()),
        })
    );
}

#[test]
fn whatever_is_wrong_with_the_document_is_a_refusal() {
    let case = Case::new(Enclave::hardware());
    let document = case.enclave.document();
    case.judge(b"", ARCHIVAL).refused("document_empty");
    case.judge(b"\n \n", ARCHIVAL).refused("document_empty");
    case.judge(b"garbage!", ARCHIVAL)
        .refused("document_encoding");
    case.judge(b"Z2FyYmFnZQ==", ARCHIVAL)
        .refused("not_cose_sign1");
    case.judge([0xff; 100], ARCHIVAL).refused("not_cose_sign1");
    case.judge(&document[..100], ARCHIVAL)
        .refused("document_truncated");
    case.judge(document.repeat(2), ARCHIVAL)
        .refused("trailing_bytes");
    case.judge(vec![0x84; 24 * 1024 + 1], ARCHIVAL)
        .refused("document_too_long");
    case.judge(vec![b'8'; 1 << 20], ARCHIVAL)
        .refused("document_too_long");
    let mut changed = document;
    let last = changed.len() - 1;
    changed[last] ^= 1;
    case.judge(&changed, ARCHIVAL).refused("document_signature");
    let args = ["document", "-", "--root", &case.root];
    verify_stdin(args.iter().chain(ARCHIVAL), b"").refused("document_empty");
}

#[test]
fn f1_another_root_is_refused() {
    let case = Case::new(Enclave::hardware());
    let document = case.enclave.document();
    let file = case.files.write("genuine", &document);
    let ran = verify(["document", &file].iter().chain(ARCHIVAL)).refused("unknown_root");
    assert!(ran.stderr.contains("--policy FILE"), "{ran:?}");
    // The same names and serial numbers, another key.
    let twin = Enclave::hardware().document();
    case.judge(&twin, ARCHIVAL).refused("unknown_root");
    // PEM is a root, too, and replaces the policy's.
    let pem = case
        .files
        .write("root.pem", &case.enclave.roots().to_pem()[0]);
    verify(["document", &file, "--root", &pem].iter().chain(ARCHIVAL)).accepted();
}

#[test]
fn f2_another_nonce_or_an_old_document_is_refused() {
    let case = Case::new(Enclave::hardware());
    let document = case.enclave.document();
    let nonce = hex::encode(NONCE);
    let any = ["--any-measurement"];
    let judge = |nonce: &str, at: &[&str]| {
        case.judge(&document, &[&any[..], &["--nonce", nonce], at].concat())
    };
    judge("0011", &["--at", AT]).refused("nonce_mismatch");
    judge(&nonce, &["--at", "2025-10-09T09:53:21Z"]).refused("too_old");
    judge(&nonce, &["--at", "2025-10-09T08:00:00Z"]).refused("timestamp_in_the_future");
    // Without --at it is this machine's clock that counts, years later.
    let ran = judge(&nonce, &[]).refused("too_old");
    assert!(ran.stderr.contains(" days "), "{ran:?}");
    assert!(ran.stderr.contains("the limit is 5 minutes"), "{ran:?}");
    assert!(ran.stderr.contains("clock"), "{ran:?}");
    let without = case.enclave.document_with(|payload| payload.nonce = None);
    let more = [&any[..], &["--nonce", &nonce, "--at", AT]].concat();
    case.judge(&without, &more).refused("nonce_missing");
}

#[test]
fn f3_debug_mode_is_refused_unless_allowed() {
    const ZERO: [u8; 48] = [0; 48];
    let case = Case::new(Enclave::hardware());
    let document = case.enclave.document_with(|payload| {
        let mut pcrs = openkey_attestation::Pcrs::new();
        for index in 0..3 {
            assert!(pcrs.insert(index, &ZERO));
        }
        assert!(pcrs.insert(4, &PCRS[4]));
        payload.pcrs = pcrs;
    });
    case.judge(&document, ARCHIVAL).refused("debug_mode");
    let zeros = format!("0={}", hex::encode(ZERO));
    case.judge(
        &document,
        &["--at", "document", "--any-configuration", "--pcr", &zeros],
    )
    .not_judged("code_missing");
    let other = format!("0={}", hex::encode(PCRS[0]));
    case.judge(
        &document,
        &["--at", "document", "--any-configuration", "--pcr", &other],
    )
    .refused("debug_mode");
    let more = [ARCHIVAL, &["--allow-debug"]].concat();
    let ran = case.judge(&document, &more).accepted();
    assert!(ran.stdout.contains("debug mode"), "{ran:?}");
    assert!(ran.stdout.contains("YES"), "{ran:?}");
}

#[test]
fn f8_simulator_documents_need_a_policy_file_that_says_so() {
    let case = Case::new(Enclave::simulator());
    let document = case.enclave.document();
    case.judge(&document, ARCHIVAL)
        .refused("simulator_document");
    let more = [ARCHIVAL, &["--allow-debug"]].concat();
    case.judge(&document, &more).refused("simulator_document");
    let policy = |simulator: bool| {
        let json = serde_json::json!({
            "version": 1,
            "measurements": [{ "0": hex::encode(PCRS[0]) }],
            "simulator": simulator,
        });
        case.files.write("policy.json", json.to_string())
    };
    let judge = |document: &[u8], policy: &str| {
        case.judge(
            document,
            &[
                "--at",
                "document",
                "--any-configuration",
                "--policy",
                policy,
            ],
        )
    };
    judge(&document, &policy(false)).refused("simulator_document");
    let ran = judge(&document, &policy(true)).accepted();
    assert!(ran.stdout.contains("SIMULATOR"), "{ran:?}");
    // And the reverse: a policy for simulators takes nothing else.
    let hardware = Case::new(Enclave::hardware());
    let policy = policy(true);
    hardware
        .judge(
            hardware.enclave.document(),
            &[
                "--at",
                "document",
                "--any-configuration",
                "--policy",
                &policy,
            ],
        )
        .refused("not_a_simulator_document");
}

#[test]
fn measurements_are_compared() {
    let case = Case::new(Enclave::hardware());
    let document = case.enclave.document();
    let pcr = |index: usize, value: &[u8; 48]| format!("{index}={}", hex::encode(value));
    let right = pcr(0, &PCRS[0]);
    let wrong = pcr(1, &PCRS[0]);
    let at = ["--at", "document", "--any-configuration"];
    case.judge(&document, &[&at[..], &["--pcr", &right]].concat())
        .accepted();
    let ran = case
        .judge(
            &document,
            &[&at[..], &["--pcr", &right, "--pcr", &wrong]].concat(),
        )
        .refused("measurement_mismatch");
    assert!(ran.stderr.contains("PCR1"), "{ran:?}");
    // A PCR that the document does not have is no match.
    let absent = pcr(20, &[0; 48]);
    let flags = ["--pcr", &right, "--pcr", &absent];
    case.judge(&document, &[&at[..], &flags].concat())
        .refused("measurement_mismatch");
}
