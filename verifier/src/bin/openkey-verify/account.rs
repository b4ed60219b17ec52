//! `openkey-verify account`.

use std::path::Path;

use openkey_verifier::{
    account::{AccountError, CheckedAccount, MAX_RECEIPT_FILE, ReceiptFile},
    attestation::{Document, UnixMillis, Verifier},
    client::{self, ClientError},
    command::{
        Failure, Verdict, When, advised,
        output::{self, Table},
        source,
    },
    encoding,
    view::{EvidenceView, ReceiptView},
};
use serde::Serialize;

use crate::args::AccountArgs;

/// What programs read; `docs/verify.md` describes it.
#[derive(Serialize)]
struct Accepted {
    verdict: &'static str,
    freshness: &'static str,
    receipt: ReceiptView,
    evidence: EvidenceView,
}

pub(crate) fn run(args: &AccountArgs) -> Result<Verdict, Failure> {
    let json = match read(args)? {
        Ok(json) => json,
        Err(error) => {
            output::refused(args.json, error.rule(), &format!("{}: {error}", args.from));
            return Ok(Verdict::Refused);
        }
    };
    let accept = args.accept.resolve(when(&json))?;
    let verifier = Verifier::new(accept.roots);
    let checked =
        ReceiptFile::from_json(&json).and_then(|file| file.check(&verifier, &accept.policy));
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            let more = match error {
                AccountError::Malformed(_) => {
                    "; give the file that the page saved, whole and unchanged (openkey-receipt-….json)"
                }
                _ => "",
            };
            let message = advised(error.rule(), format!("{}: {error}{more}", args.from));
            output::refused(args.json, error.rule(), &message);
            return Ok(Verdict::Refused);
        }
    };
    let CheckedAccount { evidence, receipt } = checked;
    let accepted = Accepted {
        verdict: "accepted",
        freshness: "not proven",
        receipt: ReceiptView::from(&receipt),
        evidence: EvidenceView::new(evidence.claims(), Some(evidence.binding())),
    };
    if args.json {
        output::json(&accepted);
    } else {
        print(&accepted, &accept.measurements);
    }
    Ok(Verdict::Accepted)
}

/// Releases must have been valid when the receipt was signed: the time that its evidence claims,
/// which the evidence's signature is about to prove.
fn when(json: &[u8]) -> When {
    let time = || {
        let file = ReceiptFile::from_json(json).ok()?;
        let document = encoding::document_bytes(file.evidence.as_bytes()).ok()?;
        Some(Document::parse(&document).ok()?.payload().timestamp)
    };
    time().map_or(When::Whenever, When::At)
}

/// The file; or what a server gave in its place, which is refused as an answer.
fn read(args: &AccountArgs) -> Result<Result<Vec<u8>, ClientError>, Failure> {
    let from = &args.from;
    if !from.starts_with("https://") && !from.starts_with("http://") {
        return source::file(Path::new(from), MAX_RECEIPT_FILE + 1).map(Ok);
    }
    let progress = args.time.begin();
    let fetch = || client::fetch(from, MAX_RECEIPT_FILE, progress.deadline());
    match progress.during(|| from.clone(), fetch) {
        Err(error) if !error.is_answer() => {
            Err(Failure::new(error.rule(), format!("{from}: {error}")))
        }
        fetched => Ok(fetched),
    }
}

fn print(accepted: &Accepted, measurements: &str) {
    let receipt = &accepted.receipt;
    let mut table = Table::default();
    table.row("account", &receipt.account);
    for key in &receipt.keys {
        table.row(&format!("key {}", key.key), &key.address);
        table.row("", format!("did:pkh:eip155:1:{}", key.address));
    }
    for credential in &receipt.credentials {
        table.row("passkey", &credential.id);
        table.row(
            "",
            format!("public key SHA-256 {}", credential.public_key_sha256),
        );
    }
    table.row("relying party", &receipt.rp_id);
    table.row("issued at", output::rfc3339(UnixMillis(receipt.issued_at)));
    table.row("version", receipt.version.to_string());
    table.row("nonce", &receipt.nonce);
    table.row("receipt hash", &receipt.hash);
    let mut signer = Table::default();
    output::evidence_rows(&mut signer, &accepted.evidence, measurements);
    output::text(&format!(
        "accepted\n\n{}\nsigned by this enclave, whose evidence was judged at its own time:\n\n{}\n\
         freshness: not proven (what the enclave held when it signed, not what it holds today)\n",
        table.render(),
        signer.render(),
    ));
}
