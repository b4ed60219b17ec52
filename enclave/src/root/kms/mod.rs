//! AWS KMS as a source of the root key.
//!
//! At genesis KMS makes a data key, and the root key is wrapped under it ([`Kms::wrap`]). At boot KMS
//! decrypts the data key again ([`Kms::unwrap`]). Both times the key policy decides over an
//! attestation document, and the answer is encrypted to a key that this document vouches for, so
//! that neither the host nor the network sees the data key:
//!
//! * the recipient key is fresh for each request and gone with its answer;
//! * TLS to KMS ends in the enclave under pinned roots: it is what an older answer cannot pass;
//! * the encryption context ties the data key to its purpose, root key and epoch;
//! * the answer must name the configured key, and what it unwraps must reproduce the commitment.
//!
//! What must be said in the key's policy stands in `docs/operations.md`. The credentials are the
//! host's: they let it call KMS, which without the document gives nothing.

mod api;
mod cms;
mod error;
mod recipient;
mod sigv4;
mod source;
mod wrap;

use std::{collections::BTreeMap, future::Future, pin::Pin};

use openkey_protocol::message::{AwsCredentials, Hash32, RootDescriptor, WrappedRoot};
use zeroize::Zeroizing;

use self::{
    api::{Answer, Call},
    recipient::Recipient,
    sigv4::Signer,
};
use super::{
    RootKey,
    egress::{Egress, Post, Roots, Target},
};
use crate::{configuration::Kms as KmsKey, nsm::NsmError};

pub use api::{EncryptionContext, MAX_BLOB};
pub use cms::{CmsError, MAX_CMS};
pub use error::{KmsError, Refusal};
pub use source::KmsSource;
pub use wrap::NONCE;

/// `user_data` of the document that goes to KMS: such a document is evidence for nobody else.
pub const RECIPIENT_DOCUMENT: &[u8] = b"openkey/kms-recipient/v1";
/// KMS's port.
const PORT: u16 = 443;
/// The longest answer that is read, in bytes: a structure and a blob in base64, and room.
const MAX_ANSWER: usize = 32 * 1024;
/// Longest of each of the host's credentials, in characters. Session tokens have some hundred.
const MAX_CREDENTIAL: usize = 4096;

/// A future in a box, so that its trait can be an object.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who hands over AWS credentials: the host.
pub trait Credentials: Send + Sync {
    /// Credentials for the next minutes; `None` if there are none.
    fn credentials(&self) -> Boxed<'_, Option<AwsCredentials>>;
}

/// Who attests a recipient key and knows the time: the enclave's platform.
pub trait Attester: Send + Sync {
    /// A document over this key, with [`RECIPIENT_DOCUMENT`] as `user_data` and no nonce (KMS has
    /// none to give; it judges the document's age).
    fn attest_recipient(&self, public_key: Vec<u8>) -> Boxed<'_, Result<Vec<u8>, NsmError>>;

    /// The enclave's time, milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// Where a key's endpoint is, and who vouches for it.
fn target(key: &KmsKey) -> Target {
    Target {
        host: key.host(),
        port: PORT,
        roots: key
            .tls_root()
            .map_or(Roots::Amazon, |der| Roots::Only(der.to_vec())),
    }
}

/// A data key; wiped when dropped.
struct DataKey(Box<Zeroizing<[u8; 32]>>);

/// AWS KMS, seen from an enclave.
pub struct Kms<'a> {
    /// The configured key.
    pub key: &'a KmsKey,
    /// The way to it.
    pub egress: &'a Egress,
    /// Whose credentials.
    pub credentials: &'a dyn Credentials,
    /// Who attests.
    pub attester: &'a dyn Attester,
}

