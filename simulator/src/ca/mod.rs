//! The simulated certificate authority: root, regional, zonal, instance and leaf certificates in
//! the shape of a real Nitro chain, kept in one directory and issued anew as they age.
//!
//! The root is made once and lives for 30 years, so that a policy file which pins it stays good.
//! Everything below follows the hardware's lifetimes (20 days, 5 days, 1 day, 3 hours) and is made
//! by whoever needs it first: several enclaves may share a directory, each takes the lock for it.

mod name;
mod profile;
mod state;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64ct::{Base64, Encoding as _};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use self::profile::{Level, Signer, Subject, issue};
use self::state::State;
use crate::files;

/// Why the authority could not issue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the authority cannot be read or written.
    #[error("the simulated CA in {path}: {reason}")]
    File {
        /// The file's path.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The clock is outside what the root covers.
    #[error("the clock is outside the simulated root's validity")]
    Clock,
    /// A certificate could not be made.
    #[error("cannot issue a certificate: {0}")]
    Issue(String),
    /// The system's random generator failed.
    #[error("no randomness: {0}")]
    Random(String),
}

/// A certificate authority kept in a directory.
#[derive(Clone, Debug)]
pub struct Authority {
    dir: PathBuf,
}

/// A leaf certificate with its key and the chain above it.
pub struct Leaf {
    /// The certificate (DER).
    pub certificate: Vec<u8>,
    /// Root, regional, zonal, instance: the order of a document's `cabundle` (DER).
    pub bundle: Vec<Vec<u8>>,
    /// notAfter of the leaf, milliseconds since 1970.
    pub not_after_ms: u64,
    pub(crate) not_before_ms: u64,
    pub(crate) key: EcdsaKeyPair,
}

impl Leaf {
    /// True if a document made at `now_ms` should still use this leaf.
    pub(crate) fn serves(&self, now_ms: u64) -> bool {
        let margin = milliseconds(Level::Leaf.renew_below());
        self.not_before_ms <= now_ms && now_ms.saturating_add(margin) < self.not_after_ms
    }
}

/// What an NSM outside this program signs with, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The P-384 key (PEM, PKCS #8).
    pub key: PathBuf,
    /// The leaf certificate (DER).
    pub certificate: PathBuf,
    /// Root, regional, zonal, instance (DER).
    pub chain: Vec<PathBuf>,
}

impl Authority {
    /// Opens the authority in `dir`, making the directory (mode 0700) and the root if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the directory or its state cannot be used.
    pub fn open(dir: &Path, now_ms: u64) -> Result<Self, Error> {
        files::private_dir(dir).map_err(|e| file_error(dir, &e))?;
        let authority = Self {
            dir: dir.to_owned(),
        };
        authority.with_state(|state| state.root(instant(now_ms)?).map(|_| ()))?;
        Ok(authority)
    }

    /// The root certificate (DER).
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the state is gone.
    pub fn root_certificate(&self) -> Result<Vec<u8>, Error> {
        let state = State::load(&self.path())?;
        let root = state.root.ok_or_else(|| Error::File {
            path: self.path(),
            reason: "no root in it".to_owned(),
        })?;
        Ok(root.certificate)
    }

    /// The root certificate as PEM.
    ///
    /// # Errors
    ///
    /// See [`Self::root_certificate`].
    pub fn root_pem(&self) -> Result<String, Error> {
        Ok(pem("CERTIFICATE", &self.root_certificate()?))
    }

    /// The simulated parent instance: `sim-` and 17 hexadecimal digits, kept with the authority.
    ///
    /// # Errors
    ///
    /// [`Error::File`] or [`Error::Random`].
    pub fn instance_id(&self) -> Result<String, Error> {
        self.with_state(State::instance_id)
    }

    /// The module id of a new enclave on the authority's instance, made as on hardware, from the
    /// time and chance; it never comes back.
    ///
    /// # Errors
    ///
    /// [`Error::File`] or [`Error::Random`].
    pub fn module_id(&self, now_ms: u64) -> Result<String, Error> {
        let instance_id = self.instance_id()?;
        let chance = random::<2>()?;
        Ok(format!(
            "{instance_id}-enc{:012x}{}",
            now_ms & 0xffff_ffff_ffff,
            hex::encode(chance)
        ))
    }

    /// A fresh leaf for `module_id` (an instance id, `-enc`, 16 hexadecimal digits) and whatever
    /// of the chain above it has grown too old.
    ///
    /// # Errors
    ///
    /// [`Error::Clock`] before the root's notBefore or near its end; [`Error::Issue`] for a module
    /// id of another form.
    pub fn leaf(&self, module_id: &str, now_ms: u64) -> Result<Leaf, Error> {
        self.leaf_of(module_id, &generate()?, now_ms)
    }

