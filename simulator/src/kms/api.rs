//! The two calls, from a signed request to an answer or AWS's exception.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use hyper::http::{Method, request::Parts};
use serde::{Deserialize, Serialize};

use super::{
    Shared, cipher, document, lock,
    policy::{Action, Miss},
    sigv4,
};
use crate::ca::random;

/// Why a request was refused, in more words than its sender gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// Not `POST /` with the target of a call that there is.
    NoSuchCall,
    /// Not the JSON of the call.
    Shape,
    /// No signature.
    NotSigned,
    /// Signed by a stranger.
    UnknownCredentials,
    /// The signature does not hold, or not now, or not for all that must be signed.
    Signature,
    /// Another key than the stand-in's.
    NoSuchKey,
    /// No recipient: whoever asks wants the answer in the clear.
    NoRecipient,
    /// The recipient's algorithm is none that there is, or its document carries no RSA key.
    NoRecipientKey,
    /// The attestation document does not verify.
    Document,
    /// The attestation document is too old, or from the future.
    DocumentExpired,
    /// The recipient's key was used before.
    RecipientReused,
    /// The policy names another value of this register.
    Pcr(u8),
    /// The policy names another encryption context.
    Context,
    /// The policy does not allow this call to anyone.
    Action,
    /// The blob was not made under this key with this encryption context.
    Ciphertext,
    /// The stand-in failed.
    Internal,
}

/// What the sender of a refused request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status.
    pub status: u16,
    /// The exception's name.
    pub exception: &'static str,
}

impl Rule {
    /// AWS's exception. Which condition of a policy failed is not said.
    #[must_use]
    pub const fn refused(self) -> Refused {
        let exception = match self {
            Self::NoSuchCall => "UnknownOperationException",
            Self::Shape => "SerializationException",
            Self::NotSigned => "MissingAuthenticationTokenException",
            Self::UnknownCredentials => "UnrecognizedClientException",
            Self::Signature => "InvalidSignatureException",
            Self::NoSuchKey => "NotFoundException",
            Self::NoRecipientKey
            | Self::Document
            | Self::DocumentExpired
            | Self::RecipientReused => "ValidationException",
            Self::NoRecipient | Self::Pcr(_) | Self::Context | Self::Action => {
                "AccessDeniedException"
            }
            Self::Ciphertext => "InvalidCiphertextException",
            Self::Internal => "KMSInternalException",
        };
        let status = if matches!(self, Self::Internal) {
            500
        } else {
            400
        };
        Refused { status, exception }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Recipient {
    attestation_document: String,
    key_encryption_algorithm: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    key_id: String,
    #[serde(default)]
    encryption_context: BTreeMap<String, String>,
    recipient: Option<Recipient>,
    key_spec: Option<String>,
    ciphertext_blob: Option<String>,
    encryption_algorithm: Option<String>,
}

/// AWS leaves away what it does not answer; `Plaintext` is empty where there is a recipient.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_blob: Option<String>,
    ciphertext_for_recipient: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithm: Option<&'static str>,
    key_id: String,
    key_material_id: String,
    plaintext: &'static str,
}

impl Shared {
    /// Answers a request.
    pub(super) fn answer(&self, request: &Parts, body: &[u8]) -> Result<Vec<u8>, Rule> {
        let answer = self.decide(request, body);
        if let Err(rule) = answer {
            tracing::info!(?rule, "the KMS stand-in refuses");
            lock(&self.refused).push(rule);
        }
        answer
    }

    fn decide(&self, request: &Parts, body: &[u8]) -> Result<Vec<u8>, Rule> {
        let now = (self.clock)();
        let (key_arn, key, credentials) = {
            let state = lock(&self.state);
            (state.key_arn(), state.key.clone(), state.credentials())
        };
        let target = request
            .headers
            .get("x-amz-target")
            .map(|value| value.as_bytes());
        let action = match target {
            Some(b"TrentService.GenerateDataKey") => Action::GenerateDataKey,
            Some(b"TrentService.Decrypt") => Action::Decrypt,
            _ => return Err(Rule::NoSuchCall),
        };
        if request.method != Method::POST || request.uri.path() != "/" {
            return Err(Rule::NoSuchCall);
        }
        sigv4::check(request, body, &credentials, now)?;
        let request: Request = serde_json::from_slice(body).map_err(|_| Rule::Shape)?;
        if request.key_id != key_arn {
            return Err(Rule::NoSuchKey);
        }
        let public_key = self.recipient(&request, action, now)?;
        let context = &request.encryption_context;
        let (data_key, blob) = match (action, &request.ciphertext_blob) {
            (Action::GenerateDataKey, None) if request.key_spec.as_deref() == Some("AES_256") => {
                let data_key = random::<32>().map_err(|_| Rule::Internal)?.to_vec();
                let blob = cipher::wrap(&key, &key_arn, context, &data_key)?;
                (data_key, Some(Base64::encode_string(&blob)))
            }
            (Action::Decrypt, Some(blob)) if request.key_spec.is_none() => {
                let algorithm = request.encryption_algorithm.as_deref();
                if algorithm.is_some_and(|algorithm| algorithm != "SYMMETRIC_DEFAULT") {
                    return Err(Rule::Shape);
                }
                let blob = Base64::decode_vec(blob).map_err(|_| Rule::Shape)?;
                (cipher::unwrap(&key, &key_arn, context, &blob)?, None)
            }
            _ => return Err(Rule::Shape),
        };
        let for_recipient = cipher::for_recipient(&public_key, &data_key)?;
        let answer = Answer {
            ciphertext_blob: blob,
            ciphertext_for_recipient: Base64::encode_string(&for_recipient),
            encryption_algorithm: (action == Action::Decrypt).then_some("SYMMETRIC_DEFAULT"),
            key_id: key_arn,
            key_material_id: hex::encode(random::<32>().map_err(|_| Rule::Internal)?),
            plaintext: "",
        };
        serde_json::to_vec(&answer).map_err(|_| Rule::Internal)
    }

    /// The recipient's key, if its document holds, the policy allows it, and it is a new one.
    fn recipient(&self, request: &Request, action: Action, now: u64) -> Result<Vec<u8>, Rule> {
        // The policy's conditions on attestation hold for nobody who shows none.
        let recipient = request.recipient.as_ref().ok_or(Rule::NoRecipient)?;
        if recipient.key_encryption_algorithm != "RSAES_OAEP_SHA_256" {
            return Err(Rule::NoRecipientKey);
        }
        let document =
            Base64::decode_vec(&recipient.attestation_document).map_err(|_| Rule::Shape)?;
        let policy = lock(&self.policy).clone();
        let attested = document::verify(&document, &policy.roots, now)?;
        let allowed = policy.check(action, &attested.pcrs, &request.encryption_context);
        allowed.map_err(|miss| match miss {
            Miss::Action => Rule::Action,
            Miss::Pcr(index) => Rule::Pcr(index),
            Miss::Context => Rule::Context,
        })?;
        let sha256 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &attested.public_key);
        let mut state = lock(&self.state);
        if !state.note_recipient(hex::encode(sha256), now) {
            return Err(Rule::RecipientReused);
        }
        state.save(&self.path).map_err(|_| Rule::Internal)?;
        Ok(attested.public_key)
    }
}
