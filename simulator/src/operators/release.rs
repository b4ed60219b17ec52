//! The maintainers at work: a release manifest for an image.

use openkey_attestation::UnixMillis;
use openkey_protocol::message::Hash32;
use openkey_verifier::release::{ReleaseFile, Text, rfc3339};
use serde_json::{Value, json};

use super::{Staff, StaffError};
use crate::time::now_ms;
use crate::vm::Image;

/// A release of a simulation is valid from a day ago, for clocks that differ, for a year.
const BEFORE_MS: u64 = 24 * 3600 * 1000;
const AFTER_MS: u64 = 365 * BEFORE_MS;

impl Staff {
    /// The manifest of an image for the deployment with this configuration, signed by enough
    /// maintainers (JSON).
    ///
    /// # Errors
    ///
    /// [`StaffError::Release`] if the image's `release.json` is none.
    pub fn sign_release(
        &self,
        image: &Image,
        configuration: Hash32,
    ) -> Result<Vec<u8>, StaffError> {
        let failed = |error: &dyn std::fmt::Display| StaffError::Release(error.to_string());
        let mut manifest = image
            .release
            .get("manifest")
            .unwrap_or(&image.release)
            .clone();
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
