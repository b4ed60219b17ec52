//! Content identifiers of tokens: CIDv1, codec raw, BLAKE3-256, over the bytes as they were received.
//! <https://github.com/multiformats/cid>

use core::fmt;

use cid::Version;
use cid::multibase::{self, Base};
use multihash::Multihash;

/// Codec `raw` (multicodec table).
const RAW: u64 = 0x55;
/// BLAKE3 (multicodec table).
const BLAKE3: u64 = 0x1e;
/// Longest text that is read: base 2 of 36 bytes would be longer, and nobody writes it.
const MAX_TEXT: usize = 128;

/// The name of a delegation, an invocation or a revocation: the hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid([u8; 32]);

/// A text is no content identifier of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a content identifier (CIDv1 with a BLAKE3-256 hash)")]
pub struct CidError;

impl Cid {
    /// The name of these bytes: of a decoded CACAO, or of the ASCII text of a compact JWT.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The hash alone.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name with this hash.
    #[must_use]
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Reads the text of a CIDv1 in any multibase. The whole text is the identifier: no path or
    /// address around it, nothing behind it. The codec does not matter: tokens are found by their
    /// hash.
    ///
    /// # Errors
    ///
    /// [`CidError`].
    pub fn parse(text: &str) -> Result<Self, CidError> {
        if text.len() > MAX_TEXT {
            return Err(CidError);
        }
        // The library's reader of texts looks for `/ipfs/` and takes what stands behind it.
        let (base, bytes) = multibase::decode(text).map_err(|_| CidError)?;
        let parsed = cid::Cid::try_from(bytes.as_slice()).map_err(|_| CidError)?;
        let is_whole = parsed.to_bytes() == bytes && multibase::encode(base, &bytes) == text;
        if !is_whole {
            return Err(CidError);
        }
        let hash = parsed.hash();
        if parsed.version() != Version::V1 || hash.code() != BLAKE3 {
            return Err(CidError);
        }
        hash.digest().try_into().map(Self).map_err(|_| CidError)
    }

    /// In base58btc (`zb38S…`), as ReCap lists proofs.
    #[must_use]
    pub fn base58(&self) -> String {
        self.text(Base::Base58Btc)
    }

    fn text(&self, base: Base) -> String {
        // 32 bytes fit the 64 that a multihash holds, and both bases take any bytes.
        Multihash::wrap(BLAKE3, &self.0)
            .ok()
            .and_then(|hash| cid::Cid::new_v1(RAW, hash).to_string_of_base(base).ok())
            .unwrap_or_default()
    }
}

/// In base32 (`bafkr4i…`), as everything but ReCap writes it.
impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Base::Base32Lower))
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same() {
        let base32 = "bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima";
        let base58 = "zb38SAN7DVy4hx1yP12F8r4Up2q5cbdPKra6GXXHKhA28Vzas";
        let cid = Cid::parse(base32).unwrap();
        assert_eq!(Cid::parse(base58).unwrap(), cid);
        assert_eq!(
            (cid.to_string().as_str(), cid.base58().as_str()),
            (base32, base58)
        );
        assert_eq!(Cid::from_digest(*cid.digest()), cid);
    }

    #[test]
    fn other_hashes_and_texts_are_refused() {
        let long = format!("f{}", "00".repeat(100));
        for text in [
            "",
            "z",
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKVgQe",
            "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
            "bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7im",
            "BAFKR4ICBI4XYMYKL4IMN6DJ6SO3TYPOSYZW3SP235Q4NQ35RDQFWBV7IM",
            &long,
        ] {
            assert_eq!(Cid::parse(text), Err(CidError), "{text}");
        }
    }
}
