//! Why a text is not a canonical message.

use core::fmt;

use crate::{address::AddressError, uri::UriError};

/// A labelled line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Field {
    /// `URI: `
    Uri,
    /// `Version: `
    Version,
    /// `Chain ID: `
    ChainId,
    /// `Nonce: `
    Nonce,
    /// `Issued At: `
    IssuedAt,
    /// `Expiration Time: `
    ExpirationTime,
    /// `Not Before: `
    NotBefore,
    /// `Request ID: `
    RequestId,
    /// `Resources:`
    Resources,
}

impl Field {
    /// Every field in the order of the message.
    pub const ALL: [Self; 9] = [
        Self::Uri,
        Self::Version,
        Self::ChainId,
        Self::Nonce,
        Self::IssuedAt,
        Self::ExpirationTime,
        Self::NotBefore,
        Self::RequestId,
        Self::Resources,
    ];

    /// The text in front of the value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Uri => "URI: ",
            Self::Version => "Version: ",
            Self::ChainId => "Chain ID: ",
            Self::Nonce => "Nonce: ",
            Self::IssuedAt => "Issued At: ",
            Self::ExpirationTime => "Expiration Time: ",
            Self::NotBefore => "Not Before: ",
            Self::RequestId => "Request ID: ",
            Self::Resources => "Resources:",
        }
    }

    /// A line with such a field, as an error shows it.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Uri => "URI: https://app.example/login",
            Self::Version => "Version: 1",
            Self::ChainId => "Chain ID: 1",
            Self::Nonce => "Nonce: k3jv82lq0a",
            Self::IssuedAt => "Issued At: 2026-01-31T12:00:00Z",
            Self::ExpirationTime => "Expiration Time: 2026-02-28T12:00:00Z",
            Self::NotBefore => "Not Before: 2026-01-31T12:00:00Z",
            Self::RequestId => "Request ID: 7f3a",
            Self::Resources => "Resources:",
        }
    }

    /// True if a message cannot do without it.
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(
            self,
            Self::Uri | Self::Version | Self::ChainId | Self::Nonce | Self::IssuedAt
        )
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label().trim_end().trim_end_matches(':'))
    }
}

/// Why a text is not a canonical message. Lines count from 1. No variant carries text of the
/// message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SiweError {
    /// Longer than [`super::MAX_MESSAGE`].
    #[error("the message is longer than {} bytes", super::MAX_MESSAGE)]
    TooLong,
    /// A line is longer than [`super::MAX_LINE`].
    #[error("line {line} is longer than {} bytes", super::MAX_LINE)]
    LineTooLong {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A carriage return: lines end with a line feed alone.
    #[error("line {line} holds a carriage return; lines end with a line feed alone")]
    CarriageReturn {
        /// The number of the line, from 1.
        line: usize,
    },
    /// Something other than a printable ASCII character.
    #[error("line {line} holds a character outside printable ASCII")]
    Character {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A line feed after the last line.
    #[error("the message ends with a line feed")]
    TrailingLineFeed,
    /// The first line is not `… wants you to sign in with your Ethereum account:`.
    #[error("the first line does not say who wants you to sign in")]
    Header,
    /// What is in front of `://` is no scheme.
    #[error("the scheme in front of the domain is not valid")]
    Scheme,
    /// The domain is no authority of RFC 3986.
    #[error("the domain is not valid")]
    Domain,
    /// The domain has user information, which poses as another domain.
    #[error("the domain carries user information in front of an @")]
    DomainUserinfo,
    /// The address.
    #[error("line 2: {0}")]
    Address(AddressError),
    /// A line that must be empty is not, or is missing.
    #[error("line {line} must be empty")]
    BlankLine {
        /// The number of the line, from 1.
        line: usize,
    },
    /// The statement holds a character that the grammar does not allow.
    #[error("the statement holds a character that a statement cannot hold")]
    Statement,
    /// The statement reads like another line of a message.
    #[error("the statement poses as another line of the message")]
    DecoyStatement,
    /// `URI`.
    #[error("URI: {0}")]
    Uri(UriError),
    /// `Version` is not 1.
    #[error("the version is not 1")]
    Version,
    /// `Chain ID` is not a number from 1 to 2⁵³ − 1 without leading zeros.
    #[error("the chain id is not a number from 1 to 2^53-1 without leading zeros")]
    ChainId,
    /// `Nonce` is not [`super::MIN_NONCE`] to [`super::MAX_NONCE`] letters and digits.
    #[error(
        "the nonce is not {} to {} letters and digits; write a line like {}",
        super::MIN_NONCE,
        super::MAX_NONCE,
        Field::Nonce.example()
    )]
    Nonce,
    /// A time is not one of [`super::Timestamp`].
    #[error(
        "{0} is not a date and time like 2026-01-31T12:00:00Z (RFC 3339), with at most nine digits of \
         a fraction and without leap seconds"
    )]
    Time(Field),
    /// A time is one of RFC 3339, but its `t` or `z` is small.
    #[error(
        "{0} is written with a small t or z: capital T and Z are required, like 2026-01-31T12:00:00Z"
    )]
    TimeCase(Field),
    /// `Request ID` holds a character that it cannot hold.
    #[error("the request id holds a character that it cannot hold")]
    RequestId,
    /// A resource is no URI.
    #[error("line {line}: {error}")]
    Resource {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        error: UriError,
    },
    /// More than [`super::MAX_RESOURCES`].
    #[error("there are more than {} resources", super::MAX_RESOURCES)]
    TooManyResources,
    /// A required line is not there.
    #[error("the line {0} is missing; write a line like {example}", example = .0.example())]
    Missing(Field),
    /// A line is there twice.
    #[error("the line {0} is there twice")]
    Duplicate(Field),
    /// A line is not where it belongs.
    #[error("the line {0} is not in its place")]
    Order(Field),
    /// A line that is none of the message's.
    #[error("line {line} is no line of such a message")]
    UnknownLine {
        /// The number of the line, from 1.
        line: usize,
    },
    /// It was read, and prints to other bytes.
    #[error("the message does not print to the same bytes")]
    NotCanonical,
}

