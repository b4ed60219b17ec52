//! From the bytes of a call to the bytes of its signed answer.

use openkey_protocol::{
    cbor::{self, Limits},
    message::{
        AccountHead, Answer, Bare, Bytes, Call, Error, ErrorCode, Hash32, Reply, Request, Response,
        Verdict,
    },
};
use sha2::{Digest, Sha256};

use crate::{errors::refuse, platform::Platform, service::check_nonce};

/// No call has a list of any length: its items are few, and its bytes are in byte strings and texts. A call
/// with more is refused before any of it is built.
const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    depth: 16,
    items: 256,
};

/// What an answer says to which call it belongs.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// SHA-256 of the call's bytes.
    pub(crate) hash: Hash32,
    /// The client's nonce.
    pub(crate) nonce: Bytes,
}

/// A request that was served.
pub(crate) enum Served {
    /// To be signed.
    Answer {
        response: Box<Response>,
        /// The head that the request carried, once the state that answers was found to continue it.
        continued: Option<AccountHead>,
    },
    /// Not to be signed.
    Bare(Bare),
}

impl From<Response> for Served {
    /// A response to a request without an account head.
    fn from(response: Response) -> Self {
        Self::Answer {
            response: Box::new(response),
            continued: None,
        }
    }
}

impl Asked {
    /// Reads a call strictly: the decoder accepts one encoding of each value only, so the hash of the
    /// bytes is the hash of the call.
    ///
    /// # Errors
    ///
    /// What is no call is refused, without a signature: an answer could not name it.
    pub(crate) fn read(body: &[u8]) -> Result<(Self, Request), Error> {
        let call: Call =
            cbor::decode_within(body, &LIMITS).map_err(|_| refuse(ErrorCode::Malformed))?;
        check_nonce(call.nonce.as_slice())?;
        let asked = Self {
            hash: Hash32(Sha256::digest(body).into()),
            nonce: call.nonce,
        };
        Ok((asked, call.request))
    }

    /// Signs what came of the call, refusals included.
    pub(crate) fn reply(self, platform: &Platform, served: Result<Served, Error>) -> Reply {
        let (continued, result) = match served {
            Ok(Served::Bare(bare)) => return Reply::Bare(bare),
            Ok(Served::Answer {
                response,
                continued,
            }) => (continued, Verdict::Ok(*response)),
            Err(error) => (None, Verdict::Refused(error)),
        };
        let answer = Answer {
            request: self.hash,
            nonce: self.nonce,
            at: platform.now(),
            continued,
            result,
        };
        match platform.identity.sign(&answer) {
            Ok(signed) => Reply::Answer(signed),
            // Excluded by tests: every answer has an encoding.
            Err(_) => Reply::Bare(Bare::Refused(refuse(ErrorCode::Internal))),
        }
    }
}
