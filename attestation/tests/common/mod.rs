//! Enclaves for tests: a certificate hierarchy of hardware's shape under a root of our own, any
//! part of which a test may bend before it is issued, and documents signed by its leaf key.
//!
//! Shared by tests, benches and fuzz targets; each uses a part.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each user of this module needs a part of it"
)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use openkey_attestation::{
    Measurements, Nonce, Payload, Pcr, Pcrs, Policy, Roots, UnixMillis, Verifier, leaf_common_name,
    sign_document,
};
use rcgen::{
    CertificateParams, CustomExtension, DnType, DnValue, Issuer, KeyPair, PKCS_ECDSA_P384_SHA384,
    SerialNumber,
};
use time::OffsetDateTime;

/// When the documents of these tests are made: 2025-10-09T08:53:20.123Z.
pub const NOW: UnixMillis = UnixMillis(SECOND as u64 * 1_000 + 123);

/// [`NOW`] in seconds.
pub const SECOND: i64 = 1_760_000_000;

pub const HOUR: i64 = 60 * 60;
pub const DAY: i64 = 24 * HOUR;

pub const MODULE_ID: &str = "i-0123456789abcdef0-enc0199c8a1b2c3d4e5";
pub const SIMULATOR_ID: &str = "sim-0123456789abcdef0-enc0199c8a1b2c3d4e5";
pub const REGION: &str = "eu-central-1";
pub const NONCE: &[u8] = b"a nonce of the verifier's choice";

const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const SUBJECT_KEY_ID: &[u64] = &[2, 5, 29, 14];
const CRL_POINTS: &[u64] = &[2, 5, 29, 31];
pub const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];

/// `BasicConstraints` (DER) of an authority without a path length.
pub const AUTHORITY: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];
/// `BasicConstraints` of a leaf as hardware writes it: empty.
pub const NO_AUTHORITY: &[u8] = &[0x30, 0x00];
/// `KeyUsage`: keyCertSign.
pub const SIGNS_CERTIFICATES: &[u8] = &[0x03, 0x02, 0x02, 0x04];
/// `KeyUsage`: digitalSignature, keyCertSign, cRLSign.
pub const SIGNS_ALL: &[u8] = &[0x03, 0x02, 0x01, 0x86];
/// `KeyUsage`: digitalSignature, nonRepudiation.
pub const SIGNS_DATA: &[u8] = &[0x03, 0x02, 0x06, 0xc0];

/// `BasicConstraints` of an authority with a path length.
pub fn path_length(n: u8) -> Vec<u8> {
    vec![0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, n]
}

pub fn extension(oid: &[u64], critical: bool, content: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(critical);
    extension
}

/// One certificate before it is issued.
pub struct Draft {
    pub names: Vec<(DnType, String)>,
    pub issuer: Option<Vec<(DnType, String)>>,
    pub serial: Vec<u8>,
    pub from: i64,
    pub until: i64,
    pub extensions: Vec<CustomExtension>,
    pub authority_key_id: bool,
    pub curve: &'static rcgen::SignatureAlgorithm,
}

impl Draft {
    fn new(common_name: &str, from: i64, until: i64) -> Self {
        Self {
            names: vec![
                (DnType::CountryName, "US".into()),
                (DnType::OrganizationName, "Example".into()),
                (DnType::OrganizationalUnitName, "Enclaves".into()),
                (DnType::CommonName, common_name.into()),
            ],
            issuer: None,
            serial: vec![0x11; 16],
            from: SECOND + from,
            until: SECOND + until,
            extensions: Vec::new(),
            authority_key_id: false,
            curve: &PKCS_ECDSA_P384_SHA384,
        }
    }

    fn with(mut self, extensions: impl IntoIterator<Item = CustomExtension>) -> Self {
        self.extensions.extend(extensions);
        self
    }

    /// Replaces the basic constraints.
    pub fn constraints(&mut self, content: &[u8]) {
        self.remove(BASIC_CONSTRAINTS);
        self.extensions
            .push(extension(BASIC_CONSTRAINTS, true, content));
    }

    /// Replaces the key usage.
    pub fn key_usage(&mut self, content: &[u8]) {
        self.remove(KEY_USAGE);
        self.extensions.push(extension(KEY_USAGE, true, content));
    }

    /// Removes the key usage.
    pub fn no_key_usage(&mut self) {
        self.remove(KEY_USAGE);
    }

