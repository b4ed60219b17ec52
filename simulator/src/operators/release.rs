//! The maintainers at work: release manifests for images and processes.

use openkey_attestation::UnixMillis;
use openkey_cli::ReleaseKey;
use openkey_protocol::message::Hash32;
use openkey_verifier::release::PROGRAM;
use openkey_verifier::release::{RELEASE_VERSION, ReleaseFile, ReleaseKeys, Text, rfc3339};
use serde_json::{Value, json};

use super::{Staff, StaffError};
use crate::nsm::measure::Measurement;
use crate::time::now_ms;
use crate::vm::Image;

/// A release of a simulation is valid from a day ago, for clocks that differ, for a year.
const BEFORE_MS: u64 = 24 * 3600 * 1000;
const AFTER_MS: u64 = 365 * BEFORE_MS;

/// The draft of a release of a program that runs as a process, as `openkey-image build` makes one of
/// an image.
#[must_use]
pub fn draft(program: &Measurement) -> Value {
    // A process is built from whatever lies in the working directory: no commit names it.
    json!({
        "version": RELEASE_VERSION,
        "name": PROGRAM,
        "release": env!("CARGO_PKG_VERSION"),
        "epoch": openkey_enclave::RELEASE_EPOCH,
        "source_commit": "0".repeat(40),
        "cargo_lock_sha256": "0".repeat(64),
        "toolchain": {},
        "measurements": {
            "0": hex::encode(program.pcr0),
            "1": hex::encode(program.pcr1),
            "2": hex::encode(program.pcr2),
        },
    })
}

impl Staff {
    /// Who signs releases.
    ///
    /// # Errors
    ///
    /// [`StaffError::Release`], never in practice: the keys are different and valid.
    pub fn release_keys(&self) -> Result<ReleaseKeys, StaffError> {
        let keys = self.maintainers.iter().map(ReleaseKey::public).collect();
        let threshold = u32::try_from(super::RELEASE_THRESHOLD).unwrap_or(u32::MAX);
        ReleaseKeys::new(threshold, keys).map_err(|error| StaffError::Release(error.to_string()))
    }

    /// The manifest of an image for the deployment with this configuration, signed by enough
    /// maintainers (JSON).
    ///
    /// # Errors
    ///
    /// [`StaffError::Release`] if the image's `draft.json` is none.
    pub fn sign_release(
        &self,
        image: &Image,
        configuration: Hash32,
    ) -> Result<Vec<u8>, StaffError> {
        self.sign_draft(image.draft().clone(), configuration)
    }

    /// The manifest of an enclave that is a process, as [`Self::sign_release`] makes one of an image.
    ///
    /// # Errors
    ///
    /// [`StaffError::Release`].
    pub fn sign_program(
        &self,
        program: &Measurement,
        configuration: Hash32,
    ) -> Result<Vec<u8>, StaffError> {
        self.sign_draft(draft(program), configuration)
    }

    fn sign_draft(
        &self,
        mut manifest: Value,
        configuration: Hash32,
    ) -> Result<Vec<u8>, StaffError> {
        let failed = |error: &dyn std::fmt::Display| StaffError::Release(error.to_string());
        let now = now_ms();
        if let Value::Object(members) = &mut manifest {
            members.entry("page").or_insert(Value::Null);
            let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
            set("configuration", json!(configuration.to_string()));
            set(
                "not_before",
                json!(rfc3339(UnixMillis(now.saturating_sub(BEFORE_MS)))),
            );
            set("not_after", json!(rfc3339(UnixMillis(now + AFTER_MS))));
        }
        let text: Text = serde_json::from_value(manifest).map_err(|error| failed(&error))?;
        let mut file = ReleaseFile::unsigned(text).map_err(|error| failed(&error))?;
        for key in self.maintainers.iter().take(super::RELEASE_THRESHOLD) {
            key.sign(&mut file).map_err(|error| failed(&error))?;
        }
        let text = file.to_json().map_err(|error| failed(&error))?;
        Ok(text.into_bytes())
    }
}
