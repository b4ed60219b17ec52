//! Abilities: what may be done, as `namespace/name`.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Longest ability, in bytes.
pub const MAX_ABILITY: usize = 128;

/// Abilities with a second name: old, present.
const ALIASES: [(&str, &str); 3] = [
    ("tinycloud.kv/delete", "tinycloud.kv/del"),
    ("tinycloud.sql/select", "tinycloud.sql/read"),
    ("tinycloud.duckdb/select", "tinycloud.duckdb/read"),
];

/// What holding an ability allows beside itself.
const IMPLICATIONS: [(&str, &[&str]); 3] = [
    ("tinycloud.sql/admin", &["tinycloud.sql/schema"]),
    (
        "tinycloud.sql/*",
        &[
            "tinycloud.sql/read",
            "tinycloud.sql/write",
            "tinycloud.sql/schema",
            "tinycloud.sql/admin",
        ],
    ),
    (
        "tinycloud.duckdb/*",
        &[
            "tinycloud.duckdb/read",
            "tinycloud.duckdb/write",
            "tinycloud.duckdb/admin",
            "tinycloud.duckdb/import",
            "tinycloud.duckdb/export",
        ],
    ),
];

/// An ability as it was written: `namespace/name` of `A-Z a-z 0-9 . _ + * -`, exactly one `/`.
///
/// Unknown ones are abilities, too: they allow themselves. There is no general wildcard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ability(String);

/// A text is no ability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ability is namespace/name, of letters, digits and . _ + * -")]
pub struct AbilityError;

impl Ability {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`AbilityError`].
    pub fn parse(text: &str) -> Result<Self, AbilityError> {
        Self::try_from(text.to_owned())
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Before and after the `/`.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        // there is exactly one
        self.0.split_once('/').unwrap_or((&self.0, ""))
    }

    /// Its present name.
    #[must_use]
    pub fn canonical(&self) -> &str {
        let alias = ALIASES.iter().find(|(old, _)| *old == self.0);
        alias.map_or(&self.0, |(_, present)| present)
    }

    /// Whether who holds `self` may do `required`.
    #[must_use]
    pub fn covers(&self, required: &Self) -> bool {
        let (held, required) = (self.canonical(), required.canonical());
        held == required
            || IMPLICATIONS
                .iter()
                .any(|(name, implied)| *name == held && implied.contains(&required))
    }
}

impl TryFrom<String> for Ability {
    type Error = AbilityError;

    fn try_from(text: String) -> Result<Self, AbilityError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+*-".contains(&byte);
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(allowed);
        let parts = text.split_once('/');
        if text.len() <= MAX_ABILITY
            && parts.is_some_and(|(namespace, name)| is_part(namespace) && is_part(name))
        {
            Ok(Self(text))
        } else {
            Err(AbilityError)
        }
    }
}

impl From<Ability> for String {
    fn from(ability: Ability) -> Self {
        ability.0
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(held: &str, required: &str) -> bool {
        let (held, required) = (Ability::parse(held), Ability::parse(required));
        held.unwrap().covers(&required.unwrap())
    }

    #[test]
    fn aliases_and_implications_are_one_table() {
        for (held, required) in [
            ("tinycloud.kv/get", "tinycloud.kv/get"),
            ("tinycloud.kv/delete", "tinycloud.kv/del"),
            ("tinycloud.kv/del", "tinycloud.kv/delete"),
            ("tinycloud.sql/*", "tinycloud.sql/select"),
            ("tinycloud.sql/*", "tinycloud.sql/admin"),
            ("tinycloud.sql/admin", "tinycloud.sql/schema"),
            ("tinycloud.duckdb/*", "tinycloud.duckdb/import"),
            ("x/y", "x/y"),
        ] {
            assert!(covers(held, required), "{held} {required}");
        }
        for (held, required) in [
            ("tinycloud.kv/*", "tinycloud.kv/get"),
            ("tinycloud.sql/schema", "tinycloud.sql/admin"),
            ("tinycloud.sql/write", "tinycloud.sql/read"),
            ("tinycloud.sql/*", "tinycloud.duckdb/read"),
            ("tinycloud.sql/admin", "tinycloud.sql/write"),
            ("x/y", "x/Y"),
        ] {
            assert!(!covers(held, required), "{held} {required}");
        }
    }

    #[test]
    fn only_the_grammar_is_read() {
        let long = format!("a/{}", "b".repeat(MAX_ABILITY));
        for text in [
            "", "a", "/", "a/", "/b", "a/b/c", "a b/c", "é/a", "a/b\n", &long,
        ] {
            assert_eq!(Ability::parse(text), Err(AbilityError), "{text:?}");
        }
    }
}
