//! A passkey authenticator in software, which does what browsers and authenticators never would
//! when a test asks it to.
//!
//! It makes ES256 credentials (WebAuthn Level 3, attestation `none`) and answers with the client
//! data that a browser would have made. [`Behaviour`] says where the person is and how the device
//! misbehaves.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64ct::{Base64UrlUnpadded, Encoding};
use openkey_protocol::message::{Assertion, CreationOptions, NewCredential, RequestOptions};

/// COSE algorithm ES256 (RFC 9053 §2.1), the one every authenticator has.
const ES256: i64 = -7;

/// Flags of authenticator data (WebAuthn §6.1).
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const ATTESTED_CREDENTIAL: u8 = 0x40;

/// Why an authenticator gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticatorError {
    /// It holds none of the credentials that may answer.
    #[error("this authenticator holds no such passkey")]
    NoCredential,
    /// It already holds one of the credentials that must not be on it.
    #[error("this authenticator holds a passkey of the account already")]
    Excluded,
    /// The relying party takes no algorithm it has.
    #[error("the relying party does not take ES256")]
    Algorithm,
    /// Key generation or signing failed.
    #[error("the authenticator's key failed")]
    Key,
}

/// Where the person is, and how browser and device misbehave. [`Behaviour::at`] is a good one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// The page's origin, as the browser writes it into the client data.
    pub origin: String,
    /// The client data's `crossOrigin`; left away when `None`.
    pub cross_origin: Option<bool>,
    /// Whether the device says that it checked who is there.
    pub user_verified: bool,
    /// Whether the device says that somebody was there.
    pub user_present: bool,
    /// Another relying party than the options name.
    pub rp_id: Option<String>,
    /// Another user handle than the credential's.
    pub user_handle: Option<Vec<u8>>,
    /// Another challenge than the options give: a replayed one.
    pub challenge: Option<Vec<u8>>,
    /// The client data's `type`, if another than the ceremony's.
    pub ceremony: Option<&'static str>,
    /// The signature counter; platform passkeys say 0.
    pub counter: u32,
}

