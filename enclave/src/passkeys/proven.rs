//! An assertion is verified once, before its request waits for the account's turn, and judged in that turn by
//! the passkey as it stands then. Where that is the very same public key, only the counter is left to judge.

use openkey_protocol::message::{Assertion, Bytes, Error, UserHandle};

use super::{Credential, RelyingParty, Verified, check_counter};
use crate::account::Passkey;

/// An assertion that a passkey gave, at some time: its counter is not judged. It keeps what it was judged by,
/// so that it cannot be taken for an answer to anything else.
pub(crate) struct Proven<'a> {
    asked: Asked<'a>,
    id: Bytes,
    credential: Credential,
    verified: Verified,
}

/// What an assertion is judged by, but for the passkey.
struct Asked<'a> {
    state: &'a str,
    origin: &'a str,
    user_handle: UserHandle,
    assertion: &'a Assertion,
}

impl RelyingParty {
    /// Whether a passkey gave an assertion.
    pub(crate) fn prove<'a>(
        &self,
        state: &'a str,
        origin: &'a str,
        user_handle: UserHandle,
        passkey: &Passkey,
        assertion: &'a Assertion,
    ) -> Result<Proven<'a>, Error> {
        let uncounted = Passkey {
            counter: 0,
            ..passkey.clone()
        };
        let verified = self.finish_assertion(state, origin, &user_handle, &uncounted, assertion)?;
        Ok(Proven {
            asked: Asked {
                state,
                origin,
                user_handle,
                assertion,
            },
            id: uncounted.id,
            credential: uncounted.credential,
            verified,
        })
    }

    /// Ends an assertion that was proven, by the passkey that the account has now. Another key, other flags or
    /// another account under the same id is judged from the beginning.
    pub(crate) fn judge(
        &self,
        proven: &Proven<'_>,
        user_handle: &UserHandle,
        passkey: &Passkey,
    ) -> Result<Verified, Error> {
        let asked = &proven.asked;
        let same = asked.user_handle == *user_handle
            && proven.id == passkey.id
            && proven.credential == passkey.credential;
        if !same {
            return self.finish_assertion(
                asked.state,
                asked.origin,
                user_handle,
                passkey,
                asked.assertion,
            );
        }
        check_counter(passkey.counter, proven.verified.counter)?;
        Ok(proven.verified)
    }
}
