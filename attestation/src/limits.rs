//! Bounds on what comes from outside, each with its reason.

/// Longest payload of a document, in bytes (AWS: the payload is `bstr .size (1..16384)`).
pub const MAX_PAYLOAD: usize = 16_384;

/// Longest document, in bytes: the longest payload and room for the envelope around it, which is
/// fixed (113 bytes with the optional tag).
pub const MAX_DOCUMENT: usize = MAX_PAYLOAD + 128;

/// Longest module id, in bytes. Hardware sends 39; the id has to fit into a certificate's common
/// name, which X.520 bounds at 64 characters.
pub const MAX_MODULE_ID: usize = 64;

/// Number of PCRs in a bank: indices 0 to 31.
pub const PCR_COUNT: usize = 32;

/// Bytes in a PCR: a SHA-384 digest, the only digest the NSM uses.
pub const PCR_BYTES: usize = 48;

/// Longest certificate inside a document, in bytes (AWS).
pub const MAX_CERTIFICATE: usize = 1_024;

/// Most certificates in a bundle. Hardware sends 4 (root, regional, zonal, instance); twice that
/// leaves room for a longer hierarchy and keeps the work for one document bounded.
pub const MAX_BUNDLE: usize = 8;

/// Longest `public_key`, `user_data` or `nonce`, in bytes. AWS's text says both 512 and 1024 for
/// two of them; hardware signs 1024.
pub const MAX_FIELD: usize = 1_024;

/// Longest request to the NSM device, in bytes, all fields and encoding included.
pub const MAX_NSM_REQUEST: usize = 0x1000;

/// Longest response of the NSM device, in bytes.
pub const MAX_NSM_RESPONSE: usize = 0x3000;

/// Most roots that a verifier pins: partitions and simulators, with room.
pub const MAX_ROOTS: usize = 16;

/// Longest DER of a pinned root, in bytes. One longer than [`MAX_CERTIFICATE`] could never stand
/// at the head of a bundle.
pub const MAX_ROOT: usize = MAX_CERTIFICATE;

/// Most measurement sets in a policy: releases that are accepted side by side during an upgrade.
pub const MAX_MEASUREMENT_SETS: usize = 256;

/// Most release manifests that a policy names: each is a file to read and up to 32 signatures to
/// check, before anything is known about who wrote the policy.
pub const MAX_RELEASES: usize = 32;

/// Longest policy file, in bytes: the most measurement sets with a handful of PCRs each, with
/// roots.
pub const MAX_POLICY_FILE: usize = 1 << 20;

/// Longest maximum age a policy may ask for: the life of the hardware's leaf certificates, three
/// hours. An older document is refused by its chain anyway.
pub const MAX_AGE_SECONDS: u64 = 3 * 60 * 60;

/// Largest clock skew a policy may allow. A clock that is wrong by more needs repair, not a policy.
pub const MAX_SKEW_SECONDS: u64 = 300;

/// Maximum age when a policy says nothing: a fresh document is made for the asker's nonce, so it
/// is as old as the way back is long.
pub const DEFAULT_AGE_SECONDS: u64 = 300;

/// Maximum age of evidence for a channel when a policy says nothing: the life of an enclave's TLS
/// key. The document is made once for each key, not for each asker.
pub const DEFAULT_CHANNEL_AGE_SECONDS: u64 = 60 * 60;

/// Allowed skew when a policy says nothing: what machines without a time service drift in weeks.
pub const DEFAULT_SKEW_SECONDS: u64 = 60;

/// Verified chains that a cache keeps when nothing else is said: an enclave has one at a time.
pub const DEFAULT_CACHED_CHAINS: usize = 256;
