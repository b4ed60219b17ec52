//! The platform configuration registers (PCRs) that say which image runs.
//!
//! `ext(x) = SHA-384(0⁴⁸ ‖ SHA-384(x))`:
//!
//! * PCR0, the whole image: ext(kernel ‖ command line ‖ every ramdisk)
//! * PCR1, kernel and bootstrap: ext(kernel ‖ command line ‖ first ramdisk)
//! * PCR2, the application: ext(the other ramdisks)
//!
//! Source: AWS Nitro Enclaves user guide, "Cryptographic attestation", and
//! aws-nitro-enclaves-image-format. Metadata and the signature are in none of them.

use sha2::{Digest, Sha384};

/// The value of a PCR.
pub type Pcr = [u8; 48];

/// The measurements of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurements {
    /// The whole image.
    pub pcr0: Pcr,
    /// Kernel, command line and first ramdisk.
    pub pcr1: Pcr,
    /// The other ramdisks.
    pub pcr2: Pcr,
}

impl Measurements {
    /// What a Nitro hypervisor measures for these parts.
    #[must_use]
    pub fn of(kernel: &[u8], command_line: &[u8], ramdisks: &[&[u8]]) -> Self {
        let (bootstrap, application) = ramdisks.split_at(ramdisks.len().min(1));
        let boot: Vec<&[u8]> = [&[kernel, command_line], bootstrap].concat();
        let all: Vec<&[u8]> = [&[kernel, command_line], ramdisks].concat();
        Self {
            pcr0: extend(&all),
            pcr1: extend(&boot),
            pcr2: extend(application),
        }
    }

    /// By index, as policies and manifests write them.
    #[must_use]
    pub const fn indexed(&self) -> [(u8, &Pcr); 3] {
        [(0, &self.pcr0), (1, &self.pcr1), (2, &self.pcr2)]
    }
}

/// A register at its initial value, extended by the concatenation of `parts`.
fn extend(parts: &[&[u8]]) -> Pcr {
    let mut content = Sha384::new();
    for part in parts {
        content.update(part);
    }
    let mut register = Sha384::new();
    register.update([0; 48]);
    register.update(content.finalize());
    register.finalize().into()
}
