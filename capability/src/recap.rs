//! Capabilities that ride in a sign-in: the ReCap of ERC-5573,
//! <https://eips.ethereum.org/EIPS/eip-5573>.
//!
//! A ReCap is a resource of a sign-in message, `urn:recap:` and the base64url (no padding) of
//! canonical JSON (RFC 8785), and a sentence at the end of the message's statement that tells the
//! person the same.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use cid::multibase::Base;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ability::Ability;
use crate::attenuation::{Attenuation, Caveats, Value};
use crate::cid::Cid;
use crate::uri::parse_uri;

/// What a ReCap resource begins with.
pub const PREFIX: &str = "urn:recap:";
/// Longest ReCap resource, in bytes. Readers of messages have shorter lines.
pub const MAX_RECAP: usize = 256 * 1024;
/// Most proofs.
pub const MAX_PROOFS: usize = 64;
/// Most members beside `att` and `prf`.
const MAX_SIBLINGS: usize = 16;
/// What the sentence begins with.
const INTRODUCTION: &str =
    "I further authorize the stated URI to perform the following actions on my behalf:";

/// What a sign-in grants: resources and abilities, and the tokens that it rests on.
///
/// It holds no caveats, and always has an encoding of at most [`MAX_RECAP`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReCap {
    attenuation: Attenuation,
    proofs: Vec<Cid>,
}

/// Why a resource is no ReCap, or does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecapError {
    /// Longer than [`MAX_RECAP`].
    #[error("the ReCap is longer than {MAX_RECAP} bytes")]
    TooLong,
    /// It does not begin with [`PREFIX`].
    #[error("a ReCap begins with {PREFIX}")]
    Prefix,
    /// What follows is not base64url without padding, in its one spelling.
    #[error("the ReCap is not base64url without padding")]
    Base64,
    /// Not JSON of the right shape, a member twice, or more than is read.
    #[error(
        "the ReCap is not an object of att (resources, their abilities, and [{{}}] for each) and prf, \
         with nothing named twice"
    )]
    Json,
    /// A resource is no URI.
    #[error("a resource of the ReCap is not a URI")]
    Resource,
    /// What should be an ability is none.
    #[error("an ability of the ReCap is not a namespace, a slash and a name")]
    Ability,
    /// No `att` or no `prf`.
    #[error("the ReCap lacks {0}")]
    Missing(&'static str),
    /// A proof is no base58btc content identifier of a token.
    #[error("a proof of the ReCap is not a content identifier in base58btc")]
    Proof,
    /// More than [`MAX_PROOFS`].
    #[error("the ReCap has more than {MAX_PROOFS} proofs")]
    TooManyProofs,
    /// An ability has a caveat. What a person reads and signs has no room for them.
    #[error("the ReCap has caveats; caveats are only possible in UCANs")]
    Caveats,
    /// The statement does not end with the sentence that tells what is granted.
    #[error("the statement does not end with what the ReCap grants")]
    Statement,
}

impl RecapError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::TooLong => "recap_too_long",
            Self::Prefix => "recap_prefix",
            Self::Base64 => "recap_base64",
            Self::Json => "recap_json",
            Self::Resource => "recap_resource",
            Self::Ability => "recap_ability",
            Self::Missing(_) => "recap_missing",
            Self::Proof => "recap_proof",
            Self::TooManyProofs => "recap_too_many_proofs",
            Self::Caveats => "recap_caveats",
            Self::Statement => "recap_statement",
        }
    }
}

impl ReCap {
    /// Puts one together.
    ///
    /// # Errors
    ///
    /// [`RecapError`]: caveats, a resource that is no URI, or more than can be read back.
    pub fn new(attenuation: Attenuation, proofs: Vec<Cid>) -> Result<Self, RecapError> {
        let recap = Self {
            attenuation,
            proofs,
        };
        // Whatever is written can be read, and says the same.
        if Self::parse(&recap.encode())? == recap {
            Ok(recap)
        } else {
            Err(RecapError::Json)
        }
    }

