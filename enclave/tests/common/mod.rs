//! What the enclave's tests share: a small NSM, clocks that are moved by hand, a store that can
//! fail, an authenticator that can lie, and a person who uses them.

#![allow(dead_code, unreachable_pub, unused_imports)] // each test file uses its part of it
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

pub mod authenticator;
pub mod deployment;
pub mod nsm;
pub mod person;
pub mod store;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use openkey_enclave::{
    BootError, Configuration, Parts, Platform, RootKey, RootKeySource, Service, SourceError, boot,
    boot::Capacity,
    clock::{Monotonic, WallClock},
    event::EnclaveEvent,
    root::Obtaining,
};
use openkey_protocol::{
    cbor,
    message::{
        Bare, BootFiles, Bytes, Call, Class, Error, ErrorCode, Evidence, Reply, Request, Response,
        RootSource,
    },
    store::RecordStore,
};

use openkey_verifier::{
    answer::{self, Asked},
    statement::IdentityKey,
};

pub use authenticator::Authenticator;
pub use deployment::Deployment;
pub use nsm::TestNsm;
pub use person::Person;
pub use store::TestStore;

pub const ORIGIN: &str = "http://localhost:7100";
pub const OTHER_ORIGIN: &str = "http://localhost:7200";
/// When the tests' enclaves are booted, in milliseconds since 1970.
pub const START: u64 = 1_790_000_000_000;

/// A clock that is moved by hand.
#[derive(Debug, Default)]
pub struct Manual(pub AtomicU64);

impl Manual {
    pub fn at(ms: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(ms)))
    }

    pub fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::SeqCst);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Monotonic for Manual {
    fn elapsed_ms(&self) -> u64 {
        self.get()
    }
}

impl WallClock for Manual {
    fn now_ms(&self) -> Option<u64> {
        Some(self.get())
    }
}

/// A root key of the tests' own: the library has none.
pub struct Fixed(pub Option<[u8; 32]>);

impl RootKeySource for Fixed {
    fn source(&self) -> RootSource {
        RootSource::Development
    }

    fn obtain<'a>(&'a self, _: &'a Platform) -> Obtaining<'a, RootKey> {
        let key = self.0.map(|bytes| RootKey::new(&bytes));
        Box::pin(async move { key.ok_or_else(|| SourceError::new("There is none.")) })
    }
}

pub fn root_bytes() -> [u8; 32] {
    core::array::from_fn(|at| u8::try_from(at).unwrap())
}

pub fn configuration() -> Configuration {
    Configuration::new("localhost", "OpenKey tests", &[ORIGIN, OTHER_ORIGIN]).unwrap()
}

/// A deployment: what outlives a restart of its enclave.
pub struct World<S = TestStore> {
    pub store: S,
    pub root: Option<[u8; 32]>,
    pub monotonic: Arc<Manual>,
    pub wall: Arc<Manual>,
    pub events: Arc<Mutex<Vec<EnclaveEvent>>>,
    pub capacity: Capacity,
}

impl World<TestStore> {
    pub fn new() -> Self {
        Self::with_store(TestStore::default())
    }
}

impl World<TestStore> {
    /// The same deployment over the same store, at an enclave whose clock is ahead.
    pub fn ahead(&self, by: u64) -> Self {
        Self {
            store: self.store.clone(),
            root: self.root,
            monotonic: Manual::at(self.monotonic.get() + by),
            wall: Manual::at(self.wall.get() + by),
            events: Arc::clone(&self.events),
            capacity: self.capacity,
        }
    }

    /// The same deployment over a copy of its store, as a host makes one.
    pub fn fork(&self) -> Self {
        let store = TestStore::default();
        store.restore(self.store.snapshot());
        Self {
            store,
            root: self.root,
            monotonic: Arc::clone(&self.monotonic),
            wall: Arc::clone(&self.wall),
            events: Arc::clone(&self.events),
            capacity: self.capacity,
        }
    }
}

