//! A deployment with a root key, and enclaves of it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use openkey_enclave::{
    Configuration, Parts, Platform, RootKey, RootKeySource, Service, boot,
    boot::Capacity,
    channel::{Channels, OwnRoot, serve_channel},
    event::Silent,
    root::{Obtaining, hand_over::HandOverSource},
};
use openkey_protocol::{
    cbor,
    message::{
        BootFiles, Call, Error, Hash32, Key32, OperatorKeys, Record, RecordId, RelayRequest, Reply,
        Request, Response, RootDescriptor, RootSource, Verdict, Write,
    },
    relay::Relay,
    store::{RecordStore, StoreError, memory::MemoryStore},
    transport::{Connect, Stream, memory},
};
use openkey_verifier::channel::ChannelPolicy;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::{
    enclaves::Enclave,
    nsm::{SigningNsm, Time},
};

pub(crate) const ROOT: [u8; 32] = *b"the root key of this deployment.";
pub(crate) const IMAGE: u8 = 0xa1;
pub(crate) const DELAY_SECONDS: u64 = 60;

/// The maintainer whose signature makes a release.
pub(crate) fn maintainer() -> SigningKey {
    SigningKey::from_bytes(&[0x4d; 32])
}

/// The operator's signing key.
pub(crate) fn operator_key() -> SigningKey {
    SigningKey::from_bytes(&[0x0b; 32])
}

fn operator() -> (OperatorKeys, [u8; 64]) {
    #[derive(Serialize)]
    struct Proven {
        name: String,
        encryption: Key32,
    }
    let signing = operator_key();
    let mut encryption = Key32([0; 32]);
    encryption.0[0] = 9;
    let name = "anna".to_owned();
    let proven = Proven {
        name: name.clone(),
        encryption,
    };
    let input = [
        &b"openkey/operator/v1\0"[..],
        &cbor::encode(&proven).unwrap(),
    ];
    let proof = signing.sign(&input.concat()).to_bytes();
    let keys = OperatorKeys {
        name,
        encryption,
        signing: Key32(signing.verifying_key().to_bytes()),
    };
    (keys, proof)
}

fn commitment(root: &[u8; 32]) -> Hash32 {
    let part = b"root-commitment";
    let info = [&(part.len() as u64).to_be_bytes()[..], part].concat();
    let mut out = [0; 32];
    let hkdf = Hkdf::<Sha256>::new(Some(b"openkey/root/v1"), root);
    hkdf.expand(&info, &mut out).unwrap();
    Hash32(out)
}

/// What operators have after a genesis.
#[derive(Clone)]
pub(crate) struct Deployment {
    pub(crate) pki: Enclave,
    pub(crate) time: Time,
    pub(crate) descriptor: Vec<u8>,
    pub(crate) root_id: Hash32,
    configuration: Value,
}

impl Deployment {
    pub(crate) fn new() -> Self {
        let (keys, proof) = operator();
        let descriptor = RootDescriptor {
            version: 1,
            commitment: commitment(&ROOT),
            threshold: 1,
            operators: vec![keys.clone()],
            shares: vec![Hash32([0; 32])],
            epoch: 1,
            created_at: 0,
        };
        let descriptor = cbor::encode(&descriptor).unwrap();
        let root_id = [&b"openkey/root-id/v1\0"[..], &descriptor].concat();
        let root_id = Hash32(Sha256::digest(root_id).into());
        let hex = |key: &Key32| hex::encode(key.0);
        let configuration = json!({
            "rp_id": "localhost",
            "rp_name": "Here",
            "origins": ["http://localhost:7100"],
            "operators": {"threshold": 1, "keys": [{
                "name": keys.name,
                "encryption": hex(&keys.encryption),
                "signing": hex(&keys.signing),
                "proof": hex::encode(proof),
            }]},
            "release_keys": {
                "threshold": 1,
                "keys": [hex::encode(maintainer().verifying_key().to_bytes())],
            },
            "root_sources": ["hand_over", "operators"],
            "root_id": hex::encode(root_id.0),
            "upgrade_delay_seconds": DELAY_SECONDS,
        });
        Self {
            pki: Enclave::simulator(),
            time: Time::default(),
            descriptor,
            root_id,
            configuration,
        }
    }

    pub(crate) fn with(&self, member: &str, value: Value) -> Self {
        let mut other = self.clone();
        other.configuration[member] = value;
        other
    }

    pub(crate) fn configuration(&self) -> Configuration {
        Configuration::from_json(self.configuration.to_string().as_bytes()).unwrap()
    }

    pub(crate) fn nsm(&self, image: u8) -> SigningNsm {
        SigningNsm::new(&self.pki, &self.time, image)
    }

    /// What accepts the deployment's enclaves, and any other under the same root.
    pub(crate) fn policy(&self) -> ChannelPolicy {
        let nsm = self.nsm(IMAGE);
        OwnRoot::of(&nsm.attest(None, None, None)).unwrap().policy()
    }

    pub(crate) fn clock(&self) -> Arc<dyn openkey_verifier::channel::Clock> {
        let time = self.time.clone();
        Arc::new(move || time.now())
    }

    /// An enclave that has the root key.
    pub(crate) async fn giver(&self, epoch: u32) -> Running {
        let known = Box::new(Known(ROOT));
        let giver = self.boot(IMAGE, epoch, BootFiles::default(), known).await;
        assert!(giver.becomes_ready().await);
        giver
    }

