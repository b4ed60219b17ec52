//! What a signature hands out to others, one by one.

use serde::{Deserialize, Serialize};

use super::Severity;

/// What may be done on one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// What sort of thing the resource is.
    pub kind: GrantKind,
    /// The URI of the resource, byte for byte as it is signed.
    pub resource: String,
    /// Whose it is, in words.
    pub owner: String,
    /// What it is and how far it goes, in words.
    pub scope: String,
    /// What may be done there, at least one thing.
    pub abilities: Vec<GrantedAbility>,
    /// True if any of the abilities reaches secrets.
    pub reaches_secrets: bool,
}

/// One thing that may be done on a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GrantedAbility {
    /// Its name, byte for byte as it is signed.
    pub ability: String,
    /// The same in words.
    pub words: String,
    /// How much it matters; absent for what is ordinary.
    pub severity: Option<Severity>,
    /// The place in [`super::Summary::grants`], from 0, of a wider grant that includes this one: to
    /// leave this one out would change nothing.
    pub within: Option<u32>,
}

/// What sort of thing is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// Something in a space.
    Data,
    /// An encryption network: what opens secrets.
    Network,
    /// A token: a permission that was given before.
    Token,
    /// A node may keep a space. It stands alone.
    Hosting,
    /// Something that the enclave does not know.
    Unknown,
}
