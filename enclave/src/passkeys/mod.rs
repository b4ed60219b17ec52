//! WebAuthn Level 3 ceremonies, by the webauthn-rs library, with the checks that it leaves to its
//! user: the exact origin of this prompt, no cross-origin use, the user handle, and the credential
//! as the account holds it *now* rather than when the prompt was made. What has a sentence of its
//! own for the person is checked before the library, which has one for everything.

mod authenticator_data;
mod canonical;
mod client_data;
mod proven;
mod spki;
mod stored;

use base64ct::{Base64UrlUnpadded, Encoding};
use openkey_protocol::message::{
    Assertion, Bytes, CreationOptions, Error, ErrorCode, NewCredential, RequestOptions, UserHandle,
};
use url::Url;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, PasskeyRegistration, Uuid, Webauthn, WebauthnBuilder,
};
use webauthn_rs_proto::{
    AuthenticatorAssertionResponseRaw, AuthenticatorAttestationResponseRaw, PublicKeyCredential,
    RegisterPublicKeyCredential,
};

use crate::{
    account::Passkey,
    configuration::Configuration,
    errors::{refuse, refuse_because},
};
use authenticator_data::{check_assertion, check_registration};
use client_data::{Ceremony, check_client_data};
pub(crate) use proven::Proven;
pub(crate) use stored::Credential;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use stored::PublicKey;

/// COSE algorithms (RFC 9053) that are offered, best first: ES256 and RS256, which the library
/// verifies and whose public keys browsers give as SubjectPublicKeyInfo. It verifies no EdDSA.
const ALGORITHMS: [i64; 2] = [-7, -257];
/// Longest credential id (WebAuthn Level 3 §4).
const MAX_CREDENTIAL_ID: usize = 1023;
/// Longest attestation object, in bytes: with attestation "none" it is below 2 KiB.
const MAX_ATTESTATION: usize = 16 * 1024;
/// Most transports of a new passkey, and the longest name of one, in bytes. WebAuthn Level 3 §5.8.4 has
/// six, of at most ten letters.
const MAX_TRANSPORTS: usize = 16;
const MAX_TRANSPORT: usize = 32;
/// Longest authenticator data of an assertion, in bytes: 37 without extensions.
const MAX_AUTHENTICATOR_DATA: usize = 4096;
/// Longest signature, in bytes: RSA with 4096 bits.
const MAX_SIGNATURE: usize = 512;

/// The relying party: the ceremonies under one measured configuration.
pub(crate) struct RelyingParty {
    library: Webauthn,
    id: String,
    name: String,
}

/// A ceremony that has begun: options for the page, state for the sealed context.
pub(crate) struct Begun<T> {
    pub(crate) options: T,
    /// The library's state, as its JSON. Goes nowhere but into a sealed context.
    pub(crate) state: String,
}

/// What an accepted assertion changes in the stored passkey.
#[derive(Clone, Copy)]
pub(crate) struct Verified {
    pub(crate) counter: u32,
    pub(crate) backup_eligible: bool,
    pub(crate) backed_up: bool,
}

impl RelyingParty {
    /// # Errors
    ///
    /// `None` if the library refuses the configuration.
    pub(crate) fn new(configuration: &Configuration) -> Option<Self> {
        let mut origins = configuration
            .origins()
            .iter()
            .map(|origin| Url::parse(origin));
        let first = origins.next()?.ok()?;
        let mut builder = WebauthnBuilder::new(configuration.rp_id(), &first)
            .ok()?
            .rp_name(configuration.rp_name());
        for origin in origins {
            builder = builder.append_allowed_origin(&origin.ok()?);
        }
        Some(Self {
            library: builder.build().ok()?,
            id: configuration.rp_id().to_owned(),
            name: configuration.rp_name().to_owned(),
        })
    }

