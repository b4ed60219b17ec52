//! Register 16: the measured run-time configuration of an enclave.
//!
//! A configuration is read here to be hashed and looked at. An enclave judges its own, member by member,
//! and its hash in register 16 says that the enclave took it. Here only numbers are judged with which no
//! enclave boots: nobody should sign a deployment or a release that cannot start.

use base64ct::{Base64, Encoding};
use openkey_attestation::{Measurements, Pcr, json};
use openkey_protocol::{
    cbor,
    message::{Bytes, Hash32, Key32, OperatorKeys, RootSource},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use sha2::{Digest, Sha256, Sha384};

/// The register that holds the configuration's hash.
pub const CONFIGURATION_PCR: u8 = 16;

/// Longest configuration file, in bytes: what an enclave reads.
pub const MAX_CONFIGURATION: usize = 16 * 1024;
/// The delay of successors if the file names none, in seconds.
const DEFAULT_UPGRADE_DELAY_SECONDS: u64 = 86_400;
/// The longest delay of successors, in seconds: 366 days.
const MAX_UPGRADE_DELAY_SECONDS: u64 = 366 * 86_400;
/// How many operators must consent to a successor if the file does not say and names operators.
const DEFAULT_UPGRADE_CONSENT: u32 = 1;

/// A run-time configuration, as an enclave hashes it: the file's members with their defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Configuration {
    /// The relying-party id.
    pub rp_id: String,
    /// The relying party's name.
    pub rp_name: String,
    /// Which pages may ask.
    pub origins: Vec<String>,
    /// Whose identities are accepted.
    pub identity_providers: Vec<String>,
    /// Who provisions the root key.
    pub operators: Option<Operators>,
    /// Who signs releases.
    pub release_keys: Option<Keys>,
    /// The AWS KMS key that wraps the root key.
    pub kms: Option<Kms>,
    /// Where the root key may come from, in the order of asking.
    pub root_sources: Vec<RootSource>,
    /// Which root key; absent before the genesis.
    pub root_id: Option<Hash32>,
    /// How long a successor waits for the root key.
    pub upgrade_delay_seconds: u64,
    /// How many operators must consent to a successor, where the file says so. See
    /// [`Self::upgrade_consent`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_consent: Option<u32>,
}

/// Who provisions the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// How many shares make the root key.
    pub threshold: u32,
    /// Their keys, in order.
    #[serde(deserialize_with = "operators")]
    pub keys: Vec<OperatorKeys>,
}

/// Who signs releases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// How many must sign.
    pub threshold: u32,
    /// Ed25519 keys.
    #[serde(deserialize_with = "keys")]
    pub keys: Vec<Key32>,
}

/// The AWS KMS key that wraps the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kms {
    /// Its ARN.
    pub key_arn: String,
    /// Its region.
    pub region: String,
    /// The root certificate of KMS's TLS (DER), in place of those in the image.
    #[serde(default, deserialize_with = "der")]
    pub tls_root: Option<Bytes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rp_id: String,
    rp_name: String,
    origins: Vec<String>,
    #[serde(default)]
    identity_providers: Vec<String>,
    operators: Option<Operators>,
    release_keys: Option<Keys>,
    kms: Option<Kms>,
    root_sources: Option<Vec<RootSource>>,
    root_id: Option<String>,
    upgrade_delay_seconds: Option<u64>,
    upgrade_consent: Option<u32>,
}

/// Why a text is not a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// Longer than [`MAX_CONFIGURATION`].
    #[error("the configuration is longer than {MAX_CONFIGURATION} bytes")]
    TooLong,
    /// Not JSON of that shape.
    #[error("invalid configuration file: {0}")]
    Malformed(String),
    /// A number with which no enclave boots.
    #[error("no enclave boots with this configuration: {member} must be {bounds}")]
    Number {
        /// Which one.
        member: &'static str,
        /// What it may be.
        bounds: String,
    },
}

impl ConfigurationError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        "configuration"
    }
}

