//! A deployment with operators: its configuration, what its host keeps, and what its people hold.

use std::sync::{Arc, Mutex};

use chacha20::ChaCha20Rng;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_with_rng,
};
use openkey_attestation::Document;
use openkey_enclave::{
    BootError, Configuration, Parts, RootKeySource, Service, boot, boot::Capacity,
    event::EnclaveEvent,
};
use openkey_protocol::{
    cbor,
    message::{
        BootFiles, Bytes, Error, EvidenceBinding, GENESIS_INFO, Genesis, GenesisTranscript, Key32,
        OperatorRequest, POST_SHARE_INFO, Request, Response, RootStatus, SECRET_INFO, Sealed,
        SecretOrder, Signed, Statement,
    },
    store::RecordStore,
};
use rand_core::SeedableRng;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Manual, ORIGIN, START, TestNsm, TestStore, ask};

/// One operator with both private keys.
pub struct Operator {
    pub name: String,
    private: <X25519HkdfSha256 as Kem>::PrivateKey,
    pub encryption: Key32,
    pub signing: SigningKey,
}

impl Operator {
    pub fn new(name: &str, seed: u8) -> Self {
        let (private, public) = X25519HkdfSha256::derive_keypair(&[seed; 32]);
        Self {
            name: name.to_owned(),
            private,
            encryption: Key32(public.to_bytes().into()),
            signing: SigningKey::from_bytes(&[seed ^ 0x80; 32]),
        }
    }

    pub fn to_json(&self) -> Value {
        #[derive(Serialize)]
        struct Proven<'a> {
            name: &'a str,
            encryption: Key32,
        }
        let proven = Proven {
            name: &self.name,
            encryption: self.encryption,
        };
        let mut input = b"openkey/operator/v1\0".to_vec();
        input.extend(cbor::encode(&proven).unwrap());
        json!({
            "name": self.name,
            "encryption": self.encryption.to_string(),
            "signing": hex::encode(self.signing.verifying_key().to_bytes()),
            "proof": hex::encode(self.signing.sign(&input).to_bytes()),
        })
    }

    /// Opens what was sealed to this operator; `None` if it was not.
    pub fn open(&self, info: &[u8], sealed: &Sealed) -> Option<[u8; 32]> {
        let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed.enc.0).unwrap();
        let opened = single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &enc,
            info,
            sealed.ciphertext.as_slice(),
            &[],
        );
        Some(opened.ok()?.try_into().unwrap())
    }
}

pub fn seal(to: [u8; 32], info: &[u8], plaintext: &[u8]) -> Sealed {
    let mut rng = ChaCha20Rng::from_seed(Sha256::digest(info).into());
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&to).unwrap();
    let (enc, ciphertext) = single_shot_seal_with_rng::<
        ChaCha20Poly1305,
        HkdfSha256,
        X25519HkdfSha256,
    >(&OpModeS::Base, &to, info, plaintext, &[], &mut rng)
    .unwrap();
    Sealed {
        enc: Key32(enc.to_bytes().into()),
        ciphertext: ciphertext.into(),
    }
}

/// What outlives a restart.
pub struct Deployment {
    pub operators: Vec<Operator>,
    pub json: Value,
    pub files: BootFiles,
    pub store: TestStore,
    pub monotonic: Arc<Manual>,
    pub wall: Arc<Manual>,
    pub events: Arc<Mutex<Vec<EnclaveEvent>>>,
    pub epoch: u32,
}

pub type Sources = Vec<Box<dyn RootKeySource>>;

impl Deployment {
    /// Operators alice, bob and carol, any two of them, and no root key yet.
    pub fn new() -> Self {
        let names = [("alice", 1), ("bob", 2), ("carol", 3)];
        let operators: Vec<_> = names.map(|(name, seed)| Operator::new(name, seed)).into();
        let keys: Vec<Value> = operators.iter().map(Operator::to_json).collect();
        Self {
            operators,
            json: json!({
                "rp_id": "localhost",
                "rp_name": "OpenKey tests",
                "origins": [ORIGIN],
                "operators": { "threshold": 2, "keys": keys },
            }),
            files: BootFiles::default(),
            store: TestStore::default(),
            monotonic: Manual::at(5_000),
            wall: Manual::at(START),
            events: Arc::default(),
            epoch: 1,
        }
    }

