//! `openkey-verify host`.

use std::{
    collections::BTreeSet,
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
    thread,
};

use openkey_verifier::{
    attestation::Verifier,
    client::{Client, ClientError, Host, Listed},
    command::{
        Failure, Progress, State, Unaccepted, Verdict, When, ask, ask_lists, list_rows,
        output::{self, Table},
        source,
    },
    evidence::Fresh,
    successors::{Successors, Withdrawn},
    view::{EvidenceView, SuccessorView},
};
use serde::Serialize;

use crate::args::HostArgs;

/// What an enclave's evidence names: successors that wait, and withdrawn manifests.
type Lists = (Successors, Withdrawn);
/// One enclave's evidence and lists, or why it is not accepted.
type Judged = Result<(Fresh, Lists), Unaccepted>;

/// What programs read; `docs/verify.md` describes it.
#[derive(Serialize)]
struct HostView<'a> {
    verdict: &'static str,
    url: &'a str,
    /// How many successors wait, at all enclaves together.
    successors_waiting: usize,
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
    /// Present if the signed status says that the root key went to a successor: nothing waits there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    handed_over: Option<bool>,
    /// Present if the evidence says which successors wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    successors: Option<Vec<SuccessorView>>,
    /// Present if the evidence says which manifests were withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<Vec<String>>,
    /// Present with `--state`, for evidence that was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    remembered: Option<bool>,
    #[serde(skip)]
    known: Option<Lists>,
}

pub(crate) fn run(args: &HostArgs) -> Result<Verdict, Failure> {
    let accept = args.accept.resolve(When::At(source::now()?))?;
    let mut state = args.state.as_deref().map(State::open).transpose()?;
    let verifier = Verifier::new(accept.roots.clone());
    let progress = args.time.begin();
    let host = Host::new(&args.url)
        .map_err(|error| failure(&args.url, &error))?
        .until(progress.deadline());
    let listing = || format!("the list of enclaves of {}", host.url());
    let listed = match progress.during(listing, || host.enclaves()) {
        Ok(listed) => listed,
        Err(error) if error.is_answer() => {
            let message = format!("{}: {error}", host.url());
            output::refused(args.json, error.rule(), &message);
            return Ok(Verdict::Refused);
        }
        Err(error) => return Err(failure(host.url(), &error)),
    };
    if listed.is_empty() {
        output::refused(args.json, "no_enclave", "the host lists no enclave");
        return Ok(Verdict::Refused);
    }
    let mut judged = ask_all(&host, &listed, &progress, |client| {
        ask(client, &verifier, &accept.policy)
            .and_then(|fresh| ask_lists(client, &verifier, &accept.policy, fresh))
    });
    if let Some(state) = &mut state {
        remember(state, &mut judged)?;
    }
    let mut verdict = Verdict::Accepted;
    let mut enclaves = Vec::new();
    for (listed, judged) in listed.into_iter().zip(judged) {
        let watched = judged
            .as_ref()
            .ok()
            .and_then(|(_, lists)| watch(args, lists));
        let of = match &judged {
            Ok(_) if watched.is_some() => Verdict::Refused,
            Ok(_) => Verdict::Accepted,
            Err(refusal) if refusal.judged => Verdict::Refused,
            Err(_) => Verdict::NotJudged,
        };
        verdict = verdict.max(of);
        let remembered = match (&state, &judged) {
            (Some(state), Ok((fresh, _))) => {
                Some(state.keeps(&format!("enclave {}", listed.id), Some(fresh.binding())))
            }
            _ => None,
        };
        let view = view(listed, of, judged, watched);
        enclaves.push(EnclaveView { remembered, ..view });
    }
    let waiting = enclaves.iter().flat_map(|enclave| &enclave.successors);
    let waiting: usize = waiting.map(Vec::len).sum();
    for enclave in &enclaves {
        if let (Some(rule), Some(message)) = (enclave.rule, &enclave.message) {
            output::error(rule, &format!("enclave {}: {message}", enclave.id));
        }
    }
    if args.json {
        output::json(&HostView {
            verdict: word(verdict),
            url: host.url(),
            successors_waiting: waiting,
            enclaves,
        });
    } else {
        for enclave in &enclaves {
            print(enclave, &accept.measurements);
        }
        if waiting > 0 {
            let (successors, wait) = match waiting {
                1 => ("successor", "waits"),
                _ => ("successors", "wait"),
            };
            let hint = match args.refuse_waiting {
                true => "",
                false => " (--refuse-waiting makes that exit status 1)",
            };
            output::text(&format!(
                "\nWAITING: {waiting} {successors} {wait} for the root key{hint}\n"
            ));
        }
    }
    Ok(verdict)
}

