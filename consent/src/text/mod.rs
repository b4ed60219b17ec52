//! Texts: `personal_sign`, EIP-191 version 0x45.

mod opaque;
mod shapes;
mod speech;

use openkey_capability::{cacao::eip191, siwe::looks_like_siwe, visible::first_hidden};
use openkey_protocol::message::{
    Address, Error, ErrorCode, PromptKind, Severity, Summary, Warning,
};

use super::{
    SigningRequest, address_text, fold,
    refusal::{check_size, hidden, refuse},
    words::{line, most_severe_first, warning},
};

/// More lines or characters than this are told: nobody reads them by chance.
const MANY_LINES: usize = 80;
const MANY_CHARACTERS: usize = 4000;

/// What a text is taken for or speaks of.
#[derive(Clone, Debug)]
struct Finding {
    /// What the title says of the text: `that …`.
    title: &'static str,
    warning: Warning,
}

impl Finding {
    fn new(severity: Severity, title: &'static str, says: &str) -> Self {
        Self {
            title,
            warning: warning(severity, says),
        }
    }
}

/// Reads a text.
pub(super) fn read(text: &str, signer: &Address) -> Result<SigningRequest, Error> {
    check_size(text)?;
    if looks_like_siwe(text) {
        return Err(refuse(
            ErrorCode::SiweRefused,
            "looks_like_siwe",
            "This text reads like a sign-in message, so it is not signed as an ordinary text.",
            "Ask for it to be signed as a sign-in (SIWE) message; then every line is checked.",
        ));
    }
    if let Some(found) = first_hidden(text) {
        return Err(hidden(ErrorCode::TextRefused, found));
    }
    let findings = findings(text);
    let title = title(&findings);
    let mut warnings: Vec<Warning> = findings.into_iter().map(|it| it.warning).collect();
    let (shown, runs) = fold::folded(text);
    let what = if runs.is_folded() {
        "The text below; long runs of lines or spaces are folded in it"
    } else {
        "The text below, exactly as it is"
    };
    warnings.extend(runs.warning());
    let lines = text.lines().count();
    let characters = text.chars().count();
    if lines > MANY_LINES || characters > MANY_CHARACTERS {
        warnings.push(warning(
            Severity::Attention,
            "The text is long. You sign all of it: read it to its end.",
        ));
    }
    let warnings = most_severe_first(warnings);
    let confirm = warnings.iter().any(|w| w.severity == Severity::Danger);
    let summary = Summary {
        title,
        lines: vec![
            line("What", what),
            line("Key", address_text(signer)),
            line(
                "Length",
                format!("{characters} characters on {lines} lines"),
            ),
        ],
        warnings,
        grants: Vec::new(),
        text: Some(shown),
        confirm,
    };
    Ok(SigningRequest {
        kind: PromptKind::SignText,
        digest: eip191(text),
        summary,
    })
}

/// What the text is taken for, by its bytes first. One thing is told once: a shape that is known
/// says more than what any shape of its sort would.
fn findings(text: &str) -> Vec<Finding> {
    let (mut findings, known) = shapes::judge(text);
    if !known.is_encoded {
        findings.extend(opaque::judge(text));
    }
    let speech = speech::judge(text).into_iter();
    findings.extend(speech.filter(|_| !known.is_key));
    findings
}

/// The title names the worst finding.
fn title(findings: &[Finding]) -> String {
    let worst = findings.iter().map(|it| it.warning.severity).max();
    let first = findings
        .iter()
        .find(|it| Some(it.warning.severity) == worst);
    first.map_or_else(
        || "Sign a text".to_owned(),
        |finding| format!("Sign a text {}", finding.title),
    )
}
