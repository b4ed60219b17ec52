//! HTTP by ureq: no redirects, no compression, bounded in time and size.

use std::{
    io::Read,
    sync::Arc,
    time::{Duration, Instant},
};

use ureq::{
    Agent,
    config::Config,
    http::{Response, header},
    tls::{RootCerts, TlsConfig, TlsProvider},
};

use super::ClientError;

/// A whole call of a client without a deadline, from name lookup to the last byte. The NSM is slow
/// and serial, and evidence waits in a queue; nothing else takes seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// To the TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections kept for the next call; as many threads can share one client without
/// connecting anew each time.
const IDLE_CONNECTIONS: usize = 128;

/// An answer of any status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The HTTP status.
    pub status: u16,
    /// The body, decoded by nothing.
    pub body: Vec<u8>,
    /// All headers in order: lower-case names, values as text.
    pub headers: Vec<(String, String)>,
}

impl Fetched {
    /// `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        let value = self.headers.iter().find(|(name, _)| name == "retry-after");
        value.and_then(|(_, value)| value.parse().ok())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Http {
    agent: Agent,
    deadline: Option<Instant>,
}

impl Http {
    /// `proxied`: whether the proxy of the environment may be used (never towards this machine).
    pub(super) fn new(proxied: bool) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::WebPki)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let mut config = Config::builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .accept_encoding("identity")
            .user_agent(concat!("openkey-verifier/", env!("CARGO_PKG_VERSION")));
        if !proxied {
            config = config.proxy(None);
        }
        Self {
            agent: config.build().new_agent(),
            deadline: None,
        }
    }

    pub(super) fn until(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// How long one call may take from now on.
    fn patience(&self) -> Result<Duration, ClientError> {
        match self.deadline {
            None => Ok(CALL_TIMEOUT),
            Some(deadline) => match deadline.saturating_duration_since(Instant::now()) {
                Duration::ZERO => Err(ClientError::Timeout),
                left => Ok(left),
            },
        }
    }

    /// Gets a URL with these headers beside or in place of the client's own.
    pub(super) fn get(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        limit: usize,
    ) -> Result<Fetched, ClientError> {
        let patience = self.patience()?;
        let mut request = self.agent.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.config().timeout_global(Some(patience)).build();
        read(request.call()?, limit)
    }

    /// Posts CBOR and gives CBOR; every other answer is an error.
    pub(super) fn post_cbor(
        &self,
        url: &str,
        body: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let answer = self
            .agent
            .post(url)
            .config()
            .timeout_global(Some(self.patience()?))
            .build()
            .content_type("application/cbor")
            .send(body)?;
        let is_cbor = answer
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value == "application/cbor");
        let fetched = read(answer, limit)?;
        match fetched.status {
            // An enclave that awaits its root key answers by itself, under a status for those who
            // look at nothing else.
            200 | 503 if is_cbor => Ok(fetched.body),
            200 => Err(ClientError::Answer("not application/cbor")),
            _ => Err(ClientError::status(&fetched)),
        }
    }
}

fn read(mut answer: Response<ureq::Body>, limit: usize) -> Result<Fetched, ClientError> {
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into_owned())
        })
        .collect();
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    // One byte more than allowed tells "as long as allowed" from "longer".
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    answer
        .body_mut()
        .with_config()
        .limit(bound)
        .reader()
        .take(bound)
        .read_to_end(&mut body)
        .map_err(|error| ClientError::from(ureq::Error::from(error)))?;
    if body.len() > limit {
        return Err(ClientError::TooLong(limit));
    }
    Ok(Fetched {
        status,
        body,
        headers,
    })
}
