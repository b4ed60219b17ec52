//! The 32 platform configuration registers.
//!
//! Semantics measured on the Nitro device model: 0 to 15 are locked from the start; extending sets
//! a register to SHA-384(old ‖ data) with the data as given, empty data included; a locked register
//! refuses both another extension and another lock as read-only.

use aws_lc_rs::digest::{SHA384, digest};

/// Registers of the module.
pub const COUNT: usize = 32;
/// Registers 0 to 15 belong to the platform and are locked before the enclave runs.
const PLATFORM: usize = 16;

/// SHA-384, the only digest of the module.
pub type Pcr = [u8; 48];

/// Why a register operation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PcrError {
    /// There are [`COUNT`] registers.
    #[error("there is no such register")]
    InvalidIndex,
    /// The register is locked.
    #[error("the register is locked")]
    ReadOnlyIndex,
}

#[derive(Clone, Copy)]
struct Register {
    value: Pcr,
    locked: bool,
}

/// The registers of one simulated enclave.
pub struct Bank {
    registers: [Register; COUNT],
}

impl Bank {
    /// A bank whose platform registers hold `platform` (others zero) and are locked.
    #[must_use]
    pub fn new(platform: impl IntoIterator<Item = (usize, Pcr)>) -> Self {
        let mut registers = [Register {
            value: [0; 48],
            locked: false,
        }; COUNT];
        registers
            .iter_mut()
            .take(PLATFORM)
            .for_each(|register| register.locked = true);
        for (index, value) in platform {
            if let Some(register) = registers.get_mut(index) {
                register.value = value;
            }
        }
        Self { registers }
    }

    /// SHA-384(old ‖ data); returns the new value.
    ///
    /// # Errors
    ///
    /// [`PcrError`].
    pub fn extend(&mut self, index: u16, data: &[u8]) -> Result<Pcr, PcrError> {
        let register = self.unlocked(index)?;
        register.value = extended(&register.value, data);
        Ok(register.value)
    }

    /// Makes a register read-only, and part of every document from now on.
    ///
    /// # Errors
    ///
    /// [`PcrError`].
    pub fn lock(&mut self, index: u16) -> Result<(), PcrError> {
        self.unlocked(index)?.locked = true;
        Ok(())
    }

    /// A register and whether it is locked.
    ///
    /// # Errors
    ///
    /// [`PcrError::InvalidIndex`].
    pub fn describe(&self, index: u16) -> Result<(Pcr, bool), PcrError> {
        let register = self.registers.get(usize::from(index));
        let register = register.ok_or(PcrError::InvalidIndex)?;
        Ok((register.value, register.locked))
    }

    /// The locked registers in ascending order: what a document lists.
    pub fn locked(&self) -> impl Iterator<Item = (u8, Pcr)> + '_ {
        (0..)
            .zip(&self.registers)
            .filter(|(_, register)| register.locked)
            .map(|(index, register)| (index, register.value))
    }

    fn unlocked(&mut self, index: u16) -> Result<&mut Register, PcrError> {
        let register = self.registers.get_mut(usize::from(index));
        let register = register.ok_or(PcrError::InvalidIndex)?;
        if register.locked {
            return Err(PcrError::ReadOnlyIndex);
        }
        Ok(register)
    }
}

/// SHA-384(old ‖ data).
#[must_use]
pub fn extended(old: &Pcr, data: &[u8]) -> Pcr {
    let mut input = Vec::with_capacity(old.len() + data.len());
    input.extend_from_slice(old);
    input.extend_from_slice(data);
    sha384(&input)
}

pub(super) fn sha384(data: &[u8]) -> Pcr {
    let mut value = [0; 48];
    value
        .iter_mut()
        .zip(digest(&SHA384, data).as_ref())
        .for_each(|(to, from)| *to = *from);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extending_hashes_the_data_as_given() {
        let mut bank = Bank::new([]);
        let first = bank.extend(16, b"abc").unwrap();
        assert_eq!(first, sha384(&[&[0; 48][..], b"abc"].concat()));
        let second = bank.extend(16, b"").unwrap();
        assert_eq!(second, sha384(&first));
    }

    #[test]
    fn platform_registers_are_locked() {
        let mut bank = Bank::new([(0, [7; 48])]);
        for index in 0..16 {
            assert_eq!(bank.extend(index, b""), Err(PcrError::ReadOnlyIndex));
            assert_eq!(bank.lock(index), Err(PcrError::ReadOnlyIndex));
        }
        assert_eq!(bank.describe(0), Ok(([7; 48], true)));
    }

    #[test]
    fn a_lock_is_for_ever() {
        let mut bank = Bank::new([]);
        assert_eq!(bank.locked().count(), 16);
        bank.lock(31).unwrap();
        assert_eq!(bank.lock(31), Err(PcrError::ReadOnlyIndex));
        assert_eq!(bank.extend(31, b"x"), Err(PcrError::ReadOnlyIndex));
        assert_eq!(bank.locked().last(), Some((31, [0; 48])));
    }

    #[test]
    fn there_are_32() {
        let mut bank = Bank::new([]);
        assert_eq!(bank.extend(32, b""), Err(PcrError::InvalidIndex));
        assert_eq!(bank.lock(32), Err(PcrError::InvalidIndex));
        assert_eq!(bank.describe(32), Err(PcrError::InvalidIndex));
    }
}
