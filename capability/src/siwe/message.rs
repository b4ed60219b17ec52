//! A canonical message.

use core::{fmt, num::NonZeroU64};

use super::{Field, SiweError, Timestamp, mentions_recap, parse};
use crate::{
    address::{AddressBytes, eip55},
    did::Did,
};

/// What follows the domain on the first line.
pub(super) const PHRASE: &str = " wants you to sign in with your Ethereum account:";

/// What a message says. Its [`Display`](fmt::Display) prints the ERC-4361 text; only [`Message`] is known
/// to be valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The scheme of the asking origin, without `://`.
    pub scheme: Option<String>,
    /// Who asks: an authority of RFC 3986.
    pub domain: String,
    /// Who signs.
    pub address: AddressBytes,
    /// One line for people.
    pub statement: Option<String>,
    /// What the sign-in is for.
    pub uri: String,
    /// The chain of the account (EIP-155).
    pub chain_id: NonZeroU64,
    /// Makes the message unique.
    pub nonce: String,
    /// When it was made, as written.
    pub issued_at: String,
    /// When it ends, as written.
    pub expiration_time: Option<String>,
    /// When it begins, as written.
    pub not_before: Option<String>,
    /// The asking system's own name for the request.
    pub request_id: Option<String>,
    /// URIs that go with the sign-in; an empty list is another text than none.
    pub resources: Option<Vec<String>>,
}

impl Fields {
    /// The required fields alone.
    #[must_use]
    pub fn new(
        domain: impl Into<String>,
        address: AddressBytes,
        uri: impl Into<String>,
        chain_id: NonZeroU64,
        nonce: impl Into<String>,
        issued_at: impl Into<String>,
    ) -> Self {
        Self {
            scheme: None,
            domain: domain.into(),
            address,
            statement: None,
            uri: uri.into(),
            chain_id,
            nonce: nonce.into(),
            issued_at: issued_at.into(),
            expiration_time: None,
            not_before: None,
            request_id: None,
            resources: None,
        }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        writeln!(f, "{}{PHRASE}\n{}\n", self.domain, eip55(&self.address))?;
        if let Some(statement) = &self.statement {
            writeln!(f, "{statement}")?;
        }
        write!(f, "\n{}{}", Field::Uri.label(), self.uri)?;
        write!(f, "\n{}1", Field::Version.label())?;
        write!(f, "\n{}{}", Field::ChainId.label(), self.chain_id)?;
        write!(f, "\n{}{}", Field::Nonce.label(), self.nonce)?;
        write!(f, "\n{}{}", Field::IssuedAt.label(), self.issued_at)?;
        for (field, value) in [
            (Field::ExpirationTime, &self.expiration_time),
            (Field::NotBefore, &self.not_before),
            (Field::RequestId, &self.request_id),
        ] {
            if let Some(value) = value {
                write!(f, "\n{}{value}", field.label())?;
            }
        }
        if let Some(resources) = &self.resources {
            write!(f, "\n{}", Field::Resources.label())?;
            for resource in resources {
                write!(f, "\n- {resource}")?;
            }
        }
        Ok(())
    }
}

/// A message whose text is canonical: it was read under every rule and prints to the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub(super) fields: Fields,
    pub(super) issued_at: Timestamp,
    pub(super) expiration_time: Option<Timestamp>,
    pub(super) not_before: Option<Timestamp>,
}

impl Message {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// [`SiweError`] names the first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, SiweError> {
        let message = parse::parse(text)?;
        if message.fields.to_string() == text {
            Ok(message)
        } else {
            Err(SiweError::NotCanonical)
        }
    }

    /// Makes a message by printing the fields and reading the text back, so that no value can
    /// bring a line of its own.
    ///
    /// # Errors
    ///
    /// [`SiweError`] names the first rule that a field breaks.
    pub fn new(fields: Fields) -> Result<Self, SiweError> {
        let message = Self::parse(&fields.to_string())?;
        if message.fields == fields {
            Ok(message)
        } else {
            Err(SiweError::NotCanonical)
        }
    }

    /// What it says.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// When it was made.
    #[must_use]
    pub const fn issued_at(&self) -> &Timestamp {
        &self.issued_at
    }

    /// When it ends.
    #[must_use]
    pub const fn expiration_time(&self) -> Option<&Timestamp> {
        self.expiration_time.as_ref()
    }

    /// When it begins.
    #[must_use]
    pub const fn not_before(&self) -> Option<&Timestamp> {
        self.not_before.as_ref()
    }

    /// The account that signs in, on the chain that the message names.
    #[must_use]
    pub fn account(&self) -> String {
        Did::pkh(self.fields.chain_id, &self.fields.address).into()
    }

    /// True if a resource or the URI is a ReCap (ERC-5573), in any case, or the text holds the
    /// sentence that goes with one.
    #[must_use]
    pub fn has_recap(&self) -> bool {
        mentions_recap(&self.fields.to_string())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.fmt(f)
    }
}

impl core::str::FromStr for Message {
    type Err = SiweError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
