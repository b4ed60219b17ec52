//! `encodeType`, `encodeData` and `hashStruct` of EIP-712.

use std::collections::{BTreeMap, BTreeSet};

use sha3::{Digest as _, Keccak256};

use super::{
    TypedDataError,
    types::{Schema, Type},
    value::{Struct, Value},
};
use crate::MAX_PAYLOAD;

/// Most bytes of `encodeType` in one document, over all structs that have a value. EIP-712 repeats
/// a struct in the encoding of every struct that can hold it, so that a ring of n structs takes n²
/// strings. Real documents take some kilobytes.
pub(super) const MAX_ENCODED: usize = 4 * MAX_PAYLOAD;

/// Hashes structs of one schema.
pub(super) struct Encoder<'s> {
    schema: &'s Schema,
    /// `typeHash` of the structs met so far.
    type_hashes: BTreeMap<usize, [u8; 32]>,
    /// Bytes of `encodeType` so far.
    encoded: usize,
}

impl<'s> Encoder<'s> {
    pub(super) const fn new(schema: &'s Schema) -> Self {
        Self {
            schema,
            type_hashes: BTreeMap::new(),
            encoded: 0,
        }
    }

    /// `keccak256(typeHash ‖ encodeData(s))`
    pub(super) fn hash_struct(&mut self, value: &Struct<'s>) -> Result<[u8; 32], TypedDataError> {
        let mut hash = Keccak256::new();
        hash.update(self.type_hash(value.definition.number)?);
        for (member, value) in value.members() {
            hash.update(self.word(&member.kind, value)?);
        }
        Ok(hash.finalize().into())
    }

    fn type_hash(&mut self, number: usize) -> Result<[u8; 32], TypedDataError> {
        if let Some(hash) = self.type_hashes.get(&number) {
            return Ok(*hash);
        }
        let hash = Keccak256::digest(self.encode_type(number)?).into();
        self.type_hashes.insert(number, hash);
        Ok(hash)
    }

    /// `encodeType`: the struct, then every struct that it can hold, in order of their names.
    pub(super) fn encode_type(&mut self, number: usize) -> Result<String, TypedDataError> {
        let mut reached = BTreeSet::new();
        let mut open = vec![number];
        // Looking for structs is work, too, and each of them has some bytes: the bound holds both.
        while let Some(definition) = open.pop().and_then(|it| self.schema.definition(it)) {
            self.encoded += definition.written.len();
            if self.encoded > MAX_ENCODED {
                return Err(TypedDataError::Encoding);
            }
            for held in &definition.holds {
                if *held != number && reached.insert(*held) {
                    open.push(*held);
                }
            }
        }
        // Numbers are given in order of the names.
        Ok(core::iter::once(number)
            .chain(reached)
            .filter_map(|number| self.schema.definition(number))
            .map(|definition| definition.written.as_str())
            .collect())
    }

    /// The 32 bytes that stand for a member's value.
    fn word(&mut self, kind: &Type, value: &Value<'s>) -> Result<[u8; 32], TypedDataError> {
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
            (_, Value::Struct(value)) => word = self.hash_struct(value)?,
            (Type::Array(item, _), Value::Array(values)) => {
                let mut hash = Keccak256::new();
                for value in values {
                    hash.update(self.word(item, value)?);
                }
                word = hash.finalize().into();
            }
            // 32 zero bytes, as version 4 of `eth_signTypedData` encodes a struct that is not
            // there. A list cannot have another type than a list: `Value::read` made it.
            (_, Value::Absent | Value::Array(_)) => {}
        }
        Ok(word)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::json, *};

    /// A schema of `count` structs, each of which holds those that `held` lists.
    fn schema(count: usize, held: impl Fn(usize) -> Vec<usize>) -> (Schema, usize) {
        let types: Vec<String> = (0..count)
            .map(|at| {
                let held: BTreeSet<usize> = held(at).into_iter().collect();
                let mut members: Vec<String> = held
                    .into_iter()
                    .map(|inner| format!(r#"{{"name":"m{inner}","type":"T{inner:03}[]"}}"#))
                    .collect();
                // A struct has members.
                if members.is_empty() {
                    members.push(r#"{"name":"last","type":"bool"}"#.to_owned());
                }
                format!(r#""T{at:03}":[{}]"#, members.join(","))
            })
            .collect();
        let text = format!("{{{}}}", types.join(","));
        (
            Schema::read(&json::parse(&text).unwrap()).unwrap(),
            text.len(),
        )
    }

    #[test]
    fn types_are_written_with_all_that_they_can_hold_and_themselves_first() {
        let (schema, _) = schema(4, |at| match at {
            2 => vec![0, 3],
            3 => vec![2],
            _ => vec![1],
        });
        let mut encoder = Encoder::new(&schema);
        let written = encoder.encode_type(2).unwrap();
        assert_eq!(
            written,
            "T002(T000[] m0,T003[] m3)T000(T001[] m1)T001(T001[] m1)T003(T002[] m2)"
        );
        assert_eq!(encoder.encoded, written.len());
    }

    /// Counted, not timed: however the structs hold each other, no more is written than the bound
    /// and one struct.
    #[test]
    fn h4_encodings_that_explode_are_refused_after_a_bounded_amount_of_work() {
        let count = 224;
        for held in [
            &(|at: usize| vec![(at + 1) % 224]) as &dyn Fn(usize) -> Vec<usize>,
            &|at: usize| vec![(at + 1) % 224, (at * 7 + 3) % 224],
            &|at: usize| (at + 1..224.min(at + 3)).collect(),
        ] {
            let (schema, size) = schema(count, held);
            let mut encoder = Encoder::new(&schema);
            let hashes: Result<Vec<_>, _> = (0..count).map(|at| encoder.type_hash(at)).collect();
            assert_eq!(hashes, Err(TypedDataError::Encoding));
            assert!(encoder.encoded <= MAX_ENCODED + size);
            // One of them alone is no more than the document.
            let mut encoder = Encoder::new(&schema);
            encoder.type_hash(0).unwrap();
            encoder.type_hash(0).unwrap();
            assert!(encoder.encoded <= size);
        }
    }
}
