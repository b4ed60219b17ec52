//! Tokens of keys that the tests hold, and nodes whose clocks they set.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use ed25519_dalek::{Signer as _, SigningKey};
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::chain::Delegation;
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::key::PublicKey;
use openkey_capability::resource::SpaceId;
use openkey_capability::ucan::{Builder, Ucan};
use openkey_edge::sqlite::Options;
use openkey_node::clock::Clock;
use openkey_node::config::Config;
use openkey_node::node::Node;
use openkey_node::sql::WorkerProgram;

/// When everything happens, in seconds of Unix time.
pub(crate) const NOW: i64 = 1_800_000_000;

/// A clock that a test sets, in milliseconds.
pub(crate) struct Fixed(pub(crate) AtomicI64);

impl Fixed {
    pub(crate) fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(seconds * 1000)))
    }

    pub(crate) fn set(&self, seconds: i64) {
        self.0.store(seconds * 1000, Ordering::Relaxed);
    }
}

impl Clock for Fixed {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn node(dir: &Path, clock: &Arc<Fixed>) -> Node {
    let clock = Arc::clone(clock);
    let program = WorkerProgram::new(env!("CARGO_BIN_EXE_openkey-node"));
    let config = Config {
        sql_program: program,
        ..Config::new(dir.to_owned())
    };
    Node::open(config, clock, Options::default()).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey::Ed25519(key(seed).verifying_key().to_bytes())
}

pub(crate) fn did(seed: u8) -> Did {
    Did::from_key(&public(seed))
}

/// The space of `did(1)` that everything is about.
pub(crate) fn space() -> SpaceId {
    SpaceId::new(&did(1), "s").unwrap()
}

/// What is in that space: service and path.
pub(crate) fn within(rest: &str) -> String {
    format!("{}/{rest}", space())
}

/// A token that no other is, which says this of one resource.
pub(crate) struct Says<'a> {
    pub(crate) from: u8,
    pub(crate) to: Did,
    pub(crate) until: i64,
    pub(crate) since: Option<i64>,
    pub(crate) resource: &'a str,
    pub(crate) abilities: &'a [&'a str],
    pub(crate) proofs: &'a [Cid],
    /// Who signs, if not who it says.
    pub(crate) signed_by: Option<u8>,
}

impl Default for Says<'_> {
    fn default() -> Self {
        Self {
            from: 1,
            to: did(2),
            until: NOW + 3600,
            since: None,
            resource: "kv",
            abilities: &["tinycloud.kv/get", "tinycloud.kv/put"],
            proofs: &[],
            signed_by: None,
        }
    }
}

/// A token that no other is, with these grants.
pub(crate) fn raw(from: u8, to: &Did, until: i64, proofs: &[Cid], grant: Attenuation) -> String {
    let mut builder = Builder::new(public(from), to.as_str(), until).grant(grant);
    for proof in proofs {
        builder = builder.proof(proof);
    }
    signed(builder, from)
}

/// An invocation by the owner that states something.
pub(crate) fn stating(resource: &str, ability: &str, fact: serde_json::Value) -> HeaderMap {
    stating_of(&within(resource), ability, fact)
}

/// The same, of any resource.
pub(crate) fn stating_of(resource: &str, ability: &str, fact: serde_json::Value) -> HeaderMap {
    let ability = Ability::parse(ability).unwrap();
    let grant = Attenuation::new().with(resource, ability);
    let builder = Builder::new(public(1), did(1).as_str(), NOW + 60);
    headers(&signed(builder.grant(grant).fact(fact), 1))
}

/// With a nonce that no other has.
fn signed(builder: Builder, by: u8) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nonce = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    let unsigned = builder.nonce(nonce).unsigned().unwrap();
    let signature = key(by).sign(unsigned.as_bytes());
    let text = std::str::from_utf8(unsigned.as_bytes()).unwrap();
    format!("{text}.{}", base64url(&signature.to_bytes()))
}

impl Says<'_> {
    pub(crate) fn text(&self) -> String {
        let mut builder = Builder::new(public(self.from), self.to.as_str(), self.until);
        if let Some(since) = self.since {
            builder = builder.not_before(since);
        }
        for proof in self.proofs {
            builder = builder.proof(proof);
        }
        let resource = within(self.resource);
        let grants = self.abilities.iter().map(|it| Ability::parse(it).unwrap());
        let grants = grants.fold(Attenuation::new(), |all, it| all.with(&resource, it));
        signed(builder.grant(grants), self.signed_by.unwrap_or(self.from))
    }

    pub(crate) fn ucan(&self) -> Ucan {
        Ucan::decode(&self.text()).unwrap()
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        headers(&self.text())
    }
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn statement(ucan: &Ucan) -> [u8; 32] {
    *Delegation::from_ucan(ucan).unwrap().statement()
}

pub(crate) fn headers(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(token).unwrap())])
}
