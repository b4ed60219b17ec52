//! HTTPS from inside the enclave, through the host's relay.
//!
//! The host carries bytes and sees the name it connects to; TLS and HTTP end here. What is trusted
//! is compiled in or measured, the time is the enclave's, and everything is bounded: one request on
//! a connection of its own, no redirect, no resumption, no cookie, no proxy.

use std::{io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Method, Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use openkey_protocol::{message::RelayRequest, relay::Relay};
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    client::Resumption,
    crypto::aws_lc_rs::{self, kx_group},
    time_provider::TimeProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// How long everything together may take: connection, handshake, request and answer.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// The most header lines of an answer.
const MAX_HEADERS: usize = 64;
/// The most bytes that are read ahead, which bounds an answer's header.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Amazon Trust Services' roots, which AWS lists as those of all its endpoints, by their common
/// names in Mozilla's list.
const AMAZON: [&[u8]; 5] = [
    b"Amazon Root CA 1",
    b"Amazon Root CA 2",
    b"Amazon Root CA 3",
    b"Amazon Root CA 4",
    b"Starfield Services Root Certificate Authority - G2",
];

/// Why there is no answer, in sentences of this program's own: nothing the other side or the host
/// wrote is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The host does not make the connection.
    #[error("the host does not connect to it: is it among the allowed hosts, and up?")]
    Relay,
    /// The target's name or root is none.
    #[error("the configured host or root certificate is malformed")]
    Target,
    /// The other side's certificate does not lead to a root that counts here.
    #[error("whoever answers has a certificate under another root than the trusted ones")]
    UnknownRoot,
    /// The certificate is not valid at the enclave's time.
    #[error("whoever answers has a certificate that is not valid at the enclave's time")]
    CertificateTime,
    /// The certificate names someone else.
    #[error("whoever answers has a certificate for another name")]
    CertificateName,
    /// The certificate is refused for another reason.
    #[error("whoever answers has a certificate that does not hold")]
    Certificate,
    /// No TLS 1.3 came about.
    #[error("whoever answers does not speak TLS 1.3, or broke off")]
    Tls,
    /// The request cannot be sent.
    #[error("the request cannot be sent")]
    Request,
    /// What came back is not HTTP/1.1, or ended early.
    #[error("the answer is not whole HTTP")]
    Http,
    /// The answer is longer than allowed.
    #[error("the answer is too long")]
    TooLong,
    /// It took longer than [`DEADLINE`].
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Deadline,
}

/// Under which roots a server's certificate counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The web's: Mozilla's list, compiled in.
    Web,
    /// Amazon's of that list.
    Amazon,
    /// This certificate alone (DER). It must come from the measured configuration.
    Only(Vec<u8>),
}

impl Roots {
    fn store(&self) -> Result<RootCertStore, EgressError> {
        let web = webpki_roots::TLS_SERVER_ROOTS.iter();
        let roots = match self {
            Self::Web => web.cloned().collect(),
            Self::Amazon => web.filter(|root| is_amazons(root)).cloned().collect(),
            Self::Only(der) => {
                let mut store = RootCertStore::empty();
                store
                    .add(CertificateDer::from(der.as_slice()))
                    .map_err(|_| EgressError::Target)?;
                return Ok(store);
            }
        };
        Ok(RootCertStore { roots })
    }
}

/// The common name is the last part of these subjects.
fn is_amazons(root: &TrustAnchor<'_>) -> bool {
    AMAZON.iter().any(|name| root.subject.ends_with(name))
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its DNS name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who vouches for it.
    pub roots: Roots,
}

/// A request: `POST /`.
pub struct Post {
    /// Headers beside `host` and `content-length`, which are sent as they must be.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The longest body of an answer, in bytes.
    pub max_answer: usize,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// The way out.
#[derive(Clone)]
pub struct Egress(Arc<dyn Relay>);

impl core::fmt::Debug for Egress {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Egress(..)")
    }
}

/// The enclave's time, for one connection.
#[derive(Debug)]
struct At(UnixTime);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

impl Egress {
    /// Through this relay.
    #[must_use]
    pub fn new(relay: Arc<dyn Relay>) -> Self {
        Self(relay)
    }

    /// Sends a request and reads the answer. Certificates are judged at `now_ms`, the enclave's time
    /// in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`EgressError`]; nothing of the request is sent before the server's certificate held.
    pub async fn post(
        &self,
        target: &Target,
        post: Post,
        now_ms: u64,
    ) -> Result<Answer, EgressError> {
        tokio::time::timeout(DEADLINE, self.exchange(target, post, now_ms))
            .await
            .map_err(|_| EgressError::Deadline)?
    }

    async fn exchange(
        &self,
        target: &Target,
        post: Post,
        now_ms: u64,
    ) -> Result<Answer, EgressError> {
        let config = tls(&target.roots, now_ms)?;
        let name = ServerName::try_from(target.host.clone()).map_err(|_| EgressError::Target)?;
        let request = RelayRequest::Egress {
            host: target.host.clone(),
            port: target.port,
        };
        let stream = self
            .0
            .open(&request)
            .await
            .map_err(|_| EgressError::Relay)?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .map_err(|error| handshake(&error))?;

        let mut client = http1::Builder::new();
        client
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEADER_BYTES);
        let (mut sender, connection) = client
            .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|_| EgressError::Http)?;
        // Ends with this function, whichever way that ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let max_answer = post.max_answer;
        let answer = sender
            .send_request(post.into_request(&target.host)?)
            .await
            .map_err(|_| EgressError::Http)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), max_answer)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    EgressError::TooLong
                } else {
                    EgressError::Http
                }
            })?
            .to_bytes()
            .to_vec();
        Ok(Answer { status, body })
    }
}

impl Post {
    fn into_request(self, host: &str) -> Result<Request<Full<Bytes>>, EgressError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header(header::HOST, host);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(Bytes::from(self.body)))
            .map_err(|_| EgressError::Request)
    }
}

/// TLS 1.3 alone (the library is built without older ones): AWS speaks it in all regions. A hybrid key exchange
/// comes first, because what travels may be recorded by the host and must stay secret for years.
fn tls(roots: &Roots, now_ms: u64) -> Result<ClientConfig, EgressError> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![
        kx_group::X25519MLKEM768,
        kx_group::X25519,
        kx_group::SECP256R1,
        kx_group::SECP384R1,
    ];
    let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms));
    let mut config = ClientConfig::builder_with_details(Arc::new(provider), Arc::new(At(now)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| EgressError::Tls)?
        .with_root_certificates(roots.store()?)
        .with_no_client_auth();
    // On resumption no certificate is looked at.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn handshake(error: &io::Error) -> EgressError {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    let Some(rustls::Error::InvalidCertificate(reason)) = error else {
        return EgressError::Tls;
    };
    match reason {
        CertificateError::UnknownIssuer => EgressError::UnknownRoot,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => EgressError::CertificateTime,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            EgressError::CertificateName
        }
        _ => EgressError::Certificate,
    }
}

#[cfg(test)]
mod tests;
