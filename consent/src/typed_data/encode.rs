//! `encodeType`, `encodeData` and `hashStruct` of EIP-712.

use std::collections::BTreeMap;

use sha3::{Digest as _, Keccak256};

use super::{
    types::{Schema, Type},
    value::{Struct, Value},
};

/// Hashes structs of one schema.
pub(super) struct Encoder<'s> {
    schema: &'s Schema,
    /// `typeHash` of the structs met so far.
    type_hashes: BTreeMap<&'s str, [u8; 32]>,
}

impl<'s> Encoder<'s> {
    pub(super) const fn new(schema: &'s Schema) -> Self {
        Self {
            schema,
            type_hashes: BTreeMap::new(),
        }
    }

    /// `keccak256(typeHash ‖ encodeData(s))`
    pub(super) fn hash_struct(&mut self, value: &Struct<'s>) -> [u8; 32] {
        let mut hash = Keccak256::new();
        hash.update(self.type_hash(&value.definition.name));
        for (member, value) in value.members() {
            hash.update(self.word(&member.kind, value));
        }
        hash.finalize().into()
    }

    fn type_hash(&mut self, name: &'s str) -> [u8; 32] {
        if let Some(hash) = self.type_hashes.get(name) {
            return *hash;
        }
        let hash = Keccak256::digest(encode_type(self.schema, name)).into();
        self.type_hashes.insert(name, hash);
        hash
    }

    /// The 32 bytes that stand for a member's value.
    fn word(&mut self, kind: &Type, value: &Value<'s>) -> [u8; 32] {
        let mut word = [0; 32];
        match (kind, value) {
            (_, Value::Bool(value)) => {
                let [.., last] = &mut word;
                *last = u8::from(*value);
            }
            (_, Value::Address(address)) => {
                if let Some(low) = word.last_chunk_mut::<20>() {
                    *low = *address;
                }
            }
            (
                _,
                Value::Integer {
                    negative,
                    magnitude,
                },
            ) => {
                word = if *negative {
                    magnitude.negated()
                } else {
                    *magnitude
                }
                .0;
            }
            // Fewer than 32 bytes are filled up at their end.
            (Type::FixedBytes(_), Value::Bytes(bytes)) => {
                for (place, byte) in word.iter_mut().zip(bytes) {
                    *place = *byte;
                }
            }
            (_, Value::Bytes(bytes)) => word = Keccak256::digest(bytes).into(),
            (_, Value::String(text)) => word = Keccak256::digest(text).into(),
            (_, Value::Struct(value)) => word = self.hash_struct(value),
            (Type::Array(item, _), Value::Array(values)) => {
                let mut hash = Keccak256::new();
                for value in values {
                    hash.update(self.word(item, value));
                }
                word = hash.finalize().into();
            }
            // 32 zero bytes, as version 4 of `eth_signTypedData` encodes a struct that is not
            // there. A list cannot have another type than a list: `Value::read` made it.
            (_, Value::Absent | Value::Array(_)) => {}
        }
        word
    }
}

/// The struct, then every struct that it can hold, in order of their names.
pub(super) fn encode_type(schema: &Schema, name: &str) -> String {
    let others = schema.reachable(name);
    core::iter::once(name)
        .chain(others.into_iter().filter(|other| *other != name))
        .filter_map(|name| schema.get(name))
        .map(ToString::to_string)
        .collect()
}
