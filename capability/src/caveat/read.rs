//! Caveats that were read once, to be compared many times.

use serde_json::Value;

use super::{Restriction, Wider};
use crate::attenuation::{Caveat, Caveats};

/// A bound on what one check may cost, in comparisons.
#[derive(Debug)]
pub(crate) struct Work {
    left: usize,
}

/// A check costs more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

impl Work {
    /// So many comparisons.
    pub(crate) const fn new(most: usize) -> Self {
        Self { left: most }
    }

    /// Some are made.
    ///
    /// # Errors
    ///
    /// [`TooMuch`].
    pub(crate) fn spend(&mut self, comparisons: usize) -> Result<(), TooMuch> {
        self.left = self.left.checked_sub(comparisons).ok_or(TooMuch)?;
        Ok(())
    }
}

/// Caveats as they are compared; none restrict nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReadCaveats(Box<[Read]>);

#[derive(Clone, Debug, PartialEq)]
struct Read {
    /// Of everything that it says: what has the same is the same.
    hash: [u8; 32],
    is_empty: bool,
    restricts: Result<Restriction, super::CaveatError>,
    /// Comparisons that it takes part in with, beside one.
    weight: usize,
}

impl ReadCaveats {
    pub(crate) fn of(caveats: &Caveats) -> Self {
        if caveats.is_none() {
            return Self::default();
        }
        Self(caveats.as_slice().iter().map(Read::of).collect())
    }

    /// Whether what a child grants stays within what its parent does, as
    /// [`check_contained`](super::check_contained) says.
    ///
    /// # Errors
    ///
    /// [`TooMuch`].
    pub(crate) fn is_contained(&self, parent: &Self, work: &mut Work) -> Result<bool, TooMuch> {
        if parent.0.is_empty() {
            return Ok(true);
        }
        work.spend(self.0.len())?;
        if self == parent {
            return Ok(true);
        }
        if self.0.is_empty() {
            return Ok(false);
        }
        for caveat in &self.0 {
            if caveat.is_empty || !caveat.is_within_any(&parent.0, work)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Read {
    fn of(caveat: &Caveat) -> Self {
        let mut hasher = blake3::Hasher::new();
        hash_members(caveat, &mut hasher);
        let restricts = Restriction::read(caveat);
        Self {
            hash: *hasher.finalize().as_bytes(),
            is_empty: caveat.is_empty(),
            weight: match &restricts {
                Ok(Restriction::Statements(statements)) => statements.weight(),
                _ => 0,
            },
            restricts,
        }
    }

    fn is_within_any(&self, of_parent: &[Self], work: &mut Work) -> Result<bool, TooMuch> {
        for parent in of_parent {
            work.spend(1)?;
            if self.hash == parent.hash {
                return Ok(true);
            }
            let within: Result<(), Wider> = match (&self.restricts, &parent.restricts) {
                (Ok(Restriction::Statements(child)), Ok(Restriction::Statements(parent_of))) => {
                    work.spend(self.weight + parent.weight)?;
                    child.within(parent_of)
                }
                (Ok(Restriction::Selector(child)), Ok(Restriction::Selector(parent))) => {
                    child.within(parent)
                }
                _ => Err(Wider::Different),
            };
            if within.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Everything that a value says, whatever the order of members.
fn hash(value: &Value, hasher: &mut blake3::Hasher) {
    match value {
        Value::Array(values) => {
            hasher.update(b"[");
            hasher.update(&values.len().to_le_bytes());
            values.iter().for_each(|value| hash(value, hasher));
        }
        Value::Object(members) => hash_members(members, hasher),
        Value::String(text) => hash_text(text, hasher),
        // numbers are the same if they are written alike
        other => {
            hasher.update(b"=");
            hash_text(&other.to_string(), hasher);
        }
    }
}

fn hash_members(members: &Caveat, hasher: &mut blake3::Hasher) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    hasher.update(b"{");
    hasher.update(&sorted.len().to_le_bytes());
    for (name, value) in sorted {
        hash_text(name, hasher);
        hash(value, hasher);
    }
}

fn hash_text(text: &str, hasher: &mut blake3::Hasher) {
    hasher.update(b"'");
    hasher.update(&text.len().to_le_bytes());
    hasher.update(text.as_bytes());
}
