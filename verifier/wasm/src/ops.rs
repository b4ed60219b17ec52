//! What can be asked.

use openkey_verifier::{
    answer::{self, AnswerError, Asked},
    attestation::{
        Nonce, NonceError, PolicyDraft, PolicyFile, PolicyFileError, Refusal, UnixMillis, Verifier,
    },
    encoding::{self, EncodingError},
    evidence::{self, EvidenceError},
    policy::{self, PolicyError},
    protocol::message::{Hash32, Signed, Statement},
    receipt::{self, ReceiptError, Registration},
    statement::{IdentityKey, StatementError},
    view::{AnswerView, EvidenceView, ReceiptView},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Longest input, in bytes: an answer with its call, both in hex, with room.
pub const MAX_INPUT: usize = 4 * 1024 * 1024;

/// Answers one JSON text with another: `{"ok":…}` or `{"error":{"rule","message"}}`.
///
/// | op | members | answer |
/// |---|---|---|
/// | `evidence` | `document` base64, `nonce` hex, `now_ms`, `policy` | an `EvidenceView` with binding |
/// | `archival` | `document`, `policy`, `nonce`? | an `EvidenceView`, binding or null |
/// | `answer` | `identity`, `body`, `signature`, `call` hex, `now_ms`, `origin`?, `above`? hex | an `AnswerView` |
/// | `receipt` | `identity`, `body`, `signature`, `nonce`, `credential_id`?, `public_key_spki`? hex | a `ReceiptView` |
///
/// `policy` is the content of a policy file. Unknown and repeated members are refused. The views
/// are those of `openkey_verifier::view`.
#[must_use]
pub fn answer(input: &[u8]) -> Vec<u8> {
    let refused = match run(input) {
        Ok(json) => return json,
        Err(error) => Answer::<()>::Error {
            rule: error.rule(),
            message: error.to_string(),
        },
    };
    // Two strings always serialise; were it not so, an empty answer is no JSON and accepts nothing.
    serde_json::to_vec(&refused).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer<T> {
    Ok(T),
    Error { rule: &'static str, message: String },
}

/// The members of every op. One struct for all keeps the file small; [`Input::end`] refuses what
/// an op does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input<'a> {
    op: String,
    document: Option<String>,
    #[serde(borrow)]
    policy: Option<&'a RawValue>,
    now_ms: Option<u64>,
    nonce: Option<String>,
    origin: Option<String>,
    identity: Option<String>,
    body: Option<String>,
    signature: Option<String>,
    call: Option<String>,
    above: Option<String>,
    credential_id: Option<String>,
    public_key_spki: Option<String>,
}

fn run(input: &[u8]) -> Result<Vec<u8>, OpError> {
    if input.len() > MAX_INPUT {
        return Err(OpError::Input("longer than it may be".into()));
    }
    let input: Input<'_> =
        serde_json::from_slice(input).map_err(|error| OpError::Input(error.to_string()))?;
    match input.op.as_str() {
        "evidence" => evidence(input),
        "archival" => archival(input),
        "answer" => answer_to(input),
        "receipt" => receipt(input),
        other => Err(OpError::Input(format!("no such op: {other:?}"))),
    }
}

fn evidence(mut input: Input<'_>) -> Result<Vec<u8>, OpError> {
    let PolicyFile { policy, roots } = input.policy()?;
    let document = input.document()?;
    let nonce = Nonce::new(&bytes("nonce", input.nonce.take())?)?;
    let now = UnixMillis(need("now_ms", input.now_ms.take())?);
    input.end()?;
    let fresh = evidence::fresh(&Verifier::new(roots), &document, &policy, &nonce, now)?;
    ok(EvidenceView::new(fresh.claims(), Some(fresh.binding())))
}

/// Any document of an enclave, also one of another program: the binding is null then.
fn archival(mut input: Input<'_>) -> Result<Vec<u8>, OpError> {
    let PolicyFile { policy, roots } = input.policy()?;
    let document = input.document()?;
    let nonce = match optional_bytes("nonce", input.nonce.take())? {
        Some(nonce) => Some(Nonce::new(&nonce)?),
        None => None,
    };
    input.end()?;
    let archival = Verifier::new(roots).archival(&document, &policy, nonce.as_ref())?;
    let binding = match evidence::binding(archival.claims(), &policy) {
        Ok(binding) => Some(binding),
        Err(_) if !policy.asks_the_program() => None,
        Err(error) => return Err(error.into()),
    };
    ok(EvidenceView::new(archival.claims(), binding.as_ref()))
}

fn answer_to(mut input: Input<'_>) -> Result<Vec<u8>, OpError> {
    let identity = input.identity()?;
    let signed = input.signed()?;
    let call = bytes("call", input.call.take())?;
    let now_ms = need("now_ms", input.now_ms.take())?;
    let origin = input.origin.take();
    let above = match input.above.take() {
        Some(above) => Some(Hash32(array("above", above)?)),
        None => None,
    };
    input.end()?;
    let asked = Asked {
        origin: origin.as_deref(),
        above,
        ..Asked::new(&call, now_ms)
    };
    ok(AnswerView::from(answer::check(&identity, &signed, &asked)?))
}

fn receipt(mut input: Input<'_>) -> Result<Vec<u8>, OpError> {
    let identity = input.identity()?;
    let signed = input.signed()?;
    let nonce = bytes("nonce", input.nonce.take())?;
    let credential_id = optional_bytes("credential_id", input.credential_id.take())?;
    let public_key_spki = optional_bytes("public_key_spki", input.public_key_spki.take())?;
    input.end()?;
    let registration = Registration {
        nonce: Some(&nonce),
        credential_id: credential_id.as_deref(),
        public_key_spki: public_key_spki.as_deref(),
    };
    let checked = receipt::check(&identity, &signed, &registration)?;
    ok(ReceiptView::from(&checked))
}

impl Input<'_> {
    fn policy(&mut self) -> Result<PolicyFile, OpError> {
        let policy = need("policy", self.policy.take())?;
        let draft = PolicyDraft::parse(policy.get().as_bytes())?;
        // A page reads no other files: a policy that names release manifests is refused.
        Ok(policy::complete(draft, &[])?)
    }

    fn document(&mut self) -> Result<Vec<u8>, OpError> {
        let document = need("document", self.document.take())?;
        Ok(encoding::document_bytes(document.as_bytes())?)
    }

    fn identity(&mut self) -> Result<IdentityKey, OpError> {
        let identity = bytes("identity", self.identity.take())?;
        Ok(IdentityKey::from_evidence_verified_earlier(&identity)?)
    }

    fn signed<T: Statement>(&mut self) -> Result<Signed<T>, OpError> {
        Ok(Signed::from_parts(
            bytes("body", self.body.take())?.into(),
            bytes("signature", self.signature.take())?.into(),
        ))
    }

    /// A member left over is one that the caller believes to be checked.
    fn end(self) -> Result<(), OpError> {
        let left = [
            ("document", self.document.is_some()),
            ("policy", self.policy.is_some()),
            ("now_ms", self.now_ms.is_some()),
            ("nonce", self.nonce.is_some()),
            ("origin", self.origin.is_some()),
            ("identity", self.identity.is_some()),
            ("body", self.body.is_some()),
            ("signature", self.signature.is_some()),
            ("call", self.call.is_some()),
            ("above", self.above.is_some()),
            ("credential_id", self.credential_id.is_some()),
            ("public_key_spki", self.public_key_spki.is_some()),
        ];
        match left.iter().find(|(_, present)| *present) {
            None => Ok(()),
            Some((name, _)) => Err(OpError::Input(format!("{} does not take {name}", self.op))),
        }
    }
}

fn ok(view: impl Serialize) -> Result<Vec<u8>, OpError> {
    serde_json::to_vec(&Answer::Ok(view)).map_err(|error| OpError::Input(error.to_string()))
}

fn need<T>(name: &str, member: Option<T>) -> Result<T, OpError> {
    member.ok_or_else(|| OpError::Input(format!("{name} is missing")))
}

fn bytes(name: &str, member: Option<String>) -> Result<Vec<u8>, OpError> {
    hex::decode(need(name, member)?).map_err(|_| OpError::Input(format!("{name} is not hex")))
}

fn optional_bytes(name: &str, member: Option<String>) -> Result<Option<Vec<u8>>, OpError> {
    match member {
        None => Ok(None),
        some => bytes(name, some).map(Some),
    }
}

fn array<const N: usize>(name: &str, text: String) -> Result<[u8; N], OpError> {
    bytes(name, Some(text))?
        .try_into()
        .map_err(|_| OpError::Input(format!("{name} is not {N} bytes")))
}

/// Whatever refuses.
#[derive(Debug, thiserror::Error)]
enum OpError {
    #[error("the input is not as it should be: {0}")]
    Input(String),
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    #[error(transparent)]
    Pins(#[from] PolicyError),
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
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
}

impl OpError {
    const fn rule(&self) -> &'static str {
        match self {
            Self::Input(_) => "input",
            Self::Policy(error) => error.rule(),
            Self::Pins(error) => error.rule(),
            Self::Encoding(error) => error.rule(),
            Self::Nonce(error) => error.rule(),
            Self::Evidence(error) => error.rule(),
            Self::Refused(error) => error.rule(),
            Self::Statement(error) => error.rule(),
            Self::Answer(error) => error.rule(),
            Self::Receipt(error) => error.rule(),
        }
    }
}
