//! Texts: `personal_sign`, EIP-191 version 0x45.

mod shapes;

use openkey_capability::{cacao::eip191, siwe::looks_like_siwe, visible::first_hidden};
use openkey_protocol::message::{Address, Error, ErrorCode, PromptKind, Severity, Summary};

use super::{
    SigningRequest, address_text, fold,
    refusal::{check_size, hidden, refuse},
    words::{line, most_severe_first},
};

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
    let mut warnings = shapes::judge(text);
    let (shown, runs) = fold::folded(text);
    let what = match runs.warning() {
        None => "The text below, exactly as it is",
        Some(warning) => {
            warnings.push(warning);
            "The text below; long runs of blank lines and spaces are folded in it"
        }
    };
    let warnings = most_severe_first(warnings);
    let confirm = warnings.iter().any(|w| w.severity == Severity::Danger);
    let lines = text.lines().count();
    let summary = Summary {
        title: "Sign a text".to_owned(),
        lines: vec![
            line("What", what),
            line("Key", address_text(signer)),
            line(
                "Length",
                format!("{} characters on {lines} lines", text.chars().count()),
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
