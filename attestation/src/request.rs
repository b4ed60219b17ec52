//! What an enclave asks the NSM to sign.

use crate::document::Field;
use crate::limits::MAX_FIELD;

/// A verifier's nonce: it must have been chosen at random by the verifier, for one document.
///
/// Any length that a document can carry, because documents of others are checked too. Ours are
/// 16 to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(Vec<u8>);

/// A nonce that no document proves anything about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NonceError {
    /// An empty nonce is every replay's nonce.
    #[error("the nonce is empty")]
    Empty,
    /// Longer than a document can carry.
    #[error("the nonce is {0} bytes; a document carries at most {MAX_FIELD}")]
    TooLong(usize),
}

impl NonceError {
    /// The broken rule's stable name.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Empty => "expected_nonce_empty",
            Self::TooLong(_) => "expected_nonce_too_long",
        }
    }
}

impl Nonce {
    /// The nonce of these bytes, 1 to [`MAX_FIELD`] of them.
    ///
    /// # Errors
    ///
    /// None, or more than a document can carry.
    pub fn new(bytes: &[u8]) -> Result<Self, NonceError> {
        match bytes.len() {
            0 => Err(NonceError::Empty),
            length if length > MAX_FIELD => Err(NonceError::TooLong(length)),
            _ => Ok(Self(bytes.to_vec())),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What the NSM is asked to put into a document beside its own measurements.
///
/// An absent field comes back as null, an empty one as an empty string: they are not the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    public_key: Option<Vec<u8>>,
    user_data: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
}

/// A field that the NSM would not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// AWS bounds every field.
    #[error("{field} is {length} bytes; a document carries at most {MAX_FIELD}")]
    TooLong {
        /// Which field.
        field: Field,
        /// Its length in bytes.
        length: usize,
    },
}

fn bounded(field: Field, bytes: Vec<u8>) -> Result<Option<Vec<u8>>, RequestError> {
    if bytes.len() > MAX_FIELD {
        return Err(RequestError::TooLong {
            field,
            length: bytes.len(),
        });
    }
    Ok(Some(bytes))
}

impl Request {
    /// A request without fields: a document that nobody asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the verifier's nonce in the document.
    pub fn with_nonce(mut self, nonce: &Nonce) -> Self {
        self.nonce = Some(nonce.as_bytes().to_vec());
        self
    }

    /// Asks for these bytes as `user_data`, at most [`MAX_FIELD`].
    ///
    /// # Errors
    ///
    /// More than the NSM signs.
    pub fn with_user_data(mut self, bytes: Vec<u8>) -> Result<Self, RequestError> {
        self.user_data = bounded(Field::UserData, bytes)?;
        Ok(self)
    }

    /// Asks for these bytes as `public_key`, at most [`MAX_FIELD`].
    ///
    /// # Errors
    ///
    /// More than the NSM signs.
    pub fn with_public_key(mut self, bytes: Vec<u8>) -> Result<Self, RequestError> {
        self.public_key = bounded(Field::PublicKey, bytes)?;
        Ok(self)
    }

    /// The nonce to be signed.
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }

    /// The `user_data` to be signed.
    pub fn user_data(&self) -> Option<&[u8]> {
        self.user_data.as_deref()
    }

    /// The `public_key` to be signed.
    pub fn public_key(&self) -> Option<&[u8]> {
        self.public_key.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_has_a_length_that_documents_carry() {
        assert_eq!(Nonce::new(&[]), Err(NonceError::Empty));
        assert!(Nonce::new(&[0; 1024]).is_ok());
        assert_eq!(Nonce::new(&[0; 1025]), Err(NonceError::TooLong(1025)));
    }

    #[test]
    fn a_request_holds_what_the_nsm_signs() {
        let nonce = Nonce::new(b"nonce").unwrap();
        let request = Request::new()
            .with_nonce(&nonce)
            .with_user_data(vec![])
            .unwrap()
            .with_public_key(vec![1; 1024])
            .unwrap();
        assert_eq!(request.nonce(), Some(&b"nonce"[..]));
        assert_eq!(request.user_data(), Some(&b""[..]));
        assert_eq!(request.public_key(), Some(&[1; 1024][..]));
        assert_eq!(
            Request::new().with_user_data(vec![0; 1025]),
            Err(RequestError::TooLong {
                field: Field::UserData,
                length: 1025
            })
        );
    }
}