    /// An enclave that gets it when it is told so.
    pub(crate) async fn waiting(&self) -> (Running, Arc<Notify>) {
        let told = Arc::new(Notify::new());
        let later = Box::new(Later(Arc::clone(&told)));
        let waiting = self.boot(IMAGE, 1, BootFiles::default(), later).await;
        (waiting, told)
    }

    /// An enclave that asks this one for it.
    pub(crate) async fn asker(
        &self,
        image: u8,
        epoch: u32,
        manifest: Option<Vec<u8>>,
        giver: &Running,
    ) -> Running {
        let relay = Arc::new(ToPeer(giver.address.clone()));
        let files = BootFiles {
            peers: 1,
            manifest: manifest.map(Into::into),
            ..BootFiles::default()
        };
        let source = Box::new(HandOverSource::new(relay));
        self.boot(image, epoch, files, source).await
    }

    async fn boot(
        &self,
        image: u8,
        epoch: u32,
        files: BootFiles,
        source: Box<dyn RootKeySource>,
    ) -> Running {
        let store = HeldStore::default();
        let service = boot(Parts {
            nsm: self.nsm(image),
            sources: vec![source],
            configuration: self.configuration(),
            files: BootFiles {
                descriptor: Some(self.descriptor.clone().into()),
                ..files
            },
            store: store.clone(),
            monotonic: Arc::new(self.time.clone()),
            wall: Arc::new(self.time.clone()),
            events: Arc::new(Silent),
            release: "test".to_owned(),
            epoch,
            capacity: Capacity::default(),
        })
        .await
        .unwrap();
        let service = Arc::new(service);
        let (listener, address) = memory::pair(1 << 16);
        let channels = Arc::new(Channels::new(Arc::clone(service.platform())));
        let serving = serve_channel(
            listener,
            channels,
            Arc::clone(&service),
            std::future::pending(),
        );
        tokio::spawn(serving);
        Running {
            service,
            address,
            store,
        }
    }
}

/// A request in its envelope.
pub(crate) fn call(request: &Request) -> Vec<u8> {
    cbor::encode(&Call {
        nonce: vec![7; 16].into(),
        request: request.clone(),
    })
    .unwrap()
}

/// An enclave and the way to its channel.
pub(crate) struct Running {
    pub(crate) service: Arc<Service<HeldStore>>,
    pub(crate) address: memory::MemoryConnector,
    pub(crate) store: HeldStore,
}

/// A store whose host holds back the answer to one reading. Clones share everything.
#[derive(Clone, Default)]
pub(crate) struct HeldStore {
    memory: MemoryStore,
    held: Arc<Mutex<Option<Arc<Hold>>>>,
}

/// A reading that waits.
#[derive(Default)]
pub(crate) struct Hold {
    /// Is told when it waits.
    pub(crate) waits: Notify,
    /// Lets it go on.
    pub(crate) release: Notify,
}

impl HeldStore {
    /// Holds the next reading back.
    pub(crate) fn hold(&self) -> Arc<Hold> {
        let hold = Arc::new(Hold::default());
        *self.held.lock().unwrap() = Some(Arc::clone(&hold));
        hold
    }
}

impl RecordStore for HeldStore {
    async fn get(&self, ids: Vec<RecordId>) -> Result<Vec<Option<Record>>, StoreError> {
        let held = self.held.lock().unwrap().take();
        if let Some(hold) = held {
            hold.waits.notify_one();
            hold.release.notified().await;
        }
        self.memory.get(ids).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.memory.commit(writes).await
    }
}

impl Running {
    pub(crate) async fn ask(&self, request: &Request) -> Result<Response, Error> {
        let body = call(request);
        let reply = self.service.answer(request.class(), &body).await;
        let Reply::Answer(answer) = cbor::decode(&reply).unwrap() else {
            panic!("no answer");
        };
        match answer.unverified().unwrap().result {
            Verdict::Ok(response) => Ok(response),
            Verdict::Refused(error) => Err(error),
        }
    }

    /// Whether the root key comes, or a reason why not: whichever is first.
    pub(crate) async fn becomes_ready(&self) -> bool {
        for _ in 0..2000 {
            if self.service.enclave().is_some() {
                return true;
            }
            if !self.explanation().await.is_empty() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("neither a root key nor a reason");
    }

    /// What the status says of the hand-over, once it has been tried.
    pub(crate) async fn explanation(&self) -> String {
        let Ok(Response::Status(status)) = self.ask(&Request::Status).await else {
            panic!("no status");
        };
        let sources = status.root.sources.into_iter();
        sources
            .filter(|source| source.source == RootSource::HandOver)
            .map(|source| source.explanation)
            .filter(|explanation| explanation.contains("Peer 0"))
            .collect()
    }
}

struct Known([u8; 32]);

impl RootKeySource for Known {
    fn source(&self) -> RootSource {
        RootSource::HandOver
    }

    fn obtain<'a>(&'a self, _: &'a Platform) -> Obtaining<'a, RootKey> {
        Box::pin(async { Ok(RootKey::new(&self.0)) })
    }
}

struct Later(Arc<Notify>);

impl RootKeySource for Later {
    fn source(&self) -> RootSource {
        RootSource::HandOver
    }

    fn obtain<'a>(&'a self, _: &'a Platform) -> Obtaining<'a, RootKey> {
        Box::pin(async {
            self.0.notified().await;
            Ok(RootKey::new(&ROOT))
        })
    }
}

struct ToPeer(memory::MemoryConnector);

impl Relay for ToPeer {
    fn open<'a>(
        &'a self,
        request: &'a RelayRequest,
    ) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + 'a>> {
        assert_eq!(*request, RelayRequest::Peer { index: 0 });
        Box::pin(self.0.connect())
    }
}
