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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::ber::definite;

    /// SubjectPublicKeyInfo (RFC 8017 A.1.1) of a modulus of so many bits. Nobody has its other half.
    fn public_key(bits: usize) -> Vec<u8> {
        const INTEGER: u8 = 0x02;
        const SEQUENCE: u8 = 0x30;
        const BIT_STRING: u8 = 0x03;
        const RSA_ENCRYPTION: [u8; 15] = [
            0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0,
        ];
        let mut modulus = vec![0xa5; bits / 8];
        modulus.insert(0, 0);
        let numbers = [definite(INTEGER, &modulus), definite(INTEGER, &[1, 0, 1])];
        let key = [vec![0], definite(SEQUENCE, &numbers.concat())].concat();
        let parts = [RSA_ENCRYPTION.to_vec(), definite(BIT_STRING, &key)];
        definite(SEQUENCE, &parts.concat())
    }

    #[test]
    fn k3_recipients_have_rsa_keys_of_the_sizes_that_aws_takes() {
        for bits in RSA_BITS {
            let enveloped = for_recipient(&public_key(bits), b"a data key");
            assert!(enveloped.is_ok(), "{bits}");
        }
        for bits in [512, 1024, 2040, 2056, 2560, 4104, 6144, 8192, 16384] {
            let refused = for_recipient(&public_key(bits), b"a data key");
            assert_eq!(refused, Err(Rule::NoRecipientKey), "{bits}");
        }
        // of the sizes between, the library takes some
        let larger = PublicEncryptingKey::from_der(&public_key(8192));
        assert!(larger.is_ok());
        let ecc = b"0\x59\x30\x13 of another kind";
        for other in [&b""[..], ecc] {
            assert_eq!(for_recipient(other, b""), Err(Rule::NoRecipientKey));
        }
    }
}
