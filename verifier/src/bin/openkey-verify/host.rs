//! `openkey-verify host`.

use openkey_verifier::{
    attestation::{Nonce, Verifier},
    client::{Client, ClientError, Host, Listed},
    command::{
        Accept, Failure, State, Verdict, When,
        output::{self, Table},
        source,
    },
    evidence::{self, Fresh},
    protocol::message::{Request, Response},
    view::EvidenceView,
};
use serde::Serialize;

use crate::args::HostArgs;

/// Bytes of the nonce of a run: more than anybody guesses or meets again.
const NONCE: usize = 32;

/// What programs read; `docs/verify.md` describes it.
#[derive(Serialize)]
struct HostView<'a> {
    verdict: &'static str,
    url: &'a str,
    enclaves: Vec<EnclaveView>,
}

#[derive(Serialize)]
struct EnclaveView {
    id: String,
    member: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceView>,
}

/// Why one enclave is not accepted.
struct Refusal {
    rule: &'static str,
    message: String,
    /// Whether there was something to judge.
    judged: bool,
}

pub(crate) fn run(args: &HostArgs) -> Result<Verdict, Failure> {
    let accept = args.accept.resolve(When::At(source::now()?))?;
    let mut state = args.state.as_deref().map(State::open).transpose()?;
    let verifier = Verifier::new(accept.roots.clone());
    let host = Host::new(&args.url).map_err(|error| failure(&error))?;
    let listed = host.enclaves().map_err(|error| failure(&error))?;
    if listed.is_empty() {
        output::refused(args.json, "no_enclave", "the host lists no enclave");
        return Ok(Verdict::Refused);
    }
    let mut verdict = Verdict::Accepted;
    let mut enclaves = Vec::new();
    for listed in listed {
        let judged = judge(&host.client(&listed), &verifier, &accept)
            .and_then(|fresh| remembered(state.as_ref(), fresh));
        if let (Some(state), Ok(fresh)) = (&mut state, &judged) {
            state.note(fresh.binding())?;
        }
        let of = match &judged {
            Ok(_) => Verdict::Accepted,
            Err(refusal) if refusal.judged => Verdict::Refused,
            Err(_) => Verdict::NotJudged,
        };
        verdict = verdict.max(of);
        enclaves.push(view(listed, of, judged));
    }
    for enclave in &enclaves {
        if let (Some(rule), Some(message)) = (enclave.rule, &enclave.message) {
            output::error(rule, &format!("enclave {}: {message}", enclave.id));
        }
    }
    if args.json {
        output::json(&HostView {
            verdict: word(verdict),
            url: host.url(),
            enclaves,
        });
    } else {
        for enclave in &enclaves {
            print(enclave, &accept.measurements);
        }
    }
    Ok(verdict)
}

/// One enclave: a nonce of its own, a document over it, the verdict at this machine's time.
fn judge(client: &Client, verifier: &Verifier, accept: &Accept) -> Result<Fresh, Refusal> {
    let mut bytes = [0; NONCE];
    getrandom::fill(&mut bytes).map_err(|error| Refusal {
        rule: "randomness",
        message: error.to_string(),
        judged: false,
    })?;
    let not_judged = |error: ClientError| Refusal {
        rule: error.rule(),
        message: error.to_string(),
        // Bytes that are no answer are an answer of somebody who is no enclave of this protocol.
        judged: matches!(error, ClientError::Answer(_) | ClientError::TooLong(_)),
    };
    let request = Request::Evidence {
        nonce: bytes.into(),
    };
    let document = match client.call(&request).map_err(not_judged)? {
        Response::Evidence(evidence) => evidence.document,
        _ => return Err(not_judged(ClientError::Answer("not one to this request"))),
    };
    let now = source::now().map_err(|failure| Refusal {
        rule: failure.rule,
        message: failure.message,
        judged: false,
    })?;
    Nonce::new(&bytes)
        .map_err(|error| (error.rule(), error.to_string()))
        .and_then(|nonce| {
            evidence::fresh(verifier, document.as_slice(), &accept.policy, &nonce, now)
                .map_err(|error| (error.rule(), error.to_string()))
        })
        .map_err(|(rule, message)| Refusal {
            rule,
            message,
            judged: true,
        })
}

/// Refuses an epoch below one that was seen before.
fn remembered(state: Option<&State>, fresh: Fresh) -> Result<Fresh, Refusal> {
    match state.map(|state| state.check(fresh.binding())) {
        Some(Err(error)) => Err(Refusal {
            rule: error.rule(),
            message: error.to_string(),
            judged: true,
        }),
        _ => Ok(fresh),
    }
}

fn view(listed: Listed, verdict: Verdict, judged: Result<Fresh, Refusal>) -> EnclaveView {
    let (refusal, evidence) = match judged {
        Ok(fresh) => {
            let view = EvidenceView::new(fresh.claims(), Some(fresh.binding()));
            (None, Some(view))
        }
        Err(refusal) => (Some((refusal.rule, refusal.message)), None),
    };
    let (rule, message) = refusal.unzip();
    EnclaveView {
        id: listed.id,
        member: listed.member,
        verdict: word(verdict),
        rule,
        message,
        evidence,
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Refused => "refused",
        Verdict::NotJudged => "not judged",
    }
}

fn print(enclave: &EnclaveView, measurements: &str) {
    let Some(evidence) = &enclave.evidence else {
        return;
    };
    let mut table = Table::default();
    table.row("member", &enclave.member);
    output::evidence_rows(&mut table, evidence, measurements);
    table.row(
        "checked",
        "shape, certificate chain, signature, module name, age, nonce, measurements as above, binding",
    );
    output::text(&format!(
        "accepted: enclave {}\n\n{}\nfreshness: proven (a nonce made for this run)\n",
        enclave.id,
        table.render()
    ));
}

fn failure(error: &ClientError) -> Failure {
    Failure::new(error.rule(), error.to_string())
}
