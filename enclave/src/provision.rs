//! The service in front: answers verifiers and operators from the start, waits for the root key, and
//! from then on has an [`Enclave`] that answers the rest.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use openkey_consent::MAX_PAYLOAD;
use openkey_protocol::{
    cbor,
    message::{
        Bare, Class, EnclaveEvent, Error, ErrorCode, Evidence, Limits, OperatorRequest, Reply,
        Request, Response, RootSource, RootState, RootStatus, Status,
    },
    server::{Handler, Instant},
    store::RecordStore,
};
use openkey_verifier::channel::Channel;
use tokio::task::AbortHandle;

use crate::{
    account::{MAX_KEYS, MAX_PASSKEYS, MAX_SIGNATURES},
    answer::{Asked, Served},
    boot::{BootError, Capacity},
    channel::OnChannel,
    errors::{refuse, refuse_because},
    passkeys::RelyingParty,
    platform::Platform,
    root::{RootKey, Taken, Waiting, hand_over},
    service::{Enclave, check_nonce},
};

/// How long the sources are left alone after all of them were asked in vain, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// And at most: a peer that comes up is found soon, and a broken KMS is not flooded.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A booted enclave. It answers protocol requests ([`Handler`]), each on its own: share it between
/// as many tasks as there are requests.
pub struct Service<S> {
    shared: Arc<Shared<S>>,
    /// Asks the sources until there is a root key; ends with the service.
    asking: Option<AbortHandle>,
}

impl<S> Drop for Service<S> {
    fn drop(&mut self) {
        if let Some(asking) = &self.asking {
            asking.abort();
        }
    }
}

impl<S> core::fmt::Debug for Service<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

struct Shared<S> {
    platform: Arc<Platform>,
    waiting: Waiting,
    /// What an enclave is made of once the root key is there; taken by whoever brings it first.
    parts: Mutex<Option<(RelyingParty, S)>>,
    enclave: OnceLock<Enclave<S>>,
    capacity: Capacity,
}

impl<S: RecordStore> Handler for Service<S> {
    async fn handle(&self, class: Class, body: Vec<u8>, _: Instant) -> Vec<u8> {
        self.answer(class, &body).await
    }
}

impl<S: RecordStore> OnChannel for Service<S> {
    async fn answer_from(&self, class: Class, body: Vec<u8>, peer: Option<&Channel>) -> Vec<u8> {
        // Nobody signs up on a channel: how often an address may, host-proxy bounds, and it does not
        // see what is asked here. A sign-up is then of the wrong class, whatever class it names.
        let class = match class {
            Class::SignUp => Class::Request,
            other => other,
        };
        match peer {
            Some(peer) => self.answer_on_channel(class, &body, peer).await,
            None => self.answer(class, &body).await,
        }
    }
}

impl<S: RecordStore> Service<S> {
    pub(crate) async fn start(
        platform: Arc<Platform>,
        waiting: Waiting,
        relying_party: RelyingParty,
        store: S,
        capacity: Capacity,
    ) -> Result<Self, BootError> {
        let shared = Arc::new(Shared {
            platform,
            waiting,
            parts: Mutex::new(Some((relying_party, store))),
            enclave: OnceLock::new(),
            capacity,
        });
        if let Some(source) = shared.waiting.development() {
            let key = shared.waiting.ask(source, &shared.platform).await?;
            shared.ready(key, source.source());
        }
        let asking = shared.waiting.can_ask().then(|| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { shared.ask_sources().await }).abort_handle()
        });
        Ok(Self { shared, asking })
    }

    /// Answers the deterministic CBOR of one [`openkey_protocol::message::Call`] that arrived under
    /// `class` with the CBOR of one [`Reply`]. May be dropped at any point: what was committed stays, anything else never
    /// was.
    pub async fn answer(&self, class: Class, body: &[u8]) -> Vec<u8> {
        self.reply(class, body, None).await
    }

    /// As [`Self::answer`], for a request that arrived on a channel from this enclave.
    pub async fn answer_on_channel(&self, class: Class, body: &[u8], peer: &Channel) -> Vec<u8> {
        self.reply(class, body, Some(peer)).await
    }

    async fn reply(&self, class: Class, body: &[u8], peer: Option<&Channel>) -> Vec<u8> {
        let platform = &self.shared.platform;
        let refused = |error: &Error| {
            let code = error.code;
            platform.record(EnclaveEvent::Refused { class, code });
        };
        let reply = match Asked::read(body) {
            Ok((asked, request)) => {
                let served = self.shared.serve(class, request, &asked, peer).await;
                match &served {
                    Ok(_) => platform.record(EnclaveEvent::Answered { class }),
                    Err(error) => refused(error),
                }
                asked.reply(platform, served)
            }
            Err(error) => {
                refused(&error);
                Reply::Bare(Bare::Refused(error))
            }
        };
        cbor::encode(&reply).unwrap_or_default()
    }

    /// What exists beside the root key.
    #[must_use]
    pub fn platform(&self) -> &Arc<Platform> {
        &self.shared.platform
    }

    /// The enclave, once the root key is there.
    #[must_use]
    pub fn enclave(&self) -> Option<&Enclave<S>> {
        self.shared.enclave.get()
    }

    /// The Ed25519 public key of this boot, which evidence vouches for.
    #[must_use]
    pub fn identity(&self) -> [u8; 32] {
        self.shared.platform.identity()
    }
}