impl core::fmt::Debug for Kms<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Kms")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Kms<'_> {
    /// Wraps a new root key for KMS. `nonce` must be fresh.
    ///
    /// # Errors
    ///
    /// [`KmsError`]: then there is no wrapped root key.
    pub async fn wrap(
        &self,
        root: &RootKey,
        descriptor: &RootDescriptor,
        root_id: &Hash32,
        nonce: [u8; NONCE],
    ) -> Result<WrappedRoot, KmsError> {
        let (data_key, blob) = self.ask(Call::GenerateDataKey, descriptor).await?;
        let blob = blob.ok_or(KmsError::Reply("the ciphertext blob is missing"))?;
        wrap::wrap(root, root_id, &data_key, blob, nonce)
    }

    /// Unwraps the root key. Whether it reproduces the descriptor's commitment is for the caller to
    /// check.
    ///
    /// # Errors
    ///
    /// [`KmsError`].
    pub async fn unwrap(
        &self,
        wrapped: &WrappedRoot,
        descriptor: &RootDescriptor,
        root_id: &Hash32,
    ) -> Result<RootKey, KmsError> {
        wrap::check(wrapped)?;
        let call = Call::Decrypt {
            blob: wrapped.blob.as_slice(),
        };
        let (data_key, _) = self.ask(call, descriptor).await?;
        wrap::unwrap(wrapped, root_id, &data_key)
    }

    /// One call: a data key, and with `GenerateDataKey` its ciphertext.
    async fn ask(
        &self,
        call: Call<'_>,
        descriptor: &RootDescriptor,
    ) -> Result<(DataKey, Option<Vec<u8>>), KmsError> {
        let credentials = self.credentials.credentials().await;
        let credentials = credentials.ok_or(KmsError::NoCredentials)?;
        check(&credentials)?;
        let recipient = Recipient::generate().await?;
        let public_key = recipient.public_key().to_vec();
        let document = self.attester.attest_recipient(public_key).await?;
        let context = EncryptionContext::of(descriptor);
        let body = call.body(self.key.key_arn(), &context, &document)?;
        let post = self.signed(&credentials, call, body)?;
        let now = self.attester.now_ms();
        let reply = self.egress.post(&target(self.key), post, now).await?;
        let answer = Answer::read(call, self.key.key_arn(), reply.status, &reply.body)?;
        let plain = recipient.open(&answer.for_recipient)?;
        let bytes: &[u8; 32] = plain
            .as_slice()
            .try_into()
            .map_err(|_| KmsError::Reply("the data key is not 32 bytes"))?;
        let mut data_key = Box::new(Zeroizing::new([0; 32]));
        data_key.copy_from_slice(bytes);
        Ok((DataKey(data_key), answer.blob))
    }

    fn signed(
        &self,
        credentials: &AwsCredentials,
        call: Call<'_>,
        body: Vec<u8>,
    ) -> Result<Post, KmsError> {
        let date = sigv4::amz_date(self.attester.now_ms()).ok_or(KmsError::Credentials)?;
        let host = self.key.host();
        let mut headers = BTreeMap::from([
            ("content-type", "application/x-amz-json-1.1"),
            ("host", host.as_str()),
            ("x-amz-date", date.as_str()),
            ("x-amz-target", call.target()),
        ]);
        if let Some(token) = &credentials.session_token {
            headers.insert("x-amz-security-token", token);
        }
        let signer = Signer {
            credentials,
            region: self.key.region(),
            service: "kms",
        };
        let authorization = signer.authorization(&date, &headers, &body);
        // The client sends the target's name itself.
        headers.remove("host");
        let mut headers: Vec<(&'static str, String)> = headers
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        headers.push(("authorization", authorization));
        Ok(Post {
            headers,
            body,
            max_answer: MAX_ANSWER,
        })
    }
}

/// Credentials go into headers and, separated by slashes and commas, into one header.
fn check(credentials: &AwsCredentials) -> Result<(), KmsError> {
    let fits = |text: &str| {
        (1..=MAX_CREDENTIAL).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let right = credentials
        .access_key_id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric())
        && fits(&credentials.access_key_id)
        && fits(&credentials.secret_access_key)
        && credentials.session_token.as_deref().is_none_or(fits);
    right.then_some(()).ok_or(KmsError::Credentials)
}

/// For the fuzz targets, and for the test that replays their corpora.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;

#[cfg(test)]
mod tests;
