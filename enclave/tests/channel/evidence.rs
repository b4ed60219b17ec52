//! What a client sees through: F7, F8, F10, E7, C1, C7.

use std::sync::Arc;

use openkey_attestation::{Measurements, Pcr, Policy, Refusal, Roots, Verifier};
use openkey_protocol::{
    cbor,
    channel::{ALPN, EVIDENCE_OID, encode},
    message::{EVIDENCE_BINDING_VERSION, EvidenceBinding, Hash32, RollbackProtection},
    transport::{Connect, Stream},
};
use openkey_verifier::{
    channel::{Channel, ChannelError, ChannelPolicy, Connector, provider},
    evidence::EvidenceError,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair, PublicKeyData};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::{
    deployment::{Deployment, IMAGE},
    enclaves::Enclave,
    nsm::SigningNsm,
};

async fn connect(
    deployment: &Deployment,
    policy: ChannelPolicy,
    stream: Stream,
) -> Result<Channel, ChannelError> {
    let connector = Connector::new(policy, deployment.clock()).unwrap();
    let opened = connector.connect("", stream).await;
    opened.map(|(_, channel)| channel)
}

fn policy(pki: &Enclave, policy: Policy) -> ChannelPolicy {
    ChannelPolicy::new(Arc::new(Verifier::new(pki.roots())), policy)
}

pub(crate) fn tls_key(key: &KeyPair) -> Hash32 {
    Hash32(Sha256::digest(key.subject_public_key_info()).into())
}

pub(crate) fn binding(deployment: &Deployment, tls_key: Option<Hash32>) -> EvidenceBinding {
    EvidenceBinding {
        version: EVIDENCE_BINDING_VERSION,
        identity: [0x22; 32].to_vec().into(),
        configuration: deployment.configuration().hash(),
        root_source: None,
        root_id: Some(deployment.root_id),
        release: "test".to_owned(),
        epoch: 1,
        tls_key,
        rollback: RollbackProtection::ClientsOnly,
        pending: None,
        withdrawn: None,
    }
}

/// A document that the deployment's hardware signs, for this key.
pub(crate) fn document(
    deployment: &Deployment,
    tls_key: Option<Hash32>,
    nonce: Option<&[u8]>,
) -> Vec<u8> {
    let nsm = deployment.nsm(IMAGE);
    document_by(&nsm, deployment, binding(deployment, tls_key), nonce)
}

/// A document of this machine for this binding, whose identity key is another one.
pub(crate) fn document_by(
    nsm: &SigningNsm,
    deployment: &Deployment,
    mut binding: EvidenceBinding,
    nonce: Option<&[u8]>,
) -> Vec<u8> {
    use openkey_enclave::nsm::{Nsm, NsmRequest};
    let data = deployment.configuration().hash().0.to_vec();
    nsm.call(NsmRequest::ExtendPcr { index: 16, data }).unwrap();
    nsm.call(NsmRequest::LockPcr { index: 16 }).unwrap();
    let identity = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
    binding.identity = identity.to_bytes().to_vec().into();
    let user_data = cbor::encode(&binding).unwrap();
    nsm.attest(
        nonce.map(<[u8]>::to_vec),
        Some(user_data),
        Some(vec![9; 32]),
    )
}

pub(crate) fn extension(document: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(EVIDENCE_OID, encode(document).unwrap())
}

/// A certificate with this key and these extensions, and the key.
pub(crate) fn certificate(
    key: &KeyPair,
    extensions: Vec<CustomExtension>,
) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut params = CertificateParams::default();
    params.custom_extensions = extensions;
    let certificate = params.self_signed(key).unwrap();
    let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (certificate.der().clone(), secret)
}

/// A server with this key and these extensions, whoever it is. Gives the client's end.
fn present(key: &KeyPair, extensions: Vec<CustomExtension>) -> Stream {
    let (certificate, secret) = certificate(key, extensions);
    present_as(vec![certificate], secret, ALPN)
}

fn present_as(
    chain: Vec<CertificateDer<'static>>,
    secret: PrivateKeyDer<'static>,
    protocol: &[u8],
) -> Stream {
    // Past the checks that the library makes of one's own certificate.
    let secret = provider().key_provider.load_private_key(secret).unwrap();
    let certified = CertifiedKey::new(chain, secret);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config
        .alpn_protocols
        .extend((!protocol.is_empty()).then(|| protocol.to_vec()));
    let (here, there) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        let accepted = TlsAcceptor::from(Arc::new(config)).accept(there).await;
        // Kept open until the client has judged.
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        drop(accepted);
    });
    Box::new(here)
}

