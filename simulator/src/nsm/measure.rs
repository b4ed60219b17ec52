//! What a simulated image measures.
//!
//! Real images are measured by the builder as `ext(x) = SHA-384(0⁴⁸ ‖ SHA-384(x))`: PCR0 over
//! kernel, command line and ramdisks, PCR1 over kernel and boot ramdisk, PCR2 over the application.
//! The simulator has one file, the program itself:
//!
//! * PCR0 = ext(bytes of the running executable), so that another build is another measurement;
//! * PCR1 = ext("openkey-simulator/kernel/v1");
//! * PCR2 = ext("openkey-simulator/application/v1");
//! * PCR3 = SHA-384(0⁴⁸ ‖ "arn:aws:iam::000000000000:role/openkey-simulator"), the parent's role;
//! * PCR4 = SHA-384(0⁴⁸ ‖ instance id);
//! * PCR8 = ext("openkey-simulator/signing-certificate/v1"), where a signed image has its signer.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::digest::{Context, SHA384};

use super::pcr::{Pcr, extended, sha384};

const KERNEL: &[u8] = b"openkey-simulator/kernel/v1";
const APPLICATION: &[u8] = b"openkey-simulator/application/v1";
const SIGNER: &[u8] = b"openkey-simulator/signing-certificate/v1";
const ROLE: &[u8] = b"arn:aws:iam::000000000000:role/openkey-simulator";

/// PCR0, PCR1 and PCR2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// The whole image.
    pub pcr0: Pcr,
    /// Kernel and boot.
    pub pcr1: Pcr,
    /// The application.
    pub pcr2: Pcr,
}

impl Measurement {
    /// Measures the program that is running now. On Linux this is the file it was started from,
    /// even if that file has been replaced since.
    ///
    /// # Errors
    ///
    /// If the executable cannot be read.
    pub fn of_this_program() -> io::Result<Self> {
        // The file is large, and stays the same for as long as this process.
        static OWN: OnceLock<Measurement> = OnceLock::new();
        if let Some(own) = OWN.get() {
            return Ok(own.clone());
        }
        let own = Self::of_executable(&crate::files::this_program()?)?;
        Ok(OWN.get_or_init(|| own).clone())
    }

    /// Measures a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn of_executable(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hash = Context::new(&SHA384);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(buffer.get(..read).unwrap_or_default());
        }
        Ok(Self {
            pcr0: extended(&[0; 48], hash.finish().as_ref()),
            pcr1: ext(KERNEL),
            pcr2: ext(APPLICATION),
        })
    }

    /// What a debug-mode enclave shows: zeros.
    #[must_use]
    pub fn debug() -> Self {
        Self {
            pcr0: [0; 48],
            pcr1: [0; 48],
            pcr2: [0; 48],
        }
    }

    /// The platform registers of an enclave of this image on the given instance.
    #[must_use]
    pub fn platform(&self, instance_id: &str) -> Vec<(usize, Pcr)> {
        vec![
            (0, self.pcr0),
            (1, self.pcr1),
            (2, self.pcr2),
            (3, extended(&[0; 48], ROLE)),
            (4, extended(&[0; 48], instance_id.as_bytes())),
            (8, ext(SIGNER)),
        ]
    }
}

fn ext(content: &[u8]) -> Pcr {
    extended(&[0; 48], &sha384(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_executable_is_another_pcr0_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        std::fs::write(&path, b"one").unwrap();
        let one = Measurement::of_executable(&path).unwrap();
        assert_eq!(one.pcr0, extended(&[0; 48], &sha384(b"one")));
        std::fs::write(&path, b"two").unwrap();
        let two = Measurement::of_executable(&path).unwrap();
        assert_ne!(one.pcr0, two.pcr0);
        assert_eq!((one.pcr1, one.pcr2), (two.pcr1, two.pcr2));
    }

    #[test]
    fn the_running_program_can_be_measured() {
        let own = Measurement::of_this_program().unwrap();
        let path = std::env::current_exe().unwrap();
        assert_eq!(own, Measurement::of_executable(&path).unwrap());
    }

    #[test]
    fn debug_mode_keeps_the_instance() {
        let platform = Measurement::debug().platform("sim-1");
        assert!(platform.contains(&(0, [0; 48])));
        assert!(platform.contains(&(4, extended(&[0; 48], b"sim-1"))));
    }
}
