//! One strict pass over a document.

use super::cose::{PROTECTED, SIGNATURE_BYTES};
use super::cursor::Cursor;
use super::malformed::{Field, KeyName, Malformed};
use super::{Document, Payload, Pcrs};
use crate::limits::{
    MAX_BUNDLE, MAX_CERTIFICATE, MAX_DOCUMENT, MAX_FIELD, MAX_MODULE_ID, MAX_PAYLOAD, PCR_BYTES,
    PCR_COUNT,
};
use crate::time::UnixMillis;

impl<'a> Document<'a> {
    /// Parses the bytes of a document: all of them, and only the forms that hardware writes.
    ///
    /// Accepted: with tag 18 or without; the payload map of definite or indefinite length; optional
    /// fields null, absent, or empty; PCRs in any order and number; keys in any order. Refused:
    /// everything else, by a rule with a name. Time and memory are bounded by the input's length.
    ///
    /// # Errors
    ///
    /// The first rule that the bytes break.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(Malformed::TooLong);
        }
        let mut cursor = Cursor::new(bytes);
        cursor.skip_sign1_tag();
        if cursor.array(Malformed::NotCoseSign1)? != 4 {
            return Err(Malformed::NotCoseSign1);
        }
        if cursor.bytes(Malformed::Algorithm)? != PROTECTED {
            return Err(Malformed::Algorithm);
        }
        // The empty map in its one form: a map of indefinite length holds nothing only at its end.
        if cursor.map(Malformed::UnprotectedHeader)? != Some(0) {
            return Err(Malformed::UnprotectedHeader);
        }
        let signed = cursor.bytes(Malformed::PayloadLength)?;
        if signed.is_empty() || signed.len() > MAX_PAYLOAD {
            return Err(Malformed::PayloadLength);
        }
        let signature = cursor.bytes(Malformed::SignatureLength)?;
        let signature: &[u8; SIGNATURE_BYTES] = signature
            .try_into()
            .map_err(|_| Malformed::SignatureLength)?;
        if !cursor.at_end() {
            return Err(Malformed::TrailingBytes);
        }
        Ok(Self {
            payload: Payload::parse(signed)?,
            signed,
            signature,
        })
    }
}

/// The fields as they are found, in any order.
#[derive(Default)]
struct Found<'a> {
    seen: [bool; Field::ALL.len()],
    module_id: Option<&'a str>,
    digest: bool,
    timestamp: Option<u64>,
    pcrs: Option<Pcrs<'a>>,
    certificate: Option<&'a [u8]>,
    cabundle: Option<Vec<&'a [u8]>>,
    public_key: Option<&'a [u8]>,
    user_data: Option<&'a [u8]>,
    nonce: Option<&'a [u8]>,
}

impl<'a> Payload<'a> {
    /// Parses the payload alone; see [`Document::parse`].
    ///
    /// # Errors
    ///
    /// The first rule that the bytes break.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let mut found = Found::default();
        match cursor.map(Malformed::NotAMap)? {
            // Each turn consumes an unseen key or ends in an error: ten at most.
            Some(count) => {
                for _ in 0..count {
                    found.take(&mut cursor)?;
                }
            }
            None => {
                while !cursor.takes_break()? {
                    found.take(&mut cursor)?;
                }
            }
        }
        if !cursor.at_end() {
            return Err(Malformed::TrailingPayload);
        }
        found.complete()
    }
}

impl<'a> Found<'a> {
    fn take(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        let key = cursor.text(Malformed::KeyType)?;
        if key == "nitrotpm_pcrs" {
            return Err(Malformed::NitroTpm);
        }
        let field = Field::from_key(key).ok_or_else(|| Malformed::UnknownKey(KeyName::new(key)))?;
        match self.seen.get_mut(field as usize) {
            Some(seen @ false) => *seen = true,
            _ => return Err(Malformed::Duplicate(field)),
        }
        match field {
            Field::ModuleId => self.module_id = Some(module_id(cursor)?),
            Field::Digest => {
                if cursor.text(Malformed::Type(field))? != "SHA384" {
                    return Err(Malformed::Digest);
                }
                self.digest = true;
            }
            Field::Timestamp => match cursor.unsigned(field)? {
                0 => return Err(Malformed::Timestamp),
                timestamp => self.timestamp = Some(timestamp),
            },
            Field::Pcrs => self.pcrs = Some(pcrs(cursor)?),
            Field::Certificate => self.certificate = Some(certificate(cursor, field)?),
            Field::CaBundle => self.cabundle = Some(cabundle(cursor)?),
            Field::PublicKey => self.public_key = optional(cursor, field)?,
            Field::UserData => self.user_data = optional(cursor, field)?,
            Field::Nonce => self.nonce = optional(cursor, field)?,
        }
        Ok(())
    }

