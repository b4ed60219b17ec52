//! A buffer that leaves no copy of what was written to it.

use core::convert::Infallible;

use zeroize::Zeroize;

/// Where the serialiser writes. Sealed records hold keys: growing must not leave them in freed
/// memory, so a larger buffer is made, filled, and the smaller one wiped.
#[derive(Default)]
pub(super) struct Wiping(Vec<u8>);

impl Wiping {
    /// Most messages fit, and then nothing grows.
    const FIRST: usize = 1024;

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiping {
    /// What was written, not the untouched rest of the buffer.
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl minicbor::encode::Write for Wiping {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let capacity = needed.max(self.0.capacity() * 2).max(Self::FIRST);
            let mut larger = Self(Vec::with_capacity(capacity));
            larger.0.extend_from_slice(&self.0);
            // The smaller one is wiped as it is dropped.
            *self = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
