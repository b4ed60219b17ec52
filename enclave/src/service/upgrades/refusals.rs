//! What is said of an announcement, a consent or a withdrawal that is not taken.

use openkey_protocol::message::{Error, ErrorCode};

use crate::errors::refuse_because;

pub(super) fn refused(message: impl Into<String>) -> Error {
    refuse_because(ErrorCode::ManifestRefused, message)
}

pub(super) fn refused_because(error: &dyn core::fmt::Display) -> Error {
    refused(format!("Refused: {error}."))
}

pub(super) fn itself() -> Error {
    refused(
        "The manifest names this very image and configuration: it is no successor, and was not noted. \
         Another enclave of them gets the root key without an announcement.",
    )
}

pub(super) fn full() -> Error {
    let message = "Too many announced successors wait, or were withdrawn and have not expired. Nothing was \
                   announced: withdraw one that waits, or wait until a manifest expires.";
    refuse_because(ErrorCode::Full, message)
}

pub(super) fn not_announced() -> Error {
    refused("The successor was not announced.")
}

pub(super) fn withdrawn() -> Error {
    refused(
        "An operator withdrew the successor. It stays withdrawn; the release keys can sign another \
         manifest.",
    )
}

pub(super) fn unknown() -> Error {
    refuse_because(
        ErrorCode::RolledBack,
        "The store hides or changes the list of announced successors. It is unknown, and no \
         successor gets the root key.",
    )
}

pub(super) fn no_room() -> Error {
    let message = "This operator has withdrawn too many manifests that nobody announced.";
    refuse_because(ErrorCode::Full, message)
}

/// The error of a withdrawal that was noted and not written.
pub(super) fn in_memory(error: Error) -> Error {
    Error {
        message: format!(
            "The successor is withdrawn until this enclave restarts, and comes back then, because the \
             withdrawal is not known to be written: {}",
            error.message
        ),
        advice: if error.code == ErrorCode::Full {
            "Let another operator withdraw it, here and at every other enclave."
        } else {
            "Withdraw it again when the store works, and at every other enclave."
        }
        .to_owned(),
        ..error
    }
}

/// The refusal of an announcement or a consent at an enclave whose root key has left.
pub(super) fn left() -> Error {
    Error {
        advice: "Ask the enclaves of the successor.".to_owned(),
        ..refuse_because(
            ErrorCode::Superseded,
            "The root key went to a successor, and goes to no other one from here.",
        )
    }
}

/// The refusal of a withdrawal at an enclave whose root key has left.
pub(super) fn gone() -> Error {
    Error {
        advice: "Withdraw it at the enclaves of the successor, too. If the manifest names the successor that \
                 has the root key, nothing takes the root key back from it."
            .to_owned(),
        ..refuse_because(
            ErrorCode::Superseded,
            "The root key went to a successor before the withdrawal came.",
        )
    }
}
