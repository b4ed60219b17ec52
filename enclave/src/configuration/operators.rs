//! Who may provision the root key, and who may sign releases.

use ed25519_dalek::{Signature, VerifyingKey};
use openkey_protocol::{
    cbor,
    message::{Key32, MAX_OPERATOR_NAME, MAX_OPERATORS, OperatorKeys},
};
use serde::{Deserialize, Serialize};

use super::{ConfigurationError, read_hex};
use crate::hybrid;

/// In front of what an operator's proof signs, ended by a zero byte.
pub const OPERATOR_LABEL: &str = "openkey/operator/v1";
/// Most release keys: each is a maintainer.
pub const MAX_RELEASE_KEYS: usize = 16;

/// The operators: any `threshold` of them together can make the root key.
///
/// A threshold of 1 means that every operator holds the whole root key; it is for deployments of one
/// person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operators {
    threshold: u32,
    keys: Vec<OperatorKeys>,
}

/// The release keys: `threshold` of them sign a release manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseKeys {
    threshold: u32,
    keys: Vec<Key32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UncheckedOperators {
    threshold: u32,
    keys: Vec<UncheckedOperator>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedOperator {
    name: String,
    encryption: String,
    signing: String,
    proof: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UncheckedReleaseKeys {
    threshold: u32,
    keys: Vec<String>,
}

/// What an operator's proof of possession signs, behind [`OPERATOR_LABEL`] and a zero byte.
#[derive(Serialize)]
struct Proven<'a> {
    name: &'a str,
    encryption: Key32,
}

impl Operators {
    /// How many shares make the root key.
    #[must_use]
    pub const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Their keys, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &OperatorKeys> + Clone {
        self.keys.iter()
    }

    /// Whether so many operators, at least one, can consent to something.
    pub(super) fn can_give(&self, consents: u32) -> bool {
        fits(consents, self.keys.len())
    }

    /// The operator at a place, from 0.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<&OperatorKeys> {
        self.keys.get(usize::try_from(place).ok()?)
    }

    pub(super) fn check(unchecked: UncheckedOperators) -> Result<Self, ConfigurationError> {
        let count = unchecked.keys.len();
        if count == 0 || count > MAX_OPERATORS || !fits(unchecked.threshold, count) {
            return Err(ConfigurationError::OperatorCount);
        }
        let mut keys: Vec<OperatorKeys> = Vec::with_capacity(count);
        for (place, operator) in unchecked.keys.into_iter().enumerate() {
            let operator = operator.check(place)?;
            let known = keys.iter().any(|known| {
                known.name.eq_ignore_ascii_case(&operator.name)
                    || known.encryption == operator.encryption
                    || known.signing == operator.signing
            });
            if known {
                return Err(ConfigurationError::OperatorTwice(place));
            }
            keys.push(operator);
        }
        Ok(Self {
            threshold: unchecked.threshold,
            keys,
        })
    }
}

impl UncheckedOperator {
    fn check(self, place: usize) -> Result<OperatorKeys, ConfigurationError> {
        let Self { name, .. } = self;
        // ASCII only: two names that look the same must be the same.
        let printable = name
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if name.is_empty() || name.len() > MAX_OPERATOR_NAME || !printable || name.trim() != name {
            return Err(ConfigurationError::OperatorName(place));
        }
        let error = || ConfigurationError::OperatorKey(place);
        let encryption = Key32(read_hex(&self.encryption).ok_or_else(error)?);
        let signing = Key32(read_hex(&self.signing).ok_or_else(error)?);
        if !hybrid::is_sound(&encryption) {
            return Err(error());
        }
        let verifying = verifying_key(&signing).ok_or_else(error)?;
        let proof = ConfigurationError::OperatorProof(place);
        let signature = read_hex::<64>(&self.proof).ok_or_else(|| proof.clone())?;
        let proven = Proven {
            name: &name,
            encryption,
        };
        let mut input = OPERATOR_LABEL.as_bytes().to_vec();
        input.push(0);
        input.extend_from_slice(&cbor::encode(&proven).map_err(|_| proof.clone())?);
        verifying
            .verify_strict(&input, &Signature::from_bytes(&signature))
            .map_err(|_| proof)?;
        Ok(OperatorKeys {
            name,
            encryption,
            signing,
        })
    }
}

impl ReleaseKeys {
    /// How many signatures a release manifest needs.
    #[must_use]
    pub const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// The Ed25519 keys.
    #[must_use]
    pub fn keys(&self) -> &[Key32] {
        &self.keys
    }

    pub(super) fn check(unchecked: UncheckedReleaseKeys) -> Result<Self, ConfigurationError> {
        let count = unchecked.keys.len();
        if count == 0 || count > MAX_RELEASE_KEYS || !fits(unchecked.threshold, count) {
            return Err(ConfigurationError::ReleaseKeys);
        }
        let mut keys = Vec::with_capacity(count);
        for text in &unchecked.keys {
            let key = Key32(read_hex(text).ok_or(ConfigurationError::ReleaseKeys)?);
            if verifying_key(&key).is_none() || keys.contains(&key) {
                return Err(ConfigurationError::ReleaseKeys);
            }
            keys.push(key);
        }
        Ok(Self {
            threshold: unchecked.threshold,
            keys,
        })
    }
}

/// Whether a threshold is 1 to `count`.
fn fits(threshold: u32, count: usize) -> bool {
    usize::try_from(threshold).is_ok_and(|threshold| (1..=count).contains(&threshold))
}

fn verifying_key(key: &Key32) -> Option<VerifyingKey> {
    let key = VerifyingKey::from_bytes(&key.0).ok()?;
    (!key.is_weak()).then_some(key)
}
