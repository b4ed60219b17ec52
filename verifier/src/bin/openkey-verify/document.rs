//! `openkey-verify document`.

use openkey_verifier::{
    attestation::{Claims, Document, Refusal, UnixMillis, Verifier},
    command::{
        Failure, State, Verdict, When, advised,
        output::{self, Table},
        source,
    },
    encoding, evidence,
    view::EvidenceView,
};
use serde::Serialize;

use crate::args::{At, DocumentArgs};

/// What programs read; `docs/verify.md` describes it.
#[derive(Serialize)]
struct Accepted {
    verdict: &'static str,
    evidence: &'static str,
    freshness: &'static str,
    judged_at_ms: u64,
    /// Present with `--state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    remembered: Option<bool>,
    #[serde(flatten)]
    view: EvidenceView,
}

/// A document that was accepted, and as what.
struct Judged {
    claims: Claims,
    fresh: bool,
    at: UnixMillis,
}

pub(crate) fn run(args: &DocumentArgs) -> Result<Verdict, Failure> {
    if args.nonce.is_none() && !matches!(args.at, Some(At::Document)) {
        return Err(Failure::new(
            "freshness",
            "not proven: give the nonce that you chose with --nonce HEX, or judge the document at its own \
             time with --at document; without a nonce anybody can show you somebody else's document",
        ));
    }
    if args.state.is_some() && matches!(args.at, Some(At::Document)) {
        return Err(Failure::new(
            "freshness",
            "--state is about what runs now: a document judged at its own time may be older than \
             what was seen since",
        ));
    }
    let file = source::file_or_stdin(&args.file, encoding::MAX_DOCUMENT_TEXT + 1)?;
    let bytes = encoding::document_bytes(&file);
    let accept = args
        .accept
        .resolve(when(args, bytes.as_deref().map_err(|_| ()))?)?;
    let policy = if args.allow_debug {
        accept.policy.allow_debug(true)
    } else {
        accept.policy
    };
    let verifier = Verifier::new(accept.roots);
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => {
            let file = source::named(&args.file);
            return Ok(refuse(args, error.rule(), &format!("{file}: {error}")));
        }
    };
    let judged = match (&args.nonce, args.at) {
        (nonce, Some(At::Document)) => verifier
            .archival(&bytes, &policy, nonce.as_ref())
            .map(|archival| archived(archival.claims())),
        (Some(nonce), at) => {
            let now = match at {
                Some(At::Time(ms)) => UnixMillis(ms),
                _ => source::now()?,
            };
            verifier
                .fresh(&bytes, &policy, nonce, now)
                .map(|fresh| Judged {
                    claims: fresh.claims().clone(),
                    fresh: true,
                    at: now,
                })
        }
        (None, _) => Err(Refusal::NonceMissing),
    };
    let judged = match judged {
        Ok(judged) => judged,
        Err(refusal) => return Ok(refuse(args, refusal.rule(), &refusal.to_string())),
    };
    // Documents of other programs can be looked at, unless the policy asks what only a binding says.
    let binding = match evidence::any_binding(&judged.claims, &policy) {
        Ok(binding) => binding,
        Err(error) => return Ok(refuse(args, error.rule(), &error.to_string())),
    };
    let mut state = args.state.as_deref().map(State::open).transpose()?;
    let remembered = state
        .as_ref()
        .map(|state| state.keeps("this document", binding.as_ref()));
    if let (Some(state), Some(binding)) = (&mut state, &binding) {
        let known = state.check(binding);
        // Another run may have seen a higher epoch meanwhile.
        let known = match known {
            Ok(()) => {
                state.note([binding])?;
                state.check(binding)
            }
            refused => refused,
        };
        if let Err(error) = known {
            return Ok(refuse(args, error.rule(), &error.to_string()));
        }
    }
    let view = EvidenceView::new(&judged.claims, binding.as_ref());
    if args.json {
        output::json(&Accepted {
            verdict: "accepted",
            evidence: if judged.fresh { "fresh" } else { "archival" },
            freshness: if judged.fresh { "proven" } else { "not proven" },
            judged_at_ms: judged.at.0,
            remembered,
            view,
        });
    } else {
        let mut table = Table::default();
        output::evidence_rows(&mut table, &view, &accept.measurements);
        table.row("checked", checks(&judged, args.nonce.is_some()));
        let freshness = freshness(&judged);
        output::text(&format!("accepted\n\n{}\n{freshness}\n", table.render()));
    }
    Ok(Verdict::Accepted)
}

/// At which time releases must be valid: when the document is judged, and for its own time that
/// is the time it claims, which its signature is about to prove.
fn when(args: &DocumentArgs, bytes: Result<&[u8], ()>) -> Result<When, Failure> {
    match (args.at, bytes) {
        (Some(At::Time(ms)), _) => Ok(When::At(UnixMillis(ms))),
        (Some(At::Document), bytes) => Ok(bytes
            .ok()
            .and_then(|bytes| Document::parse(bytes).ok())
            .map_or(When::Whenever, |document| {
                When::At(document.payload().timestamp)
            })),
        (None, _) => source::now().map(When::At),
    }
}

fn archived(claims: &Claims) -> Judged {
    Judged {
        claims: claims.clone(),
        fresh: false,
        at: claims.timestamp,
    }
}

fn refuse(args: &DocumentArgs, rule: &str, message: &str) -> Verdict {
    output::refused(args.json, rule, &advised(rule, message.to_owned()));
    Verdict::Refused
}

fn checks(judged: &Judged, nonce: bool) -> String {
    let mut checks = vec!["shape", "certificate chain", "signature", "module name"];
    if judged.fresh {
        checks.push("age");
    }
    if nonce {
        checks.push("nonce");
    }
    if !judged.claims.debug {
        checks.push("no debug mode");
    }
    format!("{}, measurements as above", checks.join(", "))
}

fn freshness(judged: &Judged) -> String {
    if judged.fresh {
        let signed = judged.claims.timestamp.0;
        let words = if signed > judged.at.0 {
            format!("{} ms after", signed - judged.at.0)
        } else {
            format!("{} ms before", judged.at.0 - signed)
        };
        format!(
            "freshness: proven (your nonce, signed {words} {})",
            output::rfc3339(judged.at)
        )
    } else {
        "freshness: not proven (judged at the document's own time)".to_owned()
    }
}
