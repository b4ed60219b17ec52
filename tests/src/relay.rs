//! A hostile relay in front of host-proxy: everything passes through it, and it changes what it likes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use openkey_protocol::cbor;
use openkey_protocol::message::{
    Answer, Bare, Call, Error, ErrorCode, Reply, Request as Asked, Response as Said, Signed,
    Verdict,
};
use tokio::runtime::Runtime;

/// The most a relayed body may have.
const BODY: usize = 8 << 20;

/// What the relay does: it is given the path and the body of a request or an answer.
pub type Meddle = Box<dyn FnMut(&str, Vec<u8>) -> Vec<u8> + Send>;

struct Relaying {
    upstream: String,
    agent: ureq::Agent,
    requests: Mutex<Meddle>,
    answers: Mutex<Meddle>,
}

/// A running relay; it ends when it is dropped.
pub struct Relay {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Relay {
    /// Relays to `upstream` (an origin), changing what goes there and what comes back.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    #[must_use]
    pub fn start(upstream: &str, requests: Meddle, answers: Meddle) -> Self {
        let runtime = Runtime::new().unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let relaying = Arc::new(Relaying {
            upstream: upstream.to_owned(),
            agent,
            requests: Mutex::new(requests),
            answers: Mutex::new(answers),
        });
        let router = Router::new().fallback(pass).with_state(relaying);
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            _runtime: runtime,
        }
    }

    /// Its origin.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }
}

/// Changes nothing.
#[must_use]
pub fn honestly() -> Meddle {
    Box::new(|_, body| body)
}

/// Changes replies of the enclave, and leaves alone what is none.
#[must_use]
pub fn replies(mut change: impl FnMut(Reply) -> Reply + Send + 'static) -> Meddle {
    Box::new(move |_, body| match cbor::decode::<Reply>(&body) {
        Ok(reply) => cbor::encode(&change(reply)).unwrap(),
        Err(_) => body,
    })
}

/// Changes requests on their way to the enclave, in their envelopes.
#[must_use]
pub fn requests(mut change: impl FnMut(&mut Asked) + Send + 'static) -> Meddle {
    Box::new(move |_, body| match cbor::decode::<Call>(&body) {
        Ok(mut call) => {
            change(&mut call.request);
            cbor::encode(&call).unwrap()
        }
        Err(_) => body,
    })
}

/// Changes what the enclave says was done. The signature stays as it was: a relay has no other.
#[must_use]
pub fn responses(mut change: impl FnMut(&mut Said) + Send + 'static) -> Meddle {
    replies(move |reply| match reply {
        Reply::Answer(signed) => {
            let mut answer: Answer = signed.unverified().unwrap();
            if let Verdict::Ok(said) = &mut answer.result {
                change(said);
            }
            let body = cbor::encode(&answer).unwrap();
            Reply::Answer(Signed::from_parts(body.into(), signed.signature))
        }
        bare => bare,
    })
}

/// What a reply says was done, as a relay reads it.
#[must_use]
pub fn response(body: &[u8]) -> Option<Said> {
    match cbor::decode(body) {
        Ok(Reply::Answer(signed)) => match signed.unverified().ok()?.result {
            Verdict::Ok(said) => Some(said),
            Verdict::Refused(_) => None,
        },
        _ => None,
    }
}

/// A refusal that no enclave ever spoke.
///
/// # Panics
///
/// Never: it has an encoding.
#[must_use]
pub fn invented(code: ErrorCode) -> Vec<u8> {
    cbor::encode(&Reply::Bare(Bare::Refused(Error {
        code,
        message: "The host says so.".into(),
        advice: "Create a new account.".into(),
    })))
    .unwrap()
}

async fn pass(State(relaying): State<Arc<Relaying>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY).await.unwrap_or_default();
    tokio::task::spawn_blocking(move || forward(&relaying, &head, body))
        .await
        .unwrap()
}

fn forward(relaying: &Relaying, head: &axum::http::request::Parts, body: Bytes) -> Response {
    let path = head.uri.path();
    let url = format!("{}{}", relaying.upstream, head.uri);
    let answer = if head.method == "POST" {
        let body = (relaying.requests.lock().unwrap())(path, body.to_vec());
        let kind = head.headers.get(header::CONTENT_TYPE).cloned();
        let kind = kind.map_or_else(String::new, |kind| kind.to_str().unwrap().to_owned());
        relaying
            .agent
            .post(&url)
            .header("content-type", kind)
            .send(&body[..])
    } else {
        relaying.agent.get(&url).call()
    };
    let Ok(mut answer) = answer else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        return response;
    };
    let bytes = answer.body_mut().read_to_vec().unwrap_or_default();
    let bytes = (relaying.answers.lock().unwrap())(path, bytes);
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    for name in [header::CONTENT_TYPE, header::CONTENT_SECURITY_POLICY] {
        if let Some(value) = answer.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
