//! A machine with a CA, a stand-in and a clock, and what a host can send by itself.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::{digest, hmac};
use base64ct::{Base64, Encoding};
use hyper::http::{Request, request::Parts};
use openkey_attestation::{Pcr, Roots};
use openkey_enclave::Configuration;
use openkey_enclave::nsm::{Nsm, NsmRequest};
use openkey_enclave::root::egress::Egress;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::enclave::{Enclave, Host, Wire};
use crate::ca::Authority;
use crate::kms::*;
use crate::nsm::{SoftNsm, measure::Measurement};

pub(super) const GENUINE: [u8; 48] = [1; 48];
pub(super) const BOTH: &[Action] = &[Action::GenerateDataKey, Action::Decrypt];

/// A machine with a CA, a stand-in, and a clock that tests turn.
pub(super) struct World {
    pub(super) dir: TempDir,
    pub(super) now: Arc<AtomicU64>,
    pub(super) authority: Authority,
    pub(super) kms: KmsStandIn,
}

impl World {
    /// The policy allows the genuine image with the usual configuration.
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicU64::new(crate::time::now_ms()));
        let authority =
            Authority::open(&dir.path().join("ca"), now.load(Ordering::SeqCst)).unwrap();
        let nobody = KeyPolicy {
            roots: Roots::custom([authority.root_certificate().unwrap()]).unwrap(),
            statements: Vec::new(),
        };
        let kms = start(&dir, &now, nobody).await;
        let world = Self {
            dir,
            now,
            authority,
            kms,
        };
        let usual = world.configuration("usual");
        world.allow(&[(GENUINE, &usual)]);
        world
    }

    pub(super) fn policy(&self, allowed: &[([u8; 48], &Configuration)]) -> KeyPolicy {
        let statement = |(pcr0, configuration): &([u8; 48], &Configuration)| {
            Statement::root_key(BOTH, Pcr(*pcr0), Pcr(configuration.pcr()))
        };
        KeyPolicy {
            roots: Roots::custom([self.authority.root_certificate().unwrap()]).unwrap(),
            statements: allowed.iter().map(statement).collect(),
        }
    }

    pub(super) fn allow(&self, allowed: &[([u8; 48], &Configuration)]) {
        self.kms.set_policy(self.policy(allowed));
    }

    /// A configuration whose `rp_name` is as given, and which names the stand-in.
    pub(super) fn configuration(&self, rp_name: &str) -> Configuration {
        configuration(rp_name, self.kms.identity())
    }

    pub(super) fn enclave(&self, pcr0: [u8; 48], configuration: &Configuration) -> Enclave {
        let measurement = Measurement {
            pcr0,
            pcr1: [2; 48],
            pcr2: [3; 48],
        };
        let nsm = SoftNsm::boot(self.authority.clone(), &measurement, clock(&self.now)).unwrap();
        nsm.call(NsmRequest::ExtendPcr {
            index: 16,
            data: configuration.hash().0.to_vec(),
        })
        .unwrap();
        nsm.call(NsmRequest::LockPcr { index: 16 }).unwrap();
        Enclave {
            nsm: Mutex::new(nsm),
            now: Arc::clone(&self.now),
            configuration: configuration.clone(),
            egress: Egress::new(Arc::new(Wire(self.kms.address()))),
            host: Host(self.kms.identity().credentials.clone()),
        }
    }

    pub(super) fn genuine(&self) -> Enclave {
        self.enclave(GENUINE, &self.configuration("usual"))
    }

    pub(super) fn pass(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap();
        self.now.fetch_add(by, Ordering::SeqCst);
    }

    pub(super) fn last_rule(&self) -> Rule {
        *self.kms.refused().last().unwrap()
    }

    /// What the host can send by itself, with its own credentials.
    pub(super) fn raw(&self, call: &str, body: &Value) -> Result<Vec<u8>, Rule> {
        let (parts, body) = self.signed(call, body);
        self.kms.shared.answer(&parts, &body)
    }

    pub(super) fn signed(&self, call: &str, body: &Value) -> (Parts, Vec<u8>) {
        let body = serde_json::to_vec(body).unwrap();
        let identity = self.kms.identity();
        let date = amz_date(self.now.load(Ordering::SeqCst));
        let target = format!("TrentService.{call}");
        let token = identity.credentials.session_token.clone().unwrap();
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("host", &identity.host()),
            ("x-amz-date", &date),
            ("x-amz-security-token", &token),
            ("x-amz-target", &target),
        ];
        let authorization = sign(&headers, &date, &body, &identity.credentials);
        let mut request = Request::post("/").header("authorization", authorization);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        (request.body(()).unwrap().into_parts().0, body)
    }
}

pub(super) async fn start(dir: &TempDir, now: &Arc<AtomicU64>, policy: KeyPolicy) -> KmsStandIn {
    KmsStandIn::start_with(&dir.path().join("kms"), policy, clock(now))
        .await
        .unwrap()
}

pub(super) fn clock(now: &Arc<AtomicU64>) -> Clock {
    let now = Arc::clone(now);
    Arc::new(move || now.load(Ordering::SeqCst))
}

pub(super) fn configuration(rp_name: &str, identity: &Identity) -> Configuration {
    let json = json!({
        "rp_id": "localhost",
        "rp_name": rp_name,
        "origins": ["http://localhost:7100"],
        "kms": {
            "key_arn": identity.key_arn,
            "region": identity.region,
            "tls_root": Base64::encode_string(&identity.tls_root),
        },
    });
    Configuration::from_json(json.to_string().as_bytes()).unwrap()
}

pub(super) fn amz_date(now_ms: u64) -> String {
    let seconds = i64::try_from(now_ms / 1000).unwrap();
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .unwrap()
        .format(time::macros::format_description!(
            "[year][month][day]T[hour][minute][second]Z"
        ))
        .unwrap()
}

pub(super) fn sign(
    headers: &[(&str, &str)],
    date: &str,
    body: &[u8],
    who: &AwsCredentials,
) -> String {
    let sha256 = |bytes: &[u8]| hex::encode(digest::digest(&digest::SHA256, bytes));
    let lines: Vec<String> = headers.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let canonical = format!("POST\n/\n\n{}\n{names}\n{}", lines.concat(), sha256(body));
    let scope = format!("{}/{REGION}/kms/aws4_request", &date[..8]);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        sha256(canonical.as_bytes())
    );
    let mut key = format!("AWS4{}", who.secret_access_key).into_bytes();
    for part in [&date[..8], REGION, "kms", "aws4_request", &to_sign] {
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes());
        key = mac.as_ref().to_vec();
    }
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
        who.access_key_id,
        hex::encode(key)
    )
}
