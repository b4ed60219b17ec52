//! The TLS key of one key epoch.

use core::fmt;
use std::sync::Arc;

use ed25519_dalek::{Signer as _, SigningKey};
use rcgen::PublicKeyData;
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    sign::{Signer, SigningKey as TlsSigningKey},
};

use crate::root::Secret;

/// An Ed25519 key (RFC 8032): its seed comes from the NSM like every other secret here, signing
/// needs no randomness, and the library wipes it when it is dropped. rcgen and rustls only ask it
/// to sign; neither sees the secret.
#[derive(Clone)]
pub(super) struct TlsKey(Arc<Inner>);

struct Inner {
    secret: SigningKey,
    public: [u8; 32],
}

impl TlsKey {
    pub(super) fn new(seed: &Secret<32>) -> Self {
        let secret = SigningKey::from_bytes(seed);
        let public = secret.verifying_key().to_bytes();
        Self(Arc::new(Inner { secret, public }))
    }
}

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsKey(..)")
    }
}

impl PublicKeyData for TlsKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.secret.sign(message).to_bytes().to_vec())
    }
}

impl TlsSigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(self.0.secret.sign(message).to_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
