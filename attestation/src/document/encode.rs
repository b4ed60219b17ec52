//! Documents as hardware writes them, byte for byte in shape.

use minicbor::Encoder;

use super::Payload;
use super::cose::{
    ARRAY_OF_FOUR, PROTECTED, SIGNATURE_BYTES, UNPROTECTED, byte_string_head, sig_structure,
};
use super::malformed::{Field, Malformed};
use super::parse::check_module_id;
use crate::limits::{MAX_BUNDLE, MAX_CERTIFICATE, MAX_FIELD, MAX_PAYLOAD};

/// Content that no document can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// What [`super::Document::parse`] would say about it.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Payload<'_> {
    /// The payload's bytes as the hardware of 2025 writes them: a map of indefinite length, the
    /// nine keys in its order, the time stamp in eight bytes, PCRs ascending, unset optionals null.
    ///
    /// # Errors
    ///
    /// A field breaks a rule of [`super::Document::parse`].
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        self.check()?;
        let mut encoder = Encoder::new(Vec::new());
        // Writing to memory cannot fail, and the error type says so.
        let _: Result<_, minicbor::encode::Error<core::convert::Infallible>> =
            self.write(&mut encoder);
        let bytes = encoder.into_writer();
        if bytes.len() > MAX_PAYLOAD {
            return Err(Malformed::PayloadLength.into());
        }
        Ok(bytes)
    }

    fn write(
        &self,
        to: &mut Encoder<Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<core::convert::Infallible>> {
        to.begin_map()?;
        to.str(Field::ModuleId.key())?.str(self.module_id)?;
        to.str(Field::Digest.key())?.str("SHA384")?;
        to.str(Field::Timestamp.key())?;
        // Always eight bytes, however small: the encoder would choose the fewest.
        to.writer_mut().push(0x1b);
        to.writer_mut()
            .extend_from_slice(&self.timestamp.0.to_be_bytes());
        to.str(Field::Pcrs.key())?.map(self.pcrs.len() as u64)?;
        for (index, pcr) in self.pcrs.iter() {
            to.u8(index)?.bytes(pcr)?;
        }
        to.str(Field::Certificate.key())?.bytes(self.certificate)?;
        to.str(Field::CaBundle.key())?
            .array(self.cabundle.len() as u64)?;
        for der in &self.cabundle {
            to.bytes(der)?;
        }
        for (field, value) in [
            (Field::PublicKey, self.public_key),
            (Field::UserData, self.user_data),
            (Field::Nonce, self.nonce),
        ] {
            to.str(field.key())?;
            match value {
                Some(bytes) => to.bytes(bytes)?,
                None => to.null()?,
            };
        }
        to.end()?.ok()
    }

    fn check(&self) -> Result<(), Malformed> {
        check_module_id(self.module_id)?;
        if self.timestamp.0 == 0 {
            return Err(Malformed::Timestamp);
        }
        if self.pcrs.is_empty() {
            return Err(Malformed::Length(Field::Pcrs));
        }
        if self.cabundle.is_empty() || self.cabundle.len() > MAX_BUNDLE {
            return Err(Malformed::Length(Field::CaBundle));
        }
        let fits = |der: &[u8]| !der.is_empty() && der.len() <= MAX_CERTIFICATE;
        if !fits(self.certificate) {
            return Err(Malformed::Length(Field::Certificate));
        }
        if !self.cabundle.iter().all(|der| fits(der)) {
            return Err(Malformed::Length(Field::CaBundle));
        }
        for (field, value) in [
            (Field::PublicKey, self.public_key),
            (Field::UserData, self.user_data),
            (Field::Nonce, self.nonce),
        ] {
            if value.is_some_and(|bytes| bytes.len() > MAX_FIELD) {
                return Err(Malformed::Length(field));
            }
        }
        Ok(())
    }
}

/// A whole document around a payload: untagged, as hardware sends it.
///
/// `sign` gets the `Sig_structure` (RFC 9052 §4.4) and returns its ES384 signature, `r ‖ s`, by the
/// key of the payload's `certificate`.
///
/// # Errors
///
/// A field breaks a rule of [`super::Document::parse`].
pub fn sign_document(
    payload: &Payload<'_>,
    sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE_BYTES],
) -> Result<Vec<u8>, EncodeError> {
    let payload = payload.encode()?;
    let signature = sign(&sig_structure(&payload));
    let mut bytes = Vec::with_capacity(payload.len() + 128);
    bytes.push(ARRAY_OF_FOUR);
    byte_string_head(&mut bytes, PROTECTED.len());
    bytes.extend_from_slice(&PROTECTED);
    bytes.push(UNPROTECTED);
    byte_string_head(&mut bytes, payload.len());
    bytes.extend_from_slice(&payload);
    byte_string_head(&mut bytes, SIGNATURE_BYTES);
    bytes.extend_from_slice(&signature);
    Ok(bytes)
}
