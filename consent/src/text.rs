//! Texts: `personal_sign`, EIP-191 version 0x45.

use openkey_capability::cacao::eip191;
use openkey_capability::siwe::looks_like_siwe;
use openkey_protocol::message::{
    Address, Error, ErrorCode, PromptKind, Severity, Summary, Warning,
};

use super::{
    SigningRequest, address_text,
    refusal::{check_size, hidden, refuse},
    visible::first_hidden,
    words::{line, warning},
};

/// Fewest bytes of hexadecimal that are worth a second look: an address.
const ENCODED: usize = 20;

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
    let warnings: Vec<Warning> = look_alike(text).into_iter().collect();
    let confirm = warnings.iter().any(|w| w.severity == Severity::Danger);
    let lines = text.lines().count();
    let summary = Summary {
        title: "Sign a text".to_owned(),
        lines: vec![
            line("What", "The text below, exactly as it is"),
            line("Key", address_text(signer)),
            line(
                "Length",
                format!("{} characters on {lines} lines", text.chars().count()),
            ),
        ],
        warnings,
        grants: Vec::new(),
        text: Some(text.to_owned()),
        confirm,
    };
    Ok(SigningRequest {
        kind: PromptKind::SignText,
        digest: eip191(text),
        summary,
    })
}

/// What a text that is hexadecimal or JSON could be mistaken for.
fn look_alike(text: &str) -> Option<Warning> {
    const AS_TEXT: &str = "It is signed as a text, so it cannot be used as one, but no honest \
                           page asks for this.";
    let trimmed = text.trim();
    if trimmed.starts_with('{') && trimmed.contains("\"primaryType\"") {
        return Some(warning(
            Severity::Attention,
            "This is the text of typed data. Signed as a text it is not checked as typed data.",
        ));
    }
    let digits = trimmed
        .strip_prefix("0x")
        .or_else(|| trimmed.strip_prefix("0X"))
        .unwrap_or(trimmed);
    let digits: String = digits.split_whitespace().collect();
    let bytes = hex::decode(digits).ok()?;
    let danger = |what: &str| {
        Some(warning(
            Severity::Danger,
            format!("This text looks like {what}. {AS_TEXT}"),
        ))
    };
    match bytes.as_slice() {
        [_, ..] if bytes.len() == 32 => {
            danger("a 32-byte digest: the fingerprint of something that you cannot see")
        }
        [0x19, 0x01, ..] if bytes.len() >= ENCODED => danger("encoded typed data (EIP-712)"),
        [0x19, ..] if bytes.len() >= ENCODED => danger("an encoded signing request (EIP-191)"),
        [0x05, list @ ..] if is_rlp_list(list) => {
            danger("an authorisation that hands the account to a program (EIP-7702)")
        }
        [0x01..=0x04, list @ ..] if is_rlp_list(list) => danger("a transaction"),
        list if is_rlp_list(list) => danger("a transaction"),
        _ if bytes.len() >= ENCODED => Some(warning(
            Severity::Attention,
            "This text is encoded data that a person cannot read.",
        )),
        _ => None,
    }
}

/// True if the bytes are one RLP list, by its header (Ethereum Yellow Paper, appendix B), with
/// at least the nine items of the oldest transaction in it.
fn is_rlp_list(bytes: &[u8]) -> bool {
    /// An item takes at least a byte.
    const LEAST: usize = 9;
    if bytes.len() <= LEAST {
        return false;
    }
    match bytes.split_first() {
        Some((&head @ 0xc1..=0xf7, rest)) => rest.len() == usize::from(head - 0xc0),
        Some((&head @ 0xf8..=0xff, rest)) => {
            let Some((length, rest)) = rest.split_at_checked(usize::from(head - 0xf7)) else {
                return false;
            };
            let claimed = length.iter().try_fold(0usize, |claimed, byte| {
                claimed.checked_mul(256)?.checked_add(usize::from(*byte))
            });
            claimed == Some(rest.len())
        }
        _ => false,
    }
}
