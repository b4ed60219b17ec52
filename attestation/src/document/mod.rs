//! Attestation documents: the shape that hardware gives them.

mod cose;
mod cursor;
mod encode;
mod malformed;
mod parse;

use core::fmt;

pub use encode::{EncodeError, sign_document};
pub use malformed::{Field, KeyName, Malformed};

use crate::limits::{PCR_BYTES, PCR_COUNT};
use crate::time::UnixMillis;

/// What a document says, borrowed from its bytes.
///
/// For optionals `None` is a null or absent field; an empty one is `Some` of nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The NSM's name for the enclave, 1 to [`crate::limits::MAX_MODULE_ID`] letters, digits and
    /// hyphens.
    pub module_id: &'a str,
    /// When the NSM signed; more than 0.
    pub timestamp: UnixMillis,
    /// The locked PCRs, at least one.
    pub pcrs: Pcrs<'a>,
    /// DER of the certificate of the key that signed, 1 to [`crate::limits::MAX_CERTIFICATE`]
    /// bytes.
    pub certificate: &'a [u8],
    /// DER of the authorities, root first, 1 to [`crate::limits::MAX_BUNDLE`] of them.
    pub cabundle: Vec<&'a [u8]>,
    /// The enclave's key, at most [`crate::limits::MAX_FIELD`] bytes.
    pub public_key: Option<&'a [u8]>,
    /// The enclave's data, at most [`crate::limits::MAX_FIELD`] bytes.
    pub user_data: Option<&'a [u8]>,
    /// The asker's nonce, at most [`crate::limits::MAX_FIELD`] bytes.
    pub nonce: Option<&'a [u8]>,
}

/// PCRs by index, borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pcrs<'a>([Option<&'a [u8; PCR_BYTES]>; PCR_COUNT]);

impl<'a> Pcrs<'a> {
    /// No PCRs yet.
    pub const fn new() -> Self {
        Self([None; PCR_COUNT])
    }

    /// The PCR with this index.
    pub fn get(&self, index: u8) -> Option<&'a [u8; PCR_BYTES]> {
        self.0.get(usize::from(index)).copied().flatten()
    }

    /// Sets one; `false`, and nothing changes, when the index is above 31 or already set.
    pub fn insert(&mut self, index: u8, pcr: &'a [u8; PCR_BYTES]) -> bool {
        match self.0.get_mut(usize::from(index)) {
            Some(slot @ None) => {
                *slot = Some(pcr);
                true
            }
            _ => false,
        }
    }

    /// Those that are present, in ascending order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8; PCR_BYTES])> {
        (0..).zip(self.0).filter_map(|(i, pcr)| Some((i, pcr?)))
    }

    /// How many are present.
    pub fn len(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// Whether none is present.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether they are those of debug mode: nothing measured into PCR0, 1 and 2. The other PCRs
    /// say nothing about it; hardware fills PCR4 in debug mode too.
    pub fn are_debug(&self) -> bool {
        (0..=2).all(|i| self.get(i).is_none_or(|pcr| *pcr == [0; PCR_BYTES]))
    }
}

impl Default for Pcrs<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Pcrs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (index, pcr) in self.iter() {
            map.entry(&index, &hex::encode(pcr));
        }
        map.finish()
    }
}

/// Who claims to have made a document, by the form of its module id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// A Nitro enclave: anything that is not `sim-…`. (A NitroTPM's document does not parse.)
    Hardware,
    /// A simulator: `sim-…`.
    Simulator,
}

impl ModuleKind {
    /// The kind that a module id claims.
    pub fn of(module_id: &str) -> Self {
        if module_id.starts_with("sim-") {
            Self::Simulator
        } else {
            Self::Hardware
        }
    }

    const fn name_suffix(self) -> &'static str {
        match self {
            Self::Hardware => "aws",
            Self::Simulator => "sim",
        }
    }
}

/// The common name that a leaf certificate has for this module: `<module id>.<region>.aws` on
/// hardware, `<module id>.<region>.sim` in the simulator.
pub fn leaf_common_name(module_id: &str, region: &str) -> String {
    let suffix = ModuleKind::of(module_id).name_suffix();
    format!("{module_id}.{region}.{suffix}")
}

/// The region in a leaf's common name, or `None` when the name is not this module's.
#[cfg_attr(
    not(any(feature = "aws-lc", feature = "pure")),
    allow(dead_code, reason = "used by the verifier")
)]
pub(crate) fn region_of<'n>(common_name: &'n str, module_id: &str) -> Option<&'n str> {
    let suffix = ModuleKind::of(module_id).name_suffix();
    let rest = common_name.strip_prefix(module_id)?.strip_prefix('.')?;
    let region = rest.strip_suffix(suffix)?.strip_suffix('.')?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (!region.is_empty() && region.chars().all(plain)).then_some(region)
}

/// A parsed document. Parsed is not verified: everything in it is still the sender's claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    payload: Payload<'a>,
    signed: &'a [u8],
    signature: &'a [u8; cose::SIGNATURE_BYTES],
}

impl<'a> Document<'a> {
    /// What it says.
    pub fn payload(&self) -> &Payload<'a> {
        &self.payload
    }

    /// The payload's own bytes, which are what is signed.
    pub fn signed_bytes(&self) -> &'a [u8] {
        self.signed
    }

    /// The signature, `r ‖ s`. `s` may be high, so (r, n − s) is a second valid one and the hash of
    /// a document identifies nothing.
    pub fn signature(&self) -> &'a [u8; cose::SIGNATURE_BYTES] {
        self.signature
    }

    /// The `Sig_structure` (RFC 9052 §4.4) over the payload's own bytes, of which the signature is.
    pub fn to_be_signed(&self) -> Vec<u8> {
        cose::sig_structure(self.signed)
    }
}