    /// Reads a resource: `urn:recap:` and base64url of `{"att":{…},"prf":["z…"]}`.
    ///
    /// Other members are ignored. The order of members and white space are free.
    ///
    /// # Errors
    ///
    /// [`RecapError`] names the first rule that it breaks.
    pub fn parse(resource: &str) -> Result<Self, RecapError> {
        if resource.len() > MAX_RECAP {
            return Err(RecapError::TooLong);
        }
        let text = resource.strip_prefix(PREFIX).ok_or(RecapError::Prefix)?;
        let json = Base::Base64Url
            .decode(text)
            .map_err(|_| RecapError::Base64)?;
        let read: Read = serde_json::from_slice(&json).map_err(|_| culprit(&json).0)?;
        let attenuation = read.attenuation.ok_or(RecapError::Missing("att"))?;
        let proofs = read.proofs.ok_or(RecapError::Missing("prf"))?;
        if proofs.len() > MAX_PROOFS {
            return Err(RecapError::TooManyProofs);
        }
        let proofs = proofs.iter().map(|proof| {
            let is_base58 = proof.starts_with(Base::Base58Btc.code());
            let cid = is_base58.then(|| Cid::parse(proof).ok()).flatten();
            cid.ok_or(RecapError::Proof)
        });
        let proofs = proofs.collect::<Result<_, _>>()?;
        if !attenuation
            .iter()
            .all(|(_, _, caveats): (_, _, &Caveats)| caveats.is_none())
        {
            return Err(RecapError::Caveats);
        }
        let recap = Self {
            attenuation,
            proofs,
        };
        // A proof with another codec is a digit longer in the spelling that is written.
        if recap.encode().len() > MAX_RECAP {
            return Err(RecapError::TooLong);
        }
        Ok(recap)
    }

    /// What [`Self::parse`] calls [`RecapError::Resource`] or [`RecapError::Ability`]: the first
    /// resource that is no URI, or the first ability that is none. `None` for every other refusal.
    #[must_use]
    pub fn refused_name(resource: &str) -> Option<String> {
        let text = resource.strip_prefix(PREFIX)?;
        culprit(&Base::Base64Url.decode(text).ok()?).1
    }

    /// What is granted.
    #[must_use]
    pub const fn attenuation(&self) -> &Attenuation {
        &self.attenuation
    }

    /// The tokens that the grant rests on, as listed.
    #[must_use]
    pub fn proofs(&self) -> &[Cid] {
        &self.proofs
    }

    /// The resource: `urn:recap:` and base64url (no padding) of canonical JSON (RFC 8785).
    #[must_use]
    pub fn encode(&self) -> String {
        let written = Written {
            att: &self.attenuation,
            prf: self.proofs.iter().map(Cid::base58).collect(),
        };
        // Texts, lists and maps by text cannot fail. Members are ASCII in a map that sorts them, so
        // this is the order of RFC 8785, too.
        let json = serde_json::to_string(&written).unwrap_or_default();
        format!("{PREFIX}{}", Base::Base64Url.encode(json))
    }

    /// The sentence that tells a person what is granted.
    ///
    /// For each resource and each namespace of its abilities, in bytewise order, ` (1) 'namespace':
    /// 'name', 'name' for 'resource'.`, counted from 1.
    #[must_use]
    pub fn statement(&self) -> String {
        let mut sentence = INTRODUCTION.to_owned();
        let mut number = 0_usize;
        for (resource, abilities) in self.attenuation.resources() {
            // Not the order of whole abilities: `a.b/x` stands before `a/x`, but `a` before `a.b`.
            let mut namespaces: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for (namespace, name) in abilities.keys().map(|ability| ability.parts()) {
                namespaces.entry(namespace).or_default().insert(name);
            }
            for (namespace, names) in namespaces {
                number += 1;
                let names: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
                let names = names.join(", ");
                sentence += &format!(" ({number}) '{namespace}': {names} for '{resource}'.");
            }
        }
        sentence
    }

    /// Whether a statement ends with [`Self::statement`]. The person may be told more before it.
    #[must_use]
    pub fn ends(&self, statement: &str) -> bool {
        statement.ends_with(&self.statement())
    }
}