impl<S: RecordStore> Shared<S> {
    async fn serve(
        &self,
        class: Class,
        request: Request,
        asked: &Asked,
        peer: Option<&Channel>,
    ) -> Result<Served, Error> {
        if request.class() != class {
            return Err(refuse(ErrorCode::WrongClass));
        }
        self.platform.keep_time().await?;
        match request {
            Request::Status => Ok(Response::Status(self.status().await).into()),
            Request::Evidence { nonce } => {
                check_nonce(nonce.as_slice())?;
                // Only an enclave with the root key has something that a successor could get.
                let known = match self.enclave.get() {
                    Some(enclave) => Some(enclave.known_successors().await?),
                    None => None,
                };
                let document = self.platform.evidence(nonce.0, known).await?.into();
                Ok(Served::Bare(Bare::Evidence(Evidence { document })))
            }
            Request::Operator(request) => self.operator(request).await.map(Served::from),
            Request::HandOver(order) => {
                let enclave = self.enclave.get();
                let given = hand_over::give(&self.platform, enclave, peer, &order);
                Ok(Served::Bare(Bare::HandedOver(given.await?)))
            }
            request => match self.enclave.get() {
                Some(enclave) => enclave.serve(request, asked).await,
                None => Err(self.waiting.awaiting(&self.platform)),
            },
        }
    }

    async fn operator(&self, request: OperatorRequest) -> Result<Response, Error> {
        match request {
            OperatorRequest::Genesis { nonce } => {
                check_nonce(nonce.as_slice())?;
                let genesis = self.waiting.genesis(&self.platform, nonce).await?;
                return Ok(Response::Genesis(genesis));
            }
            OperatorRequest::PostShare {
                operator,
                share,
                expires_at,
            } => {
                // One that comes after the last needed one is not even opened, and nobody is told that it
                // was taken.
                if self.enclave.get().is_some() {
                    return Err(refuse_because(
                        ErrorCode::OperatorRefused,
                        "This enclave has its root key: the share is not needed, and was not opened.",
                    ));
                }
                let taken = self
                    .waiting
                    .post(&self.platform, operator, &share, expires_at)?;
                if let Taken::Complete(key) = taken {
                    self.ready(key, RootSource::Operators);
                }
            }
            OperatorRequest::SetSecret { operator, order } => {
                let enclave = self.enclave()?;
                enclave.check_serving()?;
                enclave.set_secret(operator, &order).await?;
            }
            OperatorRequest::Announce { manifest } => {
                self.enclave()?.announce(manifest.as_slice()).await?;
            }
            OperatorRequest::Consent { operator, consent } => {
                self.enclave()?.consent(operator, &consent).await?;
            }
            OperatorRequest::Withdraw {
                operator,
                withdrawal,
            } => {
                self.enclave()?.withdraw(operator, &withdrawal).await?;
            }
        }
        Ok(Response::Root(self.root_status().await))
    }

    fn enclave(&self) -> Result<&Enclave<S>, Error> {
        self.enclave
            .get()
            .ok_or_else(|| self.waiting.awaiting(&self.platform))
    }

    /// Asks the configured sources in order, again and again, until one of them or the operators
    /// have brought the root key.
    async fn ask_sources(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            for source in self.waiting.configured(&self.platform) {
                if self.enclave.get().is_some() {
                    return;
                }
                if let Ok(key) = self.waiting.ask(source, &self.platform).await {
                    self.ready(key, source.source());
                    return;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Takes the first good root key.
    fn ready(&self, key: RootKey, source: RootSource) {
        let parts = self
            .parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((relying_party, store)) = parts else {
            return;
        };
        self.platform.provisioned(source);
        let platform = Arc::clone(&self.platform);
        let enclave = Enclave::new(platform, key, relying_party, store, self.capacity);
        let _ = self.enclave.set(enclave);
        self.waiting.forget_shares();
        self.platform.record(EnclaveEvent::RootReady { source });
    }

    async fn status(&self) -> Status {
        let count = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let configuration = self.platform.configuration();
        Status {
            release: self.platform.release.clone(),
            root_source: self.platform.root_source(),
            root: self.root_status().await,
            now: self.platform.now(),
            rp_id: configuration.rp_id().to_owned(),
            origins: configuration.origins().to_vec(),
            limits: Limits {
                payload_bytes: count(MAX_PAYLOAD),
                passkeys: count(MAX_PASSKEYS),
                keys: count(MAX_KEYS),
                signatures_per_minute: count(MAX_SIGNATURES),
                accounts: self.capacity.most_accounts(),
            },
        }
    }

    async fn root_status(&self) -> RootStatus {
        let enclave = self.enclave.get();
        let lists = match enclave {
            Some(enclave) => enclave.kept_in_time().await,
            None => Default::default(),
        };
        RootStatus {
            state: match enclave {
                Some(enclave) if enclave.is_superseded() => RootState::HandedOver,
                Some(_) => RootState::Ready,
                None => self.waiting.state(&self.platform),
            },
            root_id: self.platform.configuration().root_id(),
            epoch: self.platform.epoch(),
            sources: self
                .waiting
                .statuses(&self.platform, self.platform.root_source()),
            upgrades: lists.upgrades,
            upgrades_known: lists.upgrades_known,
            withdrawn: lists.withdrawn,
            secrets: lists.secrets,
            secrets_known: lists.secrets_known,
        }
    }
}