    fn remove(&mut self, oid: &[u64]) {
        self.extensions
            .retain(|known| known.oid_components().collect::<Vec<_>>() != oid);
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in &self.names {
            params
                .distinguished_name
                .push(kind.clone(), DnValue::Utf8String(value.clone()));
        }
        params.serial_number = Some(SerialNumber::from_slice(&self.serial));
        params.not_before = OffsetDateTime::from_unix_timestamp(self.from).unwrap();
        params.not_after = OffsetDateTime::from_unix_timestamp(self.until).unwrap();
        params.custom_extensions = self.extensions.clone();
        params.use_authority_key_identifier_extension = self.authority_key_id;
        params
    }
}

/// The certificates of an enclave before they are issued: root, regional, zonal, instance, leaf.
pub struct Drafts(pub Vec<Draft>);

pub const ROOT: usize = 0;
pub const REGIONAL: usize = 1;
pub const ZONAL: usize = 2;
pub const INSTANCE: usize = 3;
pub const LEAF: usize = 4;

impl Drafts {
    /// As hardware's certificates of 2025 are, for a module of this id.
    pub fn of(module_id: &str) -> Self {
        let authority = |constraints: &[u8], usage: &[u8]| {
            [
                extension(BASIC_CONSTRAINTS, true, constraints),
                extension(KEY_USAGE, true, usage),
            ]
        };
        let subject_key = || {
            extension(
                SUBJECT_KEY_ID,
                false,
                &[&[0x04, 0x14][..], &[7; 20]].concat(),
            )
        };
        // A distribution point with one URI.
        let crl = b"\x30\x1b\x30\x19\xa0\x17\xa0\x15\x86\x13http://example/crl1";
        let crl = || extension(CRL_POINTS, false, crl);
        let mut regional = Draft::new("0a1b2c3d.eu-central-1.enclaves", -10 * DAY, 10 * DAY + HOUR)
            .with(authority(&path_length(2), SIGNS_ALL))
            .with([subject_key(), crl()]);
        regional.authority_key_id = true;
        let mut zonal = Draft::new("0f1e2d3c.zonal.eu-central-1.enclaves", -2 * DAY, 3 * DAY)
            .with(authority(&path_length(1), SIGNS_ALL))
            .with([subject_key(), crl()]);
        zonal.authority_key_id = true;
        // Written with the common name first, unlike the others.
        zonal.names.rotate_right(1);
        let mut instance = Draft::new(
            "i-0123456789abcdef0.eu-central-1.enclaves",
            -HOUR,
            23 * HOUR,
        )
        .with(authority(&path_length(0), SIGNS_CERTIFICATES));
        // Twenty octets with the top bit set: twenty-one in DER.
        instance.serial = vec![0x9f; 20];
        let leaf = Draft::new(&leaf_common_name(module_id, REGION), 0, 3 * HOUR + 3).with([
            extension(BASIC_CONSTRAINTS, true, NO_AUTHORITY),
            extension(KEY_USAGE, false, SIGNS_DATA),
        ]);
        Self(vec![
            Draft::new("test.enclaves", -2_000 * DAY, 8_000 * DAY)
                .with(authority(AUTHORITY, SIGNS_ALL)),
            regional,
            zonal,
            instance,
            leaf,
        ])
    }

    /// Issues all certificates with new keys.
    pub fn issue(self) -> Enclave {
        let keys: Vec<KeyPair> = (self.0.iter())
            .map(|draft| KeyPair::generate_for(draft.curve).unwrap())
            .collect();
        self.issue_with(&keys)
    }

    /// Issues all certificates with these keys, in the order of the drafts.
    pub fn issue_with(self, keys: &[KeyPair]) -> Enclave {
        let mut ders: Vec<Vec<u8>> = Vec::new();
        for (place, draft) in self.0.iter().enumerate() {
            let above = place.saturating_sub(1);
            let mut issuer = self.0[above].params();
            if let Some(names) = &draft.issuer {
                issuer.distinguished_name = rcgen::DistinguishedName::new();
                for (kind, value) in names {
                    let value = DnValue::Utf8String(value.clone());
                    issuer.distinguished_name.push(kind.clone(), value);
                }
            }
            let issuer = Issuer::new(issuer, &keys[above]);
            let issued = draft.params().signed_by(&keys[place], &issuer).unwrap();
            ders.push(issued.der().to_vec());
        }
        let leaf = ders.pop().unwrap();
        Enclave {
            module_id: MODULE_ID.into(),
            leaf,
            bundle: ders,
            key: keys.last().unwrap().serialize_der(),
        }
    }
}