    pub fn configuration(&self) -> Configuration {
        Configuration::from_json(&serde_json::to_vec(&self.json).unwrap()).unwrap()
    }

    pub async fn boot(&self) -> Service<TestStore> {
        self.try_boot(Vec::new()).await.unwrap()
    }

    pub async fn try_boot(&self, sources: Sources) -> Result<Service<TestStore>, BootError> {
        self.boot_on(TestNsm::new(&self.monotonic), sources).await
    }

    pub async fn boot_on<N>(
        &self,
        nsm: N,
        sources: Sources,
    ) -> Result<Service<TestStore>, BootError>
    where
        N: openkey_enclave::nsm::Nsm + 'static,
    {
        let events = Arc::clone(&self.events);
        boot(Parts {
            nsm,
            sources,
            files: self.files.clone(),
            configuration: self.configuration(),
            store: self.store.clone(),
            monotonic: self.monotonic.clone(),
            wall: self.wall.clone(),
            events: Arc::new(move |event| events.lock().unwrap().push(event)),
            release: "test".to_owned(),
            epoch: self.epoch,
            capacity: Capacity {
                accounts: 1000,
                buckets: 4,
                sign_ups_per_minute: 100,
            },
        })
        .await
    }

    /// A deployment after its genesis, with the operators' shares.
    pub async fn provisioned() -> (Self, Vec<[u8; 32]>) {
        let mut deployment = Self::new();
        let service = deployment.boot().await;
        let transcript = read(&service, &genesis(&service, 1).await.unwrap());
        let shares = deployment.shares(&transcript);
        deployment.adopt(&transcript);
        (deployment, shares)
    }

    /// Writes a genesis into the configuration and the host's files.
    pub fn adopt(&mut self, transcript: &GenesisTranscript) {
        self.json["root_id"] = transcript.root_id.to_string().into();
        self.files.descriptor = Some(transcript.descriptor.clone());
    }

    /// What each operator finds in a transcript.
    pub fn shares(&self, transcript: &GenesisTranscript) -> Vec<[u8; 32]> {
        let info = [GENESIS_INFO.as_bytes(), &transcript.root_id.0].concat();
        self.operators
            .iter()
            .zip(&transcript.shares)
            .map(|(operator, sealed)| operator.open(&info, sealed).unwrap())
            .collect()
    }

    /// A share as the operator's command seals it to a boot that it has verified.
    pub fn sealed(&self, service: &Service<TestStore>, share: &[u8], expires_at: u64) -> Sealed {
        let root_id = self.configuration().root_id().unwrap();
        let identity = service.identity();
        let expiry = expires_at.to_be_bytes();
        let info = [POST_SHARE_INFO.as_bytes(), &root_id.0, &identity, &expiry].concat();
        seal(service.platform().boot_key(), &info, share)
    }

    pub async fn post(
        &self,
        service: &Service<TestStore>,
        operator: u32,
        share: &[u8],
    ) -> Result<RootStatus, Error> {
        let expires_at = soon(service);
        let sealed = self.sealed(service, share, expires_at);
        post(service, operator, sealed, expires_at).await
    }

    /// Boots and lets two operators post.
    pub async fn restored(&self, shares: &[[u8; 32]]) -> Service<TestStore> {
        let service = self.boot().await;
        self.post(&service, 0, &shares[0]).await.unwrap();
        self.post(&service, 2, &shares[2]).await.unwrap();
        service
    }

