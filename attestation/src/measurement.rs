//! PCRs and sets of them.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;
use std::str::FromStr;

use crate::limits::{PCR_BYTES, PCR_COUNT};

/// The value of one platform configuration register: a SHA-384 digest.
///
/// Written as 96 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pcr(pub [u8; PCR_BYTES]);

impl Pcr {
    /// The value of a register that nothing was measured into.
    pub const ZERO: Self = Self([0; PCR_BYTES]);

    /// Whether nothing was measured into the register.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for Pcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Pcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pcr({self})")
    }
}

/// Text that is not 96 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PCR is {} hexadecimal digits", PCR_BYTES * 2)]
pub struct PcrParseError;

impl FromStr for Pcr {
    type Err = PcrParseError;

    fn from_str(text: &str) -> Result<Self, PcrParseError> {
        let mut bytes = [0; PCR_BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| PcrParseError)?;
        Ok(Self(bytes))
    }
}

/// PCR values by index: what a policy expects, or what a document said. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurements(BTreeMap<u8, Pcr>);

/// Why PCRs do not make a set of measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeasurementsError {
    /// A set without a PCR would match every document.
    #[error("a measurement set names no PCR")]
    Empty,
    /// A bank has the PCRs 0 to 31.
    #[error("PCR{0} does not exist: the last one is 31")]
    Index(u8),
    /// Two values for one PCR.
    #[error("PCR{0} is given twice")]
    Twice(u8),
}

impl Measurements {
    /// A set of at least one PCR.
    ///
    /// # Errors
    ///
    /// No PCR, an index above 31, or an index given twice.
    pub fn new(pcrs: impl IntoIterator<Item = (u8, Pcr)>) -> Result<Self, MeasurementsError> {
        let mut set = BTreeMap::new();
        for (index, pcr) in pcrs {
            if usize::from(index) >= PCR_COUNT {
                return Err(MeasurementsError::Index(index));
            }
            if set.insert(index, pcr).is_some() {
                return Err(MeasurementsError::Twice(index));
            }
        }
        if set.is_empty() {
            return Err(MeasurementsError::Empty);
        }
        Ok(Self(set))
    }

    /// The PCR with this index.
    pub fn get(&self, index: u8) -> Option<&Pcr> {
        self.0.get(&index)
    }

    /// All PCRs in ascending order of their indices.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u8, &Pcr)> {
        self.0.iter().map(|(index, pcr)| (*index, pcr))
    }
}

impl IntoIterator for Measurements {
    type Item = (u8, Pcr);
    type IntoIter = btree_map::IntoIter<u8, Pcr>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_not_empty_and_names_existing_pcrs_once() {
        assert_eq!(Measurements::new([]), Err(MeasurementsError::Empty));
        assert_eq!(
            Measurements::new([(32, Pcr::ZERO)]),
            Err(MeasurementsError::Index(32))
        );
        assert_eq!(
            Measurements::new([(3, Pcr::ZERO), (3, Pcr([1; 48]))]),
            Err(MeasurementsError::Twice(3))
        );
        assert!(Measurements::new([(31, Pcr::ZERO)]).is_ok());
    }

    #[test]
    fn a_pcr_is_read_from_and_written_as_hex() {
        let text = "0123456789abcdef".repeat(6);
        assert_eq!(text.parse::<Pcr>().unwrap().to_string(), text);
        assert_eq!(
            text.to_uppercase().parse::<Pcr>().unwrap().to_string(),
            text
        );
        assert_eq!(text[2..].parse::<Pcr>(), Err(PcrParseError));
        assert_eq!("zz".repeat(48).parse::<Pcr>(), Err(PcrParseError));
    }
}
