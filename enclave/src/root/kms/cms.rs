//! `CiphertextForRecipient`: CMS EnvelopedData (RFC 5652 §6) as AWS KMS writes it.
//!
//! AWS writes BER: indefinite lengths, and the encrypted content in one or several OCTET STRING
//! chunks or, at times, as one primitive string. The library reads any BER; what is read here is the
//! one structure that can be meant, with nothing optional in it: one recipient by RSAES-OAEP with
//! SHA-256 and MGF1-SHA-256, named by a key identifier, content under AES-256-CBC.

use aws_lc_rs::{
    cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    iv::FixedLength,
    rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey},
};
use bcder::{
    ConstOid, Mode, Oid, Tag,
    decode::{Constructed, Content, DecodeError, Primitive, SliceSource, Source},
};
use zeroize::Zeroizing;

/// Longest structure that is looked at, in bytes. With the longest plaintext that KMS takes (4096
/// bytes) one has less than 5000.
pub const MAX_CMS: usize = 8 * 1024;
/// The longest content: the longest plaintext of KMS and a block of padding.
const MAX_CONTENT: usize = 4096 + BLOCK;
/// A block of AES, in bytes.
const BLOCK: usize = 16;
/// What RSA-2048 makes of anything, in bytes.
const ENCRYPTED_KEY: usize = 256;
/// The longest key identifier; AWS sends 32 bytes. Nothing depends on it: there is one recipient,
/// and a key that is not its own decrypts nothing.
const MAX_KEY_ID: usize = 64;

/// 1.2.840.113549.1.7.3
const ENVELOPED_DATA: ConstOid = Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3]);
/// 1.2.840.113549.1.7.1
const DATA: ConstOid = Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1]);
/// 1.2.840.113549.1.1.7 (RFC 8017 §A.2.1)
const RSAES_OAEP: ConstOid = Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 7]);
/// 1.2.840.113549.1.1.8
const MGF1: ConstOid = Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8]);
/// 2.16.840.1.101.3.4.2.1
const SHA256: ConstOid = Oid(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]);
/// 2.16.840.1.101.3.4.1.42
const AES_256_CBC: ConstOid = Oid(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42]);

/// Why a structure is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CmsError {
    /// Longer than [`MAX_CMS`].
    #[error("the CMS structure is longer than {MAX_CMS} bytes")]
    TooLong,
    /// Not BER, or not the one structure that is expected: another number of recipients, another
    /// algorithm, optional parts.
    #[error("not the CMS structure of a KMS reply: {0}")]
    Shape(String),
    /// Bytes follow the structure.
    #[error("bytes follow the CMS structure")]
    Trailing,
    /// The content key is not for this recipient, or not 32 bytes.
    #[error("the content key is not for this recipient")]
    ContentKey,
    /// The content does not decrypt to padded bytes.
    #[error("the content does not decrypt")]
    Content,
}

/// A structure taken apart; nothing in it is authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Enveloped {
    encrypted_key: [u8; ENCRYPTED_KEY],
    iv: [u8; BLOCK],
    content: Vec<u8>,
}

impl Enveloped {
    /// Takes a structure apart.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, CmsError> {
        if bytes.len() > MAX_CMS {
            return Err(CmsError::TooLong);
        }
        let mut source = SliceSource::new(bytes);
        let enveloped = Mode::Ber
            .decode(&mut source, content_info)
            .map_err(|error| CmsError::Shape(error.to_string()))?;
        if source.is_empty() {
            Ok(enveloped)
        } else {
            Err(CmsError::Trailing)
        }
    }

    /// Decrypts the content.
    ///
    /// A padding that does not fit answers faster than one that does. That helps nobody: a key
    /// decrypts one structure, which comes from KMS over TLS, and is gone.
    pub(super) fn open(
        mut self,
        key: &OaepPrivateDecryptingKey,
    ) -> Result<Zeroizing<Vec<u8>>, CmsError> {
        let mut buffer = Zeroizing::new(vec![0; key.min_output_size()]);
        let content_key = key
            .decrypt(
                &OAEP_SHA256_MGF1SHA256,
                &self.encrypted_key,
                &mut buffer,
                None,
            )
            .map_err(|_| CmsError::ContentKey)?;
        let cipher =
            UnboundCipherKey::new(&AES_256, content_key).map_err(|_| CmsError::ContentKey)?;
        let cipher =
            PaddedBlockDecryptingKey::cbc_pkcs7(cipher).map_err(|_| CmsError::ContentKey)?;
        let iv = DecryptionContext::Iv128(FixedLength::from(self.iv));
        let mut content = Zeroizing::new(core::mem::take(&mut self.content));
        let length = cipher
            .decrypt(&mut content, iv)
            .map_err(|_| CmsError::Content)?
            .len();
        content.truncate(length);
        Ok(content)
    }
}