    /// A secret of the first operator, as their command seals it, with its name and version as content.
    pub fn order(&self, service: &Service<TestStore>, name: &str, version: u64) -> SecretOrder {
        let order = SecretOrder {
            name: name.to_owned(),
            version,
            secret: seal([9; 32], b"", b""),
            identity: Key32(service.identity()),
            expires_at: soon(service),
        };
        let content = format!("{name} {version}");
        self.sealed_order(service, 0, order, content.as_bytes())
    }

    /// The same order by the operator at a place, with this content, sealed for exactly this order.
    pub fn sealed_order(
        &self,
        service: &Service<TestStore>,
        place: u32,
        order: SecretOrder,
        content: &[u8],
    ) -> SecretOrder {
        let root_id = self.configuration().root_id().unwrap();
        let info = [
            SECRET_INFO.as_bytes(),
            &root_id.0,
            &service.identity(),
            &place.to_be_bytes(),
            &order.version.to_be_bytes(),
            &order.expires_at.to_be_bytes(),
            order.name.as_bytes(),
        ];
        let secret = seal(service.platform().boot_key(), &info.concat(), content);
        SecretOrder { secret, ..order }
    }

    pub fn has(&self, event: EnclaveEvent) -> bool {
        self.events.lock().unwrap().contains(&event)
    }

    pub fn pass(&self, ms: u64) {
        self.monotonic.set(self.monotonic.get() + ms);
        self.wall.set(self.wall.get() + ms);
    }
}

/// Until when an order is good that an operator gives now.
pub fn soon<S: RecordStore>(service: &Service<S>) -> u64 {
    service.platform().now() + 300_000
}

pub async fn operator<S: RecordStore>(
    service: &Service<S>,
    request: OperatorRequest,
) -> Result<Response, Error> {
    ask(service, &Request::Operator(request)).await
}

pub async fn post<S: RecordStore>(
    service: &Service<S>,
    place: u32,
    share: Sealed,
    expires_at: u64,
) -> Result<RootStatus, Error> {
    let request = OperatorRequest::PostShare {
        operator: place,
        share,
        expires_at,
    };
    match operator(service, request).await? {
        Response::Root(status) => Ok(status),
        other => panic!("{other:?}"),
    }
}

pub async fn genesis<S: RecordStore>(service: &Service<S>, nonce: u8) -> Result<Genesis, Error> {
    let nonce = Bytes(vec![nonce; 16]);
    match operator(service, OperatorRequest::Genesis { nonce }).await? {
        Response::Genesis(genesis) => Ok(genesis),
        other => panic!("{other:?}"),
    }
}

pub async fn status<S: RecordStore>(service: &Service<S>) -> RootStatus {
    match ask(service, &Request::Status).await {
        Ok(Response::Status(status)) => status.root,
        other => panic!("{other:?}"),
    }
}

pub fn signed<T: Statement>(statement: &T, key: &SigningKey) -> Signed<T> {
    Signed::new(statement, |input| key.sign(input).to_bytes()).unwrap()
}

/// What an enclave's document binds.
pub fn binding(document: &[u8]) -> EvidenceBinding {
    let document = Document::parse(document).unwrap();
    cbor::decode(document.payload().user_data.unwrap()).unwrap()
}

/// A transcript, after the checks that the operator's command makes: the document is over the
/// transcript and vouches for the identity that signed it.
pub fn read<S: RecordStore>(service: &Service<S>, genesis: &Genesis) -> GenesisTranscript {
    let body = genesis.transcript.body.as_slice();
    let document = Document::parse(genesis.document.as_slice()).unwrap();
    assert_eq!(
        document.payload().nonce.unwrap(),
        Sha256::digest(body).as_slice()
    );
    let binding = binding(genesis.document.as_slice());
    assert_eq!(binding.identity.as_slice(), service.identity());
    let key = VerifyingKey::from_bytes(&service.identity()).unwrap();
    let signature = Signature::from_slice(genesis.transcript.signature.as_slice()).unwrap();
    key.verify_strict(&Signed::<GenesisTranscript>::input(body), &signature)
        .unwrap();
    genesis.transcript.unverified().unwrap()
}
