//! Refusals in plain words: what happened, what to do. Nothing of a request is repeated in them.

use openkey_protocol::message::{Error, ErrorCode};

/// The refusal for a rule, in its usual words.
pub(crate) fn refuse(code: ErrorCode) -> Error {
    let (message, advice) = words(code);
    Error {
        code,
        message: message.to_owned(),
        advice: advice.to_owned(),
    }
}

/// The refusal for a rule, with a message that says more.
pub(crate) fn refuse_because(code: ErrorCode, message: impl Into<String>) -> Error {
    Error {
        message: message.into(),
        ..refuse(code)
    }
}

/// The refusal for what must never fail.
pub(crate) fn internal<E>(_: E) -> Error {
    refuse(ErrorCode::Internal)
}

const AGAIN: &str = "Start again from the page.";
const RELOAD: &str = "Load the account again and repeat what you wanted to do.";

const fn words(code: ErrorCode) -> (&'static str, &'static str) {
    match code {
        ErrorCode::Malformed => (
            "The request is not one this enclave understands.",
            "Update the program you use.",
        ),
        ErrorCode::WrongClass => (
            "The request came by a way that is not meant for it.",
            "Update the program you use.",
        ),
        ErrorCode::OutOfBounds => (
            "A part of the request is too long, too short or too many.",
            "Make it shorter and try again.",
        ),
        ErrorCode::WrongOrigin => (
            "This page is not one that the enclave was configured for.",
            "Open the page at its proper address.",
        ),
        ErrorCode::UnknownAccount => (
            "There is no such account here.",
            "Check that you are at the right place, or create an account.",
        ),
        ErrorCode::RolledBack => (
            "The store does not show the newest state of this account.",
            "Approve nothing here. Tell the operator: the store was set back, or hides the newest state.",
        ),
        ErrorCode::Forked => (
            "The store shows this account with another history than the one that is known.",
            "Approve nothing here. Tell the operator: the store has two versions of your account, or had kept \
             a decision back.",
        ),
        ErrorCode::RecordCorrupt => (
            "The stored account was changed or moved by someone else.",
            "Approve nothing here. Tell the operator.",
        ),
        ErrorCode::UnknownPasskey => (
            "This passkey does not belong to the account.",
            "Use another passkey.",
        ),
        ErrorCode::UnknownKey => ("The account has no such key.", RELOAD),
        ErrorCode::KeyArchived => (
            "The key is archived and signs nothing.",
            "Restore the key first.",
        ),
        ErrorCode::NotConfirmed => (
            "The account is not confirmed yet: its key signs nothing.",
            "Finish the registration: check the receipt and confirm with the new passkey.",
        ),
        ErrorCode::AlreadyConfirmed => ("The account is confirmed already.", "Sign in."),
        ErrorCode::LastPasskey => (
            "The last passkey cannot be removed: the account would be lost.",
            "Add another passkey first.",
        ),
        ErrorCode::PasskeyExists => (
            "This passkey is registered already.",
            "Use another device or security key.",
        ),
        ErrorCode::NothingToDo => ("Nothing would change.", RELOAD),
        ErrorCode::SignInNeeded => (
            "Only who is signed in to this account may ask for this.",
            "Sign in with a passkey of the account, and ask again.",
        ),
        ErrorCode::ContextInvalid => (
            "The request does not continue anything that this enclave began.",
            AGAIN,
        ),
        ErrorCode::ContextExpired => ("The time for this answer is over.", AGAIN),
        ErrorCode::ContextUsed => ("This prompt was answered already.", RELOAD),
        ErrorCode::BeginAgain => (
            "This sign-up began at another enclave, or before the enclave started again.",
            "Begin again, with a new passkey.",
        ),
        ErrorCode::AccountChanged => ("The account has changed since the prompt was made.", RELOAD),
        ErrorCode::AssertionRefused => (
            "The passkey's answer does not hold.",
            "Try again with the same passkey; if it fails again, use another one.",
        ),
        ErrorCode::CredentialRefused => (
            "The new passkey does not hold.",
            "Try again, or use another device or security key.",
        ),
        ErrorCode::PossessionNeeded => (
            "The new passkey has not signed: nothing shows that somebody holds it.",
            "Use the new passkey once for this prompt, then approve with one that the account has.",
        ),
        ErrorCode::PossessionRefused => (
            "The proof of the new passkey does not hold.",
            "Use the very passkey that was just made, and unlock it with fingerprint, face or PIN.",
        ),
        ErrorCode::ConfirmationNeeded => (
            "This is dangerous and was not confirmed a second time.",
            "Read the warning, and confirm only if you are sure.",
        ),
        ErrorCode::TooMany => (
            "Too many requests in too short a time.",
            "Wait a minute and try again.",
        ),
        ErrorCode::Busy => (
            "Too many requests about this account wait already: this one was not looked at.",
            "Wait a second and try again.",
        ),
        ErrorCode::Full => (
            "This deployment has no room for another account.",
            "Tell the operator.",
        ),
        ErrorCode::Conflict => ("Another change was faster.", RELOAD),
        ErrorCode::OutcomeUnknown => (
            "The store did not confirm what was decided: it may have happened.",
            // `PROMPT_LIFE` at most, `TOLERANCE`, and a minute for the clocks of several enclaves.
            "Look at the history in five minutes, three minutes after the end of the prompt. A decision that \
             it does not show then is refused if the store brings it later. A hostile host can have a \
             signature that no history shows.",
        ),
        ErrorCode::AwaitingRootKey => (
            "waiting for root key",
            "Wait until the operators have provisioned the enclave.",
        ),
        ErrorCode::Superseded => (
            "The root key went to a successor: this enclave serves no accounts any more.",
            "Use the successor.",
        ),
        ErrorCode::OperatorRefused => (
            "What the operator brought does not fit this deployment.",
            "Compare configuration, root id and the enclave's evidence, and try again.",
        ),
        ErrorCode::OrderExpired => (
            "The operator's order has expired.",
            "Give the order again, and compare the clock of your machine: somebody may have kept it back.",
        ),
        ErrorCode::HandOverRefused => (
            "The root key does not move to that enclave.",
            "Run the same image with the same configuration, or announce the successor and consent to it.",
        ),
        ErrorCode::ManifestRefused => (
            "The release manifest is not acceptable here.",
            "Have it signed by enough of the configuration's release keys.",
        ),
        ErrorCode::Unavailable => (
            "A part that the enclave needs does not answer.",
            "Wait a moment and try again.",
        ),
        ErrorCode::Internal => ("The enclave failed its own check.", "Tell the operator."),
        // The consent module has its own words.
        _ => ("The enclave refuses this.", "Change the request."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A refusal answers one request. Whoever carries that request can bring it again, or to another enclave.
    #[test]
    fn d5_no_words_say_that_something_did_not_happen() {
        let words = include_str!("errors.rs").split("#[cfg(test)]").next();
        let words = words.unwrap_or_default();
        for promise in [
            "othing was",
            "eleased nothing",
            "did not happen",
            "cannot happen",
        ] {
            assert!(!words.contains(promise), "{promise}");
        }
    }

    #[test]
    fn refusals_are_sentences() {
        for code in [ErrorCode::Malformed, ErrorCode::Full, ErrorCode::RolledBack] {
            let error = refuse(code);
            assert_eq!(error.code, code);
            assert!(error.message.ends_with('.') && error.advice.ends_with('.'));
        }
    }
}