/// What a watch must not miss at an accepted enclave.
fn watch(args: &HostArgs, (known, withdrawn): &Lists) -> Option<Failure> {
    match known {
        // What was listed has the root key, or never gets it from here.
        _ if *withdrawn == Withdrawn::HandedOver => None,
        Successors::Unknown if !args.allow_unknown => Some(Failure::new(
            "successors_unknown",
            "the store hides the list of successors from the enclave, or does not answer: what waits is \
             unknown (--allow-unknown takes that)",
        )),
        Successors::Listed(list) if args.refuse_waiting && !list.is_empty() => Some(Failure::new(
            "successor_waits",
            "a successor waits for the root key",
        )),
        Successors::NotStated if args.refuse_waiting && !args.allow_unknown => Some(Failure::new(
            "successors_unknown",
            "the enclave has no root key yet, so its evidence cannot say which successors wait \
             (--allow-unknown takes that)",
        )),
        Successors::Listed(_) | Successors::Unknown | Successors::NotStated => None,
    }
}

/// Asks all enclaves at once, so that one which is slow costs the others nothing; answers are in
/// the order of the list.
fn ask_all(
    host: &Host,
    listed: &[Listed],
    progress: &Progress,
    judge: impl Fn(&Client) -> Judged + Sync,
) -> Vec<Judged> {
    let waiting: BTreeSet<_> = listed.iter().map(|listed| listed.id.as_str()).collect();
    let waiting = Mutex::new(waiting);
    let lock = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let names = || {
        let ids: Vec<_> = lock().iter().copied().collect();
        format!("evidence of enclave {} of {}", ids.join(", "), host.url())
    };
    let one = |listed: &Listed| {
        let judged = judge(&host.client(listed));
        lock().remove(listed.id.as_str());
        judged
    };
    progress.during(names, || {
        thread::scope(|scope| {
            let threads: Vec<_> = listed
                .iter()
                .map(|listed| scope.spawn(|| one(listed)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        })
    })
}

/// Remembers the epochs of all accepted enclaves, then refuses those below the highest, whether an
/// earlier run saw that one or this run did: the order of answers decides nothing.
fn remember(state: &mut State, judged: &mut [Judged]) -> Result<(), Failure> {
    refuse_older(state, judged);
    state.note(judged.iter().flatten().map(|(fresh, _)| fresh.binding()))?;
    refuse_older(state, judged);
    Ok(())
}

fn refuse_older(state: &State, judged: &mut [Judged]) {
    for one in judged {
        let known = one
            .as_ref()
            .map_or(Ok(()), |(fresh, _)| state.check(fresh.binding()));
        if let Err(error) = known {
            *one = Err(Unaccepted {
                rule: error.rule(),
                message: error.to_string(),
                judged: true,
            });
        }
    }
}

fn view(listed: Listed, verdict: Verdict, judged: Judged, watched: Option<Failure>) -> EnclaveView {
    let (refusal, evidence, known) = match judged {
        Ok((fresh, known)) => {
            let view = EvidenceView::new(fresh.claims(), Some(fresh.binding()));
            let refusal = watched.map(|failure| (failure.rule, failure.message));
            (refusal, Some(view), Some(known))
        }
        Err(refusal) => (Some((refusal.rule, refusal.message)), None, None),
    };
    let handed_over = matches!(known, Some((_, Withdrawn::HandedOver)));
    let successors = match &known {
        Some((Successors::Listed(list), _)) if !handed_over => {
            Some(list.iter().map(SuccessorView::from).collect())
        }
        _ => None,
    };
    let withdrawn = match &known {
        Some((_, Withdrawn::Listed(list))) => Some(list.iter().map(ToString::to_string).collect()),
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
        handed_over: handed_over.then_some(true),
        successors,
        withdrawn,
        remembered: None,
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
    if let Some((waiting, withdrawn)) = &enclave.known {
        list_rows(&mut table, waiting, withdrawn);
    }
    table.row(
        "checked",
        "shape, certificate chain, signature, module name, age, nonce, measurements as above, binding",
    );
    output::text(&format!(
        "{}: enclave {}\n\n{}\nfreshness: proven (a nonce made for this run)\n",
        enclave.verdict,
        enclave.id,
        table.render()
    ));
}

fn failure(url: &str, error: &ClientError) -> Failure {
    Failure::new(error.rule(), format!("{url}: {error}"))
}