impl SiweError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::LineTooLong { .. } => "line_too_long",
            Self::CarriageReturn { .. } => "carriage_return",
            Self::Character { .. } => "character",
            Self::TrailingLineFeed => "trailing_line_feed",
            Self::Header => "header",
            Self::Scheme => "scheme",
            Self::Domain => "domain",
            Self::DomainUserinfo => "domain_userinfo",
            Self::Address(AddressError::Checksum) => "address_checksum",
            Self::Address(_) => "address",
            Self::BlankLine { .. } => "blank_line",
            Self::Statement => "statement",
            Self::DecoyStatement => "decoy_statement",
            Self::Uri(_) => "uri",
            Self::Version => "version",
            Self::ChainId => "chain_id",
            Self::Nonce => "nonce",
            Self::Time(_) | Self::TimeCase(_) => "time",
            Self::RequestId => "request_id",
            Self::Resource { .. } => "resource",
            Self::TooManyResources => "too_many_resources",
            Self::Missing(_) => "missing",
            Self::Duplicate(_) => "duplicate",
            Self::Order(_) => "order",
            Self::UnknownLine { .. } => "unknown_line",
            Self::NotCanonical => "not_canonical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siwe::Message;

    fn message(lines: &[&str]) -> String {
        let head = "app.example wants you to sign in with your Ethereum account:\n\
                    0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\n\n";
        format!("{head}\n{}", lines.join("\n"))
    }

    /// Whoever has a field wrong, or none, reads what is expected, with a line to copy.
    #[test]
    fn c2_errors_of_fields_show_a_line_to_copy() {
        let required = Field::ALL.into_iter().filter(|it| it.is_required());
        let whole: Vec<&str> = required.clone().map(Field::example).collect();
        assert!(Message::parse(&message(&whole)).is_ok());
        for (field, at) in required.zip(0..) {
            let mut lines = whole.clone();
            lines.remove(at);
            let said = Message::parse(&message(&lines)).unwrap_err().to_string();
            assert!(said.ends_with(field.example()), "{said}");
        }
        for (at, line, says) in [
            (
                3,
                "Nonce: ",
                "8 to 256 letters and digits; write a line like Nonce: k3jv82lq0a",
            ),
            (
                3,
                "Nonce: a-b-c-d-e",
                "8 to 256 letters and digits; write a line like Nonce: k3jv82lq0a",
            ),
            (
                3,
                "Nonce: k3jv82",
                "8 to 256 letters and digits; write a line like Nonce: k3jv82lq0a",
            ),
            (
                4,
                "Issued At: ",
                "Issued At is not a date and time like 2026-01-31T12:00:00Z",
            ),
            (
                4,
                "Issued At: yesterday",
                "Issued At is not a date and time like 2026-01-31T12:00:00Z",
            ),
            (
                4,
                "Issued At: 2026-01-31t12:00:00z",
                "T and Z are required, like 2026-01-31T12:00:00Z",
            ),
        ] {
            let mut lines = whole.clone();
            lines[at] = line;
            let said = Message::parse(&message(&lines)).unwrap_err().to_string();
            assert!(said.contains(says), "{line}: {said}");
        }
        // The examples of the other fields are lines of a message, too.
        let optional = Field::ALL.into_iter().filter(|it| !it.is_required());
        let all: Vec<&str> = whole
            .iter()
            .copied()
            .chain(optional.map(Field::example))
            .collect();
        assert!(Message::parse(&message(&all)).is_ok());
    }
}
