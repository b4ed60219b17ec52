//! Data keys: made, kept under the key, and given to recipients.

use std::collections::BTreeMap;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, RandomizedNonceKey},
    cipher::{AES_256, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey},
    digest::{SHA256, digest},
    error::Unspecified,
    rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey},
};

use super::{api::Rule, ber::Enveloped};
use crate::ca::random;

/// In front of a blob.
const BLOB_VERSION: u8 = 1;
/// GCM's nonce, in bytes.
const NONCE: usize = 12;
/// Sizes of RSA keys that AWS takes, in bits.
const RSA_BITS: [usize; 3] = [2048, 3072, 4096];

/// The encryption context and the key's name, unambiguously.
fn associated(key_arn: &str, context: &BTreeMap<String, String>) -> Aad<Vec<u8>> {
    Aad::from(serde_json::to_vec(&(key_arn, context)).unwrap_or_default())
}

/// `CiphertextBlob` of a data key.
pub(super) fn wrap(
    kms_key: &[u8],
    key_arn: &str,
    context: &BTreeMap<String, String>,
    data_key: &[u8],
) -> Result<Vec<u8>, Rule> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, kms_key).map_err(|_| Rule::Internal)?;
    let mut sealed = data_key.to_vec();
    let nonce = key
        .seal_in_place_append_tag(associated(key_arn, context), &mut sealed)
        .map_err(|_| Rule::Internal)?;
    Ok([&[BLOB_VERSION], nonce.as_ref().as_slice(), &sealed].concat())
}

/// The data key of a `CiphertextBlob`.
pub(super) fn unwrap(
    kms_key: &[u8],
    key_arn: &str,
    context: &BTreeMap<String, String>,
    blob: &[u8],
) -> Result<Vec<u8>, Rule> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, kms_key).map_err(|_| Rule::Internal)?;
    let rest = blob.strip_prefix(&[BLOB_VERSION]).ok_or(Rule::Ciphertext)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(Rule::Ciphertext)?;
    let mut sealed = sealed.to_vec();
    let opened = key
        .open_in_place(nonce.into(), associated(key_arn, context), &mut sealed)
        .map_err(|_| Rule::Ciphertext)?;
    Ok(opened.to_vec())
}

/// `CiphertextForRecipient`: for the holder of this RSA key alone.
pub(super) fn for_recipient(public_key: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Rule> {
    let key = PublicEncryptingKey::from_der(public_key).map_err(|_| Rule::NoRecipientKey)?;
    if !RSA_BITS.contains(&key.key_size_bits()) {
        return Err(Rule::NoRecipientKey);
    }
    envelope(key, public_key, plaintext).map_err(|_| Rule::Internal)
}

fn envelope(
    key: PublicEncryptingKey,
    public_key: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let content_key = random::<32>().map_err(|_| Unspecified)?;
    let key = OaepPublicEncryptingKey::new(key)?;
    let mut encrypted_key = vec![0; key.ciphertext_size()];
    key.encrypt(
        &OAEP_SHA256_MGF1SHA256,
        &content_key,
        &mut encrypted_key,
        None,
    )?;
    let cipher =
        PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &content_key)?)?;
    let mut ciphertext = plaintext.to_vec();
    let context: DecryptionContext = cipher.encrypt(&mut ciphertext)?;
    let iv: &[u8] = (&context).try_into()?;
    Ok(Enveloped {
        key_id: digest(&SHA256, public_key).as_ref(),
        encrypted_key: &encrypted_key,
        iv,
        ciphertext: &ciphertext,
    }
    .encode())
}
