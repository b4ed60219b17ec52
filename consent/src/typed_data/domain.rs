//! The domain: what keeps a signature for one program from being one for another.

use super::{
    DOMAIN, Struct, Type, TypedDataError, Value,
    json::Json,
    types::{Member, Schema},
};
use crate::word::Word;

/// What a document is for. Every part is the caller's claim, but signed.
pub(crate) struct Domain<'s> {
    pub(super) values: Struct<'s>,
}

impl<'s> Domain<'s> {
    /// Reads the domain: its type has at least one of the five members, in the order of the
    /// specification, and the object has exactly those.
    pub(super) fn read(schema: &'s Schema, json: &Json) -> Result<Self, TypedDataError> {
        let definition = schema.get(DOMAIN).ok_or(TypedDataError::NoDomainType)?;
        let mut specified = [
            ("name", Type::String),
            ("version", Type::String),
            ("chainId", Type::Uint(256)),
            ("verifyingContract", Type::Address),
            ("salt", Type::FixedBytes(32)),
        ]
        .into_iter();
        let mut in_order = |member: &Member| {
            specified.any(|(name, kind)| member.name == name && member.kind == kind)
        };
        if let Some(other) = definition.members.iter().find(|member| !in_order(member)) {
            return Err(TypedDataError::DomainType(other.name.clone()));
        }
        let values = Struct::read(schema, definition, json, "domain")?;
        Ok(Self { values })
    }

    fn get(&self, name: &str) -> Option<&Value<'s>> {
        let mut members = self.values.members();
        members.find_map(|(member, value)| (member.name == name).then_some(value))
    }

    fn string(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.string("name")
    }

    pub(crate) fn version(&self) -> Option<&str> {
        self.string("version")
    }

    pub(crate) fn chain(&self) -> Option<&Word> {
        match self.get("chainId")? {
            Value::Integer { magnitude, .. } => Some(magnitude),
            _ => None,
        }
    }

    pub(crate) fn contract(&self) -> Option<&[u8; 20]> {
        match self.get("verifyingContract")? {
            Value::Address(address) => Some(address),
            _ => None,
        }
    }

    pub(crate) fn salt(&self) -> Option<&[u8]> {
        match self.get("salt")? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}
