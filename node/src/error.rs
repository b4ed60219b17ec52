//! Why a request was not carried out, in the words and statuses that clients of present nodes know.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openkey_capability::{chain::ChainError, token::TokenError};

use crate::sql::SqlError;
use crate::store::StoreError;

/// Why a request was not carried out. Nothing was changed, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no token.
    #[error("Missing token: send it in the Authorization header")]
    NoToken,
    /// There is more than one.
    #[error("More than one Authorization header")]
    TwoTokens,
    /// The token cannot be read.
    #[error("Unreadable token: {0}")]
    Token(TokenError),
    /// A wallet's sign-in where only a UCAN can be used.
    #[error("This endpoint takes a UCAN invocation, not a sign-in")]
    NotInvocation,
    /// The signature is not that of the issuer.
    #[error("Failed to verify signature")]
    Signature,
    /// The invocation lives longer than this node allows.
    #[error("Invocation lifetime exceeds server maximum")]
    Lifetime,
    /// What the token rests on does not carry it.
    #[error(transparent)]
    Chain(ChainError),
    /// What a revocation rests on does not carry it.
    #[error(transparent)]
    Revocation(ChainError),
    /// Somebody may not do this.
    #[error("{0}")]
    Unauthorized(String),
    /// The request is malformed.
    #[error("{0}")]
    Bad(String),
    /// Somebody may do this, but not so.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// There is one already.
    #[error("{0}")]
    Conflict(String),
    /// It is not what the request expects.
    #[error("{0}")]
    Precondition(String),
    /// Too large to be stored or answered.
    #[error("{0}")]
    TooLarge(String),
    /// This node does not do that.
    #[error("{0}")]
    NotImplemented(String),
    /// Not the way to do it.
    #[error("{0}")]
    Unavailable(String),
    /// The memory for requests is taken.
    #[error(
        "The memory that the node has for requests, or one address of it, is taken: try again, with fewer at once"
    )]
    Memory,
    /// The request was carried out, and there is no memory for its answer.
    #[error(
        "The request was carried out, but the node's memory has no room for its answer: read before you repeat it"
    )]
    Unsent,
    /// Too many large tokens are being checked.
    #[error("The node is busy checking large tokens: try again, with fewer at once")]
    Checks,
    /// A range that lies outside of the value.
    #[error("Range not satisfiable")]
    Range {
        /// Its size in bytes.
        size: u64,
    },
    /// The client went away, or was too slow, while it sent.
    #[error("The request's body ended early")]
    Body,
    /// Databases.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files.
    #[error("storage: {0}")]
    Io(#[from] std::io::Error),
}

/// The stable name of what is wrong, for programs.
const CODE: HeaderName = HeaderName::from_static("x-tinycloud-error-code");

/// When what cannot be done now may be tried again, in seconds.
pub(crate) const RETRY: HeaderValue = HeaderValue::from_static("2");

/// Whether it is the disk that has no room.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
    )
}

impl From<ChainError> for Error {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl Error {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Token(error) if error.is_too_long() => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::NoToken
            | Self::TwoTokens
            | Self::Token(_)
            | Self::NotInvocation
            | Self::Signature
            | Self::Lifetime
            | Self::Chain(_)
            | Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Revocation(ChainError::Missing) => StatusCode::NOT_FOUND,
            Self::Revocation(_) | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Precondition(_) => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable(_) | Self::Memory | Self::Checks => StatusCode::SERVICE_UNAVAILABLE,
            Self::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Body => StatusCode::REQUEST_TIMEOUT,
            Self::Sql(error) => {
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Store(error) => match error {
                StoreError::Duplicate => StatusCode::CONFLICT,
                StoreError::Revoked(_)
                | StoreError::Ended
                | StoreError::ChainEnded
                | StoreError::Parent
                | StoreError::Forgotten => StatusCode::UNAUTHORIZED,
                StoreError::Crowded(_) => StatusCode::FORBIDDEN,
                StoreError::Late => StatusCode::REQUEST_TIMEOUT,
                StoreError::Busy | StoreError::Locked | StoreError::Exports => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                StoreError::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
                StoreError::NoSpace | StoreError::NoKey(_) => StatusCode::NOT_FOUND,
                StoreError::Precondition => StatusCode::PRECONDITION_FAILED,
                StoreError::Full { .. } => StatusCode::PAYMENT_REQUIRED,
                StoreError::Room { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                StoreError::Failed { .. } | StoreError::Unknown { .. } => {
                    StatusCode::INTERNAL_SERVER_ERROR
                }
            },
            Self::Io(error) if is_full(error) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Io(_) | Self::Unsent => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// As plain text, which is what clients read.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        let text = match &self {
            Self::Io(error) if is_full(error) => StoreError::DiskFull.to_string(),
            // what a disk or a database says is for the log
            Self::Store(StoreError::Unknown { .. }) => {
                tracing::error!(error = %self, "a request failed");
                "The node's storage failed, and it is not known whether the request was carried out: read before \
                 you repeat it"
                    .to_owned()
            }
            Self::Io(_) | Self::Store(StoreError::Failed { .. }) => {
                tracing::error!(error = %self, "a request failed");
                "The node's storage failed, and the request was not carried out; the node's log says why"
                    .to_owned()
            }
            _ => self.to_string(),
        };
        let mut response = (status, text).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY);
        }
        if let Self::Sql(error) = &self {
            let code = HeaderValue::from_static(error.code());
            response.headers_mut().insert(CODE, code);
        }
        if let Self::Range { size } = self
            && let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}"))
        {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
        response
    }
}
