//! What can be asked.

use openkey_verifier::{
    attestation::{Nonce, NonceError, PolicyFile, PolicyFileError, Refusal, UnixMillis, Verifier},
    encoding::{self, EncodingError},
    evidence::{self, EvidenceError},
    head::{self, HeadError},
    prompt::{self, Asked, PromptError},
    protocol::message::{AccountHead, AccountId, Hash32, Signed, Statement},
    receipt::{self, ReceiptError, Registration},
    statement::{IdentityKey, StatementError},
    view::{EvidenceView, HeadView, PromptView, ReceiptView},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

/// Longest input, in bytes: a prompt with its request, both in hex, with room.
pub const MAX_INPUT: usize = 4 * 1024 * 1024;

/// Answers one JSON text with another: `{"ok":…}` or `{"error":{"rule","message"}}`.
///
/// | op | members | answer |
/// |---|---|---|
/// | `evidence` | `document` base64, `nonce` hex, `now_ms`, `policy` | an `EvidenceView` with binding |
/// | `archival` | `document`, `policy`, `nonce`? | an `EvidenceView`, binding or null |
/// | `prompt` | `identity`, `body`, `signature`, `request`, `nonce` hex, `origin`, `now_ms` | a `PromptView` |
/// | `receipt` | `identity`, `body`, `signature`, `nonce`, `credential_id`?, `public_key_spki`? hex | a `ReceiptView` |
/// | `head` | `identity`, `body`, `signature` hex, `known`? `{account,version,hash}` | a `HeadView` |
///
/// `policy` is the content of a policy file. Unknown and repeated members are refused. The views
/// are those of `openkey_verifier::view`.
#[must_use]
pub fn answer(input: &[u8]) -> Vec<u8> {
    let answer = match run(input) {
        Ok(ok) => Answer::Ok(ok),
        Err(error) => Answer::Error(ErrorView {
            rule: error.rule(),
            message: error.to_string(),
        }),
    };
    // Values and strings always serialise; were it not so, an empty answer is no JSON and refused.
    serde_json::to_vec(&answer).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ok(Value),
    Error(ErrorView),
}

#[derive(Serialize)]
struct ErrorView {
    rule: &'static str,
    message: String,
}

fn run(input: &[u8]) -> Result<Value, OpError> {
    /// Only to choose the shape; that shape then reads the whole text strictly.
    #[derive(Deserialize)]
    struct Which {
        op: String,
    }
    if input.len() > MAX_INPUT {
        return Err(OpError::Input("longer than it may be".into()));
    }
    match read::<Which>(input)?.op.as_str() {
        "evidence" => evidence(read(input)?),
        "archival" => archival(read(input)?),
        "prompt" => prompt(read(input)?),
        "receipt" => receipt(read(input)?),
        "head" => head(read(input)?),
        other => Err(OpError::Input(format!("no such op: {other:?}"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EvidenceOp<'a> {
    #[serde(rename = "op")]
    _op: String,
    document: String,
    nonce: String,
    now_ms: u64,
    #[serde(borrow)]
    policy: &'a RawValue,
}

fn evidence(op: EvidenceOp<'_>) -> Result<Value, OpError> {
    let PolicyFile { policy, roots } = PolicyFile::parse(op.policy.get().as_bytes())?;
    let document = encoding::document_bytes(op.document.as_bytes())?;
    let nonce = Nonce::new(&hex("nonce", &op.nonce)?)?;
    let verifier = Verifier::new(roots);
    let fresh = evidence::fresh(&verifier, &document, &policy, &nonce, UnixMillis(op.now_ms))?;
    json(&EvidenceView::new(fresh.claims(), Some(fresh.binding())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchivalOp<'a> {
    #[serde(rename = "op")]
    _op: String,
    document: String,
    nonce: Option<String>,
    #[serde(borrow)]
    policy: &'a RawValue,
}

/// Any document of an enclave, also one of another program: the binding is null then.
fn archival(op: ArchivalOp<'_>) -> Result<Value, OpError> {
    let PolicyFile { policy, roots } = PolicyFile::parse(op.policy.get().as_bytes())?;
    let document = encoding::document_bytes(op.document.as_bytes())?;
    let nonce = match op.nonce {
        Some(nonce) => Some(Nonce::new(&hex("nonce", &nonce)?)?),
        None => None,
    };
    let archival = Verifier::new(roots).archival(&document, &policy, nonce.as_ref())?;
    let binding = evidence::binding(archival.claims()).ok();
    json(&EvidenceView::new(archival.claims(), binding.as_ref()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptOp {
    #[serde(rename = "op")]
    _op: String,
    identity: String,
    body: String,
    signature: String,
    request: String,
    nonce: String,
    origin: String,
    now_ms: u64,
}

fn prompt(op: PromptOp) -> Result<Value, OpError> {
    let checked = prompt::check(
        &identity(&op.identity)?,
        &signed(&op.body, &op.signature)?,
        &Asked {
            request: &hex("request", &op.request)?,
            nonce: &hex("nonce", &op.nonce)?,
            origin: &op.origin,
            now_ms: op.now_ms,
        },
    )?;
    json(&PromptView::from(checked))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptOp {
    #[serde(rename = "op")]
    _op: String,
    identity: String,
    body: String,
    signature: String,
    nonce: String,
    credential_id: Option<String>,
    public_key_spki: Option<String>,
}

fn receipt(op: ReceiptOp) -> Result<Value, OpError> {
    let optional = |what, text: Option<String>| text.map(|text| hex(what, &text)).transpose();
    let nonce = hex("nonce", &op.nonce)?;
    let credential_id = optional("credential_id", op.credential_id)?;
    let public_key_spki = optional("public_key_spki", op.public_key_spki)?;
    let checked = receipt::check(
        &identity(&op.identity)?,
        &signed(&op.body, &op.signature)?,
        &Registration {
            nonce: Some(&nonce),
            credential_id: credential_id.as_deref(),
            public_key_spki: public_key_spki.as_deref(),
        },
    )?;
    json(&ReceiptView::from(&checked))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadOp {
    #[serde(rename = "op")]
    _op: String,
    identity: String,
    body: String,
    signature: String,
    known: Option<KnownHead>,
}

/// What an earlier `head` answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownHead {
    account: String,
    version: u64,
    hash: String,
}

fn head(op: HeadOp) -> Result<Value, OpError> {
    let known = match op.known {
        None => None,
        Some(known) => Some(AccountHead {
            account: AccountId(array("known.account", &known.account)?),
            version: known.version,
            hash: Hash32(array("known.hash", &known.hash)?),
        }),
    };
    let checked = head::check(
        &identity(&op.identity)?,
        &signed(&op.body, &op.signature)?,
        known.as_ref(),
    )?;
    json(&HeadView::from(checked))
}

fn read<'a, T: Deserialize<'a>>(input: &'a [u8]) -> Result<T, OpError> {
    serde_json::from_slice(input).map_err(|error| OpError::Input(error.to_string()))
}

fn json(view: &impl Serialize) -> Result<Value, OpError> {
    serde_json::to_value(view).map_err(|error| OpError::Input(error.to_string()))
}

fn hex(what: &str, text: &str) -> Result<Vec<u8>, OpError> {
    hex::decode(text).map_err(|_| OpError::Input(format!("{what} is not hex")))
}

fn array<const N: usize>(what: &str, text: &str) -> Result<[u8; N], OpError> {
    hex(what, text)?
        .try_into()
        .map_err(|_| OpError::Input(format!("{what} is not {N} bytes")))
}

fn identity(text: &str) -> Result<IdentityKey, OpError> {
    let bytes = hex("identity", text)?;
    Ok(IdentityKey::from_evidence_verified_earlier(&bytes)?)
}

fn signed<T: Statement>(body: &str, signature: &str) -> Result<Signed<T>, OpError> {
    Ok(Signed::from_parts(
        hex("body", body)?.into(),
        hex("signature", signature)?.into(),
    ))
}

/// Whatever refuses.
#[derive(Debug, thiserror::Error)]
enum OpError {
    #[error("the input is not as it should be: {0}")]
    Input(String),
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    #[error(transparent)]
    Nonce(#[from] NonceError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    #[error(transparent)]
    Head(#[from] HeadError),
}

impl OpError {
    const fn rule(&self) -> &'static str {
        match self {
            Self::Input(_) => "input",
            Self::Policy(error) => error.rule(),
            Self::Encoding(error) => error.rule(),
            Self::Nonce(error) => error.rule(),
            Self::Evidence(error) => error.rule(),
            Self::Refused(error) => error.rule(),
            Self::Statement(error) => error.rule(),
            Self::Prompt(error) => error.rule(),
            Self::Receipt(error) => error.rule(),
            Self::Head(error) => error.rule(),
        }
    }
}