/// Why JSON is not read as a ReCap, and the name at fault if it is one name's. Nothing is accepted by
/// this.
fn culprit(json: &[u8]) -> (RecapError, Option<String>) {
    let value: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    let granted = value.get("att").and_then(serde_json::Value::as_object);
    let resources = || granted.into_iter().flatten();
    if let Some((name, _)) = resources().find(|(name, _)| parse_uri(name).is_err()) {
        return (RecapError::Resource, Some(name.clone()));
    }
    let mut abilities = resources()
        .filter_map(|(_, abilities)| abilities.as_object())
        .flat_map(serde_json::Map::keys);
    match abilities.find(|name| Ability::parse(name).is_err()) {
        Some(name) => (RecapError::Ability, Some(name.clone())),
        None => (RecapError::Json, None),
    }
}

/// Members in the order of RFC 8785.
#[derive(Serialize)]
struct Written<'a> {
    att: &'a Attenuation,
    prf: Vec<String>,
}

/// What was found.
struct Read {
    attenuation: Option<Attenuation>,
    proofs: Option<Vec<String>>,
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Read;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of att and prf")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
                let twice = || A::Error::custom("a member is named twice");
                let mut read = Read {
                    attenuation: None,
                    proofs: None,
                };
                let mut siblings = BTreeSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    let seen = match name.as_str() {
                        "att" => read.attenuation.replace(map.next_value()?).is_some(),
                        "prf" => read.proofs.replace(map.next_value()?).is_some(),
                        _ => {
                            let Value(_) = map.next_value()?;
                            if siblings.len() >= MAX_SIBLINGS {
                                return Err(A::Error::custom("too many members"));
                            }
                            !siblings.insert(name)
                        }
                    };
                    if seen {
                        return Err(twice());
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ability::Ability;

    const SMALL: &str = "urn:recap:eyJhdHQiOnsiY3JlZGVudGlhbDoqIjp7ImNyZWRlbnRpYWwvcHJlc2VudCI6W3t9XX19LCJwcmYiOltdfQ";

    fn of(json: &str) -> Result<ReCap, RecapError> {
        ReCap::parse(&format!("{PREFIX}{}", Base::Base64Url.encode(json)))
    }

    fn ability(text: &str) -> Ability {
        Ability::parse(text).unwrap()
    }

    #[test]
    fn a_small_one_round_trips_and_has_its_sentence() {
        let recap = ReCap::parse(SMALL).unwrap();
        let attenuation = Attenuation::new().with("credential:*", ability("credential/present"));
        assert_eq!(ReCap::new(attenuation, Vec::new()).unwrap(), recap);
        assert_eq!(recap.encode(), SMALL);
        let sentence = "I further authorize the stated URI to perform the following actions on my \
            behalf: (1) 'credential': 'present' for 'credential:*'.";
        assert_eq!(recap.statement(), sentence);
        assert!(recap.ends(sentence) && recap.ends(&format!("Hello. {sentence}")));
        assert!(!recap.ends(&format!("{sentence} ")) && !recap.ends("") && !recap.ends("Hello."));
    }

    #[test]
    fn the_sentence_sorts_resources_then_namespaces_then_names() {
        let attenuation = Attenuation::new()
            .with("z:1", ability("a/x"))
            .with("Z:1", ability("b/y"))
            .with("Z:1", ability("a.b/x"))
            .with("Z:1", ability("a/z"))
            .with("Z:1", ability("a/Z"));
        let recap = ReCap::new(attenuation, Vec::new()).unwrap();
        assert_eq!(
            recap.statement().strip_prefix(INTRODUCTION).unwrap(),
            " (1) 'a': 'Z', 'z' for 'Z:1'. (2) 'a.b': 'x' for 'Z:1'. (3) 'b': 'y' for 'Z:1'. \
             (4) 'a': 'x' for 'z:1'."
        );
        assert_eq!(ReCap::parse(&recap.encode()), Ok(recap));
    }

    #[test]
    fn proofs_are_written_in_base58() {
        let proofs = vec![Cid::of(b"b"), Cid::of(b"a")];
        let attenuation = Attenuation::new().with("a:b", ability("x/y"));
        let recap = ReCap::new(attenuation, proofs.clone()).unwrap();
        assert_eq!(ReCap::parse(&recap.encode()).unwrap().proofs(), proofs);
        let base32 = format!(r#"{{"att":{{}},"prf":["{}"]}}"#, proofs[0]);
        assert_eq!(of(&base32), Err(RecapError::Proof));
        let base58 = format!(r#"{{"att":{{}},"prf":["{}"]}}"#, proofs[0].base58());
        assert_eq!(of(&base58).unwrap().proofs(), &proofs[..1]);
        let many = vec![proofs[0]; MAX_PROOFS + 1];
        let recap = ReCap::new(Attenuation::new(), many);
        assert_eq!(recap, Err(RecapError::TooManyProofs));
    }

    #[test]
    fn other_members_and_spaces_are_ignored() {
        let recap = of(r#" { "prf" : [], "x" : {"y":[1]}, "att" : {"a:b":{"x/y":[{},{}]}} } "#);
        let recap = recap.unwrap();
        assert_eq!(ReCap::parse(&recap.encode()), Ok(recap));
        assert_eq!(
            of(r#"{"att":{},"prf":[]}"#).unwrap().statement(),
            INTRODUCTION
        );
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        let long = format!("{PREFIX}{}", "A".repeat(MAX_RECAP));
        let unpadded = format!("{SMALL}==");
        let bits = format!("{}R", &SMALL[..SMALL.len() - 1]);
        for (resource, rule) in [
            (long.as_str(), "recap_too_long"),
            ("", "recap_prefix"),
            ("URN:RECAP:e30", "recap_prefix"),
            (&unpadded, "recap_base64"),
            (&bits, "recap_base64"),
            ("urn:recap:+/+/", "recap_base64"),
            ("urn:recap:", "recap_json"),
        ] {
            assert_eq!(
                ReCap::parse(resource).unwrap_err().rule(),
                rule,
                "{resource}"
            );
        }
        for (json, rule) in [
            ("{}", "recap_missing"),
            (r#"{"att":{}}"#, "recap_missing"),
            (r#"{"prf":[]}"#, "recap_missing"),
            (
                r#"{"att":{"a:b":{"x/y":[{"x":1}]}},"prf":[]}"#,
                "recap_caveats",
            ),
            (
                r#"{"att":{"a:b":{"x/y":[{},{"x":1}]}},"prf":[]}"#,
                "recap_caveats",
            ),
            (r#"{"att":{"a:b":{"x/y":[]}},"prf":[]}"#, "recap_json"),
            (r#"{"att":{"a:b":{"xy":[{}]}},"prf":[]}"#, "recap_ability"),
            (r#"{"att":{"a b":{"x/y":[{}]}},"prf":[]}"#, "recap_resource"),
            (r#"{"att":{},"att":{},"prf":[]}"#, "recap_json"),
            (r#"{"att":{},"prf":[],"prf":[]}"#, "recap_json"),
            (r#"{"att":{},"prf":[],"x":1,"x":1}"#, "recap_json"),
            (r#"{"att":{},"prf":[],"x":{"a":1,"a":1}}"#, "recap_json"),
            (r#"{"att":null,"prf":[]}"#, "recap_json"),
            (r#"{"att":{},"prf":null}"#, "recap_json"),
            (r#"{"att":{},"prf":[1]}"#, "recap_json"),
            (r#"{"att":{},"prf":["z"]}"#, "recap_proof"),
            (r#"{"att":{},"prf":[]} x"#, "recap_json"),
            (r#"[{},[]]"#, "recap_json"),
        ] {
            assert_eq!(of(json).unwrap_err().rule(), rule, "{json}");
        }
    }

    #[test]
    fn what_could_not_be_read_back_is_not_made() {
        let spaced = Attenuation::new().with("a b", ability("x/y"));
        assert_eq!(ReCap::new(spaced, Vec::new()), Err(RecapError::Resource));
        let caveat = Caveats::new(vec![[("x".to_owned(), 1.into())].into_iter().collect()]);
        let caveat = Attenuation::new().with_caveats("a:b", ability("x/y"), caveat.unwrap());
        assert_eq!(ReCap::new(caveat, Vec::new()), Err(RecapError::Caveats));
    }
}