    /// Writes what an NSM outside this program signs with into a directory of its own (mode 0700,
    /// files 0600): a key as PEM, a leaf certificate for `module_id` and the chain above it as DER.
    /// With `renew` the key that lies there gets a new certificate, so that a reader between two
    /// files never pairs a key with another key's certificate.
    ///
    /// # Errors
    ///
    /// As [`Self::leaf`]; [`Error::File`] if the files cannot be used.
    pub fn export(
        &self,
        module_id: &str,
        dir: &Path,
        renew: bool,
        now_ms: u64,
    ) -> Result<Exported, Error> {
        files::private_dir(dir).map_err(|e| file_error(dir, &e))?;
        let path = dir.join("key.pem");
        let key = if renew {
            let pem = std::fs::read_to_string(&path).map_err(|e| file_error(&path, &e))?;
            KeyPair::from_pem_and_sign_algo(&pem, &PKCS_ECDSA_P384_SHA384)
                .map_err(|e| Error::Issue(e.to_string()))?
        } else {
            generate()?
        };
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.join(name);
            files::write_private(&path, bytes).map_err(|e| file_error(&path, &e))?;
            Ok(path)
        };
        let leaf = self.leaf_of(module_id, &key, now_ms)?;
        if !renew {
            let pem = Zeroizing::new(pem("PRIVATE KEY", &Zeroizing::new(key.serialize_der())));
            write("key.pem", pem.as_bytes())?;
        }
        let mut chain = Vec::new();
        for (number, certificate) in leaf.bundle.iter().enumerate() {
            chain.push(write(&format!("chain-{number}.der"), certificate)?);
        }
        Ok(Exported {
            key: path,
            certificate: write("leaf.der", &leaf.certificate)?,
            chain,
        })
    }

    fn leaf_of(&self, module_id: &str, key: &KeyPair, now_ms: u64) -> Result<Leaf, Error> {
        let (instance_id, enclave_id) = module_id
            .split_once("-enc")
            .and_then(|(instance, enclave)| Some((instance, hex::decode(enclave).ok()?)))
            .filter(|(_, enclave)| enclave.len() == 8)
            .ok_or_else(|| Error::Issue(format!("{module_id} is not a module id")))?;
        let now = instant(now_ms)?;
        let (bundle, instance) = self.with_state(|state| {
            let root = state.root(now)?;
            let regional = state.regional(&root, now)?;
            let zonal = state.zonal(&regional, now)?;
            let instance = state.instance(instance_id, &zonal, now)?;
            let bundle = [&root, &regional, &zonal, &instance]
                .map(|issued| issued.certificate.clone())
                .to_vec();
            Ok((bundle, instance))
        })?;
        // As on hardware: enclave id ‖ 00000000 ‖ notBefore in Unix seconds.
        let mut serial = enclave_id;
        serial.extend_from_slice(&[0; 4]);
        serial.extend_from_slice(
            &u32::try_from(now.unix_timestamp())
                .unwrap_or(u32::MAX)
                .to_be_bytes(),
        );
        let certificate = issue(
            Subject {
                level: Level::Leaf,
                name: name::leaf(module_id),
                serial,
                not_before: now,
                key,
            },
            &Signer {
                name: name::instance(instance_id),
                key: &instance.key()?,
            },
        )?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key.serialized_der())
            .map_err(|e| Error::Issue(e.to_string()))?;
        Ok(Leaf {
            certificate,
            bundle,
            not_before_ms: unix_ms(now),
            not_after_ms: unix_ms(now + Level::Leaf.lifetime()),
            key,
        })
    }

    fn path(&self) -> PathBuf {
        self.dir.join("authority.json")
    }

    /// Reads the state, lets `change` have it, and writes it back if it differs, all under a lock.
    fn with_state<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let path = self.path();
        let lock = self.dir.join("lock");
        let _held = files::lock_and_wait(&lock).map_err(|e| file_error(&lock, &e))?;
        let before = State::load(&path)?;
        let mut state = before.clone();
        let value = change(&mut state)?;
        if state != before {
            state.save(&path)?;
        }
        Ok(value)
    }
}

pub(crate) fn file_error(path: &Path, error: &std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn generate() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).map_err(|e| Error::Issue(e.to_string()))
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::Random(e.to_string()))?;
    Ok(bytes)
}

/// Whole seconds: a certificate's time has no more.
fn instant(ms: u64) -> Result<OffsetDateTime, Error> {
    i64::try_from(ms / 1000)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or(Error::Clock)
}

fn unix_ms(at: OffsetDateTime) -> u64 {
    u64::try_from(at.unix_timestamp()).unwrap_or_default() * 1000
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.whole_milliseconds()).unwrap_or_default()
}

/// RFC 7468 §3: lines of 64.
fn pem(label: &str, der: &[u8]) -> String {
    let text = Base64::encode_string(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}
