//! The recipient of one reply: an RSA key that is made for it and gone with it.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey},
};
use zeroize::Zeroizing;

use super::{
    KmsError,
    cms::{CmsError, Enveloped},
};

/// A fresh RSA-2048 key. AWS-LC wipes it when it is dropped.
///
/// It opens one structure and is consumed by that, so that no reply to another request can be put in
/// the place of the one that was asked for. (AWS KMS takes RSA keys only; an eavesdropper of the
/// future who breaks them has to break the hybrid key exchange of the TLS around them, too.)
pub(super) struct Recipient {
    key: OaepPrivateDecryptingKey,
    public_key: Vec<u8>,
}

impl Recipient {
    /// Makes a key. That takes some tens of milliseconds of computing.
    pub(super) async fn generate() -> Result<Self, KmsError> {
        tokio::task::spawn_blocking(Self::make)
            .await
            .map_err(|_| KmsError::RecipientKey)?
    }

    fn make() -> Result<Self, KmsError> {
        let failed = |_| KmsError::RecipientKey;
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(failed)?;
        let public_key: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(failed)?;
        let public_key = public_key.as_ref().to_vec();
        Ok(Self {
            key: OaepPrivateDecryptingKey::new(key).map_err(failed)?,
            public_key,
        })
    }

    /// SubjectPublicKeyInfo (DER), as KMS wants it in an attestation document.
    pub(super) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Opens the one structure it was made for.
    pub(super) fn open(self, cms: &[u8]) -> Result<Zeroizing<Vec<u8>>, CmsError> {
        Enveloped::parse(cms)?.open(&self.key)
    }
}
