//! What a token grants: resource to ability to caveats (the `att` of UCAN and ReCap).

use core::fmt;
use core::marker::PhantomData;
use std::collections::BTreeMap;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ability::Ability;
use crate::uri::parse_uri;

/// Most resources of a token: more than fit the longest one that names spaces, so that whoever asks for
/// many values at once is told how many may be.
pub const MAX_RESOURCES: usize = 1024;
/// Most abilities for one resource.
pub const MAX_ABILITIES: usize = 64;
/// Most caveats of one ability.
pub const MAX_CAVEATS: usize = 64;
/// What is said of a resource that is no URI.
pub(crate) const NO_URI: &str = "a resource is no URI";
/// Longest resource, in bytes.
pub const MAX_RESOURCE: usize = 4096;

/// One caveat: an object; empty means none.
pub type Caveat = serde_json::Map<String, serde_json::Value>;

/// What one resource's abilities are.
pub type Abilities = BTreeMap<Ability, Caveats>;

/// The caveats of an ability as they were written: at least one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Caveats(Vec<Caveat>);

/// Resource (a URI, as it was written) to ability to caveats, in bytewise order.
///
/// Reading is strict where two readers could differ: a member that is named twice, an empty list of
/// caveats, a resource that is no URI refuse the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Attenuation(BTreeMap<String, Abilities>);

impl Caveats {
    /// `[{}]`.
    #[must_use]
    pub fn none() -> Self {
        Self(vec![Caveat::new()])
    }

    /// These; `None` if there is none, which has no encoding (`[{}]` has).
    #[must_use]
    pub fn new(caveats: Vec<Caveat>) -> Option<Self> {
        (!caveats.is_empty() && caveats.len() <= MAX_CAVEATS).then_some(Self(caveats))
    }

    /// As they were written.
    #[must_use]
    pub fn as_slice(&self) -> &[Caveat] {
        &self.0
    }

    /// Whether there is no caveat at all: every object is empty.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.iter().all(Caveat::is_empty)
    }
}

impl Attenuation {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds an ability without caveats.
    #[must_use]
    pub fn with(self, resource: impl Into<String>, ability: Ability) -> Self {
        self.with_caveats(resource, ability, Caveats::none())
    }

    /// Adds an ability with caveats.
    #[must_use]
    pub fn with_caveats(
        mut self,
        resource: impl Into<String>,
        ability: Ability,
        caveats: Caveats,
    ) -> Self {
        let abilities = self.0.entry(resource.into()).or_default();
        abilities.insert(ability, caveats);
        self
    }

    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.values().all(BTreeMap::is_empty)
    }

    /// By resource, in bytewise order.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Abilities)> {
        self.0
            .iter()
            .map(|(resource, abilities)| (resource.as_str(), abilities))
    }

    /// One by one: resource, ability, caveats.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Ability, &Caveats)> {
        self.resources().flat_map(|(resource, abilities)| {
            let abilities = abilities.iter();
            abilities.map(move |(ability, caveats)| (resource, ability, caveats))
        })
    }
}

impl<'de> Deserialize<'de> for Attenuation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map: Distinct<String, Distinct<Ability, Caveats, MAX_ABILITIES>, MAX_RESOURCES> =
            Distinct::deserialize(deserializer)?;
        let mut resources = BTreeMap::new();
        for (resource, abilities) in map.map {
            if resource.len() > MAX_RESOURCE || parse_uri(&resource).is_err() {
                return Err(D::Error::custom(NO_URI));
            }
            resources.insert(resource, abilities.map);
        }
        Ok(Self(resources))
    }
}

impl<'de> Deserialize<'de> for Caveats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Objects;
        impl<'de> Visitor<'de> for Objects {
            type Value = Vec<Caveat>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of at least one object")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut objects = Vec::new();
                while let Some(Object(object)) = list.next_element()? {
                    if objects.len() >= MAX_CAVEATS {
                        return Err(A::Error::custom("too many caveats"));
                    }
                    objects.push(object);
                }
                Ok(objects)
            }
        }
        let objects = deserializer.deserialize_seq(Objects)?;
        Self::new(objects).ok_or_else(|| D::Error::custom("a list of no caveats: write [{}]"))
    }
}