impl Behaviour {
    /// Of an honest browser and device on a page of this origin.
    #[must_use]
    pub fn at(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            cross_origin: Some(false),
            user_verified: true,
            user_present: true,
            rp_id: None,
            user_handle: None,
            challenge: None,
            ceremony: None,
            counter: 0,
        }
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.user_present {
            flags |= USER_PRESENT;
        }
        if self.user_verified {
            flags |= USER_VERIFIED;
        }
        flags
    }

    /// The head of authenticator data: SHA-256 of the relying-party id, flags, counter.
    fn data(&self, rp_id: &str, flags: u8) -> Vec<u8> {
        let rp_id = self.rp_id.as_deref().unwrap_or(rp_id);
        let mut data = digest(&SHA256, rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data
    }

    /// As browsers serialise it (WebAuthn §5.8.1.1).
    fn client_data(&self, ceremony: &str, challenge: &[u8]) -> Vec<u8> {
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        let challenge = self.challenge.as_deref().unwrap_or(challenge);
        let mut json = format!(
            r#"{{"type":{},"challenge":{},"origin":{}"#,
            quote(self.ceremony.unwrap_or(ceremony)),
            quote(&Base64UrlUnpadded::encode_string(challenge)),
            quote(&self.origin),
        );
        if let Some(cross_origin) = self.cross_origin {
            json.push_str(&format!(r#","crossOrigin":{cross_origin}"#));
        }
        json.push('}');
        json.into_bytes()
    }
}

/// A device with passkeys.
#[derive(Default)]
pub struct Authenticator {
    credentials: Vec<Passkey>,
}

/// One discoverable credential.
pub struct Passkey {
    id: Vec<u8>,
    rp_id: String,
    user_handle: Vec<u8>,
    key: EcdsaKeyPair,
}

impl Passkey {
    /// A new passkey as the options want it, with an id of its own.
    ///
    /// # Errors
    ///
    /// [`AuthenticatorError::Key`].
    pub fn generate(options: &CreationOptions) -> Result<Self, AuthenticatorError> {
        let mut id = vec![0; 32];
        getrandom::fill(&mut id).map_err(|_| AuthenticatorError::Key)?;
        Ok(Self {
            id,
            rp_id: options.rp_id.clone(),
            user_handle: options.user_id.0.clone(),
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
                .map_err(|_| AuthenticatorError::Key)?,
        })
    }

    /// The credential id.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// The user handle it was made for.
    #[must_use]
    pub fn user_handle(&self) -> &[u8] {
        &self.user_handle
    }

    /// SubjectPublicKeyInfo DER, what a browser's `getPublicKey()` returns.
    ///
    /// # Errors
    ///
    /// [`AuthenticatorError::Key`], which no key of this authenticator causes.
    pub fn public_key_spki(&self) -> Result<Vec<u8>, AuthenticatorError> {
        AsDer::<PublicKeyX509Der<'_>>::as_der(self.key.public_key())
            .map(|der| der.as_ref().to_vec())
            .map_err(|_| AuthenticatorError::Key)
    }

    /// The private key as PKCS #8 DER: a software passkey can be carried elsewhere.
    ///
    /// # Errors
    ///
    /// [`AuthenticatorError::Key`].
    pub fn export(&self) -> Result<Vec<u8>, AuthenticatorError> {
        let document = self.key.to_pkcs8v1().map_err(|_| AuthenticatorError::Key)?;
        Ok(document.as_ref().to_vec())
    }

    /// A passkey that was carried here.
    ///
    /// # Errors
    ///
    /// [`AuthenticatorError::Key`] if `pkcs8` is no P-256 key.
    pub fn import(
        id: &[u8],
        rp_id: &str,
        user_handle: &[u8],
        pkcs8: &[u8],
    ) -> Result<Self, AuthenticatorError> {
        Ok(Self {
            id: id.to_vec(),
            rp_id: rp_id.to_owned(),
            user_handle: user_handle.to_vec(),
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8)
                .map_err(|_| AuthenticatorError::Key)?,
        })
    }

    /// COSE_Key of the public key (RFC 9052 §7): an uncompressed point, cut in two.
    fn cose_key(&self) -> Result<Vec<u8>, AuthenticatorError> {
        let point = self.key.public_key().as_ref();
        let x = point.get(1..33).ok_or(AuthenticatorError::Key)?;
        let y = point.get(33..65).ok_or(AuthenticatorError::Key)?;
        let mut encoder = minicbor::Encoder::new(Vec::new());
        let written: Result<_, minicbor::encode::Error<core::convert::Infallible>> = (|| {
            encoder.map(5)?.u8(1)?.u8(2)?.u8(3)?.i8(-7)?.i8(-1)?.u8(1)?;
            encoder.i8(-2)?.bytes(x)?.i8(-3)?.bytes(y)?.ok()
        })();
        written.map_err(|_| AuthenticatorError::Key)?;
        Ok(encoder.into_writer())
    }
}

impl Authenticator {
    /// A new device.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Its passkeys, oldest first.
    #[must_use]
    pub fn passkeys(&self) -> &[Passkey] {
        &self.credentials
    }

    /// Puts a passkey on the device.
    pub fn add(&mut self, passkey: Passkey) {
        self.credentials.push(passkey);
    }

    /// Takes every passkey off the device.
    pub fn clear(&mut self) {
        self.credentials.clear();
    }

    /// `navigator.credentials.create`.
    ///
    /// # Errors
    ///
    /// [`AuthenticatorError`], as an honest device would refuse.
    pub fn create(
        &mut self,
        options: &CreationOptions,
        behaviour: &Behaviour,
    ) -> Result<NewCredential, AuthenticatorError> {
        if !options.algorithms.contains(&ES256) {
            return Err(AuthenticatorError::Algorithm);
        }
        let holds = |id: &[u8]| self.credentials.iter().any(|held| held.id == id);
        if options.exclude.iter().any(|id| holds(id.as_slice())) {
            return Err(AuthenticatorError::Excluded);
        }
        self.register(Passkey::generate(options)?, options, behaviour)
    }

    /// Answers the options with this passkey, whatever its id and key are, and keeps it. An honest
    /// device has just made it ([`Self::create`]).
    ///
    /// # Errors
    ///
    /// [`AuthenticatorError::Key`] for an id that is too long.
    pub fn register(
        &mut self,
        passkey: Passkey,
        options: &CreationOptions,
        behaviour: &Behaviour,
    ) -> Result<NewCredential, AuthenticatorError> {
        let id = passkey.id.clone();
        let length = u16::try_from(id.len()).map_err(|_| AuthenticatorError::Key)?;
        let flags = behaviour.flags() | ATTESTED_CREDENTIAL;
        let mut data = behaviour.data(&options.rp_id, flags);
        // AAGUID of zeros: no model is named.
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(&id);
        data.extend_from_slice(&passkey.cose_key()?);
        self.credentials.push(passkey);
        Ok(NewCredential {
            id: id.into(),
            attestation_object: attestation_object(&data)?.into(),
            client_data_json: behaviour
                .client_data("webauthn.create", options.challenge.as_slice())
                .into(),
            transports: vec!["internal".to_owned()],
        })
    }

    /// `navigator.credentials.get`: the newest passkey that may answer does.
    ///
    /// # Errors
    ///
    /// [`AuthenticatorError::NoCredential`] if there is none.
    pub fn get(
        &self,
        options: &RequestOptions,
        behaviour: &Behaviour,
    ) -> Result<Assertion, AuthenticatorError> {
        let may = |held: &&Passkey| {
            let named = options.allow.iter().any(|id| id.as_slice() == held.id);
            held.rp_id == options.rp_id && (options.allow.is_empty() || named)
        };
        let passkey = self.credentials.iter().rev().find(may);
        let passkey = passkey.ok_or(AuthenticatorError::NoCredential)?;
        passkey.answer(options, behaviour)
    }
}

impl Passkey {
    /// Answers with this passkey, whether or not the options allow it.
    ///
    /// # Errors
    ///
    /// [`AuthenticatorError::Key`] if signing failed.
    pub fn answer(
        &self,
        options: &RequestOptions,
        behaviour: &Behaviour,
    ) -> Result<Assertion, AuthenticatorError> {
        let data = behaviour.data(&options.rp_id, behaviour.flags());
        let client_data = behaviour.client_data("webauthn.get", options.challenge.as_slice());
        let mut signed = data.clone();
        signed.extend_from_slice(digest(&SHA256, &client_data).as_ref());
        let signature = self
            .key
            .sign(&SystemRandom::new(), &signed)
            .map_err(|_| AuthenticatorError::Key)?;
        let handle = behaviour.user_handle.as_ref().unwrap_or(&self.user_handle);
        Ok(Assertion {
            credential_id: self.id.as_slice().into(),
            authenticator_data: data.into(),
            client_data_json: client_data.into(),
            signature: signature.as_ref().into(),
            user_handle: Some(handle.as_slice().into()),
        })
    }
}

/// Attestation `none` (WebAuthn §8.7), keys in CTAP2 order.
fn attestation_object(data: &[u8]) -> Result<Vec<u8>, AuthenticatorError> {
    let mut encoder = minicbor::Encoder::new(Vec::new());
    let written: Result<_, minicbor::encode::Error<core::convert::Infallible>> = (|| {
        encoder.map(3)?.str("fmt")?.str("none")?;
        encoder.str("attStmt")?.map(0)?;
        encoder.str("authData")?.bytes(data)?.ok()
    })();
    written.map_err(|_| AuthenticatorError::Key)?;
    Ok(encoder.into_writer())
}

#[cfg(test)]
mod tests;