type Read<T, S> = Result<T, DecodeError<<S as Source>::Error>>;

/// `ContentInfo ::= SEQUENCE { contentType, content [0] EXPLICIT }`
fn content_info<S: Source>(outer: &mut Constructed<'_, S>) -> Read<Enveloped, S> {
    outer.take_sequence(|info| {
        ENVELOPED_DATA.skip_if(info)?;
        info.take_constructed_if(Tag::CTX_0, |content| content.take_sequence(enveloped_data))
    })
}

/// `EnvelopedData` of version 2: what RFC 5652 §6.1 gives to a recipient named by a key identifier.
/// No `originatorInfo`, no `unprotectedAttrs`.
fn enveloped_data<S: Source>(data: &mut Constructed<'_, S>) -> Read<Enveloped, S> {
    data.skip_u8_if(2)?;
    let encrypted_key = data.take_set(|recipients| recipients.take_sequence(recipient))?;
    let (iv, content) = data.take_sequence(|encrypted| {
        DATA.skip_if(encrypted)?;
        let iv = encrypted.take_sequence(|algorithm| {
            AES_256_CBC.skip_if(algorithm)?;
            algorithm.take_primitive_if(Tag::OCTET_STRING, array)
        })?;
        Ok((iv, encrypted.take_value_if(Tag::CTX_0, encrypted_content)?))
    })?;
    Ok(Enveloped {
        encrypted_key,
        iv,
        content,
    })
}

/// `KeyTransRecipientInfo` of version 2, with `[0] subjectKeyIdentifier`.
fn recipient<S: Source>(recipient: &mut Constructed<'_, S>) -> Read<[u8; ENCRYPTED_KEY], S> {
    recipient.skip_u8_if(2)?;
    recipient.take_primitive_if(Tag::CTX_0, |id| {
        if id.remaining() > MAX_KEY_ID {
            return Err(id.content_err("the key identifier is too long"));
        }
        id.skip_all()
    })?;
    recipient.take_sequence(|algorithm| {
        RSAES_OAEP.skip_if(algorithm)?;
        algorithm.take_sequence(|parameters| {
            parameters.take_constructed_if(Tag::CTX_0, sha256)?;
            parameters.take_constructed_if(Tag::CTX_1, |mask| {
                mask.take_sequence(|mask| {
                    MGF1.skip_if(mask)?;
                    sha256(mask)
                })
            })
        })
    })?;
    recipient.take_primitive_if(Tag::OCTET_STRING, array)
}

/// The `AlgorithmIdentifier` of SHA-256; its parameters are NULL or absent (RFC 8017 §A.2.1).
fn sha256<S: Source>(outer: &mut Constructed<'_, S>) -> Read<(), S> {
    outer.take_sequence(|algorithm| {
        SHA256.skip_if(algorithm)?;
        algorithm.take_opt_null().map(|_| ())
    })
}

/// `[0] IMPLICIT OCTET STRING`, whole or in chunks, of whole blocks.
fn encrypted_content<S: Source>(content: &mut Content<'_, S>) -> Read<Vec<u8>, S> {
    let mut bytes = Vec::new();
    match content {
        Content::Primitive(whole) => append(&mut bytes, whole)?,
        Content::Constructed(chunks) => {
            while chunks
                .take_opt_primitive_if(Tag::OCTET_STRING, |chunk| append(&mut bytes, chunk))?
                .is_some()
            {}
        }
    }
    if bytes.is_empty() || !bytes.len().is_multiple_of(BLOCK) {
        return Err(content.content_err("the content is not whole blocks"));
    }
    Ok(bytes)
}

fn append<S: Source>(bytes: &mut Vec<u8>, chunk: &mut Primitive<'_, S>) -> Read<(), S> {
    if bytes.len() + chunk.remaining() > MAX_CONTENT {
        return Err(chunk.content_err("the content is too long"));
    }
    bytes.extend_from_slice(&chunk.take_all()?);
    Ok(())
}

fn array<S: Source, const N: usize>(string: &mut Primitive<'_, S>) -> Read<[u8; N], S> {
    let bytes = string.take_all()?;
    <[u8; N]>::try_from(bytes.as_ref())
        .map_err(|_| string.content_err("a string of another length"))
}

#[cfg(test)]
mod tests;
