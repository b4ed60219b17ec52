//! The root key: 32 bytes per deployment from which every other key is derived, and how an enclave
//! comes by it.

mod descriptor;
pub mod egress;
mod genesis;
pub mod hand_over;
pub mod kms;
mod shares;
pub mod source;
mod waiting;

pub use descriptor::{Descriptor, DescriptorError};
pub use source::{Obtaining, RootKeySource, SourceError};
pub(crate) use waiting::{Taken, Waiting};

use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::traces::without_traces;

/// Separates this program's derivations from any other use of the same bytes.
const SALT: &[u8] = b"openkey/root/v1";

/// Derived secret bytes. Boxed, so that passing them on leaves no copies on the stack.
pub(crate) type Secret<const N: usize> = Box<Zeroizing<[u8; N]>>;

/// A deployment's root key. Boxed, so that moving it leaves no copy; wiped when dropped; neither
/// printed, cloned nor serialised.
pub struct RootKey(Box<Zeroizing<[u8; 32]>>);

impl core::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RootKey(..)")
    }
}

impl RootKey {
    /// Takes a root key over. The caller wipes its own copy.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut own = Box::new(Zeroizing::new([0; 32]));
        own.copy_from_slice(bytes);
        Self(own)
    }

    /// The bytes themselves, for what wraps or splits them.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }

    /// Whether all bytes are equal: a file of zeros is no key.
    pub(crate) fn is_trivial(&self) -> bool {
        let first = self.0.first().copied().unwrap_or_default();
        self.0.iter().all(|byte| *byte == first)
    }

    /// Derives `N` bytes by HKDF-SHA256 (RFC 5869) for a purpose named by `parts`. Each part is
    /// preceded by its length, so that no two lists of parts are the same input. What HKDF leaves on the
    /// stack is wiped.
    pub(crate) fn derive<const N: usize>(&self, parts: &[&[u8]]) -> Secret<N> {
        without_traces(|| self.derived(parts))
    }

    fn derived<const N: usize>(&self, parts: &[&[u8]]) -> Secret<N> {
        let mut info = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            info.extend_from_slice(&(part.len() as u64).to_be_bytes());
            info.extend_from_slice(part);
        }
        let mut out = Box::new(Zeroizing::new([0; N]));
        const { assert!(N <= 255 * 32, "HKDF-SHA256 gives at most 255 blocks") };
        let hkdf = Hkdf::<Sha256>::new(Some(SALT), self.0.as_slice());
        if hkdf.expand(&info, out.as_mut_slice()).is_err() {
            // Excluded by the assertion above; zeros must never pass for a key.
            unreachable!("length checked at compile time");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hybrid::BootKey, identity::Identity};

    #[test]
    fn m3_secrets_are_neither_copied_nor_serialised_nor_printed() {
        static_assertions::assert_not_impl_any!(RootKey: Clone, serde::Serialize, core::fmt::Display);
        static_assertions::assert_not_impl_any!(BootKey: Clone, serde::Serialize, core::fmt::Debug);
        static_assertions::assert_not_impl_any!(Identity: Clone, serde::Serialize, core::fmt::Debug);
        assert_eq!(format!("{:?}", RootKey::new(&[7; 32])), "RootKey(..)");
    }

    #[test]
    fn m4_root_keys_have_no_comparison_but_the_constant_time_one() {
        static_assertions::assert_not_impl_any!(RootKey: PartialEq, PartialOrd, AsRef<[u8]>);
        static_assertions::assert_not_impl_any!(BootKey: PartialEq);
        static_assertions::assert_not_impl_any!(Identity: PartialEq);
        let (one, mut other) = (RootKey::new(&[7; 32]), [7; 32]);
        assert!(one.equals(&RootKey::new(&other)));
        other[31] ^= 1;
        assert!(!one.equals(&RootKey::new(&other)));
    }

    #[test]
    fn derivations_are_unambiguous() {
        let root = RootKey::new(&[7; 32]);
        let one = root.derive::<32>(&[b"ab", b"c"]);
        let two = root.derive::<32>(&[b"a", b"bc"]);
        let three = root.derive::<32>(&[b"abc"]);
        assert_ne!(one, two);
        assert_ne!(one, three);
        assert_eq!(one, root.derive::<32>(&[b"ab", b"c"]));
    }

    #[test]
    fn e4_a_trivial_root_key_is_recognised() {
        for byte in [0, 0xff, b'x'] {
            assert!(RootKey::new(&[byte; 32]).is_trivial());
        }
        assert!(!RootKey::new(&core::array::from_fn(|at| u8::try_from(at).unwrap())).is_trivial());
    }
}
