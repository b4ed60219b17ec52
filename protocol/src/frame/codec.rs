//! The bytes of a frame.
//!
//! Requests and replies carry bodies and make up nearly all traffic: they are written and read with
//! one copy of the body. Every other frame, and whatever is not exactly a request or reply, takes
//! the general way; tests hold the two ways to the same answer.

use minicbor::{Decoder, Encoder};

use super::{Frame, FrameError, LENGTH_BYTES, LIMITS, MAX_BODY, MAX_FRAME};
use crate::{
    cbor::{self, EncodeError},
    message::{Bytes, Class},
};

impl Frame {
    /// The frame's bytes, length first.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLarge`] for a body that does not fit, before anything is copied.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        /// A frame's own fields, for the first allocation only.
        const FIELDS: usize = 64;
        let body = match self {
            Self::Request { body, .. } | Self::Reply { body, .. } => body.0.len(),
            Self::Hello { .. } | Self::Failure { .. } => 0,
        };
        if body > MAX_BODY {
            return Err(FrameError::TooLarge { length: body });
        }
        let mut framed = Vec::with_capacity(LENGTH_BYTES + FIELDS + body);
        framed.extend_from_slice(&[0; LENGTH_BYTES]);
        self.content(&mut framed)?;
        let length = framed.len() - LENGTH_BYTES;
        let too_large = FrameError::TooLarge { length };
        if length > MAX_FRAME {
            return Err(too_large);
        }
        let announced = u32::try_from(length).map_err(|_| too_large)?;
        if let Some(front) = framed.first_chunk_mut() {
            *front = announced.to_be_bytes();
        }
        Ok(framed)
    }

    fn content(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let unwritable = |e: minicbor::encode::Error<_>| EncodeError::Serialize(e.to_string());
        let mut encoder = Encoder::new(&mut *out);
        match self {
            Self::Request {
                id,
                body,
                class,
                deadline_ms,
            } => encoder
                .map(1)
                .and_then(|e| e.str("request")?.map(4))
                .and_then(|e| e.str("id")?.u64(*id))
                .and_then(|e| e.str("body")?.bytes(&body.0))
                .and_then(|e| e.str("class")?.str(name(*class)))
                .and_then(|e| e.str("deadline_ms")?.u32(*deadline_ms))
                .map(drop)
                .map_err(unwritable)?,
            Self::Reply { id, body } => encoder
                .map(1)
                .and_then(|e| e.str("reply")?.map(2))
                .and_then(|e| e.str("id")?.u64(*id))
                .and_then(|e| e.str("body")?.bytes(&body.0))
                .map(drop)
                .map_err(unwritable)?,
            Self::Hello { .. } | Self::Failure { .. } => out.extend(cbor::encode(self)?),
        }
        Ok(())
    }

    /// Reads a frame's content, without its length.
    ///
    /// # Errors
    ///
    /// [`FrameError::Malformed`] if it is not exactly one frame.
    pub fn decode(content: &[u8]) -> Result<Self, FrameError> {
        cbor::check(content, &LIMITS)?;
        match with_body(content) {
            Some(frame) => Ok(frame),
            None => Ok(cbor::decode_within(content, &LIMITS)?),
        }
    }
}

/// Reads a request or reply. The bytes have passed the strict pass, so these keys in this order and
/// nothing behind them is their only encoding.
fn with_body(content: &[u8]) -> Option<Frame> {
    let mut decoder = Decoder::new(content);
    let one = decoder.map().ok()?? == 1;
    let kind = decoder.str().ok().filter(|_| one)?;
    let fields = decoder.map().ok()??;
    let id = (key(&mut decoder, "id")?).u64().ok()?;
    let body = Bytes(key(&mut decoder, "body")?.bytes().ok()?.to_vec());
    let frame = match (kind, fields) {
        ("reply", 2) => Frame::Reply { id, body },
        ("request", 4) => Frame::Request {
            id,
            body,
            class: class(key(&mut decoder, "class")?.str().ok()?)?,
            deadline_ms: key(&mut decoder, "deadline_ms")?.u32().ok()?,
        },
        _ => return None,
    };
    (decoder.position() == content.len()).then_some(frame)
}

/// Reads the key that must come next.
fn key<'a, 'b>(decoder: &'a mut Decoder<'b>, expected: &str) -> Option<&'a mut Decoder<'b>> {
    (decoder.str().ok()? == expected).then_some(decoder)
}

const fn name(class: Class) -> &'static str {
    match class {
        Class::Evidence => "evidence",
        Class::SignUp => "sign-up",
        Class::Request => "request",
    }
}

fn class(text: &str) -> Option<Class> {
    [Class::Evidence, Class::SignUp, Class::Request]
        .into_iter()
        .find(|class| name(*class) == text)
}
