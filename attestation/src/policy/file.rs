//! The policy file: one JSON format for every program.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Policy, PolicyError};
use crate::limits::{DEFAULT_AGE_SECONDS, DEFAULT_SKEW_SECONDS, MAX_POLICY_FILE};
use crate::measurement::{Measurements, Pcr};
use crate::roots::{Roots, RootsError};

/// The version of the format.
const VERSION: u32 = 1;

/// A policy and the roots it holds under, as files carry them.
///
/// ```json
/// {
///   "version": 1,
///   "measurements": [{ "0": "<96 hex digits>", "1": "…", "2": "…" }],
///   "roots": ["-----BEGIN CERTIFICATE-----\n…"],
///   "max_age_seconds": 300,
///   "max_skew_seconds": 60,
///   "allow_debug": false,
///   "simulator": false
/// }
/// ```
///
/// `version` and `measurements` are required; a document must match one set whole. `roots` are PEM,
/// one certificate each, and replace the AWS root; absent means the AWS root alone. The values
/// shown are the defaults of the others. Unknown and repeated members are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    /// What is accepted.
    pub policy: Policy,
    /// Under which roots.
    pub roots: Roots,
}

/// Why a text is not a policy file, or a policy not one for a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// Longer than [`MAX_POLICY_FILE`].
    #[error("the policy file is longer than {MAX_POLICY_FILE} bytes")]
    TooLong,
    /// Not JSON of this format: the parser's words, with line and column.
    #[error("the policy file is not well-formed: {0}")]
    Syntax(String),
    /// Another version of the format.
    #[error("the policy file has version {0}; this program knows version {VERSION}")]
    Version(u32),
    /// A policy that cannot be.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A root that is not one.
    #[error("a root in the policy file: {0}")]
    Root(#[from] RootsError),
    /// Files cannot say "any measurement", nor bind keys: such a policy is made for one question.
    #[error("the policy cannot be written into a file")]
    NotForFiles,
}

impl PolicyFileError {
    /// The broken rule's stable name.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLong => "policy_file_too_long",
            Self::Syntax(_) => "policy_file_syntax",
            Self::Version(_) => "policy_file_version",
            Self::Policy(policy) => policy.rule(),
            Self::Root(root) => root.rule(),
            Self::NotForFiles => "policy_not_for_files",
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    measurements: Vec<Set>,
    // A null is a mistake, not an absence.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    roots: Option<Vec<String>>,
    #[serde(default = "default_age")]
    max_age_seconds: u64,
    #[serde(default = "default_skew")]
    max_skew_seconds: u64,
    #[serde(default)]
    allow_debug: bool,
    #[serde(default)]
    simulator: bool,
}

fn default_age() -> u64 {
    DEFAULT_AGE_SECONDS
}

fn default_skew() -> u64 {
    DEFAULT_SKEW_SECONDS
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(from).map(Some)
}

/// PCR values by decimal index.
#[derive(Serialize)]
#[serde(transparent)]
struct Set(BTreeMap<u8, String>);

impl<'de> Deserialize<'de> for Set {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Set;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of PCR indices and hexadecimal values")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Set, M::Error> {
                let mut set = BTreeMap::new();
                while let Some((key, value)) = members.next_entry::<String, String>()? {
                    // `+7` and `07` parse as numbers, and would be second names of PCR7.
                    let index = key
                        .parse::<u8>()
                        .ok()
                        .filter(|index| index.to_string() == key)
                        .ok_or_else(|| M::Error::custom(format!("{key:?} is not a PCR index")))?;
                    if set.insert(index, value).is_some() {
                        return Err(M::Error::custom(format!("duplicate member `{key}`")));
                    }
                }
                Ok(Set(set))
            }
        }

        from.deserialize_map(Members)
    }
}

impl Set {
    fn measurements(self) -> Result<Measurements, PolicyFileError> {
        let syntax = |error: &dyn fmt::Display| PolicyFileError::Syntax(error.to_string());
        let pcrs: Result<Vec<(u8, Pcr)>, _> = self
            .0
            .into_iter()
            .map(|(index, value)| value.parse().map(|pcr| (index, pcr)))
            .collect();
        Measurements::new(pcrs.map_err(|error| syntax(&error))?).map_err(|error| syntax(&error))
    }
}

