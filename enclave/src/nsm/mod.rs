//! The Nitro Secure Module: one trait with one method, its limits, and the one thread that owns it.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

pub mod conformance;
mod device;
mod handle;

pub use device::Device;
pub use handle::{EVIDENCE_QUOTA, NsmHandle, QUEUE};

/// Platform configuration registers of an NSM; indexes are below this.
pub const PCRS: u16 = 32;
/// Bytes of a register's value: SHA-384.
pub const PCR_LEN: usize = 48;
/// The longest `nonce`, `user_data` and `public_key` that hardware signs, in bytes (AWS's
/// specification of the document, §2.2). Emulators take more: we refuse before we ask.
pub const MAX_FIELD: usize = 1024;
/// The longest request the driver takes, in bytes of CBOR.
pub const MAX_REQUEST: usize = 0x1000;
/// Room in [`MAX_REQUEST`] for the request's names and CBOR heads.
const REQUEST_OVERHEAD: usize = 64;
/// The most bytes one [`NsmRequest::Random`] gives.
pub const MAX_RANDOM: usize = 256;

/// What can be asked of an NSM. The names follow AWS's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NsmRequest {
    /// Who it is and what it can do.
    Describe,
    /// Up to [`MAX_RANDOM`] bytes of entropy.
    Random,
    /// An attestation document over these values.
    Attest {
        /// The verifier's nonce.
        nonce: Option<Vec<u8>>,
        /// Data the document binds.
        user_data: Option<Vec<u8>>,
        /// A key the document vouches for.
        public_key: Option<Vec<u8>>,
    },
    /// Sets a register to SHA-384(old value ‖ data).
    ExtendPcr {
        /// Below [`PCRS`].
        index: u16,
        /// Not hashed beforehand; may be empty.
        data: Vec<u8>,
    },
    /// Makes a register read-only until the next boot.
    LockPcr {
        /// Below [`PCRS`].
        index: u16,
    },
}

impl NsmRequest {
    /// Checks the limits of real hardware, which emulators do not enforce.
    ///
    /// # Errors
    ///
    /// [`NsmError::InputTooLarge`] or [`NsmError::InvalidIndex`], as hardware would say.
    pub fn check(&self) -> Result<(), NsmError> {
        match self {
            Self::Describe | Self::Random => Ok(()),
            Self::Attest {
                nonce,
                user_data,
                public_key,
            } => {
                let fields = [nonce, user_data, public_key];
                let lengths = fields.map(|field| field.as_ref().map_or(0, Vec::len));
                let total: usize = lengths.iter().sum();
                if lengths.iter().any(|len| *len > MAX_FIELD)
                    || total > MAX_REQUEST - REQUEST_OVERHEAD
                {
                    return Err(NsmError::InputTooLarge);
                }
                Ok(())
            }
            Self::ExtendPcr { index, data } => {
                if data.len() > MAX_REQUEST - REQUEST_OVERHEAD {
                    return Err(NsmError::InputTooLarge);
                }
                check_index(*index)
            }
            Self::LockPcr { index } => check_index(*index),
        }
    }
}

const fn check_index(index: u16) -> Result<(), NsmError> {
    if index < PCRS {
        Ok(())
    } else {
        Err(NsmError::InvalidIndex)
    }
}

/// What an NSM answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NsmResponse {
    /// To [`NsmRequest::Describe`].
    Description(NsmDescription),
    /// To [`NsmRequest::Random`]: 1 to [`MAX_RANDOM`] bytes, wiped when dropped.
    Random(Entropic),
    /// To [`NsmRequest::Attest`]: a COSE_Sign1 document.
    Document(Vec<u8>),
    /// To [`NsmRequest::ExtendPcr`]: the register's new value.
    Extended(Vec<u8>),
    /// To [`NsmRequest::LockPcr`].
    Locked,
}

/// Random bytes: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Entropic(Zeroizing<Vec<u8>>);

impl Entropic {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Entropic {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl core::fmt::Debug for Entropic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Entropic({} bytes)", self.0.len())
    }
}

/// An NSM's own description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NsmDescription {
    /// Major, minor and patch version of its API.
    pub version: (u16, u16, u16),
    /// Names the enclave; the same text is in its documents.
    pub module_id: String,
    /// How many registers it has.
    pub max_pcrs: u16,
    /// The registers that are read-only.
    pub locked_pcrs: BTreeSet<u16>,
    /// How registers are extended.
    pub digest: PcrDigest,
}

/// The hash of a register bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcrDigest {
    /// Not in use.
    Sha256,
    /// What hardware has.
    Sha384,
    /// Not in use.
    Sha512,
}

/// Why an NSM request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NsmError {
    /// The NSM did not understand an argument.
    #[error("the NSM refused an argument")]
    InvalidArgument,
    /// There is no such register.
    #[error("the NSM has no such register")]
    InvalidIndex,
    /// The register is locked.
    #[error("the NSM register is read-only")]
    ReadOnlyIndex,
    /// The NSM cannot do that.
    #[error("the NSM does not support the operation")]
    InvalidOperation,
    /// A field or the whole request is longer than hardware takes.
    #[error("the NSM request is too long")]
    InputTooLarge,
    /// The NSM failed.
    #[error("the NSM failed")]
    Internal,
    /// The NSM answered with something else than was asked for.
    #[error("the NSM gave an answer of another kind")]
    UnexpectedResponse,
    /// The device cannot be opened, or its owner has ended.
    #[error("the NSM cannot be reached")]
    Unreachable,
    /// Too many requests wait for the NSM already.
    #[error("too many requests wait for the NSM")]
    Busy,
}

/// An NSM: `/dev/nsm`, or the simulator's.
///
/// Calls may block and are made from one thread only ([`NsmHandle`]), because the device serialises
/// them anyway. Every implementation passes [`conformance::check`].
pub trait Nsm: Send {
    /// Asks and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`NsmError`], as the NSM says.
    fn call(&self, request: NsmRequest) -> Result<NsmResponse, NsmError>;
}

impl<N: Nsm + ?Sized> Nsm for Box<N> {
    fn call(&self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
        (**self).call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attest(len: usize) -> NsmRequest {
        NsmRequest::Attest {
            nonce: Some(vec![0; len]),
            user_data: None,
            public_key: None,
        }
    }

    #[test]
    fn limits_of_hardware_are_checked_before_asking() {
        assert_eq!(attest(MAX_FIELD).check(), Ok(()));
        assert_eq!(attest(MAX_FIELD + 1).check(), Err(NsmError::InputTooLarge));
        assert_eq!(
            NsmRequest::LockPcr { index: PCRS }.check(),
            Err(NsmError::InvalidIndex)
        );
        let extend = |index, len| NsmRequest::ExtendPcr {
            index,
            data: vec![0; len],
        };
        assert_eq!(extend(31, 32).check(), Ok(()));
        assert_eq!(extend(32, 32).check(), Err(NsmError::InvalidIndex));
        assert_eq!(
            extend(16, MAX_REQUEST).check(),
            Err(NsmError::InputTooLarge)
        );
    }

    #[test]
    fn random_bytes_are_not_printed() {
        let shown = format!("{:?}", NsmResponse::Random(vec![0xab; 4].into()));
        assert_eq!(shown, "Random(Entropic(4 bytes))");
    }
}
