//! One person with a space on a node, and the session that acts for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signer as _, SigningKey};
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::cid::Cid;
use openkey_capability::key::PublicKey;
use openkey_capability::ucan::{Builder, Ucan};
use ureq::Agent;

use super::LoadNodeError;

/// How long an invocation lives, in seconds, as the shipped clients ask for it.
const INVOCATION: i64 = 120;
/// How long a session lives, in seconds.
const SESSION: i64 = 7 * 86_400;
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(30);

const PUT: &[&str] = &["tinycloud.kv/put"];
/// Between the parts of a body; no value holds it.
const BOUNDARY: &str = "load-9f3c";

/// An answer's status and body.
pub(super) type Answer = Result<(u16, String), LoadNodeError>;

/// One person with a space, by a seed: another process with the same seed is the same person.
pub(super) struct Client {
    agent: Agent,
    url: String,
    owner: SigningKey,
    session: SigningKey,
    space: String,
    delegation: Option<Cid>,
    nonce: AtomicU64,
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::Ed25519(key.verifying_key().to_bytes())
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Client {
    /// The person with this number. Nothing is asked of the node yet.
    pub(super) fn new(url: &str, seed: &str, number: usize) -> Result<Self, LoadNodeError> {
        let key = |role: &str| {
            let text = format!("{seed}/{number}/{role}");
            SigningKey::from_bytes(Cid::of(text.as_bytes()).digest())
        };
        let owner = key("owner");
        let did = public(&owner).did();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_idle_connections_per_host(1)
            .build();
        let start = getrandom::u64().map_err(|error| LoadNodeError::Broken(error.to_string()))?;
        Ok(Self {
            agent: Agent::new_with_config(config),
            url: url.trim_end_matches('/').to_owned(),
            space: format!(
                "tinycloud:{}:load",
                did.strip_prefix("did:").unwrap_or(&did)
            ),
            owner,
            session: key("session"),
            delegation: None,
            nonce: AtomicU64::new(start),
        })
    }

    /// The name of what is `path` in the space.
    pub(super) fn resource(&self, path: &str) -> String {
        format!("{}/{path}", self.space)
    }

    /// Hosts the space and delegates to the session. Doing it twice changes nothing.
    pub(super) fn set_up(&mut self) -> Result<(), LoadNodeError> {
        let peer = format!(
            "{}/peer/generate/{}",
            self.url,
            self.space.replace(':', "%3A")
        );
        let answer = self.agent.get(&peer).call();
        let host = answer.and_then(|mut it| it.body_mut().read_to_string());
        let host = host.map_err(|error| self.silent(error))?;
        let hosting = grant(&[(self.resource("space"), &["tinycloud.space/host"])])?;
        let hosting = Self::token(&self.owner, &host, hosting, None, now() + SESSION, 0)?;
        self.expect(self.post("/delegate", hosting.token(), "")?)?;
        let session = grant(&[
            (
                self.resource("kv"),
                &[
                    "tinycloud.kv/get",
                    "tinycloud.kv/put",
                    "tinycloud.kv/list",
                    "tinycloud.kv/del",
                ],
            ),
            (
                self.resource("sql"),
                &["tinycloud.sql/read", "tinycloud.sql/write"],
            ),
        ])?;
        // the same bytes in every process of a day: posting it again changes nothing
        let until = (now() / 86_400 + 8) * 86_400;
        let session = Self::token(
            &self.owner,
            &public(&self.session).did(),
            session,
            None,
            until,
            0,
        )?;
        self.expect(self.post("/delegate", session.token(), "")?)?;
        self.delegation = Some(session.cid());
        Ok(())
    }

    /// Invokes one ability on one resource.
    pub(super) fn invoke(&self, resource: &str, ability: &'static str, body: &str) -> Answer {
        let granted = grant(&[(resource.to_owned(), &[ability])])?;
        let nonce = self.nonce();
        let did = public(&self.session).did();
        let token = Self::token(
            &self.session,
            &did,
            granted,
            self.delegation,
            now() + INVOCATION,
            nonce,
        )?;
        self.post("/invoke", token.token(), body)
    }

    /// Writes several values at once.
    pub(super) fn put_all(&self, values: &[(String, String)]) -> Answer {
        let keys = values
            .iter()
            .map(|(key, _)| self.resource(&format!("kv/{key}")));
        let granted: Vec<(String, &[&'static str])> = keys.map(|it| (it, PUT)).collect();
        let did = public(&self.session).did();
        let until = now() + INVOCATION;
        let (granted, nonce) = (grant(&granted)?, self.nonce());
        let token = Self::token(&self.session, &did, granted, self.delegation, until, nonce)?;
        let mut body = String::new();
        for (key, value) in values {
            let name = key.replace('/', "%2F");
            body += &format!(
                "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        body += &format!("--{BOUNDARY}--\r\n");
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.send("/invoke", token.token(), &kind, &body)
    }

    /// Delegates reading of one path to nobody in particular; answers the delegation's name.
    pub(super) fn delegate(&self, path: &str) -> Result<(u16, String, Cid), LoadNodeError> {
        let granted = grant(&[(self.resource(path), &["tinycloud.kv/get"])])?;
        let nonce = self.nonce();
        let somebody = SigningKey::from_bytes(Cid::of(&nonce.to_be_bytes()).digest());
        let did = public(&somebody).did();
        let token = Self::token(
            &self.session,
            &did,
            granted,
            self.delegation,
            now() + 3600,
            nonce,
        )?;
        let (status, body) = self.post("/delegate", token.token(), "")?;
        Ok((status, body, token.cid()))
    }

    /// Takes a delegation back.
    pub(super) fn revoke(&self, cid: &Cid) -> Answer {
        let token = self.about(cid, "tinycloud.delegation/revoke")?;
        self.post("/revoke", token.token(), "")
    }

    /// How a delegation stands.
    pub(super) fn status(&self, cid: &Cid) -> Answer {
        let token = self.about(cid, "tinycloud.delegation/status")?;
        self.post(
            "/delegation/status",
            token.token(),
            &format!("{{\"cid\":\"{cid}\"}}"),
        )
    }

    fn about(&self, cid: &Cid, ability: &'static str) -> Result<Ucan, LoadNodeError> {
        let granted = grant(&[(format!("urn:cid:{cid}"), &[ability])])?;
        let did = public(&self.owner).did();
        Self::token(
            &self.owner,
            &did,
            granted,
            None,
            now() + INVOCATION,
            self.nonce(),
        )
    }

    fn nonce(&self) -> u64 {
        self.nonce.fetch_add(1, Ordering::Relaxed)
    }

    fn token(
        key: &SigningKey,
        audience: &str,
        granted: Attenuation,
        proof: Option<Cid>,
        until: i64,
        nonce: u64,
    ) -> Result<Ucan, LoadNodeError> {
        let mut builder = Builder::new(public(key), audience, until)
            .nonce(format!("load:{nonce:016x}"))
            .grant(granted);
        if let Some(proof) = proof {
            builder = builder.proof(&proof);
        }
        let signed = builder.sign(|input| key.sign(input).to_bytes());
        signed.map_err(|error| LoadNodeError::Broken(error.to_string()))
    }

    fn post(&self, path: &str, token: &str, body: &str) -> Answer {
        self.send(path, token, "text/plain", body)
    }

    fn send(&self, path: &str, token: &str, kind: &str, body: &str) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.url));
        let request = request.header("authorization", token).content_type(kind);
        let answer = request.send(body).and_then(|mut answer| {
            let body = answer.body_mut().read_to_string()?;
            Ok((answer.status().as_u16(), body))
        });
        answer.map_err(|error| self.silent(error))
    }

    fn silent(&self, error: ureq::Error) -> LoadNodeError {
        let url = self.url.clone();
        LoadNodeError::Http { url, error }
    }

    fn expect(&self, (status, body): (u16, String)) -> Result<(), LoadNodeError> {
        match status {
            200 => Ok(()),
            status => Err(LoadNodeError::Refused { status, body }),
        }
    }
}

fn grant(grants: &[(String, &[&'static str])]) -> Result<Attenuation, LoadNodeError> {
    let mut all = Attenuation::new();
    for (resource, abilities) in grants {
        for ability in *abilities {
            let ability = Ability::parse(ability);
            let ability = ability.map_err(|error| LoadNodeError::Broken(error.to_string()))?;
            all = all.with(resource, ability);
        }
    }
    Ok(all)
}
