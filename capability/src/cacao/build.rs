//! Making a token: fields, the text to sign, the signature.

use super::payload::{self, Times};
use super::{Cacao, CacaoError, MAX_CACAO, SIGNATURE, eip191};
use crate::recap::ReCap;
use crate::siwe::{Fields, Message};

/// A token that nobody signed yet.
///
/// ```
/// use core::num::NonZeroU64;
/// use openkey_capability::{cacao::Unsigned, siwe::Fields};
///
/// let fields = Fields::new(
///     "app.example",
///     [7; 20],
///     "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX",
///     NonZeroU64::MIN,
///     "abcdefgh12345678",
///     "2026-01-01T00:00:00.000Z",
/// );
/// let unsigned = Unsigned::new(fields)?;
/// assert!(unsigned.text().starts_with("app.example wants you to sign in"));
/// // The wallet signs the text; then `unsigned.sign(&signature)?.header()`.
/// # Ok::<(), openkey_capability::cacao::CacaoError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    fields: Fields,
    times: Times,
}

impl Unsigned {
    /// From fields.
    ///
    /// # Errors
    ///
    /// [`CacaoError`] names the first rule that a field breaks.
    pub fn new(fields: Fields) -> Result<Self, CacaoError> {
        let times = payload::check(&fields)?;
        let unsigned = Self { fields, times };
        // Known before a person is asked: every signature is as long.
        let bytes = payload::write(&unsigned.fields, &[0; SIGNATURE]).ok_or(CacaoError::Cbor)?;
        if bytes.len() > MAX_CACAO {
            return Err(CacaoError::TooLong);
        }
        Ok(unsigned)
    }

    /// From fields and what is granted, which becomes the last resource and the end of the
    /// statement.
    ///
    /// # Errors
    ///
    /// [`CacaoError`] names the first rule that a field breaks.
    pub fn with_recap(mut fields: Fields, recap: &ReCap) -> Result<Self, CacaoError> {
        let sentence = recap.statement();
        fields.statement = Some(match fields.statement {
            Some(own) if !own.is_empty() => format!("{own} {sentence}"),
            _ => sentence,
        });
        fields
            .resources
            .get_or_insert_default()
            .push(recap.encode());
        Self::new(fields)
    }

    /// What it says.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The ERC-4361 text to sign.
    #[must_use]
    pub fn text(&self) -> String {
        self.fields.to_string()
    }

    /// What is signed: the hash of [`Self::text`] under the ERC-191 prefix.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        eip191(&self.text())
    }

    /// The token, once there is a signature (`r‖s‖v`). It is verified.
    ///
    /// # Errors
    ///
    /// [`CacaoError`]: the signature does not hold.
    pub fn sign(&self, signature: &[u8; SIGNATURE]) -> Result<Cacao, CacaoError> {
        let bytes = payload::write(&self.fields, signature).ok_or(CacaoError::Cbor)?;
        let cacao = Cacao::decode(&bytes)?;
        cacao.verify()?;
        Ok(cacao)
    }
}

/// From a message that was read strictly. Its text stays the same.
impl TryFrom<&Message> for Unsigned {
    type Error = CacaoError;

    fn try_from(message: &Message) -> Result<Self, Self::Error> {
        Self::new(message.fields().clone())
    }
}
