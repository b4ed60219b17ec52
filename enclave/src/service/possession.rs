//! Possession: a passkey enters an account only after it has itself answered the challenge of the prompt
//! that adds it, which names the account. A registration proves none: its public key and id may be
//! anybody's that were seen somewhere.
//!
//! A sign-up needs no proof of its own: its account has one passkey, counts for nothing until that passkey
//! has approved the confirmation, and takes no other passkey before.

use openkey_protocol::{
    message::{Assertion, Error, ErrorCode, UserHandle},
    store::RecordStore,
};

use super::{Enclave, prompt::Context};
use crate::{
    account::Change,
    errors::{refuse, refuse_because},
};

impl<S: RecordStore> Enclave<S> {
    /// The change of a prompt. A passkey that it adds has proved that it is held; nothing else is proved.
    pub(super) fn proven(
        &self,
        context: &Context,
        user_handle: &UserHandle,
        possession: Option<&Assertion>,
    ) -> Result<Change, Error> {
        let (change, possession) = match (&context.change, possession) {
            (Change::AddPasskey(passkey), Some(possession)) => (passkey, possession),
            (Change::AddPasskey(_), None) => return Err(refuse(ErrorCode::PossessionNeeded)),
            (change, None) => return Ok(change.clone()),
            (_, Some(_)) => return Err(nothing_to_prove()),
        };
        let mut passkey = change.clone();
        let verified = self
            .relying_party
            .finish_assertion(
                &context.assertion,
                &context.origin,
                user_handle,
                &passkey,
                possession,
            )
            .map_err(refused)?;
        passkey.answered(&verified);
        Ok(Change::AddPasskey(passkey))
    }
}

fn nothing_to_prove() -> Error {
    Error {
        advice: "Approve it again, without a proof of a new passkey.".to_owned(),
        ..refuse_because(
            ErrorCode::PossessionRefused,
            "This prompt adds no passkey, so that no new passkey may answer it.",
        )
    }
}

/// The refusal of an assertion, as one of the new passkey: two passkeys answer, and the person must know
/// which one to use again.
fn refused(error: Error) -> Error {
    let message = match error.code {
        ErrorCode::Internal => return error,
        ErrorCode::UnknownPasskey => {
            "The new passkey was not used: another one has answered.".to_owned()
        }
        _ => format!("The new passkey's answer does not hold. {}", error.message),
    };
    refuse_because(ErrorCode::PossessionRefused, message)
}
