//! Authenticator data and attestation objects (WebAuthn Level 3 §6.1, §6.5), read strictly and before
//! the library: it passes over what stands behind them, and refuses everything else with one
//! sentence.

use minicbor::{Decoder, data::Type};
use sha2::{Digest, Sha256};

use super::canonical::{self, Flaw};

/// Hash of the relying-party id, flags, counter.
const HEAD: usize = 37;
/// Flags (§6.1): the person was verified, attested credential data follow, extensions follow.
const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;
const EXTENDED: u8 = 0x80;
/// Bytes of the authenticator's model in front of the credential id (§6.5.1).
const MODEL: usize = 16;
/// Bytes of a coordinate of P-256.
const COORDINATE: usize = 32;

/// What is wrong with what an authenticator made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not the bytes that the specification describes, or more than these.
    Shape,
    /// Made for another relying party.
    RelyingParty,
    /// The person was not verified.
    Unverified,
    /// The format `none` with a statement.
    Statement,
    /// The credential's id is not the one beside it.
    Id,
    /// A public key of another kind than those that were offered.
    Key,
    /// A public key that says one thing twice.
    KeyTwice,
    /// A public key with a number that is not written in its shortest form.
    KeyLong,
    /// Extensions that say one thing twice.
    ExtensionTwice,
}

impl Fault {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Shape => {
                "The passkey's data are not exactly what WebAuthn describes, or something stands \
                 behind them."
            }
            Self::RelyingParty => "The passkey belongs to another site.",
            Self::Unverified => "The authenticator did not verify the person.",
            Self::Statement => {
                "The new passkey has an attestation of the kind none that says something."
            }
            Self::Id => "The new passkey has another id than it says.",
            Self::Key => "The new passkey has a key of a kind that is not supported.",
            Self::KeyTwice => "The new passkey's key has the same parameter twice.",
            Self::KeyLong => "The new passkey's key has a number that is not in its shortest form.",
            Self::ExtensionTwice => "The passkey's data have the same extension member twice.",
        }
    }
}

/// Checks the authenticator data of an assertion, and gives its counter.
pub(super) fn check_assertion(data: &[u8], rp_id: &str) -> Result<u32, Fault> {
    let (head, rest) = Head::read(data, rp_id)?;
    // §6.1: attested credential data are not part of an assertion.
    if head.flags & ATTESTED != 0 {
        return Err(Fault::Shape);
    }
    check_extensions(head.flags, rest)?;
    head.check_verified()?;
    Ok(head.counter)
}

/// Checks an attestation object and the authenticator data in it, which must be of the credential
/// with this id, and gives the counter.
pub(super) fn check_registration(object: &[u8], rp_id: &str, id: &[u8]) -> Result<u32, Fault> {
    let data = attested(object)?;
    let (head, rest) = Head::read(data, rp_id)?;
    if head.flags & ATTESTED == 0 {
        return Err(Fault::Shape);
    }
    let rest = rest.get(MODEL..).ok_or(Fault::Shape)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Fault::Shape)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (own_id, rest) = rest.split_at_checked(length).ok_or(Fault::Shape)?;
    let extensions = canonical::item(rest).map_err(|flaw| match flaw {
        Flaw::Shape => Fault::Shape,
        Flaw::Long => Fault::KeyLong,
        Flaw::Twice => Fault::KeyTwice,
    })?;
    let is_supported = read_key(&mut Decoder::new(rest)).map_err(|_| Fault::Shape)?;
    check_extensions(head.flags, extensions)?;
    head.check_verified()?;
    if own_id != id {
        return Err(Fault::Id);
    }
    if is_supported {
        Ok(head.counter)
    } else {
        Err(Fault::Key)
    }
}

/// What every authenticator data begin with.
struct Head {
    flags: u8,
    counter: u32,
}