    fn complete(self) -> Result<Payload<'a>, Malformed> {
        if !self.digest {
            return Err(Malformed::Missing(Field::Digest));
        }
        Ok(Payload {
            module_id: self.module_id.ok_or(Malformed::Missing(Field::ModuleId))?,
            timestamp: self
                .timestamp
                .map(UnixMillis)
                .ok_or(Malformed::Missing(Field::Timestamp))?,
            pcrs: self.pcrs.ok_or(Malformed::Missing(Field::Pcrs))?,
            certificate: self
                .certificate
                .ok_or(Malformed::Missing(Field::Certificate))?,
            cabundle: self.cabundle.ok_or(Malformed::Missing(Field::CaBundle))?,
            public_key: self.public_key,
            user_data: self.user_data,
            nonce: self.nonce,
        })
    }
}

fn module_id<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Malformed> {
    let id = cursor.text(Malformed::Type(Field::ModuleId))?;
    check_module_id(id)?;
    Ok(id)
}

/// Length, characters and kind of a module id. The characters leave out the full stop, so that the
/// leaf's common name has one reading.
pub(super) fn check_module_id(id: &str) -> Result<(), Malformed> {
    if id.is_empty() || id.len() > MAX_MODULE_ID {
        return Err(Malformed::Length(Field::ModuleId));
    }
    if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(Malformed::ModuleId);
    }
    if id.contains("-tpm") {
        return Err(Malformed::NitroTpm);
    }
    Ok(())
}

fn pcrs<'a>(cursor: &mut Cursor<'a>) -> Result<Pcrs<'a>, Malformed> {
    let count = cursor
        .map(Malformed::Type(Field::Pcrs))?
        .ok_or(Malformed::Indefinite)?;
    if count == 0 || count > PCR_COUNT as u64 {
        return Err(Malformed::Length(Field::Pcrs));
    }
    let mut pcrs = Pcrs::new();
    for _ in 0..count {
        let index = cursor.key(Field::Pcrs)?;
        let index = u8::try_from(index).map_err(|_| Malformed::PcrIndex)?;
        if usize::from(index) >= PCR_COUNT {
            return Err(Malformed::PcrIndex);
        }
        let value = cursor.bytes(Malformed::Type(Field::Pcrs))?;
        let value: &[u8; PCR_BYTES] = value.try_into().map_err(|_| Malformed::PcrLength(index))?;
        if !pcrs.insert(index, value) {
            return Err(Malformed::DuplicatePcr(index));
        }
    }
    Ok(pcrs)
}

fn certificate<'a>(cursor: &mut Cursor<'a>, field: Field) -> Result<&'a [u8], Malformed> {
    let der = cursor.bytes(Malformed::Type(field))?;
    if der.is_empty() || der.len() > MAX_CERTIFICATE {
        return Err(Malformed::Length(field));
    }
    Ok(der)
}

fn cabundle<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<&'a [u8]>, Malformed> {
    let count = cursor.array(Malformed::Type(Field::CaBundle))?;
    if count == 0 || count > MAX_BUNDLE as u64 {
        return Err(Malformed::Length(Field::CaBundle));
    }
    (0..count)
        .map(|_| certificate(cursor, Field::CaBundle))
        .collect()
}

fn optional<'a>(cursor: &mut Cursor<'a>, field: Field) -> Result<Option<&'a [u8]>, Malformed> {
    let bytes = cursor.optional_bytes(field)?;
    if bytes.is_some_and(|bytes| bytes.len() > MAX_FIELD) {
        return Err(Malformed::Length(field));
    }
    Ok(bytes)
}
