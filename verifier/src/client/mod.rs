//! The protocol over HTTP, for programs (feature `client`).
//!
//! Nothing that arrives here is trusted: TLS only keeps bystanders out. Evidence and answers are
//! checked by the other modules.

mod browser;
mod error;
mod http;
mod reply;
mod url;

use std::time::Instant;

use openkey_attestation::json;
use openkey_protocol::{
    cbor,
    message::{Bytes, Call, Class, Evidence, Request},
};
use serde::Deserialize;

pub use error::ClientError;
pub use http::Fetched;
use http::Http;
pub use reply::Replied;
use url::BaseUrl;

/// Bytes of a call's nonce: more than anybody guesses or meets again.
const NONCE: usize = 32;
/// Longest answer of an enclave, in bytes: a page of history with long titles is far below.
pub const MAX_REPLY: usize = 1024 * 1024;
/// Longest list of enclaves, in bytes.
const MAX_LIST: usize = 64 * 1024;
/// Most enclaves behind one host that a client looks at.
pub const MAX_ENCLAVES: usize = 64;
/// Longest routing id of an enclave, and longest name of a member, in characters.
const MAX_ID: usize = 64;

/// One enclave behind a host, as an API to call.
///
/// Cheap to clone; clones share their connections. Calls block.
#[derive(Clone, Debug)]
pub struct Client {
    http: Http,
    api: BaseUrl,
}

impl Client {
    /// A client of the enclave at `api_url`, such as `https://keys.example/api/v1/enclaves/e1`.
    /// `http` is accepted for this machine alone (`localhost`, `127.0.0.1`, `[::1]`).
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`]. Nothing is sent yet.
    pub fn new(api_url: &str) -> Result<Self, ClientError> {
        let api = BaseUrl::parse(api_url)?;
        Ok(Self {
            http: Http::new(api.is_https()),
            api,
        })
    }

    /// The same client, whose calls end at this time, all of them together.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.http.until(deadline);
        self
    }

    /// Where it calls, without a slash at the end.
    #[must_use]
    pub fn api(&self) -> &str {
        self.api.as_str()
    }

    /// Sends one request, with a nonce of its own, and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if no reply was understood; the request may have taken effect then.
    pub fn ask(&self, request: &Request) -> Result<Replied, ClientError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| ClientError::Random)?;
        let call = Call {
            nonce: nonce.into(),
            request: request.clone(),
        };
        let sent = cbor::encode(&call).map_err(|_| ClientError::Request)?;
        let reply = self.exchange(request.class(), &sent)?;
        let reply = cbor::decode(&reply).map_err(|_| ClientError::Answer("not a reply"))?;
        Ok(Replied {
            nonce: call.nonce,
            sent,
            reply,
        })
    }

    /// Asks for an attestation document over a nonce.
    ///
    /// # Errors
    ///
    /// [`ClientError`]. A refusal is [`ClientError::Unsigned`]: before evidence, nobody's signature
    /// is known.
    pub fn evidence(&self, nonce: Bytes) -> Result<Evidence, ClientError> {
        self.ask(&Request::Evidence { nonce })?.evidence()
    }

    /// Sends the bytes of a call and gives the bytes of the reply.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn exchange(&self, class: Class, call: &[u8]) -> Result<Vec<u8>, ClientError> {
        let class = match class {
            Class::Evidence => "evidence",
            Class::SignUp => "sign-up",
            Class::Request => "request",
        };
        self.http.post_cbor(&self.api.join(class), call, MAX_REPLY)
    }
}

/// A host: where pages and the APIs of its enclaves are.
#[derive(Clone, Debug)]
pub struct Host {
    http: Http,
    base: BaseUrl,
}

/// One enclave as its host lists it. Routing only: evidence says who it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// Routing id, such as `e1`.
    pub id: String,
    /// Which member of a deployment the host says it is: of the form of a routing id.
    pub member: String,
    /// Whether the host can reach it.
    pub ready: bool,
}

#[derive(Deserialize)]
struct List {
    enclaves: Vec<Listed>,
}

impl Host {
    /// A host at `url`, such as `https://keys.example` or `http://localhost:7100`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`]. Nothing is sent yet.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let base = BaseUrl::parse(url)?;
        Ok(Self {
            http: Http::new(base.is_https()),
            base,
        })
    }

    /// The same host, whose calls and whose clients' calls end at this time, all of them together.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.http.until(deadline);
        self
    }

    /// Its URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        self.base.as_str()
    }

    /// The enclaves it lists.
    ///
    /// # Errors
    ///
    /// [`ClientError`]: no answer, or one that is not such a list.
    pub fn enclaves(&self) -> Result<Vec<Listed>, ClientError> {
        let fetched = self
            .http
            .get(&self.base.join("api/v1/enclaves"), &[], MAX_LIST)?;
        if fetched.status != 200 {
            return Err(ClientError::status(&fetched));
        }
        let list: List =
            json::read(&fetched.body).map_err(|_| ClientError::Answer("not a list of enclaves"))?;
        if list.enclaves.len() > MAX_ENCLAVES {
            return Err(ClientError::Answer("more enclaves than a client looks at"));
        }
        if !list.enclaves.iter().all(|listed| is_routing_id(&listed.id)) {
            return Err(ClientError::Answer("an enclave id that is no routing id"));
        }
        if !list
            .enclaves
            .iter()
            .all(|listed| is_routing_id(&listed.member))
        {
            return Err(ClientError::Answer(
                "the name of a member that is no routing id",
            ));
        }
        Ok(list.enclaves)
    }

    /// A client of one of its enclaves.
    #[must_use]
    pub fn client(&self, listed: &Listed) -> Client {
        Client {
            http: self.http.clone(),
            api: self.base.child(&format!("api/v1/enclaves/{}", listed.id)),
        }
    }

    /// Fetches one file, following no redirect, at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`ClientError`]: no answer, or a longer one. Any status is an answer.
    pub fn get(&self, path: &str, limit: usize) -> Result<Fetched, ClientError> {
        self.http.get(&self.base.join(path), &[], limit)
    }

    /// As [`Self::get`], with the headers that a browser sends for a file of a page, so that a host
    /// which answers programs otherwise than people is seen to do so. It can still tell the two
    /// apart, by the TLS handshake for example.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub fn get_as_browser(&self, path: &str, limit: usize) -> Result<Fetched, ClientError> {
        let referrer = self.base.join("");
        let headers = browser::headers(path, &referrer);
        self.http.get(&self.base.join(path), &headers, limit)
    }
}

fn is_routing_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Fetches what one URL names (`https`, or `http` on this machine), at most `limit` bytes, until
/// the deadline.
///
/// # Errors
///
/// [`ClientError`]: a URL that is none, no answer, a longer one, or another status than 200.
pub fn fetch(url: &str, limit: usize, deadline: Instant) -> Result<Vec<u8>, ClientError> {
    let url = BaseUrl::parse(url)?;
    let mut http = Http::new(url.is_https());
    http.until(deadline);
    let fetched = http.get(url.as_str(), &[], limit)?;
    if fetched.status == 200 {
        Ok(fetched.body)
    } else {
        Err(ClientError::status(&fetched))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enclave_ids_are_plain() {
        assert!(is_routing_id("e1"));
        assert!(is_routing_id("eu-west_2"));
        for id in ["", "../x", "a/b", "a?b", "a b", "é", &"x".repeat(65)] {
            assert!(!is_routing_id(id), "{id:?}");
        }
    }
}
