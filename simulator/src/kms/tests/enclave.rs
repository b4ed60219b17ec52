//! An enclave as KMS sees it: its client, its NSM, and the way between them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::{future::Future, io, pin::Pin};

use openkey_enclave::nsm::{Nsm, NsmError, NsmRequest, NsmResponse};
use openkey_enclave::root::egress::Egress;
use openkey_enclave::root::kms::{
    Attester, Boxed, Credentials, Kms, KmsError, NONCE, RECIPIENT_DOCUMENT,
};
use openkey_enclave::{Configuration, RootKey};
use openkey_protocol::message::{Hash32, RelayRequest, RootDescriptor, WrappedRoot};
use openkey_protocol::relay::Relay;
use openkey_protocol::transport::Stream;
use tokio::net::TcpStream;

use crate::kms::*;
use crate::nsm::SoftNsm;

const ROOT_ID: Hash32 = Hash32([7; 32]);

/// Connects to the stand-in, whatever is asked for.
pub(super) struct Wire(pub(super) SocketAddr);

impl Relay for Wire {
    fn open<'a>(
        &'a self,
        request: &'a RelayRequest,
    ) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + 'a>> {
        let expected = RelayRequest::Egress {
            host: format!("kms.{REGION}.amazonaws.com"),
            port: 443,
        };
        assert_eq!(*request, expected);
        Box::pin(async { Ok(Box::new(TcpStream::connect(self.0).await?) as Stream) })
    }
}

pub(super) struct Host(pub(super) AwsCredentials);

impl Credentials for Host {
    fn credentials(&self) -> Boxed<'_, Option<AwsCredentials>> {
        Box::pin(async { Some(self.0.clone()) })
    }
}

/// What KMS sees of an enclave.
pub(super) struct Enclave {
    pub(super) nsm: Mutex<SoftNsm>,
    pub(super) now: Arc<AtomicU64>,
    pub(super) configuration: Configuration,
    pub(super) egress: Egress,
    pub(super) host: Host,
}

impl Attester for Enclave {
    fn attest_recipient(&self, public_key: Vec<u8>) -> Boxed<'_, Result<Vec<u8>, NsmError>> {
        let request = NsmRequest::Attest {
            nonce: None,
            user_data: Some(RECIPIENT_DOCUMENT.to_vec()),
            public_key: Some(public_key),
        };
        let answer = lock(&self.nsm).call(request);
        Box::pin(async {
            match answer? {
                NsmResponse::Document(document) => Ok(document),
                _ => Err(NsmError::UnexpectedResponse),
            }
        })
    }

    fn now_ms(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }
}

impl Enclave {
    pub(super) fn kms(&self) -> Kms<'_> {
        Kms {
            key: self.configuration.kms().unwrap(),
            egress: &self.egress,
            credentials: &self.host,
            attester: self,
        }
    }

    pub(super) async fn wrap(&self, descriptor: &RootDescriptor) -> Result<WrappedRoot, KmsError> {
        let root = RootKey::new(&[0x42; 32]);
        self.kms()
            .wrap(&root, descriptor, &ROOT_ID, [9; NONCE])
            .await
    }

    pub(super) async fn unwrap(
        &self,
        wrapped: &WrappedRoot,
        descriptor: &RootDescriptor,
    ) -> Result<RootKey, KmsError> {
        self.kms().unwrap(wrapped, descriptor, &ROOT_ID).await
    }

    /// A document over some RSA key, as the host sees it pass.
    pub(super) async fn document(&self) -> Vec<u8> {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let public_key: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        let public_key = public_key.as_ref().to_vec();
        self.attest_recipient(public_key).await.unwrap()
    }
}

pub(super) fn descriptor() -> RootDescriptor {
    RootDescriptor {
        version: 1,
        commitment: Hash32([0xab; 32]),
        threshold: 1,
        operators: Vec::new(),
        shares: Vec::new(),
        epoch: 1,
        created_at: 0,
    }
}
