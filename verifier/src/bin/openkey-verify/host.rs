//! `openkey-verify host`.

use openkey_verifier::{
    attestation::Verifier,
    client::{ClientError, Host, Listed},
    command::{
        Failure, State, Unaccepted, Verdict, When, ask, ask_successors,
        output::{self, Table},
        source, successor_rows,
    },
    evidence::Fresh,
    successors::Successors,
    view::{EvidenceView, SuccessorView},
};
use serde::Serialize;

use crate::args::HostArgs;

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
    /// Present if the evidence says which successors wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    successors: Option<Vec<SuccessorView>>,
    #[serde(skip)]
    known: Option<Successors>,
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
        let client = host.client(&listed);
        let judged = ask(&client, &verifier, &accept.policy)
            .and_then(|fresh| ask_successors(&client, &verifier, &accept.policy, fresh))
            .and_then(|(fresh, known)| Ok((remembered(state.as_ref(), fresh)?, known)));
        if let (Some(state), Ok((fresh, _))) = (&mut state, &judged) {
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

/// Refuses an epoch below one that was seen before.
fn remembered(state: Option<&State>, fresh: Fresh) -> Result<Fresh, Unaccepted> {
    match state.map(|state| state.check(fresh.binding())) {
        Some(Err(error)) => Err(Unaccepted {
            rule: error.rule(),
            message: error.to_string(),
            judged: true,
        }),
        _ => Ok(fresh),
    }
}

fn view(
    listed: Listed,
    verdict: Verdict,
    judged: Result<(Fresh, Successors), Unaccepted>,
) -> EnclaveView {
    let (refusal, evidence, known) = match judged {
        Ok((fresh, known)) => {
            let view = EvidenceView::new(fresh.claims(), Some(fresh.binding()));
            (None, Some(view), Some(known))
        }
        Err(refusal) => (Some((refusal.rule, refusal.message)), None, None),
    };
    let successors = match &known {
        Some(Successors::Listed(list)) => Some(list.iter().map(SuccessorView::from).collect()),
        _ => None,
    };
    let (rule, message) = refusal.unzip();
    EnclaveView {
        id: listed.id,
        member: listed.member,
        verdict: word(verdict),
        rule,
        message,
        evidence,
        successors,
        known,
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
    if let Some(known) = &enclave.known {
        successor_rows(&mut table, known);
    }
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
