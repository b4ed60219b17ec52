//! Looking up members by name and type.

use openkey_capability::address::eip55;
use openkey_protocol::message::Line;

use super::Context;
use crate::{
    typed_data::{Struct, Type, Value},
    word::Word,
    words::{Size, amount, line, unix_seconds},
};

/// The members of a struct by their names in lower case without underscores, since authors spell
/// the same member in several ways.
pub(super) struct Shape<'v, 's> {
    members: Vec<(String, &'v Type, &'v Value<'s>)>,
}

impl<'v, 's> Shape<'v, 's> {
    pub(super) fn of(value: &'v Struct<'s>) -> Self {
        let members = value
            .members()
            .map(|(member, value)| (folded(&member.name), &member.kind, value))
            .collect();
        Self { members }
    }

    /// The struct itself, or every item of a list of structs.
    pub(super) fn each(value: &'v Value<'s>) -> Vec<Self> {
        match value {
            Value::Struct(value) => vec![Self::of(value)],
            Value::Array(values) => values.iter().flat_map(Self::each).collect(),
            _ => Vec::new(),
        }
    }

    /// True if every member has one of these names: nothing else is agreed to beside them.
    pub(super) fn has_only(&self, names: &[&str]) -> bool {
        self.members().all(|(name, _, _)| names.contains(&name))
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Every member: folded name, type, value.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'v Type, &'v Value<'s>)> {
        self.members
            .iter()
            .map(|(name, kind, value)| (name.as_str(), *kind, *value))
    }

    /// The first member with one of these names that `pick` takes.
    fn pick<T>(
        &self,
        names: &[&str],
        pick: impl Fn(&'v Type, &'v Value<'s>) -> Option<T>,
    ) -> Option<T> {
        names.iter().find_map(|name| {
            self.members()
                .filter(|(found, _, _)| found == name)
                .find_map(|(_, kind, value)| pick(kind, value))
        })
    }

    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.pick(names, |_, _| Some(())).is_some()
    }

    pub(super) fn address(&self, names: &[&str]) -> Option<&'v [u8; 20]> {
        self.pick(names, |_, value| match value {
            Value::Address(address) => Some(address),
            _ => None,
        })
    }

    pub(super) fn bool(&self, names: &[&str]) -> Option<bool> {
        self.pick(names, |_, value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        })
    }

    /// An unsigned number and the bits of its type.
    pub(super) fn uint(&self, names: &[&str]) -> Option<(&'v Word, u32)> {
        self.pick(names, |kind, value| match (kind, value) {
            (Type::Uint(bits), Value::Integer { magnitude, .. }) => Some((magnitude, *bits)),
            _ => None,
        })
    }

    /// Bytes of any length.
    pub(super) fn bytes(&self, names: &[&str]) -> Option<&'v [u8]> {
        self.pick(names, |kind, value| match (kind, value) {
            (Type::Bytes, Value::Bytes(bytes)) => Some(bytes.as_slice()),
            _ => None,
        })
    }

    /// Structs under a name: one, or a list of them.
    pub(super) fn structs(&self, names: &[&str]) -> Option<Vec<Self>> {
        self.pick(names, |kind, value| {
            kind.structure().map(|_| Shape::each(value))
        })
    }

    /// An amount in words, and whether it is unlimited.
    pub(super) fn amount(&self, names: &[&str]) -> Option<(String, Size)> {
        self.uint(names).map(|(value, bits)| amount(value, bits))
    }

    /// `Until`, by whatever the last moment is called. Zero and absence mean that there is none.
    pub(super) fn until(&self, names: &[&str], context: Context<'_>) -> Line {
        let until = match self.uint(names) {
            None => "No end".to_owned(),
            Some((end, _)) if *end == Word::ZERO => "0, which some contracts take as no end".into(),
            Some((end, _)) => unix_seconds(end, context.now_ms),
        };
        line("Until", until)
    }
}

/// An address as a line.
pub(super) fn address_line(label: &str, address: &[u8; 20]) -> Line {
    line(label, eip55(address))
}

/// A token as a line; the zero address stands for the chain's own coin.
pub(super) fn token_line(token: Option<&[u8; 20]>) -> Line {
    line("Token contract", token_text(token))
}

/// A token in words.
pub(super) fn token_text(token: Option<&[u8; 20]>) -> String {
    match token {
        None => "Not said".to_owned(),
        Some([0, rest @ ..]) if rest.iter().all(|byte| *byte == 0) => {
            "the chain's own coin (zero address)".to_owned()
        }
        Some(token) => eip55(token),
    }
}

/// A member's name in lower case without underscores.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| *c != '_')
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
