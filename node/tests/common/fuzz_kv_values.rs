//! Any bytes as an invocation of values: what it may do, its headers, an empty line, its body. The fuzz
//! target's body, also run on its corpus by the tests.

use std::cell::Cell;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Caveats;
use openkey_capability::chain::Capability;
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::resource::SpaceResource;
use openkey_node::admission::Authorised;
use openkey_node::allowed::Grants;
use openkey_node::error::Error;
use openkey_node::kv;

use crate::fuzz_node::{self, Fixture};

const INVOKER: &str = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";
const CURSOR: &str = "x-tinycloud-cursor";
const NEXT: &str = "x-tinycloud-next-cursor";
/// How often what was used up is forgotten: tests are many, and the time stands still.
const TIDY_EVERY: u64 = 4096;

/// A node, and how often it was asked.
pub(crate) struct Asked {
    fixture: Fixture,
    times: Cell<u64>,
}

/// One invocation.
struct Request {
    targets: Vec<(String, SpaceResource)>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Asked {
    pub(crate) fn new() -> Self {
        Self {
            fixture: Fixture::new(),
            times: Cell::new(0),
        }
    }

    /// What became of an invocation, if the bytes are one.
    pub(crate) fn run(&self, input: &[u8]) -> Option<StatusCode> {
        let request = self.read(input)?;
        let before = self.fixture.hashes();
        let answer = self.ask(&request);
        let after = self.fixture.hashes();
        let changes = |verb| matches!(verb, "put" | "del");
        for key in before.keys().chain(after.keys()) {
            let may = request
                .targets
                .iter()
                .any(|(verb, it)| changes(verb.as_str()) && it.path() == Some(key));
            assert!(
                before.get(key) == after.get(key) || (may && answer.is_ok()),
                "{key}"
            );
        }
        let status = match answer {
            Ok(response) => {
                let status = response.status();
                self.is_done(&request, response);
                status
            }
            Err(error) => {
                let status = error.status();
                let is_ours = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
                assert!(!is_ours, "{error}");
                status
            }
        };
        if before != after {
            self.fixture.restore(self.statement(), &after);
        }
        if self.times.get().is_multiple_of(TIDY_EVERY) {
            let until_ms = fuzz_node::admission([0; 32]).until_ms;
            let tidied = self.fixture.node.store.tidy(until_ms);
            self.fixture.runtime.block_on(tidied).unwrap();
        }
        Some(status)
    }

    fn read(&self, input: &[u8]) -> Option<Request> {
        let at = input.windows(2).position(|pair| pair == b"\n\n")?;
        let (head, body) = input.split_at(at);
        let mut request = Request {
            targets: Vec::new(),
            headers: HeaderMap::new(),
            body: body.get(2..)?.to_vec(),
        };
        for line in head.split(|byte| *byte == b'\n').take(16) {
            let text = core::str::from_utf8(line).unwrap_or_default();
            let verbs = ["get ", "metadata ", "list ", "put ", "del "];
            match verbs
                .iter()
                .find_map(|it| Some((it, text.strip_prefix(it)?)))
            {
                Some((verb, path)) => {
                    let space = self.fixture.space.clone();
                    let resource = SpaceResource::new(space, kv::SERVICE, Some(path)).ok()?;
                    request.targets.push((verb.trim_end().to_owned(), resource));
                }
                None => fuzz_node::header(&mut request.headers, line)?,
            }
        }
        Some(request)
    }

    /// What no invocation has signed yet.
    fn statement(&self) -> [u8; 32] {
        self.times.set(self.times.get() + 1);
        *blake3::hash(&self.times.get().to_be_bytes()).as_bytes()
    }

    fn ask(&self, request: &Request) -> Result<Response, Error> {
        let own = request.targets.iter().map(|(verb, resource)| {
            Capability::new(
                resource.clone().into(),
                Ability::parse(&format!("tinycloud.kv/{verb}")).unwrap(),
                Caveats::none(),
            )
        });
        let authorised = Authorised {
            links: Vec::new(),
            cid: Cid::of(b""),
            invoker: Did::parse(INVOKER).unwrap(),
            principals: Vec::new(),
            grants: Grants::own(own.collect()),
            admission: fuzz_node::admission(self.statement()),
        };
        let body = Body::from(request.body.clone());
        let answer = kv::invoke(&self.fixture.node, &authorised, &request.headers, body);
        self.fixture.runtime.block_on(answer)
    }

    /// Holds what was answered to what was asked.
    fn is_done(&self, request: &Request, response: Response) {
        let [(verb, resource)] = request.targets.as_slice() else {
            let body: serde_json::Value =
                serde_json::from_slice(&self.fixture.body(response)).unwrap();
            let all = body.get("results").or_else(|| body.get("written"));
            assert_eq!(
                all.unwrap().as_array().unwrap().len(),
                request.targets.len()
            );
            return;
        };
        let path = resource.path().unwrap_or_default();
        match verb.as_str() {
            "list" => self.is_listed(request, path, response),
            "put" if response.headers().contains_key("etag") => {
                let value = self.fixture.node.store.value(&self.fixture.space, path);
                let value = self.fixture.runtime.block_on(value).unwrap().unwrap();
                assert_eq!(value.hash, *blake3::hash(&request.body).as_bytes());
                assert!(kv::replayed(&value.headers).is_ok());
            }
            "get" if response.status() == StatusCode::OK => {
                assert_eq!(self.fixture.body(response), fuzz_node::content(path));
            }
            _ => {}
        }
    }

    /// Page after page, every key is listed once.
    fn is_listed(&self, request: &Request, prefix: &str, mut response: Response) {
        let begins = !request.headers.contains_key(CURSOR);
        let mut listed: Vec<String> = Vec::new();
        loop {
            let next: Option<HeaderValue> = response.headers().get(NEXT).cloned();
            let page: Vec<String> = serde_json::from_slice(&self.fixture.body(response)).unwrap();
            assert!(next.is_none() || !page.is_empty());
            listed.extend(page);
            let Some(next) = next else { break };
            let mut headers = request.headers.clone();
            headers.insert(CURSOR, next);
            let request = Request {
                targets: request.targets.clone(),
                headers,
                body: Vec::new(),
            };
            response = self.ask(&request).unwrap();
        }
        let all = self.fixture.hashes().into_keys();
        let all: Vec<_> = all.filter(|key| key.starts_with(prefix)).collect();
        assert!(
            listed == all || (!begins && all.ends_with(&listed)),
            "{listed:?}"
        );
    }
}
