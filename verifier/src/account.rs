//! The receipt file that a page saves: an account receipt and the evidence of who signed it.

use base64ct::{Base64, Encoding};
use openkey_attestation::{Nonce, NonceError, Policy, Verifier, json};
use openkey_protocol::message::Signed;
use serde::{Deserialize, Serialize};

use crate::{
    encoding::{self, EncodingError},
    evidence::{self, Archival, EvidenceError},
    receipt::{self, CheckedReceipt, ReceiptError, Registration},
};

/// The version of receipt files.
pub const RECEIPT_FILE_VERSION: u32 = 1;
/// Longest receipt file, in bytes: the longest document in base64 and a receipt of dozens of
/// passkeys and keys in hex.
pub const MAX_RECEIPT_FILE: usize = 256 * 1024;

/// A receipt file: JSON
/// `{"version":1,"receipt":{"body":hex,"signature":hex},"evidence":base64,"nonce":hex}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptFile {
    /// [`RECEIPT_FILE_VERSION`].
    pub version: u32,
    /// The signed receipt.
    pub receipt: HexStatement,
    /// The attestation document of the enclave that signed, in base64.
    pub evidence: String,
    /// The nonce of that document, in hex.
    pub nonce: String,
}

/// A signed statement in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HexStatement {
    /// The signed body.
    pub body: String,
    /// Its signature.
    pub signature: String,
}

/// A receipt file that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedAccount {
    /// The enclave that signed, at the document's own time.
    pub evidence: Archival,
    /// What it signed.
    pub receipt: CheckedReceipt,
}

impl ReceiptFile {
    /// Puts a file together from what a client holds after a registration.
    #[must_use]
    pub fn new<T>(receipt: &Signed<T>, document: &[u8], nonce: &[u8]) -> Self {
        Self {
            version: RECEIPT_FILE_VERSION,
            receipt: HexStatement {
                body: hex::encode(&receipt.body),
                signature: hex::encode(&receipt.signature),
            },
            evidence: Base64::encode_string(document),
            nonce: hex::encode(nonce),
        }
    }

    /// Reads a file; nothing in it is checked yet.
    ///
    /// # Errors
    ///
    /// [`AccountError::TooLong`], [`AccountError::Malformed`], [`AccountError::Version`].
    pub fn from_json(text: &[u8]) -> Result<Self, AccountError> {
        if text.len() > MAX_RECEIPT_FILE {
            return Err(AccountError::TooLong);
        }
        let file: Self =
            json::read(text).map_err(|error| AccountError::Malformed(error.to_string()))?;
        if file.version != RECEIPT_FILE_VERSION {
            return Err(AccountError::Version(file.version));
        }
        Ok(file)
    }

    /// Checks the evidence at its own time, that it is the one over the file's nonce, and the
    /// receipt under the identity key it binds.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub fn check(
        &self,
        verifier: &Verifier,
        policy: &Policy,
    ) -> Result<CheckedAccount, AccountError> {
        let hex = |text: &str, what| {
            hex::decode(text).map_err(|_| AccountError::Malformed(format!("{what} is not hex")))
        };
        let nonce = Nonce::new(&hex(&self.nonce, "nonce")?)?;
        let signed = Signed::from_parts(
            hex(&self.receipt.body, "receipt.body")?.into(),
            hex(&self.receipt.signature, "receipt.signature")?.into(),
        );
        let document = encoding::document_bytes(self.evidence.as_bytes())?;
        let evidence = evidence::archival(verifier, &document, policy, Some(&nonce))?;
        let receipt = receipt::check(evidence.identity(), &signed, &Registration::default())?;
        Ok(CheckedAccount { evidence, receipt })
    }
}

/// Why a receipt file proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// More than [`MAX_RECEIPT_FILE`].
    #[error("the receipt file is longer than {MAX_RECEIPT_FILE} bytes")]
    TooLong,
    /// Not JSON of that shape.
    #[error("invalid receipt file: {0}")]
    Malformed(String),
    /// Another version.
    #[error("the receipt file has version {0}; this program knows version {RECEIPT_FILE_VERSION}")]
    Version(u32),
    /// Its nonce is none.
    #[error("the receipt file's nonce: {0}")]
    Nonce(#[from] NonceError),
    /// Its document is none.
    #[error("the receipt file's evidence: {0}")]
    Encoding(#[from] EncodingError),
    /// Its document is refused.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Its receipt is refused.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
}

impl AccountError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLong => "receipt_file_too_long",
            Self::Malformed(_) => "receipt_file_malformed",
            Self::Version(_) => "receipt_file_version",
            Self::Nonce(error) => error.rule(),
            Self::Encoding(error) => error.rule(),
            Self::Evidence(error) => error.rule(),
            Self::Receipt(error) => error.rule(),
        }
    }
}
