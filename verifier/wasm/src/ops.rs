//! What can be asked.

use openkey_verifier::{
    anchor::AnchorError,
    answer::{self, AnswerError, Asked},
    attestation::{
        Nonce, NonceError, PolicyDraft, PolicyFile, PolicyFileError, Refusal, UnixMillis, Verifier,
    },
    encoding::{self, EncodingError},
    evidence::{self, EvidenceError},
    policy::{self, PolicyError, Terms},
    protocol::message::{self, Hash32, Response, Signed, Statement, Verdict},
    receipt::{self, ReceiptError, Registration},
    statement::{IdentityKey, StatementError},
    successors::{self, Successors, SuccessorsDiffer},
    view::{AnswerView, EvidenceView, ReceiptView, SuccessorView},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::anchored::anchored;

/// Longest input, in bytes: an answer with its call, both in hex, with room.
pub const MAX_INPUT: usize = 4 * 1024 * 1024;

/// Answers one JSON text with another: `{"ok":…}` or `{"error":{"rule","message"}}`.
///
/// | op | members | answer |
/// |---|---|---|
/// | `evidence` | `document` base64, `nonce` hex, `now_ms`, `policy` | an `EvidenceView` with binding |
/// | `anchored` | `document` base64, `nonce`, `anchor` hex, `now_ms`, `host`, `releases`?, `known`? texts, `policy`? of the host | evidence, history, release, anchor, what to remember |
/// | `archival` | `document`, `policy`, `nonce`?, `any_configuration`? | an `EvidenceView`, binding or null |
/// | `answer` | `identity`, `body`, `signature`, `call` hex, `now_ms`, `origin`?, `above`? hex | an `AnswerView` |
/// | `receipt` | `identity`, `body`, `signature`, `nonce`, `credential_id`?, `public_key_spki`? hex | a `ReceiptView` |
/// | `successors` | `pending` hex, as an `EvidenceView` has it; an `answer` to `Status`: `identity`, `body`, `signature`, `call` hex, `now_ms` | a list of `SuccessorView` |
///
/// `policy` is the content of a policy file, held to the same rules as by the commands: every set
/// names code and a configuration (for a stored document `any_configuration` waives the latter).
/// Unknown and repeated members are refused. The views are those of `openkey_verifier::view`.
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
    any_configuration: Option<bool>,
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
    pending: Option<String>,
}

/// The op alone, whatever its members: `anchored` has members of its own.
#[derive(Deserialize)]
struct Op {
    op: String,
}

fn run(input: &[u8]) -> Result<Vec<u8>, OpError> {
    if input.len() > MAX_INPUT {
        return Err(OpError::Input("longer than it may be".into()));
    }
    // serde would take an array for an object, its elements for the members in order.
    if !input.trim_ascii_start().starts_with(b"{") {
        return Err(OpError::Input("it is not a JSON object".into()));
    }
    if serde_json::from_slice(input).is_ok_and(|Op { op }| op == "anchored") {
        return anchored(input);
    }
    let input: Input<'_> =
        serde_json::from_slice(input).map_err(|error| OpError::Input(error.to_string()))?;
    match input.op.as_str() {
        "evidence" => evidence(input),
        "archival" => archival(input),
        "answer" => answer_to(input),
        "receipt" => receipt(input),
        "successors" => pending(input),
        other => Err(OpError::Input(format!("no such op: {other:?}"))),
    }
}

fn evidence(mut input: Input<'_>) -> Result<Vec<u8>, OpError> {
    let PolicyFile { policy, roots } = input.policy(false)?;
    let document = input.document()?;
    let nonce = Nonce::new(&bytes("nonce", input.nonce.take())?)?;
    let now = UnixMillis(need("now_ms", input.now_ms.take())?);
    input.end()?;
    let fresh = evidence::fresh(&Verifier::new(roots), &document, &policy, &nonce, now)?;
    ok(EvidenceView::new(fresh.claims(), Some(fresh.binding())))
}

/// Any document of an enclave, also one of another program: the binding is null then.
fn archival(mut input: Input<'_>) -> Result<Vec<u8>, OpError> {
    let any_configuration = input.any_configuration.take().unwrap_or_default();
    let PolicyFile { policy, roots } = input.policy(any_configuration)?;
    let document = input.document()?;
    let nonce = match optional_bytes("nonce", input.nonce.take())? {
        Some(nonce) => Some(Nonce::new(&nonce)?),
        None => None,
    };
    input.end()?;
    let archival = Verifier::new(roots).archival(&document, &policy, nonce.as_ref())?;
    let binding = evidence::any_binding(archival.claims(), &policy)?;
    ok(EvidenceView::new(archival.claims(), binding.as_ref()))
}

fn answer_to(input: Input<'_>) -> Result<Vec<u8>, OpError> {
    ok(AnswerView::from(opened(input)?))
}

/// The answer to a call, checked.
fn opened(mut input: Input<'_>) -> Result<message::Answer, OpError> {
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
    Ok(answer::check(&identity, &signed, &asked)?)
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

/// The successors that a status lists, held to the hash in fresh evidence of the same boot.
fn pending(mut input: Input<'_>) -> Result<Vec<u8>, OpError> {
    let named = Hash32(array("pending", need("pending", input.pending.take())?)?);
    let Verdict::Ok(Response::Status(status)) = opened(input)?.result else {
        return Err(AnswerError::Kind.into());
    };
    let known = successors::check_list(&named, &status.root.upgrades)?;
    let list = match &known {
        Successors::Listed(list) => list.as_slice(),
        Successors::NotStated | Successors::Unknown => &[],
    };
    ok(list.iter().map(SuccessorView::from).collect::<Vec<_>>())
}

impl Input<'_> {
    fn policy(&mut self, any_configuration: bool) -> Result<PolicyFile, OpError> {
        let policy = need("policy", self.policy.take())?;
        let draft = PolicyDraft::parse(policy.get().as_bytes())?;
        // A page reads no other files: a policy that names release manifests is refused.
        let PolicyFile { policy, roots } = policy::complete(draft, &[])?;
        let terms = Terms {
            any_configuration,
            ..Terms::default()
        };
        let policy = policy::judge_by(policy, &terms)?;
        Ok(PolicyFile { policy, roots })
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
            ("any_configuration", self.any_configuration.is_some()),
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
            ("pending", self.pending.is_some()),
        ];
        match left.iter().find(|(_, present)| *present) {
            None => Ok(()),
            Some((name, _)) => Err(OpError::Input(format!("{} does not take {name}", self.op))),
        }
    }
}

pub(crate) fn ok(view: impl Serialize) -> Result<Vec<u8>, OpError> {
    serde_json::to_vec(&Answer::Ok(view)).map_err(|error| OpError::Input(error.to_string()))
}

fn need<T>(name: &str, member: Option<T>) -> Result<T, OpError> {
    member.ok_or_else(|| OpError::Input(format!("{name} is missing")))
}

pub(crate) fn bytes(name: &str, member: Option<String>) -> Result<Vec<u8>, OpError> {
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
pub(crate) enum OpError {
    #[error("invalid input: {0}")]
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
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    #[error(transparent)]
    Successors(#[from] SuccessorsDiffer),
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
            Self::Anchor(error) => error.rule(),
            Self::Successors(error) => error.rule(),
        }
    }
}