    /// Begins the registration of a passkey for an account.
    pub(crate) fn begin_registration(
        &self,
        user_handle: &UserHandle,
        user_name: &str,
        exclude: Vec<Bytes>,
        timeout_ms: u32,
    ) -> Result<Begun<CreationOptions>, Error> {
        let excluded = exclude.iter().map(|id| id.0.clone()).collect();
        let (challenge, state) = self
            .library
            .start_passkey_registration(
                Uuid::from_bytes(user_handle.0),
                user_name,
                user_name,
                Some(excluded),
            )
            .map_err(|_| refuse(ErrorCode::Internal))?;
        Ok(Begun {
            options: CreationOptions {
                challenge: challenge.public_key.challenge.to_vec().into(),
                rp_id: self.id.clone(),
                rp_name: self.name.clone(),
                user_id: user_handle.0.into(),
                user_name: user_name.to_owned(),
                algorithms: ALGORITHMS.to_vec(),
                exclude,
                timeout_ms,
            },
            state: serde_json::to_string(&state).map_err(|_| refuse(ErrorCode::Internal))?,
        })
    }

    /// Ends a registration: the passkey to be stored.
    pub(crate) fn finish_registration(
        &self,
        state: &str,
        origin: &str,
        credential: &NewCredential,
        name: &str,
        now: u64,
    ) -> Result<Passkey, Error> {
        let refused = |message| refuse_because(ErrorCode::CredentialRefused, message);
        if credential.id.0.is_empty()
            || credential.id.0.len() > MAX_CREDENTIAL_ID
            || credential.attestation_object.0.len() > MAX_ATTESTATION
        {
            return Err(refuse(ErrorCode::OutOfBounds));
        }
        if credential.transports.len() > MAX_TRANSPORTS
            || credential
                .transports
                .iter()
                .any(|name| name.len() > MAX_TRANSPORT)
        {
            return Err(refuse_because(
                ErrorCode::OutOfBounds,
                "A new passkey has at most 16 transports, each of at most 32 bytes.",
            ));
        }
        check_client_data(
            Ceremony::Create,
            credential.client_data_json.as_slice(),
            origin,
        )
        .map_err(|fault| refused(fault.message()))?;
        let counter = check_registration(
            credential.attestation_object.as_slice(),
            &self.id,
            credential.id.as_slice(),
        )
        .map_err(|fault| refused(fault.message()))?;
        let state: PasskeyRegistration =
            serde_json::from_str(state).map_err(|_| refuse(ErrorCode::Internal))?;
        let registered = self
            .library
            .finish_passkey_registration(&registration(credential), &state)
            .map_err(|_| refused("The new passkey does not answer what the enclave asked."))?;
        // What was read above is what the library read.
        if registered.cred_id().as_ref() as &[u8] != credential.id.as_slice() {
            return Err(refuse(ErrorCode::Internal));
        }
        let unsupported = || refused("The new passkey has a key of a kind that is not supported.");
        let public_key_sha256 =
            spki::sha256(registered.get_public_key()).ok_or_else(unsupported)?;
        Ok(Passkey {
            id: credential.id.clone(),
            credential: Credential::of(registered).ok_or_else(unsupported)?,
            public_key_sha256,
            name: name.to_owned(),
            created_at: now,
            used_at: None,
            counter,
        })
    }

    /// Begins an assertion. `allow` is for the page: which passkey may answer is decided at the end.
    pub(crate) fn begin_assertion(
        &self,
        allow: Vec<Bytes>,
        timeout_ms: u32,
    ) -> Result<Begun<RequestOptions>, Error> {
        let (challenge, state) = self
            .library
            .start_discoverable_authentication()
            .map_err(|_| refuse(ErrorCode::Internal))?;
        Ok(Begun {
            options: RequestOptions {
                challenge: challenge.public_key.challenge.to_vec().into(),
                rp_id: self.id.clone(),
                allow,
                timeout_ms,
            },
            state: serde_json::to_string(&state).map_err(|_| refuse(ErrorCode::Internal))?,
        })
    }

