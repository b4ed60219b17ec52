//! The measured run-time configuration: whose passkeys these are, which pages may ask, who may bring
//! the root key and from where, who signs releases, and whom the enclave talks to.

mod error;
mod operators;
mod outside;
#[cfg(test)]
mod provisioning_tests;
#[cfg(test)]
mod tests;

use openkey_attestation::json;
use openkey_capability::visible::first_hidden_in_name;
use openkey_protocol::{
    cbor,
    message::{Hash32, RootSource},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha384};
use url::{Host, Url};

use crate::nsm::PCR_LEN;

pub use error::ConfigurationError;
pub use operators::{MAX_RELEASE_KEYS, OPERATOR_LABEL, Operators, ReleaseKeys};
pub use outside::{Kms, MAX_IDENTITY_PROVIDERS};

use operators::{UncheckedOperators, UncheckedReleaseKeys};
use outside::{UncheckedKms, check_hosts, is_domain};

/// The register that holds the configuration's hash.
pub const CONFIGURATION_PCR: u16 = 16;
/// Most origins: each is a page that people must trust.
pub const MAX_ORIGINS: usize = 8;
/// Longest relying-party name, in characters: authenticators show it.
pub const MAX_RP_NAME_CHARS: usize = 64;
/// Longest configuration file, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// How long an announced successor waits for the root key if nothing is configured: a day, in which
/// people can notice.
pub const DEFAULT_UPGRADE_DELAY_SECONDS: u64 = 86_400;
/// How many operators must consent to a successor if nothing is configured and there are operators.
pub const DEFAULT_UPGRADE_CONSENT: u32 = 1;
/// The longest delay: a year. More is a mistake.
pub const MAX_UPGRADE_DELAY_SECONDS: u64 = 366 * 86_400;
/// The port of everything outside.
const HTTPS: u16 = 443;

/// What is measured into register 16 before any key exists.
///
/// The values are checked when they are read: [`Configuration::from_json`] or
/// [`Configuration::new`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Configuration {
    rp_id: String,
    origins: Vec<String>,
    rp_name: String,
    identity_providers: Vec<String>,
    operators: Option<Operators>,
    release_keys: Option<ReleaseKeys>,
    kms: Option<Kms>,
    root_sources: Vec<RootSource>,
    root_id: Option<Hash32>,
    upgrade_delay_seconds: u64,
    // Not encoded where the file has none, so that such a configuration keeps its hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    upgrade_consent: Option<u32>,
}

/// The file's shape; only the check makes a [`Configuration`] of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    rp_id: String,
    rp_name: String,
    origins: Vec<String>,
    #[serde(default)]
    identity_providers: Vec<String>,
    operators: Option<UncheckedOperators>,
    release_keys: Option<UncheckedReleaseKeys>,
    kms: Option<UncheckedKms>,
    root_sources: Option<Vec<Nameable>>,
    root_id: Option<String>,
    upgrade_delay_seconds: Option<u64>,
    upgrade_consent: Option<u32>,
}

/// The sources that a configuration can name: the development source is none of them.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Nameable {
    HandOver,
    Operators,
    Kms,
}

impl Configuration {
    /// Checks a configuration of a relying party alone: no operators, nobody outside.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`].
    pub fn new(rp_id: &str, rp_name: &str, origins: &[&str]) -> Result<Self, ConfigurationError> {
        Self::check(Unchecked {
            rp_id: rp_id.to_owned(),
            rp_name: rp_name.to_owned(),
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            identity_providers: Vec::new(),
            operators: None,
            release_keys: None,
            kms: None,
            root_sources: None,
            root_id: None,
            upgrade_delay_seconds: None,
            upgrade_consent: None,
        })
    }

