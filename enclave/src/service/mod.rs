//! The enclave at work, once it has its root key: requests in, replies out.
//!
//! Each request is a straight line: read it strictly, load what it is about, decide by pure
//! functions, seal the new state, commit it by compare-and-swap, and only then answer.

mod approve;
mod buckets;
mod effort;
mod history;
mod kept;
mod orders;
mod possession;
mod prompt;
mod propose;
mod read;
mod records;
mod secrets;
mod sign_up;
mod turns;
mod unproven;
mod upgrades;

use std::sync::Arc;

use openkey_protocol::{
    message::{Error, ErrorCode, MAX_NONCE, MIN_NONCE, Request, Response},
    store::RecordStore,
};

use crate::{
    answer::{Asked, Served},
    boot::Capacity,
    errors::{internal, refuse, refuse_because},
    passkeys::RelyingParty,
    platform::Platform,
    root::RootKey,
    seal::Sealer,
    versions::Versions,
};
pub(crate) use buckets::{Buckets, MAX_ENTRIES};
pub(crate) use effort::Effort;
pub use history::TOLERANCE;
pub(crate) use kept::Shown;
pub(crate) use read::MAX_PAGE;
pub use secrets::MAX_SECRETS;
pub(crate) use sign_up::SignUps;
pub(crate) use turns::Turns;
pub use upgrades::Successor;
pub(crate) use upgrades::{KnownSuccessors, TooLate, Upgrades};

/// How long a prompt waits for its approval, in milliseconds.
pub const PROMPT_LIFE: u64 = 120_000;
/// How long the making of a passkey may take, in milliseconds: people look for their security key.
pub const REGISTRATION_LIFE: u64 = 300_000;
/// How long an account waits for its confirmation before it ends, in milliseconds: a day.
pub const UNCONFIRMED_LIFE: u64 = 24 * 60 * 60 * 1000;
/// How long a read token lasts, in milliseconds.
pub const TOKEN_LIFE: u64 = 900_000;

/// Records that a deployment keeps once: secrets and successors.
const KEPT: usize = 2;

/// An enclave that has its root key: accounts, consent, signing.
pub struct Enclave<S> {
    pub(crate) platform: Arc<Platform>,
    pub(crate) sealer: Sealer,
    pub(crate) relying_party: RelyingParty,
    pub(crate) store: S,
    pub(crate) versions: Versions,
    pub(crate) buckets: Buckets,
    pub(crate) turns: Turns,
    pub(crate) sign_ups: SignUps,
    /// What was seen of secrets and successors.
    pub(crate) kept_versions: Versions,
    pub(crate) shown: Shown,
    /// What this boot knows of successors, and whether the root key went to one.
    pub(crate) upgrades: Upgrades,
    pub(crate) effort: Effort,
}

impl<S> core::fmt::Debug for Enclave<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Enclave").finish_non_exhaustive()
    }
}

impl<S: RecordStore> Enclave<S> {
    pub(crate) fn new(
        platform: Arc<Platform>,
        root: RootKey,
        relying_party: RelyingParty,
        store: S,
        capacity: Capacity,
    ) -> Self {
        Self {
            sealer: Sealer::new(root, platform.epoch()),
            platform,
            relying_party,
            store,
            versions: Versions::new(capacity.accounts),
            buckets: Buckets::new(capacity.buckets),
            turns: Turns::default(),
            sign_ups: SignUps::new(capacity.sign_ups_per_minute),
            kept_versions: Versions::new(KEPT),
            shown: Shown::default(),
            upgrades: Upgrades::default(),
            effort: Effort::default(),
        }
    }

    /// The root key, for handing it over.
    pub(crate) const fn root(&self) -> &RootKey {
        self.sealer.root()
    }

    /// Whether the root key went to a successor.
    pub(crate) fn is_superseded(&self) -> bool {
        self.upgrades.is_superseded()
    }

    /// Refuses to serve and to change anything once the root key went to a successor.
    pub(crate) fn check_serving(&self) -> Result<(), Error> {
        if self.is_superseded() {
            return Err(refuse(ErrorCode::Superseded));
        }
        Ok(())
    }

    /// Answers what only an enclave with a root key can, unless the root key has gone to a successor before
    /// the answer leaves: a store that is slow, or made so, keeps requests under way for long.
    pub(crate) async fn serve(&self, request: Request, asked: &Asked) -> Result<Served, Error> {
        self.check_serving()?;
        let served = self.carry_out(request, asked).await;
        self.check_serving()?;
        served
    }

    async fn carry_out(&self, request: Request, asked: &Asked) -> Result<Served, Error> {
        let hash = asked.hash;
        // A request that carries a head is served only after `load` has found that the account's
        // state continues it, so an answer that is not a refusal may say so.
        let continued = request.head();
        let response = match request {
            Request::SignUp(request) => {
                let nonce = asked.nonce.clone();
                Response::SignUpStarted(self.sign_up(request, nonce)?)
            }
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
            // The service in front answers these.
            Request::Status
            | Request::Evidence { .. }
            | Request::Operator(_)
            | Request::HandOver(_) => return Err(refuse(ErrorCode::Internal)),
        };
        Ok(Served::Answer {
            response: Box::new(response),
            continued,
        })
    }

    fn check_origin(&self, origin: &str) -> Result<(), Error> {
        if self.platform.configuration.allows(origin) {
            Ok(())
        } else {
            Err(refuse(ErrorCode::WrongOrigin))
        }
    }
}

pub(crate) fn check_nonce(nonce: &[u8]) -> Result<(), Error> {
    if (MIN_NONCE..=MAX_NONCE).contains(&nonce.len()) {
        Ok(())
    } else {
        Err(refuse_because(
            ErrorCode::OutOfBounds,
            "The nonce must have 16 to 64 bytes.",
        ))
    }
}