    /// Ends an assertion by a passkey that was read from the account just now.
    pub(crate) fn finish_assertion(
        &self,
        state: &str,
        origin: &str,
        user_handle: &UserHandle,
        passkey: &Passkey,
        assertion: &Assertion,
    ) -> Result<Verified, Error> {
        let refused = |message| refuse_because(ErrorCode::AssertionRefused, message);
        if assertion.authenticator_data.0.len() > MAX_AUTHENTICATOR_DATA
            || assertion.signature.0.len() > MAX_SIGNATURE
        {
            return Err(refuse(ErrorCode::OutOfBounds));
        }
        if assertion.credential_id != passkey.id {
            return Err(refuse(ErrorCode::UnknownPasskey));
        }
        // The account is known, so that an empty handle says as little as none (browsers give an
        // empty buffer where an authenticator keeps none).
        let foreign = |handle: &Bytes| !handle.0.is_empty() && handle.as_slice() != user_handle.0;
        if assertion.user_handle.as_ref().is_some_and(foreign) {
            return Err(refused(
                "The passkey says that it belongs to another account.",
            ));
        }
        check_client_data(Ceremony::Get, assertion.client_data_json.as_slice(), origin)
            .map_err(|fault| refused(fault.message()))?;
        let counter = check_assertion(assertion.authenticator_data.as_slice(), &self.id)
            .map_err(|fault| refused(fault.message()))?;
        check_counter(passkey.counter, counter)?;
        let state: DiscoverableAuthentication =
            serde_json::from_str(state).map_err(|_| refuse(ErrorCode::Internal))?;
        let stored = passkey.credential.to_library(&passkey.id, passkey.counter);
        let result = self
            .library
            .finish_discoverable_authentication_v2(&authentication(assertion), state, &stored)
            .map_err(|_| refuse(ErrorCode::AssertionRefused))?;
        // What was read above is what the library read.
        if !result.user_verified() || result.counter() != counter {
            return Err(refuse(ErrorCode::Internal));
        }
        Ok(Verified {
            counter,
            // WebAuthn Level 3 §6.1.3: it may become one that can be copied, and stays it.
            backup_eligible: passkey.credential.backup_eligible || result.backup_eligible(),
            backed_up: result.backup_state(),
        })
    }
}

/// WebAuthn Level 3 §7.2 step 22: a counter that does not go up is a copy of the authenticator.
/// Passkeys that are synchronised always say 0.
fn check_counter(stored: u32, counter: u32) -> Result<(), Error> {
    if (stored != 0 || counter != 0) && counter <= stored {
        return Err(refuse_because(
            ErrorCode::AssertionRefused,
            "The passkey's counter went back: it may have been copied.",
        ));
    }
    Ok(())
}

fn registration(credential: &NewCredential) -> RegisterPublicKeyCredential {
    RegisterPublicKeyCredential {
        id: Base64UrlUnpadded::encode_string(credential.id.as_slice()),
        raw_id: credential.id.0.clone(),
        response: AuthenticatorAttestationResponseRaw {
            attestation_object: credential.attestation_object.0.clone(),
            client_data_json: credential.client_data_json.0.clone(),
            // Hints for a page, which this enclave neither keeps nor gives.
            transports: None,
        },
        type_: "public-key".to_owned(),
        extensions: Default::default(),
    }
}

fn authentication(assertion: &Assertion) -> PublicKeyCredential {
    PublicKeyCredential {
        id: Base64UrlUnpadded::encode_string(assertion.credential_id.as_slice()),
        raw_id: assertion.credential_id.0.clone(),
        response: AuthenticatorAssertionResponseRaw {
            authenticator_data: assertion.authenticator_data.0.clone(),
            client_data_json: assertion.client_data_json.0.clone(),
            signature: assertion.signature.0.clone(),
            user_handle: assertion
                .user_handle
                .as_ref()
                .filter(|handle| !handle.0.is_empty())
                .map(|handle| handle.0.clone()),
        },
        extensions: Default::default(),
        type_: "public-key".to_owned(),
    }
}

#[cfg(test)]
mod tests;
