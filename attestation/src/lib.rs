//! Attestation documents of the Nitro Secure Module (NSM): ask for one, encode, parse, verify,
//! and the policy that a verifier holds them to.
//!
//! A document is a COSE_Sign1 message (RFC 9052) that the NSM signs with a key whose certificate
//! chains to the AWS Nitro Enclaves root. It says which code runs in an enclave (the PCRs), and
//! carries up to three fields of the enclave's choice: `nonce`, `user_data` and `public_key`.
//!
//! Verification is a pure function of (bytes, roots, time, policy): no clock, no I/O, no global
//! state. It compiles to WebAssembly with the feature `pure`.
//!
//! # Checking a document
//!
//! ```
//! # #[cfg(any(feature = "aws-lc", feature = "pure"))] {
//! use openkey_attestation::{Measurements, Nonce, Pcr, Policy, Refusal, Roots, UnixMillis, Verifier};
//!
//! // What is accepted: this image, and nothing older than the default of five minutes.
//! let image = Measurements::new([(0, Pcr([0xab; 48]))]).unwrap();
//! let policy = Policy::one_of([image]).unwrap();
//! // The nonce must be one that this verifier chose at random for this document.
//! let nonce = Nonce::new(&[7; 32]).unwrap();
//!
//! let verifier = Verifier::new(Roots::aws());
//! let now = UnixMillis(1_760_000_000_000);
//! let answer = verifier.fresh(b"not a document", &policy, &nonce, now);
//! assert!(matches!(answer, Err(Refusal::Malformed(_))));
//! # }
//! ```
//!
//! [`Fresh`] evidence (the verifier's own nonce, now), [`Channel`] evidence (no nonce, a key that
//! is the connection's, young) and [`Archival`] evidence (a stored document, judged at its own
//! time) are different types and none becomes another. [`Document::parse`] alone proves nothing:
//! its fields are claims of whoever sent the bytes.
//!
//! # What is checked, in this order
//!
//! 1. The shape ([`Malformed`]): one strict pass, no generic decoding; see [`Document::parse`].
//! 2. The kind: documents of the simulator (module ids `sim-…`) are refused unless the policy asks
//!    for them, and then it accepts nothing else ([`Policy::simulator`]).
//! 3. For fresh evidence: time stamp neither in the future nor too old, nonce equal. For a
//!    channel's: the same with its own maximum age, and no nonce.
//! 4. The chain ([`ChainError`]): bundle root first, the root a pinned one byte for byte, every
//!    entry the issuer of the next one, validity, key usages, path lengths, signatures.
//! 5. The document's signature by the leaf key, and the leaf's name against the module id.
//! 6. Debug mode, measurements, key binding.
//!
//! The sources are AWS's "attestation process" page (aws-nitro-enclaves-nsm-api) for the rules and
//! documents made by real hardware for what they mean in practice.

// Tests may stop at the first surprise.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod certificate;
mod document;
mod error;
pub mod json;
pub mod limits;
mod measurement;
mod policy;
mod request;
mod roots;
mod time;

#[cfg(any(feature = "aws-lc", feature = "pure"))]
mod cache;
#[cfg(any(feature = "aws-lc", feature = "pure"))]
mod chain;
mod evidence;
#[cfg(any(feature = "aws-lc", feature = "pure"))]
mod p384;
#[cfg(any(feature = "aws-lc", feature = "pure"))]
mod verify;

#[cfg(any(feature = "aws-lc", feature = "pure"))]
pub use cache::ChainCache;
pub use document::{
    Document, EncodeError, Field, KeyName, Malformed, ModuleKind, Payload, Pcrs, leaf_common_name,
    sign_document,
};
pub use error::{ChainError, Party, Refusal};
pub use evidence::{Archival, Channel, Claims, Fresh};
pub use measurement::{Measurements, MeasurementsError, Pcr, PcrParseError};
pub use policy::{Policy, PolicyDraft, PolicyError, PolicyFile, PolicyFileError, ReleaseKeysText};
pub use request::{Nonce, NonceError, Request, RequestError};
pub use roots::{AWS_ROOT_SHA256, Roots, RootsError};
pub use time::UnixMillis;
#[cfg(any(feature = "aws-lc", feature = "pure"))]
pub use verify::Verifier;
