//! One enclave, as this server reaches it.

use std::time::Duration;

use openkey_edge::{client::ClientKey, log::Sparing};
use openkey_protocol::{
    cbor,
    client::{CallError, Client},
    message::{Class, Reply, Response, RootState, Verdict},
};
use tokio::time::{Instant, timeout_at};

use crate::{
    config::{EnclaveConfig, Limits},
    metrics::PoolMetrics,
    turns::{Bounds, Turns},
};

/// The bytes of a `Call` for the status, in deterministic CBOR (RFC 8949 §4.2.1). The one request of
/// this server's own, and the one whose answer it reads. It checks no signature: what it publishes
/// about its enclaves is its own word. So its nonce needs to be no secret.
const STATUS: &[u8] = b"\xa2\x65nonce\x50openkey-host/own\x67request\x66status";

/// What an answer holds that says "the root key is awaited": the member `result` with a refusal, a map
/// of three whose first is the code. Nothing is decoded on the way.
const AWAITING: &[u8] = b"\x66result\xa1\x67refused\xa3\x64code\x71awaiting_root_key";

/// What an answer holds that says "refused", whatever the rule; and the beginning of a refusal that no
/// enclave signs.
const REFUSED: &[u8] = b"\x66result\xa1\x67refused";
const BARE_REFUSED: &[u8] = b"\xa1\x64bare\xa1\x67refused";

/// Before it stand the heads of two maps, a time, and a nonce of at most 64 bytes.
const AWAITING_WITHIN: usize = 192;

/// Whether a reply says that the root key is awaited. Only an HTTP status depends on it.
pub(crate) fn awaits_root_key(reply: &[u8]) -> bool {
    begins_with(reply, AWAITING)
}

/// Whether the enclave refuses in its reply. Only whether there is a line in the log depends on it.
pub(crate) fn refuses(reply: &[u8]) -> bool {
    reply.starts_with(BARE_REFUSED) || begins_with(reply, REFUSED)
}

fn begins_with(reply: &[u8], part: &[u8]) -> bool {
    let beginning = reply.get(..AWAITING_WITHIN).unwrap_or(reply);
    beginning.windows(part.len()).any(|window| window == part)
}

/// For an enclave that is asked how it is: one that is busy is not away.
const STATUS_DEADLINE: Duration = Duration::from_secs(3);

/// One enclave.
pub(crate) struct Upstream {
    config: EnclaveConfig,
    client: Client,
    request_deadline: Duration,
    evidence_deadline: Duration,
    requests: Turns,
    evidence: Turns,
    metrics: PoolMetrics,
}