/// An enclave that signs documents.
#[derive(Clone)]
pub struct Enclave {
    pub module_id: String,
    pub leaf: Vec<u8>,
    pub bundle: Vec<Vec<u8>>,
    /// PKCS #8 of the leaf key.
    pub key: Vec<u8>,
}

/// PCR values as hardware has them: code in 0 to 2, role and instance in 3 and 4, the rest zero.
pub const PCRS: [[u8; 48]; 16] = {
    let mut pcrs = [[0; 48]; 16];
    pcrs[0] = [0xa0; 48];
    pcrs[1] = [0xa1; 48];
    pcrs[2] = [0xa2; 48];
    pcrs[3] = [0xa3; 48];
    pcrs[4] = [0xa4; 48];
    pcrs
};

/// The measurements of [`PCRS`] that name the code.
pub fn measurements() -> Measurements {
    Measurements::new((0..=2).map(|i| (i, Pcr(PCRS[usize::from(i)])))).unwrap()
}

/// A policy that accepts [`PCRS`] and is otherwise the default.
pub fn policy() -> Policy {
    Policy::one_of([measurements()]).unwrap()
}

pub fn nonce() -> Nonce {
    Nonce::new(NONCE).unwrap()
}

impl Enclave {
    /// One of hardware's shape, under its own root.
    pub fn hardware() -> Self {
        Drafts::of(MODULE_ID).issue()
    }

    /// One of the simulator's kind.
    pub fn simulator() -> Self {
        let mut enclave = Drafts::of(SIMULATOR_ID).issue();
        enclave.module_id = SIMULATOR_ID.into();
        enclave
    }

    pub fn roots(&self) -> Roots {
        Roots::custom([self.bundle[0].clone()]).unwrap()
    }

    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.roots())
    }

    /// A document with this nonce.
    pub fn document(&self) -> Vec<u8> {
        self.document_with(|_| {})
    }

    /// A document whose payload was changed before it was signed.
    pub fn document_with<'e>(&'e self, change: impl FnOnce(&mut Payload<'e>)) -> Vec<u8> {
        let mut payload = self.payload();
        change(&mut payload);
        sign_document(&payload, |message| self.sign(message)).unwrap()
    }

    pub fn payload(&self) -> Payload<'_> {
        let mut pcrs = Pcrs::new();
        for (index, pcr) in (0..).zip(&PCRS) {
            assert!(pcrs.insert(index, pcr));
        }
        Payload {
            module_id: &self.module_id,
            timestamp: NOW,
            pcrs,
            certificate: &self.leaf,
            cabundle: self.bundle.iter().map(Vec::as_slice).collect(),
            public_key: None,
            user_data: None,
            nonce: Some(NONCE),
        }
    }

    /// ES384 by the leaf key.
    pub fn sign(&self, message: &[u8]) -> [u8; 96] {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &self.key).unwrap();
        let signature = key.sign(&SystemRandom::new(), message).unwrap();
        signature.as_ref().try_into().unwrap()
    }

    /// A document around these payload bytes, whatever they are: signed by the leaf key over the
    /// `Sig_structure` that another library builds.
    pub fn sign_raw(&self, payload: &[u8]) -> Vec<u8> {
        envelope(payload, &self.sign(&sig_structure(payload)))
    }
}

/// The `Sig_structure` of a payload by the crate `coset`.
pub fn sig_structure(payload: &[u8]) -> Vec<u8> {
    let header = coset::HeaderBuilder::new()
        .algorithm(coset::iana::Algorithm::ES384)
        .build();
    let protected = coset::ProtectedHeader {
        original_data: None,
        header,
    };
    coset::sig_structure_data(
        coset::SignatureContext::CoseSign1,
        protected,
        None,
        &[],
        payload,
    )
}

/// The envelope of hardware around a payload and a signature.
pub fn envelope(payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.array(4).unwrap();
    encoder.bytes(&[0xa1, 0x01, 0x38, 0x22]).unwrap();
    encoder.map(0).unwrap();
    encoder.bytes(payload).unwrap();
    encoder.bytes(signature).unwrap();
    encoder.into_writer()
}