#[tokio::test]
async fn f7_evidence_of_one_enclave_does_not_hold_on_the_connection_of_another() {
    let deployment = Deployment::new();
    let (own, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let judged = |document: Vec<u8>| {
        let stream = present(&own, vec![extension(&document)]);
        connect(&deployment, deployment.policy(), stream)
    };
    let honest = document(&deployment, Some(tls_key(&own)), None);
    assert!(judged(honest).await.is_ok());
    let replayed = document(&deployment, Some(tls_key(&other)), None);
    assert_eq!(judged(replayed).await, Err(ChannelError::KeyMismatch));
    let unbound = document(&deployment, None, None);
    assert_eq!(judged(unbound).await, Err(ChannelError::KeyMissing));
    // Anybody can ask for a document over a nonce.
    let asked = document(&deployment, Some(tls_key(&own)), Some(&[1; 32]));
    let refused = EvidenceError::Refused(Refusal::NoncePresent);
    assert_eq!(judged(asked).await, Err(ChannelError::Evidence(refused)));
}

/// The genuine certificate, presented by somebody who does not hold its key.
#[tokio::test]
async fn f7_a_genuine_certificate_without_its_key_is_refused() {
    let deployment = Deployment::new();
    let (genuine, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let document = document(&deployment, Some(tls_key(&genuine)), None);
    let (stolen, _) = certificate(&genuine, vec![extension(&document)]);
    let (_, secret) = certificate(&own, vec![]);
    let stream = present_as(vec![stolen], secret, ALPN);
    let refused = connect(&deployment, deployment.policy(), stream).await;
    assert!(matches!(refused, Err(ChannelError::Tls(_))), "{refused:?}");
}

#[tokio::test]
async fn f7_evidence_stands_in_a_certificate_that_stands_alone() {
    let deployment = Deployment::new();
    let key = KeyPair::generate().unwrap();
    let evidence = document(&deployment, Some(tls_key(&key)), None);
    let (good, secret) = certificate(&key, vec![extension(&evidence)]);
    let (other, _) = certificate(&KeyPair::generate().unwrap(), vec![]);
    let stream = present_as(vec![good, other], secret, ALPN);
    let refused = connect(&deployment, deployment.policy(), stream).await;
    assert_eq!(refused, Err(ChannelError::Chain));
}

/// What is served under another protocol is no channel, whoever holds the key.
#[tokio::test]
async fn f7_a_server_that_speaks_another_protocol_is_refused() {
    let deployment = Deployment::new();
    let key = KeyPair::generate().unwrap();
    let evidence = document(&deployment, Some(tls_key(&key)), None);
    let (good, secret) = certificate(&key, vec![extension(&evidence)]);
    let stream = present_as(vec![good], secret, b"");
    let refused = connect(&deployment, deployment.policy(), stream).await;
    assert_eq!(refused, Err(ChannelError::Protocol));
}

#[tokio::test]
async fn f10_evidence_that_names_another_configuration_than_is_measured_is_refused() {
    let deployment = Deployment::new();
    let key = KeyPair::generate().unwrap();
    let mut binding = binding(&deployment, Some(tls_key(&key)));
    binding.configuration.0[0] ^= 1;
    let named = binding.configuration;
    let evidence = document_by(&deployment.nsm(IMAGE), &deployment, binding, None);
    let stream = present(&key, vec![extension(&evidence)]);
    let refused = connect(&deployment, deployment.policy(), stream).await;
    let expected = EvidenceError::ConfigurationPcr { named };
    assert_eq!(refused, Err(ChannelError::Evidence(expected)));
}

/// An enclave talks to no enclave whose console its host reads.
#[tokio::test]
async fn f3_enclaves_do_not_talk_to_one_in_debug_mode() {
    let deployment = Deployment::new();
    let key = KeyPair::generate().unwrap();
    let binding = binding(&deployment, Some(tls_key(&key)));
    let evidence = document_by(&deployment.nsm(0), &deployment, binding, None);
    let stream = present(&key, vec![extension(&evidence)]);
    let refused = connect(&deployment, deployment.policy(), stream).await;
    assert_eq!(refused.unwrap_err().rule(), "debug_mode");
}

#[tokio::test]
async fn f5_evidence_is_there_once_and_not_critical() {
    let deployment = Deployment::new();
    let key = KeyPair::generate().unwrap();
    let good = extension(&document(&deployment, Some(tls_key(&key)), None));
    let judged = |extensions| connect(&deployment, deployment.policy(), present(&key, extensions));
    assert_eq!(judged(vec![]).await, Err(ChannelError::ExtensionMissing));
    let twice = judged(vec![good.clone(), good.clone()]).await;
    // The TLS library may refuse the certificate first.
    assert!(
        matches!(
            twice,
            Err(ChannelError::ExtensionRepeated | ChannelError::Certificate)
        ),
        "{twice:?}"
    );
    let mut critical = good.clone();
    critical.set_criticality(true);
    let critical = judged(vec![critical]).await;
    assert!(
        matches!(
            critical,
            Err(ChannelError::ExtensionCritical | ChannelError::Certificate)
        ),
        "{critical:?}"
    );
    let mut value = good.content().to_vec();
    value.push(0);
    let longer = CustomExtension::from_oid_content(EVIDENCE_OID, value);
    assert!(matches!(
        judged(vec![longer]).await,
        Err(ChannelError::Extension(_))
    ));
    assert!(judged(vec![good]).await.is_ok());
}

#[tokio::test]
async fn f8_a_simulators_channel_is_no_hardwares() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let production = policy(&deployment.pki, Policy::any_measurement());
    let stream = giver.address.connect().await.unwrap();
    let refused = connect(&deployment, production, stream).await;
    let simulator = EvidenceError::Refused(Refusal::Simulator);
    assert_eq!(refused, Err(ChannelError::Evidence(simulator)));

    let mut hardware = deployment.clone();
    hardware.pki = Enclave::hardware();
    let giver = hardware.giver(1).await;
    let simulated = policy(&hardware.pki, Policy::any_measurement().simulator(true));
    let stream = giver.address.connect().await.unwrap();
    let refused = connect(&hardware, simulated, stream).await;
    let kind = EvidenceError::Refused(Refusal::NotSimulator);
    assert_eq!(refused, Err(ChannelError::Evidence(kind)));
}

#[tokio::test]
async fn f10_another_configuration_or_root_key_is_refused() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let open = || giver.address.connect();
    let image = || {
        let mut pcrs: Vec<(u8, Pcr)> = (0..3).map(|at| (at, Pcr([IMAGE; 48]))).collect();
        pcrs.push((16, Pcr(deployment.configuration().pcr())));
        pcrs
    };
    let of = |pcrs| {
        let set = Measurements::new(pcrs).unwrap();
        Policy::one_of([set]).unwrap().simulator(true)
    };
    let judge = |held: Policy| policy(&deployment.pki, held);
    let pinned = of(image()).pin_root_id(deployment.root_id.0);
    let channel = connect(&deployment, judge(pinned), open().await.unwrap()).await;
    let channel = channel.unwrap();
    assert_eq!(channel.binding().root_id, Some(deployment.root_id));
    assert_eq!(channel.identity().as_bytes(), &giver.service.identity());

    let other = of(image()).pin_root_id([1; 32]);
    let refused = connect(&deployment, judge(other), open().await.unwrap()).await;
    let rule = refused.unwrap_err().rule();
    assert!(rule.contains("root_id"), "{rule}");
    let mut pcrs = image();
    pcrs[3].1.0[0] ^= 1;
    let refused = connect(&deployment, judge(of(pcrs)), open().await.unwrap()).await;
    assert_eq!(refused.unwrap_err().rule(), "measurement_mismatch");
}

