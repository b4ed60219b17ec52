//! The stand-in's own CA, and TLS under it.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, crypto::aws_lc_rs, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use tokio_rustls::TlsAcceptor;

use super::{
    Error,
    state::{State, make},
};

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "OpenKey simulator KMS root");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// A new CA: its key (PKCS #8) and certificate (DER).
pub(super) fn authority() -> Result<(Vec<u8>, Vec<u8>), Error> {
    let key = KeyPair::generate().map_err(make)?;
    let certificate = authority_params().self_signed(&key).map_err(make)?;
    Ok((key.serialize_der(), certificate.der().to_vec()))
}

/// TLS 1.3 with a certificate for `host` that is valid around `now_ms`.
pub(super) fn acceptor(state: &State, host: &str, now_ms: u64) -> Result<TlsAcceptor, Error> {
    let ca_key = PrivatePkcs8KeyDer::from(state.ca_key.as_slice());
    let ca_key = KeyPair::try_from(&ca_key).map_err(make)?;
    let issuer = Issuer::new(authority_params(), ca_key);
    let now = i64::try_from(now_ms / 1000).map_err(make)?;
    let now = OffsetDateTime::from_unix_timestamp(now).map_err(make)?;
    let key = KeyPair::generate().map_err(make)?;
    let mut params = CertificateParams::new([host.to_owned()]).map_err(make)?;
    params.not_before = now - Duration::DAY;
    params.not_after = now + Duration::days(90);
    let certificate = params.signed_by(&key, &issuer).map_err(make)?;
    let chain = vec![
        certificate.der().clone(),
        CertificateDer::from(state.ca_certificate.clone()),
    ];
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(make)?
        .with_no_client_auth()
        .with_single_cert(
            chain,
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .map_err(make)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
