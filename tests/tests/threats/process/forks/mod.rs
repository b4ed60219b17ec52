//! F12, E2, E18: a host that shows two enclaves of one deployment two copies of the store.
//!
//! What must hold wherever both enclaves say yes: no secret, address or authority in common, or
//! exactly the same effect.

mod effects;
mod gestures;
mod kept;
mod longer;
mod sign_up;

use openkey_protocol::message::{Action, KeyId, Payload};
use openkey_simulator::person::PersonError;
use openkey_verifier::answer::AnswerError;

/// That the enclave, or the client, refused.
fn refused<T>(result: Result<T, PersonError>, what: &str) {
    match result {
        Ok(_) => panic!("{what} must be refused"),
        Err(PersonError::Client(error)) => assert!(
            matches!(error, openkey_verifier::client::ClientError::Refused(_)),
            "{what}: not the enclave's refusal: {error}"
        ),
        Err(PersonError::Answer(AnswerError::Head(_) | AnswerError::NotContinued)) => {}
        Err(error) => panic!("{what}: not a refusal: {error}"),
    }
}

fn text(key: KeyId, text: &str) -> Action {
    Action::Sign {
        key,
        payload: Payload::Text(text.to_owned()),
    }
}

fn create_key(label: &str) -> Action {
    Action::CreateKey {
        label: label.to_owned(),
    }
}