impl Upstream {
    /// `places`: requests that the client carries at once.
    pub(crate) fn new(
        config: EnclaveConfig,
        client: Client,
        places: usize,
        limits: &Limits,
        metrics: PoolMetrics,
    ) -> Self {
        let requests = Bounds {
            places,
            places_each: limits.in_flight_per_address,
            waiting: limits.in_flight,
            waiting_each: limits.waiting_per_address,
        };
        let evidence = Bounds {
            places: limits.evidence_in_flight,
            places_each: 1,
            waiting: limits.evidence_waiting,
            waiting_each: limits.evidence_waiting_per_address,
        };
        Self {
            config,
            client,
            request_deadline: limits.request_deadline,
            evidence_deadline: limits.evidence_deadline,
            requests: Turns::new(requests),
            evidence: Turns::new(evidence),
            metrics,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.config.id
    }

    pub(crate) fn member(&self) -> &str {
        &self.config.member
    }

    /// Carries a client's request there, when it is its turn, and the reply back. A client that leaves
    /// keeps its turn until the enclave has answered: asking and leaving gains nothing.
    pub(crate) async fn call(
        &self,
        class: Class,
        client: ClientKey,
        body: Vec<u8>,
        lines: &Sparing,
    ) -> Result<Vec<u8>, CallError> {
        let (turns, deadline) = match class {
            Class::Evidence => (&self.evidence, self.evidence_deadline),
            Class::SignUp | Class::Request => (&self.requests, self.request_deadline),
        };
        let until = Instant::now() + deadline;
        let _call = self.metrics.call();
        let reply = match timeout_at(until, turns.enter(client)).await {
            Ok(Some(turn)) => {
                let client = self.client.clone();
                let call = tokio::spawn(async move {
                    let left = until.saturating_duration_since(Instant::now());
                    let reply = client.call(class, body, left).await;
                    drop(turn);
                    reply
                });
                call.await.unwrap_or(Err(CallError::Lost))
            }
            Ok(None) => Err(CallError::Busy),
            Err(_) => Err(CallError::Deadline { sent: false }),
        };
        if let Err(error) = &reply {
            self.metrics.failed(error);
            if lines.admits() {
                tracing::warn!(enclave = self.id(), %error, "no reply");
            }
        }
        reply
    }

    /// Why the enclave cannot be used now; `None` if it can.
    pub(crate) async fn missing(&self) -> Option<String> {
        let reply = self
            .client
            .call(Class::Request, STATUS.to_vec(), STATUS_DEADLINE)
            .await;
        let missing = match &reply {
            Ok(reply) => missing(reply),
            Err(_) => Some("does not answer".to_owned()),
        };
        self.metrics.ready(missing.is_none());
        missing
    }
}

/// What the reply to a status says is missing.
fn missing(reply: &[u8]) -> Option<String> {
    let answer = match cbor::decode(reply) {
        Ok(Reply::Answer(signed)) => signed.unverified().ok(),
        _ => None,
    };
    let Some(Verdict::Ok(Response::Status(status))) = answer.map(|answer| answer.result) else {
        return Some("does not say how it is".to_owned());
    };
    match status.root.state {
        RootState::Ready => None,
        RootState::Waiting { have, need } => {
            Some(format!("waiting for root key: {have} of {need} shares"))
        }
        RootState::HandedOver => Some("the root key went to a successor".to_owned()),
        RootState::AwaitingGenesis => Some("waiting for root key: no genesis yet".to_owned()),
        RootState::GenesisDone => Some(
            "waiting for root key: a genesis is done; boot with its root id configured".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use openkey_protocol::{
        cbor::encode,
        message::{
            Answer, Bare, Call, Error, ErrorCode, Hash32, Limits, Request, RootStatus, Signed,
            Status,
        },
    };

    use super::*;

    fn reply(result: Verdict) -> Vec<u8> {
        let answer = Answer {
            request: Hash32([1; 32]),
            nonce: vec![2; 64].into(),
            at: u64::MAX,
            continued: None,
            result,
        };
        encode(&Reply::Answer(Signed::new(&answer, |_| [3; 64]).unwrap())).unwrap()
    }

    fn refusal(code: ErrorCode) -> Vec<u8> {
        reply(Verdict::Refused(Error {
            code,
            message: "waiting for root key: 1 of 2 shares".to_owned(),
            advice: String::new(),
        }))
    }

    #[test]
    fn the_fixed_bytes_are_those_of_the_protocol() {
        let call = Call {
            nonce: b"openkey-host/own".as_slice().into(),
            request: Request::Status,
        };
        assert_eq!(encode(&call).unwrap(), STATUS);
        assert!(awaits_root_key(&refusal(ErrorCode::AwaitingRootKey)));
        assert!(!awaits_root_key(&refusal(ErrorCode::Unavailable)));
        assert!(!awaits_root_key(&status(RootState::Ready)));
        for code in [ErrorCode::AwaitingRootKey, ErrorCode::Unavailable] {
            assert!(refuses(&refusal(code)));
        }
        let error = Error {
            code: ErrorCode::Unavailable,
            message: String::new(),
            advice: String::new(),
        };
        assert!(refuses(
            &encode(&Reply::Bare(Bare::Refused(error))).unwrap()
        ));
        assert!(!refuses(&status(RootState::Ready)));
    }

    fn status(state: RootState) -> Vec<u8> {
        let status = Status {
            release: String::new(),
            root_source: None,
            root: RootStatus {
                state,
                root_id: None,
                epoch: 1,
                sources: Vec::new(),
                upgrades: Vec::new(),
                upgrades_known: false,
                withdrawn: Vec::new(),
                secrets: Vec::new(),
                secrets_known: false,
            },
            now: 0,
            rp_id: String::new(),
            origins: Vec::new(),
            limits: Limits {
                payload_bytes: 0,
                passkeys: 0,
                keys: 0,
                signatures_per_minute: 0,
                accounts: 0,
            },
        };
        reply(Verdict::Ok(Response::Status(status)))
    }

    #[test]
    fn what_is_missing_is_said() {
        let waiting = RootState::Waiting { have: 1, need: 2 };
        for (state, said) in [
            (RootState::Ready, None),
            (waiting, Some("waiting for root key: 1 of 2 shares")),
            (
                RootState::AwaitingGenesis,
                Some("waiting for root key: no genesis yet"),
            ),
        ] {
            assert_eq!(missing(&status(state)).as_deref(), said);
        }
        assert!(missing(&status(RootState::GenesisDone)).is_some());
        assert!(missing(&refusal(ErrorCode::Unavailable)).is_some());
        assert!(missing(b"").is_some());
    }
}
