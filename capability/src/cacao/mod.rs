//! Sign-ins as tokens: CAIP-74 (CACAO), <https://chainagnostic.org/CAIPs/caip-74>, of ERC-4361
//! messages that an account signed with its key (ERC-191).
//!
//! A token is a DAG-CBOR map:
//!
//! ```text
//! { "h": { "t": "eip4361" },
//!   "p": { "aud", "iat", "iss", "nonce", "domain", "version": 1,
//!          optional: "exp", "nbf", "scheme", "resources", "statement", "request_id" },
//!   "s": { "s": <65 bytes r‖s‖v>, "t": "eip191" } }
//! ```
//!
//! `iss` is `did:pkh:eip155:<chain>:<address>`. Other keys of `p` are ignored: nobody signed them.
//! Reading is strict elsewhere: DAG-CBOR in its one spelling, and each field what one line of the
//! message may hold, so that the text that was signed has one reading.
//!
//! A token is named by its bytes, and there can be several for one signed text: with another `v`,
//! another spelling of `iss`, other ignored keys. [`Cacao::digest`] is the same for all of them.

mod build;
mod cbor;
mod error;
mod payload;
mod verify;

use core::fmt;
use core::num::NonZeroU64;

use cid::multibase::Base;

pub use build::Unsigned;
pub use error::CacaoError;
pub use verify::eip191;

use crate::address::AddressBytes;
use crate::cid::Cid;
use crate::did::Did;
use crate::recap::{self, ReCap, RecapError};
use crate::siwe::{Fields, Timestamp};
use crate::token::without_scheme;
use payload::Times;

/// Largest token, in bytes: 384 KiB in base64. A sign-in with three hundred paths of a manifest has 180 KiB.
pub const MAX_CACAO: usize = 288 * 1024;
/// Most levels of lists and maps; a token needs three.
pub const MAX_DEPTH: usize = 8;
/// Bytes of a signature: `r‖s‖v`.
pub const SIGNATURE: usize = 65;
/// The last byte of a signature counts modulo this.
const RECOVERY: u8 = 27;
/// Longest header value without its scheme, in bytes.
const MAX_HEADER: usize = MAX_CACAO.div_ceil(3) * 4;
/// What the audience of a revocation begins with.
const REVOKED: &str = "ucan:";

/// A token as it was received: its shape is known, its signature is not.
///
/// Whoever acts on it calls [`Self::verify`], and checks the times.
#[derive(Clone, PartialEq, Eq)]
pub struct Cacao {
    bytes: Vec<u8>,
    fields: Fields,
    times: Times,
    signature: [u8; SIGNATURE],
}