    /// Reads the JSON of a configuration: `rp_id`, `rp_name` and `origins`, and as wanted
    /// `identity_providers`, `operators`, `release_keys`, `kms`, `root_sources`, `root_id`,
    /// `upgrade_delay_seconds` and `upgrade_consent`. Unknown and repeated members are refused,
    /// and an array in the place of an object.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigurationError> {
        if bytes.len() > MAX_BYTES {
            return Err(ConfigurationError::TooLong);
        }
        Self::check(json::read(bytes).map_err(|_| ConfigurationError::Shape)?)
    }

    fn check(unchecked: Unchecked) -> Result<Self, ConfigurationError> {
        let Unchecked {
            rp_id,
            rp_name,
            origins,
            ..
        } = unchecked;
        // A domain that a URL parser would write differently is not what browsers compare.
        if !is_domain(&rp_id) {
            return Err(ConfigurationError::RpId);
        }
        let length = rp_name.chars().count();
        if length == 0 || length > MAX_RP_NAME_CHARS || first_hidden_in_name(&rp_name).is_some() {
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
        let operators = unchecked.operators.map(Operators::check).transpose()?;
        let kms = unchecked.kms.map(Kms::check).transpose()?;
        let root_id = match unchecked.root_id {
            None => None,
            Some(text) => match (read_hex(&text), &operators) {
                (Some(id), Some(_)) => Some(Hash32(id)),
                _ => return Err(ConfigurationError::RootId),
            },
        };
        let root_sources = sources(unchecked.root_sources, operators.is_some(), kms.is_some())?;
        let upgrade_delay_seconds = unchecked
            .upgrade_delay_seconds
            .unwrap_or(DEFAULT_UPGRADE_DELAY_SECONDS);
        // Without a delay an announcement is not noticed before the root key has moved.
        if !(1..=MAX_UPGRADE_DELAY_SECONDS).contains(&upgrade_delay_seconds) {
            return Err(ConfigurationError::UpgradeDelay);
        }
        let upgrade_consent = unchecked.upgrade_consent;
        if let Some(needed) = upgrade_consent
            && !operators.as_ref().is_some_and(|it| it.can_give(needed))
        {
            return Err(ConfigurationError::UpgradeConsent);
        }
        let release_keys = unchecked.release_keys.map(ReleaseKeys::check).transpose()?;
        Ok(Self {
            rp_id,
            origins,
            rp_name,
            identity_providers: check_hosts(unchecked.identity_providers)?,
            operators,
            release_keys,
            kms,
            root_sources,
            root_id,
            upgrade_delay_seconds,
            upgrade_consent,
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

    /// The identity providers' hosts.
    #[must_use]
    pub fn identity_providers(&self) -> &[String] {
        &self.identity_providers
    }

    /// Who may provision the root key.
    #[must_use]
    pub const fn operators(&self) -> Option<&Operators> {
        self.operators.as_ref()
    }

    /// Who signs releases.
    #[must_use]
    pub const fn release_keys(&self) -> Option<&ReleaseKeys> {
        self.release_keys.as_ref()
    }

    /// The AWS KMS key that wraps the root key.
    #[must_use]
    pub const fn kms(&self) -> Option<&Kms> {
        self.kms.as_ref()
    }

    /// Where the root key may come from, in the order of asking. Where the file names none: all that
    /// are configured, hand-over first, then operators, then KMS.
    #[must_use]
    pub fn root_sources(&self) -> &[RootSource] {
        &self.root_sources
    }

    /// Which root key this deployment has; `None` before its genesis.
    #[must_use]
    pub const fn root_id(&self) -> Option<Hash32> {
        self.root_id
    }

    /// How long an announced successor waits for the root key, in seconds.
    #[must_use]
    pub const fn upgrade_delay_seconds(&self) -> u64 {
        self.upgrade_delay_seconds
    }

    /// How many operators must consent before a successor gets the root key: 1 unless the file says
    /// otherwise, and 0 without operators.
    #[must_use]
    pub const fn upgrade_consent(&self) -> u32 {
        match (self.upgrade_consent, &self.operators) {
            (Some(needed), _) => needed,
            (None, Some(_)) => DEFAULT_UPGRADE_CONSENT,
            (None, None) => 0,
        }
    }

    /// Whether the enclave may open a connection to a host, byte for byte as configured.
    #[must_use]
    pub fn egress_allows(&self, host: &str, port: u16) -> bool {
        let kms = self.kms.as_ref().is_some_and(|kms| kms.host() == host);
        let provider = self.identity_providers.iter().any(|known| known == host);
        port == HTTPS && (kms || provider)
    }

    /// SHA-256 of the deterministic CBOR of this configuration.
    ///
    /// # Panics
    ///
    /// Never: texts, bytes and numbers always have an encoding.
    #[must_use]
    #[allow(clippy::expect_used)] // nothing in it could fail to be encoded
    pub fn hash(&self) -> Hash32 {
        let bytes = cbor::encode(self).expect("texts, bytes and numbers have a CBOR encoding");
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

/// Checks the named sources, or gives all that are configured.
fn sources(
    named: Option<Vec<Nameable>>,
    operators: bool,
    kms: bool,
) -> Result<Vec<RootSource>, ConfigurationError> {
    let configured = |source: &RootSource| match source {
        RootSource::HandOver | RootSource::Operators => operators,
        RootSource::Kms => operators && kms,
        RootSource::Development => false,
    };
    let all = [RootSource::HandOver, RootSource::Operators, RootSource::Kms];
    let Some(named) = named else {
        return Ok(all.into_iter().filter(configured).collect());
    };
    let mut sources = Vec::with_capacity(named.len());
    for source in named {
        let source = match source {
            Nameable::HandOver => RootSource::HandOver,
            Nameable::Operators => RootSource::Operators,
            Nameable::Kms => RootSource::Kms,
        };
        if !configured(&source) || sources.contains(&source) {
            return Err(ConfigurationError::RootSources);
        }
        sources.push(source);
    }
    if sources.is_empty() {
        return Err(ConfigurationError::RootSources);
    }
    Ok(sources)
}

/// Reads lower-case hex of exactly `N` bytes: one spelling for each value.
fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    (!text.bytes().any(|byte| byte.is_ascii_uppercase())).then_some(bytes)
}
