//! The measured run-time configuration: whose passkeys these are and which pages may ask.

use openkey_protocol::{cbor, message::Hash32};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha384};
use url::{Host, Url};

use crate::nsm::PCR_LEN;

/// The register that holds the configuration's hash.
pub const CONFIGURATION_PCR: u16 = 16;
/// Most origins: each is a page that people must trust.
pub const MAX_ORIGINS: usize = 8;
/// Longest relying-party name, in characters: authenticators show it.
pub const MAX_RP_NAME_CHARS: usize = 64;
/// Longest configuration file, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;

/// What is measured into register 16 before any key exists.
///
/// The values are checked when they are read: [`Configuration::from_json`] or
/// [`Configuration::new`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Configuration {
    rp_id: String,
    origins: Vec<String>,
    rp_name: String,
}

/// The file's shape; only the check makes a [`Configuration`] of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    rp_id: String,
    rp_name: String,
    origins: Vec<String>,
}

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// Not JSON of this shape, or with unknown or repeated members.
    #[error("the configuration is not the JSON of rp_id, rp_name and origins")]
    Shape,
    /// Longer than [`MAX_BYTES`].
    #[error("the configuration is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// The relying-party id is not a lower-case domain name.
    #[error("rp_id must be a lower-case domain name")]
    RpId,
    /// The relying-party name is empty, too long, or holds control characters.
    #[error("rp_name must have 1 to {MAX_RP_NAME_CHARS} printable characters")]
    RpName,
    /// No origin, too many, or one twice.
    #[error("origins must be 1 to {MAX_ORIGINS} different origins")]
    OriginCount,
    /// An origin is not written as a browser writes it, is not https (or http on localhost), or does
    /// not belong to the relying-party id.
    #[error("origin {0} is not a canonical https origin under rp_id")]
    Origin(usize),
}

impl Configuration {
    /// Checks a configuration.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`].
    pub fn new(rp_id: &str, rp_name: &str, origins: &[&str]) -> Result<Self, ConfigurationError> {
        Self::check(Unchecked {
            rp_id: rp_id.to_owned(),
            rp_name: rp_name.to_owned(),
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        })
    }

    /// Reads `{"rp_id":…,"rp_name":…,"origins":[…]}`.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigurationError> {
        if bytes.len() > MAX_BYTES {
            return Err(ConfigurationError::TooLong);
        }
        Self::check(serde_json::from_slice(bytes).map_err(|_| ConfigurationError::Shape)?)
    }

    fn check(unchecked: Unchecked) -> Result<Self, ConfigurationError> {
        let Unchecked {
            rp_id,
            rp_name,
            origins,
        } = unchecked;
        // A domain that a URL parser would write differently is not what browsers compare.
        let canonical = Url::parse(&format!("https://{rp_id}/")).ok();
        if !matches!(canonical.as_ref().and_then(Url::host), Some(Host::Domain(domain)) if domain == rp_id)
        {
            return Err(ConfigurationError::RpId);
        }
        let length = rp_name.chars().count();
        if length == 0 || length > MAX_RP_NAME_CHARS || rp_name.chars().any(char::is_control) {
            return Err(ConfigurationError::RpName);
        }
        let mut distinct: Vec<&String> = origins.iter().collect();
        distinct.sort();
        distinct.dedup();
        if origins.is_empty() || origins.len() > MAX_ORIGINS || distinct.len() != origins.len() {
            return Err(ConfigurationError::OriginCount);
        }
        if let Some(at) = origins.iter().position(|origin| !belongs(origin, &rp_id)) {
            return Err(ConfigurationError::Origin(at));
        }
        Ok(Self {
            rp_id,
            origins,
            rp_name,
        })
    }

    /// The relying-party id (WebAuthn Level 3 §4).
    #[must_use]
    pub fn rp_id(&self) -> &str {
        &self.rp_id
    }

    /// The relying party's name.
    #[must_use]
    pub fn rp_name(&self) -> &str {
        &self.rp_name
    }

    /// The origins, each as a browser serialises it.
    #[must_use]
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Whether a text is one of the origins, byte for byte.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == origin)
    }

    /// SHA-256 of the deterministic CBOR of this configuration.
    ///
    /// # Panics
    ///
    /// Never: three texts always have an encoding.
    #[must_use]
    #[allow(clippy::expect_used)] // strings and arrays only: there is nothing that could fail
    pub fn hash(&self) -> Hash32 {
        let bytes = cbor::encode(self).expect("texts have a CBOR encoding");
        Hash32(Sha256::digest(bytes).into())
    }

    /// What register 16 holds after the boot of an enclave with this configuration, for policies:
    /// SHA-384(48 zero bytes ‖ [`Self::hash`]).
    #[must_use]
    pub fn pcr(&self) -> [u8; PCR_LEN] {
        Sha384::new()
            .chain_update([0; PCR_LEN])
            .chain_update(self.hash().0)
            .finalize()
            .into()
    }
}