impl Head {
    fn read<'d>(data: &'d [u8], rp_id: &str) -> Result<(Self, &'d [u8]), Fault> {
        let (head, rest) = data.split_first_chunk::<HEAD>().ok_or(Fault::Shape)?;
        let [hash @ .., flags, a, b, c, d] = head;
        if hash.as_slice() != Sha256::digest(rp_id).as_slice() {
            return Err(Fault::RelyingParty);
        }
        let counter = u32::from_be_bytes([*a, *b, *c, *d]);
        Ok((
            Self {
                flags: *flags,
                counter,
            },
            rest,
        ))
    }

    const fn check_verified(&self) -> Result<(), Fault> {
        if self.flags & VERIFIED == 0 {
            return Err(Fault::Unverified);
        }
        Ok(())
    }
}

/// One CBOR map if the flags announce it, and nothing else.
fn check_extensions(flags: u8, rest: &[u8]) -> Result<(), Fault> {
    if flags & EXTENDED == 0 {
        return if rest.is_empty() {
            Ok(())
        } else {
            Err(Fault::Shape)
        };
    }
    let behind = canonical::item(rest).map_err(|flaw| match flaw {
        Flaw::Shape | Flaw::Long => Fault::Shape,
        Flaw::Twice => Fault::ExtensionTwice,
    })?;
    let is_map = matches!(Decoder::new(rest).datatype(), Ok(Type::Map));
    if is_map && behind.is_empty() {
        Ok(())
    } else {
        Err(Fault::Shape)
    }
}

/// The authenticator data of an attestation object: a map of `fmt`, `attStmt` and `authData`.
fn attested(object: &[u8]) -> Result<&[u8], Fault> {
    let shape = |_| Fault::Shape;
    let mut decoder = Decoder::new(object);
    if decoder.map().map_err(shape)? != Some(3) {
        return Err(Fault::Shape);
    }
    let (mut format, mut is_empty, mut data) = (None, None, None);
    for _ in 0..3 {
        match decoder.str().map_err(shape)? {
            "fmt" if format.is_none() => format = Some(decoder.str().map_err(shape)?),
            "attStmt" if is_empty.is_none() => {
                let start = decoder.position();
                let members = decoder.map().map_err(shape)?;
                is_empty = Some(members == Some(0));
                decoder.set_position(start);
                decoder.skip().map_err(shape)?;
            }
            "authData" if data.is_none() => data = Some(decoder.bytes().map_err(shape)?),
            _ => return Err(Fault::Shape),
        }
    }
    if decoder.position() != object.len() {
        return Err(Fault::Shape);
    }
    // §8.7: the statement of this format is an empty map.
    if format == Some("none") && is_empty != Some(true) {
        return Err(Fault::Statement);
    }
    data.ok_or(Fault::Shape)
}

/// Reads a COSE key (RFC 9052 §7, RFC 9053 §7.1), whose parameters the library looks at again. True
/// if it is of a kind that was offered: ES256 on P-256 with both coordinates (§5.8.5: no compressed
/// points), or RS256.
fn read_key(decoder: &mut Decoder<'_>) -> Result<bool, minicbor::decode::Error> {
    let members = decoder.map()?.unwrap_or_default();
    let (mut kind, mut algorithm, mut curve) = (None, None, None);
    let (mut x, mut y) = (None, None);
    for _ in 0..members {
        let label = decoder.i64()?;
        let is_bytes = decoder.datatype()? == Type::Bytes;
        match label {
            1 => kind = Some(decoder.i64()?),
            3 => algorithm = Some(decoder.i64()?),
            // The curve, or the modulus of an RSA key.
            -1 if !is_bytes => curve = Some(decoder.i64()?),
            -2 if is_bytes => x = Some(decoder.bytes()?.len()),
            -3 if is_bytes => y = Some(decoder.bytes()?.len()),
            _ => decoder.skip()?,
        }
    }
    let is_point = x == Some(COORDINATE) && y == Some(COORDINATE);
    Ok(match (kind, algorithm) {
        (Some(2), Some(-7)) => curve == Some(1) && is_point,
        (Some(3), Some(-257)) => true,
        _ => false,
    })
}