#[tokio::test]
async fn e7_old_foreign_and_mock_evidence_is_refused() {
    let deployment = Deployment::new();
    let key = KeyPair::generate().unwrap();
    let old = document(&deployment, Some(tls_key(&key)), None);
    deployment.time.pass(60 * 60 * 1000 + 1);
    let stream = present(&key, vec![extension(&old)]);
    let refused = connect(&deployment, deployment.policy(), stream).await;
    assert_eq!(refused.unwrap_err().rule(), "too_old");

    let mut mock = Deployment::new();
    mock.time = deployment.time.clone();
    let foreign = document(&mock, Some(tls_key(&key)), None);
    let stream = present(&key, vec![extension(&foreign)]);
    let refused = connect(&deployment, deployment.policy(), stream).await;
    assert_eq!(refused.unwrap_err().rule(), "unknown_root");
    let production = ChannelPolicy::new(
        Arc::new(Verifier::new(Roots::aws())),
        Policy::any_measurement(),
    );
    let stream = present(&key, vec![extension(&foreign)]);
    assert!(connect(&deployment, production, stream).await.is_err());
}

/// A host that carries the bytes can look and stop; a changed byte ends the connection.
#[tokio::test]
async fn c1_a_relay_that_changes_a_byte_gets_no_channel() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    for at in [300, 1500, 4000] {
        let (client, relay) = tokio::io::duplex(1 << 16);
        let (mut from_client, mut to_client) = tokio::io::split(relay);
        let server = giver.address.connect().await.unwrap();
        let (mut from_server, mut to_server) = tokio::io::split(server);
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        tokio::spawn(async move {
            let mut seen = 0;
            while let Ok(byte) = from_server.read_u8().await {
                seen += 1;
                let byte = if seen == at { byte ^ 1 } else { byte };
                to_client.write_u8(byte).await.unwrap();
            }
        });
        let refused = connect(&deployment, deployment.policy(), Box::new(client)).await;
        assert!(refused.is_err(), "byte {at}");
    }
}
