//! Typed data: EIP-712 as `eth_signTypedData_v4` takes it.

mod bounds;
mod domain;
mod encode;
mod error;
mod explain;
mod graph;
mod json;
mod types;
mod value;

use openkey_capability::visible::first_hidden;
use openkey_protocol::message::{Address, Error, ErrorCode, PromptKind};
use sha3::{Digest as _, Keccak256};

pub(super) use self::{
    domain::Domain,
    error::TypedDataError,
    explain::as_it_is,
    types::Type,
    value::{Struct, Value},
};
use self::{
    encode::Encoder,
    json::Json,
    types::{DOMAIN, Schema},
};
use super::{
    SigningRequest,
    asker::Asker,
    refusal::{check_size, hidden, refuse},
    words::{MAX_VALUE, shown},
};

/// Reads a document.
pub(super) fn read(
    json: &str,
    signer: &Address,
    asker: Asker<'_>,
    now_ms: i64,
) -> Result<SigningRequest, Error> {
    check_size(json)?;
    // The document is shown as it is; carriage returns are its white space (RFC 8259).
    if let Some(found) = first_hidden(&json.replace('\r', " ")) {
        return Err(hidden(ErrorCode::TypedDataRefused, found));
    }
    let parts = Parts::read(json).map_err(refusal)?;
    let (domain, message) = parts.values().map_err(refusal)?;
    bounds::check(&message, json.len()).map_err(refusal)?;
    let (digest, written) = digest(&parts.schema, &domain, &message).map_err(refusal)?;
    let document = Document {
        written,
        domain,
        message,
    };
    Ok(SigningRequest {
        kind: PromptKind::SignTypedData,
        digest,
        summary: explain::summary(&document, json, signer, asker, now_ms),
    })
}

#[allow(clippy::needless_pass_by_value)] // what `map_err` hands over
fn refusal(error: TypedDataError) -> Error {
    refuse(
        ErrorCode::TypedDataRefused,
        error.rule(),
        &format!(
            "This typed data cannot be read in exactly one way: {}.",
            shown(&error.to_string(), MAX_VALUE)
        ),
        "Tell the app's maker; nothing was signed.",
    )
}

/// `keccak256(0x1901 ‖ domainSeparator ‖ hashStruct(message))`, and `encodeType` of the message.
fn digest<'s>(
    schema: &'s Schema,
    domain: &Domain<'s>,
    message: &Struct<'s>,
) -> Result<([u8; 32], String), TypedDataError> {
    let mut encoder = Encoder::new(schema);
    let digest = Keccak256::new()
        .chain_update([0x19, 0x01])
        .chain_update(encoder.hash_struct(&domain.values)?)
        .chain_update(encoder.hash_struct(message)?)
        .finalize();
    let written = encoder.encode_type(message.definition.number)?;
    Ok((digest.into(), written))
}

/// A document that was read whole.
pub(crate) struct Document<'s> {
    /// `encodeType` of the primary type: it and every struct that it can hold, to the letter.
    pub(crate) written: String,
    pub(crate) domain: Domain<'s>,
    pub(crate) message: Struct<'s>,
}

/// The four members of a document.
struct Parts {
    schema: Schema,
    primary_type: String,
    domain: Json,
    message: Json,
}

impl Parts {
    fn read(text: &str) -> Result<Self, TypedDataError> {
        let Json::Object(members) = json::parse(text)? else {
            return Err(TypedDataError::Shape {
                item: "the document".to_owned(),
                must: "an object",
            });
        };
        let (mut types, mut primary_type, mut domain, mut message) = (None, None, None, None);
        for (name, value) in members {
            match name.as_str() {
                "types" => types = Some(Schema::read(&value)?),
                "primaryType" => match value {
                    Json::String(text) => primary_type = Some(text),
                    _ => {
                        return Err(TypedDataError::Shape {
                            item: name,
                            must: "a text",
                        });
                    }
                },
                "domain" => domain = Some(value),
                "message" => message = Some(value),
                _ => return Err(TypedDataError::UnknownMember(name)),
            }
        }
        Ok(Self {
            schema: types.ok_or(TypedDataError::Missing("types"))?,
            primary_type: primary_type.ok_or(TypedDataError::Missing("primaryType"))?,
            domain: domain.ok_or(TypedDataError::Missing("domain"))?,
            message: message.ok_or(TypedDataError::Missing("message"))?,
        })
    }

    /// Reads domain and message by their types.
    fn values(&self) -> Result<(Domain<'_>, Struct<'_>), TypedDataError> {
        let schema = &self.schema;
        schema.check_colons(&self.primary_type)?;
        let domain = Domain::read(schema, &self.domain)?;
        // Signing the domain alone would be a signature over nothing that can be shown.
        if self.primary_type == DOMAIN {
            return Err(TypedDataError::PrimaryDomain);
        }
        let primary = schema
            .get(&self.primary_type)
            .ok_or_else(|| TypedDataError::PrimaryType(self.primary_type.clone()))?;
        let message = Struct::read(schema, primary, &self.message, "message")?;
        Ok((domain, message))
    }
}