impl PolicyFile {
    /// Reads the bytes of a policy file.
    ///
    /// # Errors
    ///
    /// The first rule of the format that they break.
    pub fn parse(json: &[u8]) -> Result<Self, PolicyFileError> {
        if json.len() > MAX_POLICY_FILE {
            return Err(PolicyFileError::TooLong);
        }
        let file: File = serde_json::from_slice(json)
            .map_err(|error| PolicyFileError::Syntax(error.to_string()))?;
        if file.version != VERSION {
            return Err(PolicyFileError::Version(file.version));
        }
        let sets: Result<Vec<_>, _> = file
            .measurements
            .into_iter()
            .map(Set::measurements)
            .collect();
        let policy = Policy::one_of(sets?)?
            .max_age(Duration::from_secs(file.max_age_seconds))?
            .max_skew(Duration::from_secs(file.max_skew_seconds))?
            .allow_debug(file.allow_debug)
            .simulator(file.simulator);
        let roots = match file.roots {
            None => Roots::aws(),
            Some(pems) => Roots::custom_pem(pems.iter().map(String::as_bytes))?,
        };
        Ok(Self { policy, roots })
    }

    /// The file's text: indented JSON with a line end, every member spelled out, `roots` when they
    /// are not the AWS root alone.
    ///
    /// # Errors
    ///
    /// A policy that accepts any measurement or binds a key.
    pub fn to_json(&self) -> Result<String, PolicyFileError> {
        let policy = &self.policy;
        let bound =
            policy.bound_public_key().is_some() || policy.bound_user_data_sha256().is_some();
        let sets = policy
            .measurements()
            .filter(|_| !bound)
            .ok_or(PolicyFileError::NotForFiles)?;
        let file = File {
            version: VERSION,
            measurements: sets
                .iter()
                .map(|set| Set(set.iter().map(|(i, pcr)| (i, pcr.to_string())).collect()))
                .collect(),
            roots: (self.roots != Roots::aws()).then(|| self.roots.to_pem()),
            max_age_seconds: policy.accepted_age().as_secs(),
            max_skew_seconds: policy.accepted_skew().as_secs(),
            allow_debug: policy.accepts_debug(),
            simulator: policy.is_for_simulator(),
        };
        let mut text = serde_json::to_string_pretty(&file)
            .map_err(|error| PolicyFileError::Syntax(error.to_string()))?;
        text.push('\n');
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `HEX` standing for a PCR.
    fn bytes(json: &str) -> Vec<u8> {
        json.replace("HEX", &"ab".repeat(48)).into_bytes()
    }

    fn parse(json: &str) -> Result<PolicyFile, PolicyFileError> {
        PolicyFile::parse(&bytes(json))
    }

    fn syntax(json: &str) -> String {
        match parse(json) {
            Err(PolicyFileError::Syntax(reason)) => reason,
            other => panic!("{json} gave {other:?}"),
        }
    }

    #[test]
    fn the_least_file_has_the_defaults() {
        let file = parse(r#"{"version":1,"measurements":[{"0":"HEX"}]}"#).unwrap();
        let expected = Measurements::new([(0, Pcr([0xab; 48]))]).unwrap();
        assert_eq!(file.policy, Policy::one_of([expected]).unwrap());
        assert_eq!(file.roots, Roots::aws());
    }

    #[test]
    fn a_full_file_is_read_and_written_back() {
        let text = r#"{"version":1,"measurements":[{"0":"HEX","16":"HEX"},{"31":"HEX"}],
            "max_age_seconds":60,"max_skew_seconds":0,"allow_debug":true,"simulator":true}"#;
        let mut file = parse(text).unwrap();
        let policy = &file.policy;
        assert_eq!(policy.measurements().unwrap().len(), 2);
        assert_eq!(policy.accepted_age(), Duration::from_secs(60));
        assert_eq!(policy.accepted_skew(), Duration::ZERO);
        assert!(policy.accepts_debug() && policy.is_for_simulator());
        assert_eq!(parse(&file.to_json().unwrap()).unwrap(), file);

        file.roots = Roots::custom_file(include_bytes!("../../tests/data/other-root.der")).unwrap();
        let written = file.to_json().unwrap();
        assert!(written.contains("BEGIN CERTIFICATE"));
        assert_eq!(parse(&written).unwrap(), file);
    }

    #[test]
    fn unknown_and_repeated_members_are_refused() {
        assert!(syntax(r#"{"version":1,"measurements":[{"0":"HEX"}],"pcrs":1}"#).contains("pcrs"));
        for member in [
            r#""version":1"#,
            r#""measurements":[{"0":"HEX"}]"#,
            r#""simulator":false"#,
        ] {
            let json = format!(
                r#"{{"version":1,"measurements":[{{"0":"HEX"}}],"simulator":false,{member}}}"#
            );
            assert!(syntax(&json).contains("duplicate"), "{json}");
        }
        assert!(
            syntax(r#"{"version":1,"measurements":[{"0":"HEX","0":"HEX"}]}"#).contains("duplicate")
        );
        assert!(syntax(r#"{"version":1,"measurements":[{"0":"HEX"}]} {}"#).contains("trailing"));
    }

    #[test]
    fn measurements_are_there_and_well_formed() {
        assert!(syntax(r#"{"version":1}"#).contains("measurements"));
        assert_eq!(
            parse(r#"{"version":1,"measurements":[]}"#),
            Err(PolicyFileError::Policy(PolicyError::NoMeasurements))
        );
        assert!(syntax(r#"{"version":1,"measurements":[{}]}"#).contains("no PCR"));
        for key in ["00", "+1", "x", "256", "-1", "", "1.0"] {
            let json = format!(r#"{{"version":1,"measurements":[{{"{key}":"HEX"}}]}}"#);
            assert!(syntax(&json).contains("not a PCR index"), "{key}");
        }
        assert!(syntax(r#"{"version":1,"measurements":[{"32":"HEX"}]}"#).contains("PCR32"));
        assert!(syntax(r#"{"version":1,"measurements":[{"0":"abcd"}]}"#).contains("hexadecimal"));
    }

    #[test]
    fn bounds_and_types_hold() {
        let with = |member: &str| {
            parse(&format!(
                r#"{{"version":1,"measurements":[{{"0":"HEX"}}],{member}}}"#
            ))
        };
        assert_eq!(
            with(r#""max_age_seconds":0"#),
            Err(PolicyFileError::Policy(PolicyError::MaxAge))
        );
        assert_eq!(
            with(r#""max_skew_seconds":301"#),
            Err(PolicyFileError::Policy(PolicyError::MaxSkew))
        );
        for member in [
            r#""roots":null"#,
            r#""max_age_seconds":null"#,
            r#""max_age_seconds":-1"#,
            r#""max_age_seconds":1.5"#,
            r#""allow_debug":0"#,
            r#""simulator":"yes""#,
        ] {
            assert!(
                matches!(with(member), Err(PolicyFileError::Syntax(_))),
                "{member}"
            );
        }
        assert_eq!(
            with(r#""roots":[]"#),
            Err(PolicyFileError::Root(RootsError::Count(0)))
        );
        assert!(matches!(
            with(r#""roots":["nonsense"]"#),
            Err(PolicyFileError::Root(_))
        ));
        assert_eq!(
            parse(r#"{"version":2,"measurements":[{"0":"HEX"}]}"#),
            Err(PolicyFileError::Version(2))
        );
        let mut long = bytes(r#"{"version":1,"measurements":[{"0":"HEX"}]}"#);
        long.resize(MAX_POLICY_FILE, b' ');
        assert!(PolicyFile::parse(&long).is_ok());
        long.push(b' ');
        assert_eq!(PolicyFile::parse(&long), Err(PolicyFileError::TooLong));
    }

    #[test]
    fn policies_for_one_question_are_not_written() {
        let file = |policy| PolicyFile {
            policy,
            roots: Roots::aws(),
        };
        assert_eq!(
            file(Policy::any_measurement()).to_json(),
            Err(PolicyFileError::NotForFiles)
        );
        let set = Measurements::new([(0, Pcr::ZERO)]).unwrap();
        let bound = Policy::one_of([set]).unwrap().bind_public_key(vec![1]);
        assert_eq!(file(bound).to_json(), Err(PolicyFileError::NotForFiles));
    }
}
