//! What the stand-in keeps between runs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use openkey_protocol::message::AwsCredentials;
use serde::{Deserialize, Serialize};

use super::{Error, Identity, MAX_DOCUMENT_AGE, REGION, tls};
use crate::{ca::random, files};

const VERSION: u32 = 1;
const ACCOUNT: &str = "000000000000";

/// The stand-in's file. No `Debug`: it would print keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    key_id: String,
    /// The key: 32 bytes.
    #[serde(with = "crate::files::hex_bytes")]
    pub(super) key: Vec<u8>,
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// PKCS #8 DER.
    #[serde(with = "crate::files::hex_bytes")]
    pub(super) ca_key: Vec<u8>,
    /// DER.
    #[serde(with = "crate::files::hex_bytes")]
    pub(super) ca_certificate: Vec<u8>,
    /// SHA-256 (hex) of recipient keys that were used, and when. As long as a document that vouches
    /// for one can be young enough.
    recipients: BTreeMap<String, u64>,
}

impl State {
    pub(super) fn path(dir: &Path) -> PathBuf {
        dir.join("kms.json")
    }

    /// What is kept in a directory, or something new. A broken file is an error, never a new key.
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        let path = Self::path(dir);
        let file = |reason: String| Error::File {
            path: path.clone(),
            reason,
        };
        files::private_dir(dir).map_err(|error| file(error.to_string()))?;
        let held = files::lock_and_wait(&dir.join("kms.lock"));
        let _held = held.map_err(|error| file(error.to_string()))?;
        match std::fs::read(&path) {
            Ok(bytes) => {
                let state: Self =
                    serde_json::from_slice(&bytes).map_err(|error| file(error.to_string()))?;
                if state.version != VERSION {
                    return Err(file(format!("version {} is not known", state.version)));
                }
                Ok(state)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let state = Self::new()?;
                state.save(&path)?;
                Ok(state)
            }
            Err(error) => Err(file(error.to_string())),
        }
    }

    fn new() -> Result<Self, Error> {
        let hex = || random::<16>().map(hex::encode).map_err(make);
        let (ca_key, ca_certificate) = tls::authority()?;
        let id = hex()?;
        // 8-4-4-4-12, as AWS's.
        let mut parts = Vec::new();
        let mut rest = id.as_str();
        for length in [8, 4, 4, 4, 12] {
            let (part, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            parts.push(part);
            rest = after;
        }
        Ok(Self {
            version: VERSION,
            key_id: parts.join("-"),
            key: random::<32>().map_err(make)?.to_vec(),
            access_key_id: format!("ASIA{}", hex()?.to_uppercase()),
            secret_access_key: hex()?,
            session_token: hex()?,
            ca_key,
            ca_certificate,
            recipients: BTreeMap::new(),
        })
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        let file = |reason: String| Error::File {
            path: path.to_owned(),
            reason,
        };
        let bytes = serde_json::to_vec(self).map_err(|error| file(error.to_string()))?;
        files::write_private(path, &bytes).map_err(|error| file(error.to_string()))
    }

    pub(super) fn key_arn(&self) -> String {
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{}", self.key_id)
    }

    pub(super) fn credentials(&self) -> AwsCredentials {
        AwsCredentials {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
            session_token: Some(self.session_token.clone()),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        Identity {
            key_arn: self.key_arn(),
            region: REGION.to_owned(),
            tls_root: self.ca_certificate.clone(),
            credentials: self.credentials(),
        }
    }

    /// Notes a recipient key; false if it was used before.
    pub(super) fn note_recipient(&mut self, sha256: String, now_ms: u64) -> bool {
        let age = u64::try_from(MAX_DOCUMENT_AGE.as_millis()).unwrap_or(u64::MAX);
        let since = now_ms.saturating_sub(age.saturating_mul(2));
        self.recipients.retain(|_, used| *used >= since);
        self.recipients.insert(sha256, now_ms).is_none()
    }
}

pub(super) fn make(error: impl std::fmt::Display) -> Error {
    Error::Make(error.to_string())
}
