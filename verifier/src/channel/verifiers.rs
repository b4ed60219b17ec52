//! The channel's rules as rustls wants them.

use core::fmt;
use std::sync::Arc;

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use super::{ChannelPolicy, Clock, provider};

struct Rules {
    policy: ChannelPolicy,
    clock: Arc<dyn Clock>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Rules {
    fn new(policy: ChannelPolicy, clock: Arc<dyn Clock>) -> Self {
        Self {
            policy,
            clock,
            algorithms: provider().signature_verification_algorithms,
        }
    }

    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
    ) -> Result<(), Error> {
        let judged = self.policy.judge(certificate, others, self.clock.now());
        judged.map(|_| ()).map_err(super::ChannelError::into_rustls)
    }
}

/// Accepts servers that present evidence under a policy.
///
/// For [`rustls::ClientConfig`]s of others; [`super::Connector`] has one inside. What a connection
/// proves is asked of [`ChannelPolicy::established`] afterwards, always: on resumption no verifier
/// is called.
pub struct ServerVerifier(Rules);

/// Accepts clients that present evidence under a policy, and clients without a certificate.
///
/// For [`rustls::ServerConfig`]s; see [`ServerVerifier`] on resumption.
pub struct ClientVerifier(Rules);

impl ServerVerifier {
    /// A verifier under this policy and clock.
    #[must_use]
    pub fn new(policy: ChannelPolicy, clock: Arc<dyn Clock>) -> Self {
        Self(Rules::new(policy, clock))
    }
}

impl ClientVerifier {
    /// A verifier under this policy and clock.
    #[must_use]
    pub fn new(policy: ChannelPolicy, clock: Arc<dyn Clock>) -> Self {
        Self(Rules::new(policy, clock))
    }
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerVerifier(..)")
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientVerifier(..)")
    }
}

/// TLS 1.2 is not spoken, so none of its signatures can be valid.
fn tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerIncompatible::Tls12NotOffered.into())
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.0.judge(certificate, others)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    /// People's programs have no enclave to attest.
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.judge(certificate, others)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}