impl<S: RecordStore + Clone> World<S> {
    pub fn with_store(store: S) -> Self {
        Self {
            store,
            root: Some(root_bytes()),
            monotonic: Manual::at(5_000),
            wall: Manual::at(START),
            events: Arc::default(),
            capacity: Capacity {
                accounts: 1000,
                buckets: 4,
                sign_ups_per_minute: 100,
            },
        }
    }

    pub async fn boot(&self) -> Service<S> {
        self.try_boot(TestNsm::new(&self.monotonic)).await.unwrap()
    }

    pub async fn try_boot(&self, nsm: TestNsm) -> Result<Service<S>, BootError> {
        let events = Arc::clone(&self.events);
        boot(Parts {
            nsm,
            sources: vec![Box::new(Fixed(self.root))],
            files: BootFiles::default(),
            configuration: configuration(),
            store: self.store.clone(),
            monotonic: self.monotonic.clone(),
            wall: self.wall.clone(),
            events: Arc::new(move |event| events.lock().unwrap().push(event)),
            release: "test".to_owned(),
            epoch: 1,
            capacity: self.capacity,
        })
        .await
    }

    /// Lets time pass on all clocks.
    pub fn pass(&self, ms: u64) {
        self.monotonic.set(self.monotonic.get() + ms);
        self.wall.set(self.wall.get() + ms);
    }
}

/// Asks under the class that belongs to the request.
pub async fn ask<S: RecordStore>(
    enclave: &Service<S>,
    request: &Request,
) -> Result<Response, Error> {
    ask_as(enclave, request.class(), request).await
}

/// Asks, and says when the answer was given.
pub async fn ask_with_time<S: RecordStore>(
    enclave: &Service<S>,
    request: &Request,
) -> Result<(Response, u64), Error> {
    let sent = call(request);
    let reply = enclave.answer(request.class(), &sent).await;
    opened_with_time(&enclave.identity(), &sent, &reply)
}

pub async fn ask_as<S: RecordStore>(
    enclave: &Service<S>,
    class: Class,
    request: &Request,
) -> Result<Response, Error> {
    let sent = call(request);
    let reply = enclave.answer(class, &sent).await;
    opened(&enclave.identity(), &sent, &reply)
}

/// The nonce of every call: these tests are no client that could mix two up.
pub const NONCE: [u8; 16] = [0xa5; 16];

/// A request in its envelope.
pub fn call(request: &Request) -> Vec<u8> {
    cbor::encode(&Call {
        nonce: NONCE.into(),
        request: request.clone(),
    })
    .unwrap()
}

/// Opens a reply as a client does: what comes back is the enclave's own answer to this very call.
pub fn opened(identity: &[u8; 32], sent: &[u8], reply: &[u8]) -> Result<Response, Error> {
    Ok(opened_with_time(identity, sent, reply)?.0)
}

/// As [`opened`], with the time of the answer.
pub fn opened_with_time(
    identity: &[u8; 32],
    sent: &[u8],
    reply: &[u8],
) -> Result<(Response, u64), Error> {
    let Reply::Answer(signed) = cbor::decode(reply).unwrap() else {
        panic!("no answer: {reply:?}");
    };
    let identity = IdentityKey::from_evidence_verified_earlier(identity).unwrap();
    let at = signed.unverified().unwrap().at;
    let asked = Asked {
        origin: Some(ORIGIN),
        // The tests' clocks are moved by hand.
        ..Asked::new(sent, at)
    };
    let response = answer::open(&identity, &signed, &asked).unwrap()?;
    Ok((response, at))
}

/// Asks for a document over this nonce.
pub async fn evidence<S: RecordStore>(
    enclave: &Service<S>,
    nonce: impl Into<Bytes>,
) -> Result<Evidence, Error> {
    let sent = call(&Request::Evidence {
        nonce: nonce.into(),
    });
    let reply = enclave.answer(Class::Evidence, &sent).await;
    match cbor::decode(&reply).unwrap() {
        Reply::Bare(Bare::Evidence(evidence)) => Ok(evidence),
        _ => Err(opened(&enclave.identity(), &sent, &reply).unwrap_err()),
    }
}

pub fn code<T>(result: Result<T, Error>) -> Option<ErrorCode> {
    result.err().map(|error| error.code)
}
