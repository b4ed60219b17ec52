//! The WebAuthn Level 3 values that pass between page and enclave, as raw bytes.

use serde::{Deserialize, Serialize};

use super::Bytes;

/// For `navigator.credentials.create`. The page adds what never varies: a discoverable credential
/// (`residentKey: "required"`), `userVerification: "required"`, `attestation: "none"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreationOptions {
    /// 32 random bytes of the enclave.
    pub challenge: Bytes,
    /// The relying-party id.
    pub rp_id: String,
    /// The relying party's name.
    pub rp_name: String,
    /// The user handle: the account id.
    pub user_id: Bytes,
    /// What the authenticator shows.
    pub user_name: String,
    /// COSE algorithm identifiers, best first.
    pub algorithms: Vec<i64>,
    /// Credential ids that must not be on the same authenticator.
    pub exclude: Vec<Bytes>,
    /// How long the ceremony may take, in milliseconds.
    pub timeout_ms: u32,
}

/// For `navigator.credentials.get`, with `userVerification: "required"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RequestOptions {
    /// 32 random bytes of the enclave.
    pub challenge: Bytes,
    /// The relying-party id.
    pub rp_id: String,
    /// Credential ids that may answer; empty means any discoverable one.
    pub allow: Vec<Bytes>,
    /// How long the ceremony may take, in milliseconds.
    pub timeout_ms: u32,
}

/// A created credential: `PublicKeyCredential` with an `AuthenticatorAttestationResponse`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// `rawId`.
    pub id: Bytes,
    /// `response.attestationObject`.
    pub attestation_object: Bytes,
    /// `response.clientDataJSON`.
    pub client_data_json: Bytes,
    /// `response.getTransports()`.
    pub transports: Vec<String>,
}

/// An assertion: `PublicKeyCredential` with an `AuthenticatorAssertionResponse`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// `rawId`.
    pub credential_id: Bytes,
    /// `response.authenticatorData`.
    pub authenticator_data: Bytes,
    /// `response.clientDataJSON`.
    pub client_data_json: Bytes,
    /// `response.signature`.
    pub signature: Bytes,
    /// `response.userHandle`, if the authenticator gave one.
    pub user_handle: Option<Bytes>,
}