/// A JSON object in which nothing is named twice, at any depth.
struct Object(Caveat);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map: Distinct<String, Value, MAX_CAVEATS> = Distinct::deserialize(deserializer)?;
        let members = map
            .map
            .into_iter()
            .map(|(name, Value(value))| (name, value));
        Ok(Self(members.collect()))
    }
}

/// A JSON value in which nothing is named twice.
pub(crate) struct Value(pub(crate) serde_json::Value);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = serde_json::Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(serde_json::Value::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(Value(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(values.into())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Caveat::new();
                while let Some((name, Value(value))) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is named twice"));
                    }
                }
                Ok(members.into())
            }
        }
        deserializer.deserialize_any(Any).map(Self)
    }
}

/// A map in which no key stands twice, of at most `MAX` members.
pub(crate) struct Distinct<K, V, const MAX: usize> {
    pub(crate) map: BTreeMap<K, V>,
}

impl<'de, K, V, const MAX: usize> Deserialize<'de> for Distinct<K, V, MAX>
where
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<K, V, const MAX: usize>(PhantomData<(K, V)>);
        impl<'de, K, V, const MAX: usize> Visitor<'de> for Members<K, V, MAX>
        where
            K: Deserialize<'de> + Ord,
            V: Deserialize<'de>,
        {
            type Value = BTreeMap<K, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    if members.len() >= MAX {
                        return Err(A::Error::custom("too many members"));
                    }
                    if members.insert(key, value).is_some() {
                        return Err(A::Error::custom("a member is named twice"));
                    }
                }
                Ok(members)
            }
        }
        let map = deserializer.deserialize_map(Members::<K, V, MAX>(PhantomData))?;
        Ok(Self { map })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Attenuation, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
        let json = r#"{"a:b":{},"tinycloud:key:z6Mk:n/kv/a":{"tinycloud.kv/get":[{}],"x/y":[{"a":[1,{"b":null}]},{"c":-1.5}]}}"#;
        let att = read(json).unwrap();
        assert_eq!(serde_json::to_string(&att).unwrap(), json);
        assert_eq!(att.iter().count(), 2);
        assert!(!att.is_empty() && read(r#"{"a:b":{}}"#).unwrap().is_empty());
        let (_, ability, caveats) = att.iter().next().unwrap();
        assert!(ability.as_str() == "tinycloud.kv/get" && caveats.is_none());
    }

    #[test]
    fn as_many_as_fit_a_token_are_read() {
        let of = |count: usize| {
            let members = (0..count).map(|at| format!(r#""a:{at}":{{"x/y":[{{}}]}}"#));
            read(&format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
        };
        assert_eq!(of(MAX_RESOURCES).unwrap().iter().count(), MAX_RESOURCES);
        assert!(of(MAX_RESOURCES + 1).is_err());
    }

    #[test]
    fn whatever_two_readers_could_differ_about_is_refused() {
        for json in [
            r#"{"a:b":{"x/y":[{}]},"a:b":{"x/z":[{}]}}"#,
            r#"{"a:b":{"x/y":[{}],"x/y":[{}]}}"#,
            r#"{"a:b":{"x/y":[{"a":1,"a":2}]}}"#,
            r#"{"a:b":{"x/y":[{"a":{"b":1,"b":2}}]}}"#,
            r#"{"a:b":{"x/y":[]}}"#,
            r#"{"a:b":{"x/y":{}}}"#,
            r#"{"a:b":{"x/y":[1]}}"#,
            r#"{"a:b":{"xy":[{}]}}"#,
            r#"{"a b":{"x/y":[{}]}}"#,
            r#"{"a:é":{"x/y":[{}]}}"#,
            r#"[]"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
