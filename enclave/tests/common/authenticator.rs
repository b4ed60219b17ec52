//! An authenticator on P-256 that does what it is told, lies included.

use openkey_protocol::message::{Assertion, Bytes, CreationOptions, NewCredential, RequestOptions};
use p256::ecdsa::{DerSignature, SigningKey, signature::Signer};
use sha2::{Digest, Sha256};

use super::ORIGIN;

/// Authenticator-data flags (WebAuthn Level 3 §6.1).
pub const PRESENT: u8 = 0x01;
pub const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// One passkey, and how it misbehaves.
#[derive(Clone)]
pub struct Authenticator {
    pub key: SigningKey,
    pub id: Vec<u8>,
    pub user_handle: Vec<u8>,
    pub rp_id: String,
    pub origin: String,
    pub flags: u8,
    pub counter: u32,
    /// Members appended to the client data, each beginning with a comma.
    pub extra_client_data: String,
    pub type_override: Option<&'static str>,
    /// The COSE algorithm it claims.
    pub algorithm: i8,
    /// Gives a point that is not on the curve.
    pub off_curve: bool,
}

impl Authenticator {
    pub fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_slice(&[seed; 32]).unwrap(),
            id: vec![seed; 20],
            user_handle: Vec::new(),
            rp_id: "localhost".to_owned(),
            origin: ORIGIN.to_owned(),
            flags: PRESENT | VERIFIED,
            counter: 0,
            extra_client_data: r#","crossOrigin":false"#.to_owned(),
            type_override: None,
            algorithm: -7,
            off_curve: false,
        }
    }

    /// SHA-256 of the public key as a browser's `getPublicKey()` gives it.
    pub fn spki_sha256(&self) -> [u8; 32] {
        let prefix = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        let point = self.key.verifying_key().to_sec1_point(false);
        Sha256::digest([prefix.as_slice(), point.as_bytes()].concat()).into()
    }

    pub fn create(&mut self, options: &CreationOptions) -> NewCredential {
        self.user_handle = options.user_id.0.clone();
        let mut data = self.data(self.flags | ATTESTED);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        let point = self.key.verifying_key().to_sec1_point(false);
        let mut cose = minicbor::Encoder::new(Vec::new());
        cose.map(5).unwrap();
        cose.u8(1).unwrap().u8(2).unwrap();
        cose.u8(3).unwrap().i8(self.algorithm).unwrap();
        cose.i8(-1).unwrap().u8(1).unwrap();
        let mut x = point.x().unwrap().to_vec();
        x[31] ^= u8::from(self.off_curve);
        cose.i8(-2).unwrap().bytes(&x).unwrap();
        cose.i8(-3).unwrap().bytes(point.y().unwrap()).unwrap();
        data.extend(cose.into_writer());
        let mut object = minicbor::Encoder::new(Vec::new());
        object.map(3).unwrap();
        object.str("fmt").unwrap().str("none").unwrap();
        object.str("attStmt").unwrap().map(0).unwrap();
        object.str("authData").unwrap().bytes(&data).unwrap();
        NewCredential {
            id: self.id.clone().into(),
            attestation_object: object.into_writer().into(),
            client_data_json: self.client_data("webauthn.create", &options.challenge),
            transports: vec!["internal".to_owned(), "nonsense".to_owned()],
        }
    }

    pub fn get(&mut self, options: &RequestOptions) -> Assertion {
        let client_data_json = self.client_data("webauthn.get", &options.challenge);
        let authenticator_data = self.data(self.flags);
        let signed = [
            authenticator_data.as_slice(),
            &Sha256::digest(client_data_json.as_slice()),
        ]
        .concat();
        let signature: DerSignature = self.key.sign(&signed);
        Assertion {
            credential_id: self.id.clone().into(),
            authenticator_data: authenticator_data.into(),
            client_data_json,
            signature: signature.as_bytes().to_vec().into(),
            user_handle: Some(self.user_handle.clone().into()),
        }
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(&self.rp_id).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client_data(&self, ceremony: &str, challenge: &Bytes) -> Bytes {
        use base64ct::{Base64UrlUnpadded, Encoding};
        let challenge = Base64UrlUnpadded::encode_string(challenge.as_slice());
        let ceremony = self.type_override.unwrap_or(ceremony);
        let (origin, extra) = (&self.origin, &self.extra_client_data);
        format!(r#"{{"type":"{ceremony}","challenge":"{challenge}","origin":"{origin}"{extra}}}"#)
            .into_bytes()
            .into()
    }
}
