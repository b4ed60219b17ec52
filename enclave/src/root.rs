//! The root key: 32 bytes per deployment from which every other key is derived.

use hkdf::Hkdf;
use openkey_protocol::message::{Hash32, RootSource};
use sha2::Sha256;
use zeroize::Zeroizing;

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

    /// Whether all bytes are equal: a file of zeros is no key.
    fn is_trivial(&self) -> bool {
        let first = self.0.first().copied().unwrap_or_default();
        self.0.iter().all(|byte| *byte == first)
    }

    /// Derives `N` bytes by HKDF-SHA256 (RFC 5869) for a purpose named by `parts`. Each part is
    /// preceded by its length, so that no two lists of parts are the same input.
    pub(crate) fn derive<const N: usize>(&self, parts: &[&[u8]]) -> Secret<N> {
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

/// A root key with what may be said about it in public.
#[derive(Debug)]
pub struct Root {
    /// The key.
    pub key: RootKey,
    /// Where it came from; every attestation document says so.
    pub source: RootSource,
    /// Commitment to it, where a ceremony made one.
    pub id: Option<Hash32>,
}

/// Where a root key comes from. This crate has no source of its own: a program that has none cannot
/// boot an enclave.
pub trait RootKeySource {
    /// Gets the root key. Called once, at boot, after the configuration was measured.
    ///
    /// # Errors
    ///
    /// [`RootKeyError`] if there is none; nothing is made up in its place.
    fn obtain(&self) -> Result<Root, RootKeyError>;
}

/// Why there is no root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootKeyError {
    /// The source has no key or cannot be reached.
    #[error("the root key source gives no key")]
    Unavailable,
    /// What the source holds is not 32 bytes of a key.
    #[error("the root key source holds no proper key")]
    Malformed,
}

/// Gets and checks the root key.
pub(crate) fn obtain(source: &dyn RootKeySource) -> Result<Root, RootKeyError> {
    let root = source.obtain()?;
    if root.key.is_trivial() {
        return Err(RootKeyError::Malformed);
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn e4_a_trivial_root_key_is_refused() {
        struct Fixed([u8; 32]);
        impl RootKeySource for Fixed {
            fn obtain(&self) -> Result<Root, RootKeyError> {
                Ok(Root {
                    key: RootKey::new(&self.0),
                    source: RootSource::Development,
                    id: None,
                })
            }
        }
        for byte in [0, 0xff, b'x'] {
            let refused = obtain(&Fixed([byte; 32])).map(|_| ());
            assert_eq!(refused, Err(RootKeyError::Malformed));
        }
    }

    #[test]
    fn a_root_key_is_not_printed() {
        assert_eq!(format!("{:?}", RootKey::new(&[7; 32])), "RootKey(..)");
    }
}
