//! The two calls of AWS KMS that are made, `GenerateDataKey` and `Decrypt`, as JSON.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use openkey_protocol::message::RootDescriptor;
use serde::{Deserialize, Serialize};

use super::{KmsError, error::Refusal};

/// Longest `CiphertextBlob`, in bytes (AWS KMS API reference, `Decrypt`).
pub const MAX_BLOB: usize = 6144;
/// The only algorithm that KMS knows for recipients.
const TO_RECIPIENT: &str = "RSAES_OAEP_SHA_256";
/// The algorithm of symmetric keys.
const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// What a data key is for. KMS authenticates it with the ciphertext, its key policy can demand it,
/// and its log shows it: a data key of another root key, epoch or purpose under the same KMS key
/// does not decrypt here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EncryptionContext(BTreeMap<&'static str, String>);

impl EncryptionContext {
    /// That of the data key under which this root key is wrapped.
    #[must_use]
    pub fn of(descriptor: &RootDescriptor) -> Self {
        Self(BTreeMap::from([
            ("openkey:purpose", "root-key".to_owned()),
            ("openkey:commitment", hex::encode(descriptor.commitment.0)),
            ("openkey:epoch", descriptor.epoch.to_string()),
        ]))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call<'a> {
    GenerateDataKey,
    Decrypt { blob: &'a [u8] },
}

impl Call<'_> {
    /// The value of `X-Amz-Target`.
    pub(super) const fn target(self) -> &'static str {
        match self {
            Self::GenerateDataKey => "TrentService.GenerateDataKey",
            Self::Decrypt { .. } => "TrentService.Decrypt",
        }
    }

    /// The request's body. The recipient is never left away: without one KMS would answer in the
    /// clear.
    pub(super) fn body(
        self,
        key_arn: &str,
        context: &EncryptionContext,
        document: &[u8],
    ) -> Result<Vec<u8>, KmsError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Recipient {
            attestation_document: String,
            key_encryption_algorithm: &'static str,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            key_id: &'a str,
            encryption_context: &'a EncryptionContext,
            recipient: Recipient,
            #[serde(skip_serializing_if = "Option::is_none")]
            key_spec: Option<&'static str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            ciphertext_blob: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            encryption_algorithm: Option<&'static str>,
        }
        let (key_spec, ciphertext_blob, encryption_algorithm) = match self {
            Self::GenerateDataKey => (Some("AES_256"), None, None),
            Self::Decrypt { blob } => (None, Some(Base64::encode_string(blob)), Some(SYMMETRIC)),
        };
        let body = Body {
            key_id: key_arn,
            encryption_context: context,
            recipient: Recipient {
                attestation_document: Base64::encode_string(document),
                key_encryption_algorithm: TO_RECIPIENT,
            },
            key_spec,
            ciphertext_blob,
            encryption_algorithm,
        };
        serde_json::to_vec(&body).map_err(|_| KmsError::Reply("the request cannot be written"))
    }
}

/// A successful answer, checked as far as it can be before the recipient opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// CMS EnvelopedData for the recipient.
    pub(super) for_recipient: Vec<u8>,
    /// With `GenerateDataKey`: the data key under the KMS key.
    pub(super) blob: Option<Vec<u8>>,
}

impl Answer {
    /// Reads an answer to a call about the key `key_arn`.
    ///
    /// Members that AWS may add one day are passed over; those that count are needed, none twice.
    pub(super) fn read(
        call: Call<'_>,
        key_arn: &str,
        status: u16,
        body: &[u8],
    ) -> Result<Self, KmsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body {
            key_id: String,
            ciphertext_for_recipient: String,
            plaintext: Option<String>,
            ciphertext_blob: Option<String>,
            encryption_algorithm: Option<String>,
        }
        if status != 200 {
            return Err(refusal(status, body).into());
        }
        let body: Body =
            serde_json::from_slice(body).map_err(|_| KmsError::Reply("not the expected JSON"))?;
        // AWS: "the Plaintext field in the response is null or empty".
        if body.plaintext.is_some_and(|text| !text.is_empty()) {
            return Err(KmsError::InTheClear);
        }
        if body.key_id != key_arn {
            return Err(KmsError::OtherKey);
        }
        let base64 = |text: &str| {
            Base64::decode_vec(text).map_err(|_| KmsError::Reply("a member is not base64"))
        };
        let for_recipient = base64(&body.ciphertext_for_recipient)?;
        let blob = match (call, body.ciphertext_blob) {
            (Call::GenerateDataKey, Some(blob)) => {
                let blob = base64(&blob)?;
                if blob.is_empty() || blob.len() > MAX_BLOB {
                    return Err(KmsError::Reply("the ciphertext blob has another length"));
                }
                Some(blob)
            }
            (Call::GenerateDataKey, None) => {
                return Err(KmsError::Reply("the ciphertext blob is missing"));
            }
            (Call::Decrypt { .. }, Some(_)) => {
                return Err(KmsError::Reply("it is not an answer to Decrypt"));
            }
            (Call::Decrypt { .. }, None) => {
                if body.encryption_algorithm.as_deref() != Some(SYMMETRIC) {
                    return Err(KmsError::Reply("another encryption algorithm"));
                }
                None
            }
        };
        Ok(Self {
            for_recipient,
            blob,
        })
    }
}

/// What an answer other than 200 says.
fn refusal(status: u16, body: &[u8]) -> Refusal {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "__type")]
        name: String,
    }
    let body: Option<Body> = serde_json::from_slice(body).ok();
    Refusal::of(body.as_ref().map_or("", |body| &body.name), status)
}

#[cfg(test)]
mod tests;