/// Whether `origin` is written canonically, secure, and the relying party's own.
fn belongs(origin: &str, rp_id: &str) -> bool {
    let Ok(url) = Url::parse(origin) else {
        return false;
    };
    if url.origin().ascii_serialization() != origin {
        return false;
    }
    let Some(Host::Domain(host)) = url.host() else {
        return false;
    };
    let secure = match url.scheme() {
        "https" => true,
        // A secure context by the Secure Contexts specification, and the simulator's page.
        "http" => host == "localhost",
        _ => false,
    };
    let under = host
        .strip_suffix(rp_id)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    secure && under
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(origins: &[&str]) -> Result<Configuration, ConfigurationError> {
        Configuration::new("example.org", "Example", origins)
    }

    #[test]
    fn accepts_what_browsers_write() {
        let configuration =
            origins(&["https://example.org", "https://keys.example.org:8443"]).unwrap();
        assert!(configuration.allows("https://example.org"));
        assert!(!configuration.allows("https://example.org/"));
        Configuration::new("localhost", "Here", &["http://localhost:7100"]).unwrap();
    }

    #[test]
    fn refuses_other_spellings_and_strangers() {
        for origin in [
            "https://example.org/",
            "https://EXAMPLE.org",
            "https://example.org:443",
            "http://example.org",
            "https://badexample.org",
            "https://example.org.evil.net",
            "https://192.0.2.1",
            "null",
            "",
        ] {
            assert_eq!(
                origins(&[origin]),
                Err(ConfigurationError::Origin(0)),
                "{origin}"
            );
        }
        assert_eq!(origins(&[]), Err(ConfigurationError::OriginCount));
        let twice = ["https://example.org", "https://example.org"];
        assert_eq!(origins(&twice), Err(ConfigurationError::OriginCount));
        for rp_id in [
            "",
            "Example.org",
            "192.0.2.1",
            "example.org/",
            "a b",
            "[::1]",
        ] {
            let result = Configuration::new(rp_id, "x", &["https://example.org"]);
            assert_eq!(result, Err(ConfigurationError::RpId), "{rp_id}");
        }
        let nameless = Configuration::new("example.org", "", &["https://example.org"]);
        assert_eq!(nameless, Err(ConfigurationError::RpName));
    }

    #[test]
    fn the_file_is_read_strictly() {
        let good = br#"{"rp_id":"localhost","rp_name":"Here","origins":["http://localhost:1"]}"#;
        assert!(Configuration::from_json(good).is_ok());
        for bad in [
            &br#"{"rp_id":"localhost","rp_name":"Here","origins":["http://localhost:1"],"x":1}"#[..],
            br#"{"rp_id":"localhost","rp_id":"localhost","rp_name":"H","origins":["http://localhost:1"]}"#,
            br#"{"rp_id":"localhost","rp_name":"Here","origins":["http://localhost:1"]}x"#,
            br#"{"rp_id":"localhost"}"#,
            b"",
        ] {
            let result = Configuration::from_json(bad);
            assert_eq!(result, Err(ConfigurationError::Shape));
        }
        let long = vec![b' '; MAX_BYTES + 1];
        assert_eq!(
            Configuration::from_json(&long),
            Err(ConfigurationError::TooLong)
        );
    }

    #[test]
    fn every_member_is_measured() {
        let base = Configuration::new("localhost", "A", &["http://localhost:1"]).unwrap();
        let name = Configuration::new("localhost", "B", &["http://localhost:1"]).unwrap();
        let port = Configuration::new("localhost", "A", &["http://localhost:2"]).unwrap();
        assert_ne!(base.hash(), name.hash());
        assert_ne!(base.hash(), port.hash());
        assert_ne!(base.pcr(), port.pcr());
    }
}