impl Configuration {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`].
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigurationError> {
        if text.len() > MAX_CONFIGURATION {
            return Err(ConfigurationError::TooLong);
        }
        let malformed = |error: String| ConfigurationError::Malformed(error);
        let file: File = json::read(text).map_err(|error| malformed(error.to_string()))?;
        let sources = [
            file.operators.as_ref().map(|_| RootSource::HandOver),
            file.operators.as_ref().map(|_| RootSource::Operators),
            file.operators
                .as_ref()
                .and(file.kms.as_ref())
                .map(|_| RootSource::Kms),
        ];
        let root_id = file
            .root_id
            .map(|id| id.parse())
            .transpose()
            .map_err(|_| malformed("root_id is not 64 hexadecimal digits".into()))?;
        let configuration = Self {
            rp_id: file.rp_id,
            rp_name: file.rp_name,
            origins: file.origins,
            identity_providers: file.identity_providers,
            root_sources: file
                .root_sources
                .unwrap_or_else(|| sources.into_iter().flatten().collect()),
            operators: file.operators,
            release_keys: file.release_keys,
            kms: file.kms,
            root_id,
            upgrade_delay_seconds: file
                .upgrade_delay_seconds
                .unwrap_or(DEFAULT_UPGRADE_DELAY_SECONDS),
            upgrade_consent: file.upgrade_consent,
        };
        configuration.check_numbers()?;
        Ok(configuration)
    }

    /// The bounds of numbers that an enclave keeps to.
    fn check_numbers(&self) -> Result<(), ConfigurationError> {
        let count = |keys: usize| u32::try_from(keys).unwrap_or(u32::MAX);
        let operators = self.operators.as_ref();
        let release = self.release_keys.as_ref();
        let thresholds = [
            (
                "operators.threshold",
                operators.map(|it| (it.threshold, count(it.keys.len()))),
            ),
            (
                "release_keys.threshold",
                release.map(|it| (it.threshold, count(it.keys.len()))),
            ),
            (
                "upgrade_consent",
                self.upgrade_consent
                    .map(|needed| (needed, operators.map_or(0, |it| count(it.keys.len())))),
            ),
        ];
        for (member, number) in thresholds {
            if let Some((number, most)) = number
                && !(1..=most).contains(&number)
            {
                let bounds = match most {
                    0 => "left out: there are no keys".to_owned(),
                    most => format!("1 to {most}, the number of keys"),
                };
                return Err(ConfigurationError::Number { member, bounds });
            }
        }
        if (1..=MAX_UPGRADE_DELAY_SECONDS).contains(&self.upgrade_delay_seconds) {
            Ok(())
        } else {
            Err(ConfigurationError::Number {
                member: "upgrade_delay_seconds",
                bounds: format!("1 to {MAX_UPGRADE_DELAY_SECONDS}"),
            })
        }
    }

    /// SHA-256 of its deterministic CBOR: what an enclave extends into register 16.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        // Texts, bytes and numbers always have an encoding; the hash of nothing would match nobody.
        Hash32(Sha256::digest(cbor::encode(self).unwrap_or_default()).into())
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

    /// The same configuration after its genesis.
    #[must_use]
    pub fn with_root_id(mut self, root_id: Hash32) -> Self {
        self.root_id = Some(root_id);
        self
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorText {
    name: String,
    encryption: String,
    signing: String,
    #[serde(rename = "proof")]
    _proof: String,
}

fn operators<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<OperatorKeys>, D::Error> {
    let key = |text: &str| text.parse().map_err(D::Error::custom);
    Vec::<OperatorText>::deserialize(from)?
        .into_iter()
        .map(|operator| {
            Ok(OperatorKeys {
                encryption: key(&operator.encryption)?,
                signing: key(&operator.signing)?,
                name: operator.name,
            })
        })
        .collect()
}

fn keys<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Key32>, D::Error> {
    Vec::<String>::deserialize(from)?
        .iter()
        .map(|text| text.parse().map_err(D::Error::custom))
        .collect()
}

fn der<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Bytes>, D::Error> {
    Option::<String>::deserialize(from)?
        .map(|text| Base64::decode_vec(&text).map(Bytes::from))
        .transpose()
        .map_err(D::Error::custom)
}

/// What register 16 holds in an enclave whose configuration has this hash, extended once from
/// zeros as the NSM does: SHA-384(48 zero bytes ‖ hash).
#[must_use]
pub fn pcr(configuration: Hash32) -> Pcr {
    let zero = Pcr::ZERO;
    Pcr(Sha384::new()
        .chain_update(zero.0)
        .chain_update(configuration.0)
        .finalize()
        .into())
}

/// A set with register 16 for this configuration, in place of any it had.
#[must_use]
pub fn with(set: &Measurements, configuration: Hash32) -> Measurements {
    let others = set
        .iter()
        .filter(|(index, _)| *index != CONFIGURATION_PCR)
        .map(|(index, pcr)| (index, *pcr));
    let all = others.chain([(CONFIGURATION_PCR, pcr(configuration))]);
    // Indices of a set are different and below 32, and 16 is not among them twice.
    Measurements::new(all).unwrap_or_else(|_| set.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn file() -> Value {
        let key = |digit: &str| digit.repeat(64);
        let operator = |name: &str, digit: &str| json!({ "name": name, "encryption": key(digit), "signing": key(digit), "proof": "" });
        json!({
            "rp_id": "keys.example", "rp_name": "Keys", "origins": ["https://keys.example"],
            "operators": { "threshold": 2, "keys": [operator("ada", "1"), operator("ben", "2")] },
            "release_keys": { "threshold": 1, "keys": [key("3")] },
            "upgrade_delay_seconds": 1, "upgrade_consent": 2,
        })
    }

    #[test]
    fn numbers_with_which_no_enclave_boots_are_refused() {
        let read = |file: &Value| Configuration::from_json(file.to_string().as_bytes());
        assert!(read(&file()).is_ok());
        for (member, number) in [
            ("/operators/threshold", 0),
            ("/operators/threshold", 3),
            ("/release_keys/threshold", 0),
            ("/release_keys/threshold", 2),
            ("/upgrade_consent", 0),
            ("/upgrade_consent", 3),
            ("/upgrade_delay_seconds", 0),
            ("/upgrade_delay_seconds", MAX_UPGRADE_DELAY_SECONDS + 1),
        ] {
            let mut file = file();
            *file.pointer_mut(member).unwrap() = json!(number);
            let error = read(&file).unwrap_err();
            let name = member.trim_start_matches('/').replace('/', ".");
            assert!(error.to_string().contains(&name), "{error}");
        }
        let mut alone = file();
        alone["operators"] = Value::Null;
        let error = read(&alone).unwrap_err().to_string();
        assert!(
            error.contains("upgrade_consent must be left out"),
            "{error}"
        );
        alone["upgrade_consent"] = Value::Null;
        assert!(read(&alone).is_ok());
    }
}
