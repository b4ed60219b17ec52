//! What the authority keeps between runs.

use std::path::Path;

use rcgen::{DistinguishedName, KeyPair, PKCS_ECDSA_P384_SHA384};
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::profile::{Level, Signer, Subject, issue};
use super::{Error, file_error, generate, name, random};
use crate::files;

/// One CA certificate with its key. No `Debug`: it would print the key.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issued {
    /// PKCS #8 DER.
    #[serde(with = "crate::files::hex_bytes")]
    key: Vec<u8>,
    /// DER.
    #[serde(with = "crate::files::hex_bytes")]
    pub(super) certificate: Vec<u8>,
    /// What its name is made of.
    label: String,
    /// Unix seconds.
    not_before: i64,
}

impl Issued {
    pub(super) fn key(&self) -> Result<KeyPair, Error> {
        let key = PrivatePkcs8KeyDer::from(self.key.as_slice());
        KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P384_SHA384)
            .map_err(|e| Error::Issue(e.to_string()))
    }

    /// True if it is valid at `now` and for long enough after.
    fn serves(&self, level: Level, now: OffsetDateTime) -> bool {
        let age = now - OffsetDateTime::UNIX_EPOCH - Duration::seconds(self.not_before);
        !age.is_negative() && level.lifetime() - age >= level.renew_below()
    }
}

/// The authority's file.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) root: Option<Issued>,
    regional: Option<Issued>,
    zonal: Option<Issued>,
    instance: Option<Issued>,
    instance_id: Option<String>,
}

impl State {
    /// An absent file is an empty state; a broken one is an error, never a new root.
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| Error::File {
                path: path.to_owned(),
                reason: e.to_string(),
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(file_error(path, &e)),
        }
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self).map_err(|e| Error::Issue(e.to_string()))?;
        files::write_private(path, &bytes).map_err(|e| file_error(path, &e))
    }

    pub(super) fn instance_id(&mut self) -> Result<String, Error> {
        if let Some(id) = &self.instance_id {
            return Ok(id.clone());
        }
        let digits = hex::encode(random::<9>()?);
        let id = format!("sim-{}", digits.get(..17).unwrap_or(&digits));
        self.instance_id = Some(id.clone());
        Ok(id)
    }

    /// Made once, a day back, so that a clock which is put right afterwards does not void it.
    pub(super) fn root(&mut self, now: OffsetDateTime) -> Result<Issued, Error> {
        if let Some(root) = &self.root {
            return if root.serves(Level::Root, now) {
                Ok(root.clone())
            } else {
                Err(Error::Clock)
            };
        }
        let key = generate()?;
        let mut serial = random::<16>()?;
        // A set top bit gives the 17 content octets that the AWS root's serial number has.
        serial.iter_mut().take(1).for_each(|first| *first |= 0x80);
        let not_before = now - Duration::days(1);
        let certificate = issue(
            Subject {
                level: Level::Root,
                name: name::root(),
                serial: serial.to_vec(),
                not_before,
                key: &key,
            },
            &Signer {
                name: name::root(),
                key: &key,
            },
        )?;
        let root = Issued {
            key: key.serialize_der(),
            certificate,
            label: String::new(),
            not_before: not_before.unix_timestamp(),
        };
        self.root = Some(root.clone());
        Ok(root)
    }

    pub(super) fn regional(&mut self, root: &Issued, now: OffsetDateTime) -> Result<Issued, Error> {
        if let Some(found) = fresh(self.regional.as_ref(), Level::Regional, now) {
            return Ok(found);
        }
        let label = hex::encode(random::<8>()?);
        let issued = certify(
            Level::Regional,
            (name::regional(&label), label),
            random::<16>()?.to_vec(),
            (name::root(), root),
            now,
        )?;
        self.regional = Some(issued.clone());
        self.zonal = None;
        self.instance = None;
        Ok(issued)
    }

    pub(super) fn zonal(
        &mut self,
        regional: &Issued,
        now: OffsetDateTime,
    ) -> Result<Issued, Error> {
        if let Some(found) = fresh(self.zonal.as_ref(), Level::Zonal, now) {
            return Ok(found);
        }
        let label = hex::encode(random::<8>()?);
        let issued = certify(
            Level::Zonal,
            (name::zonal(&label), label),
            random::<16>()?.to_vec(),
            (name::regional(&regional.label), regional),
            now,
        )?;
        self.zonal = Some(issued.clone());
        self.instance = None;
        Ok(issued)
    }

    pub(super) fn instance(
        &mut self,
        id: &str,
        zonal: &Issued,
        now: OffsetDateTime,
    ) -> Result<Issued, Error> {
        let found = fresh(self.instance.as_ref(), Level::Instance, now);
        if let Some(found) = found.filter(|found| found.label == id) {
            return Ok(found);
        }
        let issued = certify(
            Level::Instance,
            (name::instance(id), id.to_owned()),
            // Twenty octets, the top bit by chance: half of all real ones need a 21st in DER.
            random::<20>()?.to_vec(),
            (name::zonal(&zonal.label), zonal),
            now,
        )?;
        self.instance = Some(issued.clone());
        Ok(issued)
    }
}

fn fresh(issued: Option<&Issued>, level: Level, now: OffsetDateTime) -> Option<Issued> {
    issued.filter(|issued| issued.serves(level, now)).cloned()
}

fn certify(
    level: Level,
    (name, label): (DistinguishedName, String),
    serial: Vec<u8>,
    (signer, issuer): (DistinguishedName, &Issued),
    now: OffsetDateTime,
) -> Result<Issued, Error> {
    let key = generate()?;
    let certificate = issue(
        Subject {
            level,
            name,
            serial,
            not_before: now,
            key: &key,
        },
        &Signer {
            name: signer,
            key: &issuer.key()?,
        },
    )?;
    Ok(Issued {
        key: key.serialize_der(),
        certificate,
        label,
        not_before: now.unix_timestamp(),
    })
}
