//! Tokens as the `Authorization` header carries them.

use crate::cacao::{Cacao, CacaoError};
use crate::chain::{ChainError, Delegation, Revocation};
use crate::cid::Cid;
use crate::ucan::{Ucan, UcanError};

/// A scheme that some clients write before the token, and most do not (RFC 6750).
const BEARER: &str = "Bearer";

/// A token, read and not verified.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// Signed by a wallet.
    Cacao(Box<Cacao>),
    /// Signed by a key.
    Ucan(Box<Ucan>),
}

/// Why a header carries no token that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// No CACAO, or its signature does not hold.
    #[error(transparent)]
    Cacao(#[from] CacaoError),
    /// No UCAN, or its signature does not hold.
    #[error(transparent)]
    Ucan(#[from] UcanError),
}

impl TokenError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Cacao(error) => error.rule(),
            Self::Ucan(error) => error.rule(),
        }
    }
}

impl TokenError {
    /// Whether it is longer than tokens may be.
    #[must_use]
    pub const fn is_too_long(self) -> bool {
        matches!(
            self,
            Self::Cacao(CacaoError::TooLong) | Self::Ucan(UcanError::TooLong)
        )
    }
}

impl Token {
    /// Reads a header's value: a compact JWT if there is a dot in it, else a CACAO in base64.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    pub fn from_header(value: &str) -> Result<Self, TokenError> {
        let token = without_scheme(value);
        if token.contains('.') {
            Ok(Self::Ucan(Box::new(Ucan::decode(token)?)))
        } else {
            Ok(Self::Cacao(Box::new(Cacao::from_header(value)?)))
        }
    }

    /// Its name.
    #[must_use]
    pub fn cid(&self) -> Cid {
        match self {
            Self::Cacao(cacao) => cacao.cid(),
            Self::Ucan(ucan) => ucan.cid(),
        }
    }

    /// The bytes that its name is the hash of, as they were received.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Cacao(cacao) => cacao.as_bytes(),
            Self::Ucan(ucan) => ucan.token().as_bytes(),
        }
    }

    /// Checks the signature.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    pub fn verify(&self) -> Result<(), TokenError> {
        match self {
            Self::Cacao(cacao) => cacao.verify().map(drop).map_err(TokenError::Cacao),
            Self::Ucan(ucan) => ucan.verify().map_err(TokenError::Ucan),
        }
    }

    /// As a delegation.
    ///
    /// # Errors
    ///
    /// Those of [`Delegation::from_cacao`] and [`Delegation::from_ucan`].
    pub fn delegation(&self) -> Result<Delegation, ChainError> {
        match self {
            Self::Cacao(cacao) => Delegation::from_cacao(cacao),
            Self::Ucan(ucan) => Delegation::from_ucan(ucan),
        }
    }

    /// As a revocation.
    ///
    /// # Errors
    ///
    /// Those of [`Revocation::from_cacao`] and [`Revocation::from_ucan`].
    pub fn revocation(&self) -> Result<Revocation, ChainError> {
        match self {
            Self::Cacao(cacao) => Revocation::from_cacao(cacao),
            Self::Ucan(ucan) => Revocation::from_ucan(ucan),
        }
    }
}

/// A header's value without the scheme, whose name has no case, and which any number of spaces may
/// follow (RFC 9110, sections 11.1 and 11.4).
pub(crate) fn without_scheme(value: &str) -> &str {
    let value = value.trim_matches([' ', '\t']);
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(BEARER) => {
            token.trim_start_matches(' ')
        }
        _ => value,
    }
}
