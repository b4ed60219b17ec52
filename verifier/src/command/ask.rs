//! Asking an enclave who it is.

use openkey_attestation::{Nonce, Policy, Verifier};

use super::{Failure, advised, source};
use crate::{
    client::{Client, ClientError},
    evidence::{self, Fresh},
};

/// Bytes of the nonce: more than anybody guesses or meets again.
const NONCE: usize = 32;

/// Why an enclave is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unaccepted {
    /// The rule's stable name.
    pub rule: &'static str,
    /// What happened.
    pub message: String,
    /// Whether there was something to judge.
    pub judged: bool,
}

impl From<Failure> for Unaccepted {
    fn from(failure: Failure) -> Self {
        Self {
            rule: failure.rule,
            message: failure.message,
            judged: false,
        }
    }
}

/// Asks one enclave for a document over a nonce made for this question, and judges it at this
/// machine's time.
///
/// # Errors
///
/// [`Unaccepted`].
pub fn ask(client: &Client, verifier: &Verifier, policy: &Policy) -> Result<Fresh, Unaccepted> {
    let mut bytes = [0; NONCE];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new("randomness", error.to_string()))?;
    let not_judged = |error: ClientError| Unaccepted {
        rule: error.rule(),
        message: error.to_string(),
        judged: error.is_answer(),
    };
    let document = client.evidence(bytes.into()).map_err(not_judged)?.document;
    let now = source::now()?;
    Nonce::new(&bytes)
        .map_err(|error| (error.rule(), error.to_string()))
        .and_then(|nonce| {
            evidence::fresh(verifier, document.as_slice(), policy, &nonce, now)
                .map_err(|error| (error.rule(), error.to_string()))
        })
        .map_err(|(rule, message)| Unaccepted {
            rule,
            message: advised(rule, message),
            judged: true,
        })
}