impl Cacao {
    /// Reads the DAG-CBOR bytes, which are kept.
    ///
    /// # Errors
    ///
    /// [`CacaoError`] names the first rule that they break.
    pub fn decode(bytes: &[u8]) -> Result<Self, CacaoError> {
        if bytes.len() > MAX_CACAO {
            return Err(CacaoError::TooLong);
        }
        let (fields, signature) = payload::read(bytes)?;
        let times = payload::check(&fields)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            fields,
            times,
            signature,
        })
    }

    /// Reads the value of an `Authorization` header: base64 of the bytes, in the URL-safe or the
    /// standard alphabet, with or without padding, with or without `Bearer ` in front.
    ///
    /// # Errors
    ///
    /// [`CacaoError`] names the first rule that it breaks.
    pub fn from_header(text: &str) -> Result<Self, CacaoError> {
        let text = without_scheme(text);
        if text.len() > MAX_HEADER {
            return Err(CacaoError::TooLong);
        }
        let base = match (text.contains(['+', '/']), text.ends_with('=')) {
            (false, true) => Base::Base64UrlPad,
            (false, false) => Base::Base64Url,
            (true, true) => Base::Base64Pad,
            (true, false) => Base::Base64,
        };
        Self::decode(&base.decode(text).map_err(|_| CacaoError::Base64)?)
    }

    /// The value of an `Authorization` header: base64url with padding, without a scheme.
    #[must_use]
    pub fn header(&self) -> String {
        Base::Base64UrlPad.encode(&self.bytes)
    }

    /// The bytes as they were received.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The token's name.
    #[must_use]
    pub fn cid(&self) -> Cid {
        Cid::of(&self.bytes)
    }

    /// The names of this token in the spelling of usual programs, which write nothing that is not
    /// signed, one for each way in which a signature's last byte can be written.
    #[must_use]
    pub fn usual_names(&self) -> Vec<Cid> {
        let [.., last] = self.signature;
        let spelled = |last| {
            let mut signature = self.signature;
            let [.., own] = &mut signature;
            *own = last;
            payload::write(&self.fields, &signature).map(|bytes| Cid::of(&bytes))
        };
        (last % RECOVERY..=u8::MAX)
            .step_by(usize::from(RECOVERY))
            .filter_map(spelled)
            .collect()
    }

    /// Everything that is signed.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The account that is said to have signed: `did:pkh:eip155:<chain>:<address>`, the address in
    /// its EIP-55 spelling whatever the token's.
    #[must_use]
    pub fn issuer(&self) -> Did {
        Did::pkh(self.fields.chain_id, &self.fields.address)
    }

    /// The account's chain (EIP-155).
    #[must_use]
    pub const fn issuer_chain(&self) -> NonZeroU64 {
        self.fields.chain_id
    }

    /// The account's address.
    #[must_use]
    pub const fn issuer_address(&self) -> &AddressBytes {
        &self.fields.address
    }

    /// Who it is for: a DID or DID URL, or `ucan:<cid>` in a revocation.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.fields.uri
    }

    /// The token that this one revokes, if its audience is `ucan:<cid>`.
    #[must_use]
    pub fn revokes(&self) -> Option<Cid> {
        Cid::parse(self.audience().strip_prefix(REVOKED)?).ok()
    }

    /// When it was made.
    #[must_use]
    pub const fn issued_at(&self) -> &Timestamp {
        &self.times.issued_at
    }

    /// The last moment of it.
    #[must_use]
    pub const fn expires(&self) -> Option<&Timestamp> {
        self.times.expires.as_ref()
    }

    /// It holds after this moment.
    #[must_use]
    pub const fn not_before(&self) -> Option<&Timestamp> {
        self.times.not_before.as_ref()
    }

    /// What makes it unique.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.fields.nonce
    }

    /// `r‖s‖v`, as received.
    #[must_use]
    pub const fn signature(&self) -> &[u8; SIGNATURE] {
        &self.signature
    }

    /// The ERC-4361 text that was signed.
    #[must_use]
    pub fn text(&self) -> String {
        self.fields.to_string()
    }

    /// What was signed: the hash of [`Self::text`] under the ERC-191 prefix.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        eip191(&self.text())
    }

    /// What it grants: the ReCap that is the last resource. Others do not count.
    ///
    /// # Errors
    ///
    /// [`RecapError`]: it is broken, or the statement does not end with what it grants.
    pub fn recap(&self) -> Result<Option<ReCap>, RecapError> {
        let last = self.fields.resources.as_deref().and_then(<[_]>::last);
        let Some(resource) = last.filter(|resource| resource.starts_with(recap::PREFIX)) else {
            return Ok(None);
        };
        let recap = ReCap::parse(resource)?;
        if recap.ends(self.fields.statement.as_deref().unwrap_or_default()) {
            Ok(Some(recap))
        } else {
            Err(RecapError::Statement)
        }
    }

    /// Checks the signature: that of `iss` over [`Self::text`]. Returns the address.
    ///
    /// The last byte of the signature counts modulo 27. Accounts that are contracts (ERC-1271) do
    /// not sign like this: they are refused. Times are the caller's to check.
    ///
    /// # Errors
    ///
    /// [`CacaoError::RecoveryId`], [`CacaoError::Signature`], [`CacaoError::Signer`].
    pub fn verify(&self) -> Result<AddressBytes, CacaoError> {
        let signer = verify::recover(&self.digest(), &self.signature)?;
        if signer == self.fields.address {
            Ok(signer)
        } else {
            Err(CacaoError::Signer)
        }
    }
}

/// By its name alone: a token is as good as a password while it lasts.
impl fmt::Debug for Cacao {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cacao({})", self.cid())
    }
}
