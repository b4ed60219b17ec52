//! The running enclave: requests in, replies out.
//!
//! Each request is a straight line: read it strictly, load what it is about, decide by pure
//! functions, seal the new state, commit it by compare-and-swap, and only then answer.

mod approve;
mod evidence;
mod prompt;
mod propose;
mod read;
mod records;
mod sign_up;
mod time;

use std::sync::Arc;

use openkey_protocol::{
    cbor,
    message::{
        Class, Error, ErrorCode, Hash32, MAX_NONCE, MIN_NONCE, Reply, Request, Response, RootSource,
    },
    server::{Handler, Instant},
    store::RecordStore,
};
use sha2::{Digest, Sha256};

use crate::{
    boot::Capacity,
    clock::Clock,
    configuration::Configuration,
    entropy::Entropy,
    errors::{refuse, refuse_because},
    event::{Event, EventSink},
    identity::Identity,
    nsm::NsmHandle,
    passkeys::RelyingParty,
    seal::Sealer,
    versions::Versions,
};
pub(crate) use records::Locks;
pub(crate) use sign_up::SignUps;

/// How long a prompt waits for its approval, in milliseconds.
pub const PROMPT_LIFE: u64 = 120_000;
/// How long the making of a passkey may take, in milliseconds: people look for their security key.
pub const REGISTRATION_LIFE: u64 = 300_000;
/// How long a read token lasts, in milliseconds.
pub const TOKEN_LIFE: u64 = 900_000;

/// A booted enclave. It answers protocol requests ([`Handler`]), each on its own: share it between
/// as many tasks as there are requests.
pub struct Enclave<S> {
    pub(crate) nsm: NsmHandle,
    pub(crate) entropy: Entropy,
    pub(crate) clock: Clock,
    pub(crate) reading: tokio::sync::Mutex<Option<u64>>,
    pub(crate) identity: Identity,
    pub(crate) sealer: Sealer,
    pub(crate) root_source: RootSource,
    pub(crate) root_id: Option<Hash32>,
    pub(crate) relying_party: RelyingParty,
    pub(crate) configuration: Configuration,
    pub(crate) store: S,
    pub(crate) versions: Versions,
    pub(crate) locks: Locks,
    pub(crate) sign_ups: SignUps,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) release: String,
    pub(crate) capacity: Capacity,
}

impl<S> core::fmt::Debug for Enclave<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Enclave").finish_non_exhaustive()
    }
}

impl<S: RecordStore> Handler for Enclave<S> {
    async fn handle(&self, class: Class, body: Vec<u8>, _: Instant) -> Vec<u8> {
        self.answer(class, &body).await
    }
}

impl<S: RecordStore> Enclave<S> {
    /// Answers the deterministic CBOR of one [`Request`] that arrived under `class` with the CBOR of
    /// one [`Reply`]. May be dropped at any point: what was committed stays, anything else never
    /// was.
    pub async fn answer(&self, class: Class, body: &[u8]) -> Vec<u8> {
        let reply = match self.serve(class, body).await {
            Ok(response) => {
                self.events.record(Event::Answered { class });
                Reply::Ok(response)
            }
            Err(error) => {
                let code = error.code;
                self.events.record(Event::Refused { class, code });
                Reply::Error(error)
            }
        };
        cbor::encode(&reply).unwrap_or_default()
    }

    /// The Ed25519 public key of this boot, which evidence vouches for.
    #[must_use]
    pub fn identity(&self) -> [u8; 32] {
        self.identity.public()
    }

    async fn serve(&self, class: Class, body: &[u8]) -> Result<Response, Error> {
        let request: Request = cbor::decode(body).map_err(|_| refuse(ErrorCode::Malformed))?;
        if request.class() != class {
            return Err(refuse(ErrorCode::WrongClass));
        }
        // The decoder reads one encoding of each value only: this is the hash of the request.
        let hash = Hash32(Sha256::digest(body).into());
        self.keep_time().await?;
        Ok(match request {
            Request::Status => Response::Status(self.status()),
            Request::Evidence { nonce } => Response::Evidence(self.evidence(nonce).await?),
            Request::SignUp(request) => Response::SignUpStarted(self.sign_up(request).await?),
            Request::SignUpFinish(request) => {
                Response::SignedUp(self.finish_sign_up(request).await?)
            }
            Request::SignIn(request) => Response::Prompted(self.sign_in(request, hash)?),
            Request::Propose(request) => self.propose(request, hash).await?,
            Request::PasskeyCreated(request) => {
                Response::Prompted(self.passkey_created(request, hash).await?)
            }
            Request::Approve(request) => Response::Approved(self.approve(request).await?),
            Request::Read(request) => self.read(request).await?,
        })
    }

    fn check_origin(&self, origin: &str) -> Result<(), Error> {
        if self.configuration.allows(origin) {
            Ok(())
        } else {
            Err(refuse(ErrorCode::WrongOrigin))
        }
    }
}

fn check_nonce(nonce: &[u8]) -> Result<(), Error> {
    if (MIN_NONCE..=MAX_NONCE).contains(&nonce.len()) {
        Ok(())
    } else {
        Err(refuse_because(
            ErrorCode::OutOfBounds,
            "The nonce must have 16 to 64 bytes.",
        ))
    }
}

fn internal<E>(_: E) -> Error {
    refuse(ErrorCode::Internal)
}
