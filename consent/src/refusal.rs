//! Refusals of payloads: one sentence of what, the rule's name, one sentence of what to do.

use openkey_capability::visible::Hidden;
use openkey_protocol::message::{Error, ErrorCode};

use super::MAX_PAYLOAD;

/// Builds a refusal; `rule` is the stable name of what refused.
pub(super) fn refuse(code: ErrorCode, rule: &str, message: &str, advice: &str) -> Error {
    Error {
        code,
        message: format!("{message} [{rule}]"),
        advice: advice.to_owned(),
    }
}

/// Refuses a payload that is empty or longer than [`MAX_PAYLOAD`].
pub(super) fn check_size(payload: &str) -> Result<(), Error> {
    if payload.is_empty() {
        return Err(refuse(
            ErrorCode::OutOfBounds,
            "empty",
            "There is nothing to sign.",
            "Say what to sign.",
        ));
    }
    if payload.len() > MAX_PAYLOAD {
        return Err(refuse(
            ErrorCode::OutOfBounds,
            "too_long",
            &format!(
                "The request is {} bytes long; at most {MAX_PAYLOAD} can be signed.",
                payload.len()
            ),
            "Sign something shorter, for example a hash of it with a sentence that says so.",
        ));
    }
    Ok(())
}

/// Refuses a text with a character that a person cannot see.
pub(super) fn hidden(code: ErrorCode, hidden: Hidden) -> Error {
    refuse(
        code,
        "hidden_character",
        &format!(
            "Character {} is U+{:04X}, {}: a person would not see what is signed.",
            hidden.position,
            u32::from(hidden.character),
            hidden.kind
        ),
        "Remove the character. If you did not put it there, do not trust who sent you this.",
    )
}
