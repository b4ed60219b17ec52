//! One enclave, as this server reaches it.

use std::time::Duration;

use openkey_protocol::{
    client::{CallError, Client},
    message::Class,
};

use crate::{
    config::{EnclaveConfig, Limits},
    metrics::PoolMetrics,
};

/// The bytes of `Request::Status`: CBOR for the text "status" (RFC 8949 §3.1). The one request of
/// this server's own; like all others it is not decoded here, nor is its reply.
const STATUS: &[u8] = b"\x66status";

/// How every reply that is no refusal begins: a map of one entry named "ok".
const OK: &[u8] = b"\xa1\x62ok";

/// For an enclave that is asked how it is.
const STATUS_DEADLINE: Duration = Duration::from_secs(1);

/// One enclave.
pub(crate) struct Upstream {
    config: EnclaveConfig,
    client: Client,
    request_deadline: Duration,
    evidence_deadline: Duration,
    metrics: PoolMetrics,
}

impl Upstream {
    pub(crate) const fn new(
        config: EnclaveConfig,
        client: Client,
        limits: &Limits,
        metrics: PoolMetrics,
    ) -> Self {
        Self {
            config,
            client,
            request_deadline: limits.request_deadline,
            evidence_deadline: limits.evidence_deadline,
            metrics,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.config.id
    }

    pub(crate) fn member(&self) -> &str {
        &self.config.member
    }

    /// Carries a request there and its reply back.
    pub(crate) async fn call(&self, class: Class, body: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let deadline = match class {
            Class::Evidence => self.evidence_deadline,
            Class::SignUp | Class::Request => self.request_deadline,
        };
        let _call = self.metrics.call();
        let reply = self.client.call(class, body, deadline).await;
        if let Err(error) = &reply {
            self.metrics.failed(error);
            tracing::warn!(enclave = self.id(), %error, "no reply");
        }
        reply
    }

    /// Whether the enclave says that it is ready.
    pub(crate) async fn answers(&self) -> bool {
        let reply = self
            .client
            .call(Class::Request, STATUS.to_vec(), STATUS_DEADLINE)
            .await;
        let ready = reply.is_ok_and(|reply| reply.starts_with(OK));
        self.metrics.ready(ready);
        ready
    }
}

#[cfg(test)]
mod tests {
    use openkey_protocol::{
        cbor::encode,
        message::{Error, ErrorCode, Evidence, Reply, Request, Response},
    };

    use super::*;

    #[test]
    fn the_fixed_bytes_are_those_of_the_protocol() {
        assert_eq!(encode(&Request::Status).unwrap(), STATUS);
        let evidence = Evidence {
            document: vec![1].into(),
        };
        let ok = Reply::Ok(Response::Evidence(evidence));
        assert!(encode(&ok).unwrap().starts_with(OK));
        let refusal = Reply::Error(Error {
            code: ErrorCode::Unavailable,
            message: String::new(),
            advice: String::new(),
        });
        assert!(!encode(&refusal).unwrap().starts_with(OK));
    }
}
