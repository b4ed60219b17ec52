//! The stand-in and the enclave's KMS client against each other, and attackers against the stand-in.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::{digest, hmac};
use base64ct::{Base64, Encoding};
use hyper::http::{Request, request::Parts};
use openkey_attestation::{Pcr, Roots};
use openkey_enclave::nsm::{Nsm, NsmError, NsmRequest, NsmResponse};
use openkey_enclave::root::egress::{Egress, EgressError};
use openkey_enclave::root::kms::{
    Attester, Boxed, Credentials, Kms, KmsError, NONCE, RECIPIENT_DOCUMENT, Refusal,
};
use openkey_enclave::{Configuration, RootKey};
use openkey_protocol::message::{Hash32, RelayRequest, RootDescriptor, WrappedRoot};
use openkey_protocol::relay::Relay;
use openkey_protocol::transport::Stream;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::*;
use crate::{
    ca::Authority,
    nsm::{SoftNsm, measure::Measurement},
};

const ROOT_ID: Hash32 = Hash32([7; 32]);
const GENUINE: [u8; 48] = [1; 48];
const BOTH: &[Action] = &[Action::GenerateDataKey, Action::Decrypt];

/// A machine with a CA, a stand-in, and a clock that tests turn.
struct World {
    dir: TempDir,
    now: Arc<AtomicU64>,
    authority: Authority,
    kms: KmsStandIn,
}

impl World {
    /// The policy allows the genuine image with the usual configuration.
    async fn new() -> Self {
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

    fn policy(&self, allowed: &[([u8; 48], &Configuration)]) -> KeyPolicy {
        let statement = |(pcr0, configuration): &([u8; 48], &Configuration)| {
            Statement::root_key(BOTH, Pcr(*pcr0), Pcr(configuration.pcr()))
        };
        KeyPolicy {
            roots: Roots::custom([self.authority.root_certificate().unwrap()]).unwrap(),
            statements: allowed.iter().map(statement).collect(),
        }
    }

    fn allow(&self, allowed: &[([u8; 48], &Configuration)]) {
        self.kms.set_policy(self.policy(allowed));
    }

    /// A configuration whose `rp_name` is as given, and which names the stand-in.
    fn configuration(&self, rp_name: &str) -> Configuration {
        configuration(rp_name, self.kms.identity())
    }

    fn enclave(&self, pcr0: [u8; 48], configuration: &Configuration) -> Enclave {
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

    fn genuine(&self) -> Enclave {
        self.enclave(GENUINE, &self.configuration("usual"))
    }

    fn pass(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap();
        self.now.fetch_add(by, Ordering::SeqCst);
    }

    fn last_rule(&self) -> Rule {
        *self.kms.refused().last().unwrap()
    }

    /// What the host can send by itself, with its own credentials.
    fn raw(&self, call: &str, body: &Value) -> Result<Vec<u8>, Rule> {
        let (parts, body) = self.signed(call, body);
        self.kms.shared.answer(&parts, &body)
    }

    fn signed(&self, call: &str, body: &Value) -> (Parts, Vec<u8>) {
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

async fn start(dir: &TempDir, now: &Arc<AtomicU64>, policy: KeyPolicy) -> KmsStandIn {
    KmsStandIn::start_with(&dir.path().join("kms"), policy, clock(now))
        .await
        .unwrap()
}

fn clock(now: &Arc<AtomicU64>) -> Clock {
    let now = Arc::clone(now);
    Arc::new(move || now.load(Ordering::SeqCst))
}

fn configuration(rp_name: &str, identity: &Identity) -> Configuration {
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

fn amz_date(now_ms: u64) -> String {
    let seconds = i64::try_from(now_ms / 1000).unwrap();
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .unwrap()
        .format(time::macros::format_description!(
            "[year][month][day]T[hour][minute][second]Z"
        ))
        .unwrap()
}

fn sign(headers: &[(&str, &str)], date: &str, body: &[u8], who: &AwsCredentials) -> String {
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

/// Connects to the stand-in, whatever is asked for.
struct Wire(SocketAddr);

impl Relay for Wire {
    fn open<'a>(
        &'a self,
        request: &'a RelayRequest,
    ) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + 'a>> {
        let expected = RelayRequest::Egress {
            host: format!("kms.{REGION}.amazonaws.com"),
            port: 443,
        };
        assert_eq!(*request, expected);
        Box::pin(async { Ok(Box::new(TcpStream::connect(self.0).await?) as Stream) })
    }
}

struct Host(AwsCredentials);

impl Credentials for Host {
    fn credentials(&self) -> Boxed<'_, Option<AwsCredentials>> {
        Box::pin(async { Some(self.0.clone()) })
    }
}

/// What KMS sees of an enclave.
struct Enclave {
    nsm: Mutex<SoftNsm>,
    now: Arc<AtomicU64>,
    configuration: Configuration,
    egress: Egress,
    host: Host,
}

impl Attester for Enclave {
    fn attest_recipient(&self, public_key: Vec<u8>) -> Boxed<'_, Result<Vec<u8>, NsmError>> {
        let request = NsmRequest::Attest {
            nonce: None,
            user_data: Some(RECIPIENT_DOCUMENT.to_vec()),
            public_key: Some(public_key),
        };
        let answer = lock(&self.nsm).call(request);
        Box::pin(async {
            match answer? {
                NsmResponse::Document(document) => Ok(document),
                _ => Err(NsmError::UnexpectedResponse),
            }
        })
    }

    fn now_ms(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }
}

impl Enclave {
    fn kms(&self) -> Kms<'_> {
        Kms {
            key: self.configuration.kms().unwrap(),
            egress: &self.egress,
            credentials: &self.host,
            attester: self,
        }
    }

    async fn wrap(&self, descriptor: &RootDescriptor) -> Result<WrappedRoot, KmsError> {
        let root = RootKey::new(&[0x42; 32]);
        self.kms()
            .wrap(&root, descriptor, &ROOT_ID, [9; NONCE])
            .await
    }

    async fn unwrap(
        &self,
        wrapped: &WrappedRoot,
        descriptor: &RootDescriptor,
    ) -> Result<RootKey, KmsError> {
        self.kms().unwrap(wrapped, descriptor, &ROOT_ID).await
    }

    /// A document over some RSA key, as the host sees it pass.
    async fn document(&self) -> Vec<u8> {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let public_key: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        let public_key = public_key.as_ref().to_vec();
        self.attest_recipient(public_key).await.unwrap()
    }
}

fn descriptor() -> RootDescriptor {
    RootDescriptor {
        version: 1,
        commitment: Hash32([0xab; 32]),
        threshold: 1,
        operators: Vec::new(),
        shares: Vec::new(),
        epoch: 1,
        created_at: 0,
    }
}

fn denied<T>(result: Result<T, KmsError>) -> bool {
    matches!(result, Err(KmsError::Refused(Refusal::AccessDenied)))
}

#[tokio::test]
async fn k1_what_a_genesis_wrapped_is_unwrapped_at_boot_even_after_kms_restarted() {
    let mut world = World::new().await;
    let (genesis, usual) = (world.configuration("genesis"), world.configuration("usual"));
    let mut policy = world.policy(&[]);
    policy.statements = vec![
        Statement::root_key(&[Action::GenerateDataKey], Pcr(GENUINE), Pcr(genesis.pcr())),
        Statement::root_key(&[Action::Decrypt], Pcr(GENUINE), Pcr(usual.pcr())),
    ];
    world.kms.set_policy(policy.clone());
    let wrapped = world
        .enclave(GENUINE, &genesis)
        .wrap(&descriptor())
        .await
        .unwrap();
    // Each configuration may do its own part only.
    assert!(denied(world.genuine().wrap(&descriptor()).await));
    let refused = world
        .enclave(GENUINE, &genesis)
        .unwrap(&wrapped, &descriptor())
        .await;
    assert!(denied(refused));

    let identity = world.kms.identity().clone();
    world.kms = start(&world.dir, &world.now, policy).await;
    assert_eq!(world.kms.identity().key_arn, identity.key_arn);
    assert_eq!(world.kms.identity().tls_root, identity.tls_root);
    world
        .genuine()
        .unwrap(&wrapped, &descriptor())
        .await
        .unwrap();
}

#[tokio::test]
async fn e7_kms_gives_nothing_to_another_image() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let other = world.enclave([5; 48], &world.configuration("usual"));
    assert!(denied(other.unwrap(&wrapped, &descriptor()).await));
    assert_eq!(world.last_rule(), Rule::Pcr(0));
    assert!(denied(other.wrap(&descriptor()).await));
    // Nor to one in debug mode, which has no PCR0.
    let debug = world.genuine();
    lock(&debug.nsm).set_debug(true);
    let result = debug.unwrap(&wrapped, &descriptor()).await;
    assert_eq!(result.err(), Some(KmsError::Refused(Refusal::Invalid)));
}

#[tokio::test]
async fn f10_kms_gives_nothing_to_the_genuine_image_with_one_changed_value() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let changed = world.enclave(GENUINE, &world.configuration("Usual"));
    assert!(denied(changed.unwrap(&wrapped, &descriptor()).await));
    assert_eq!(world.last_rule(), Rule::Pcr(16));
    world
        .genuine()
        .unwrap(&wrapped, &descriptor())
        .await
        .unwrap();
}

#[tokio::test]
async fn e8_an_upgraded_image_gets_nothing_until_the_policy_names_it() {
    let world = World::new().await;
    let usual = world.configuration("usual");
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let upgraded = world.enclave([6; 48], &usual);
    assert!(denied(upgraded.unwrap(&wrapped, &descriptor()).await));
    world.allow(&[(GENUINE, &usual), ([6; 48], &usual)]);
    upgraded.unwrap(&wrapped, &descriptor()).await.unwrap();
    // And the old one nothing from then on, when it is taken out.
    world.allow(&[([6; 48], &usual)]);
    assert!(denied(
        world.genuine().unwrap(&wrapped, &descriptor()).await
    ));
}

#[tokio::test]
async fn k2_a_data_key_serves_no_other_root_key_epoch_or_purpose() {
    let world = World::new().await;
    let enclave = world.genuine();
    let wrapped = enclave.wrap(&descriptor()).await.unwrap();
    let other_root = RootDescriptor {
        commitment: Hash32([0xac; 32]),
        ..descriptor()
    };
    let other_epoch = RootDescriptor {
        epoch: 2,
        ..descriptor()
    };
    for other in [other_root, other_epoch.clone()] {
        let result = enclave.unwrap(&wrapped, &other).await;
        assert_eq!(
            result.err(),
            Some(KmsError::Refused(Refusal::OtherCiphertext))
        );
        assert_eq!(world.last_rule(), Rule::Ciphertext);
    }
    // The policy can pin the context, too.
    let mut policy = world.policy(&[(GENUINE, &world.configuration("usual"))]);
    let epoch = ("openkey:epoch".to_owned(), "1".to_owned());
    policy.statements[0].context.extend([epoch]);
    world.kms.set_policy(policy);
    enclave.unwrap(&wrapped, &descriptor()).await.unwrap();
    assert!(denied(enclave.wrap(&other_epoch).await));
    assert_eq!(world.last_rule(), Rule::Context);
    let document = Base64::encode_string(&enclave.document().await);
    let body = json!({
        "KeyId": world.kms.identity().key_arn,
        "KeySpec": "AES_256",
        "EncryptionContext": {"openkey:purpose": "something", "openkey:epoch": "1"},
        "Recipient": {
            "AttestationDocument": document,
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        },
    });
    assert_eq!(world.raw("GenerateDataKey", &body), Err(Rule::Context));
}

#[tokio::test]
async fn k2_wrapped_root_keys_of_others_under_the_same_kms_key_are_refused() {
    let world = World::new().await;
    let enclave = world.genuine();
    let ours = enclave.wrap(&descriptor()).await.unwrap();
    let theirs = enclave.wrap(&descriptor()).await.unwrap();
    // Their data key, our root key; and a whole wrapped key made for another root id.
    let mixed = WrappedRoot {
        blob: theirs.blob.clone(),
        ..ours.clone()
    };
    let result = enclave.unwrap(&mixed, &descriptor()).await;
    assert_eq!(result.err(), Some(KmsError::OtherWrapped));
    let elsewhere = Hash32([8; 32]);
    let result = enclave.kms().unwrap(&ours, &descriptor(), &elsewhere).await;
    assert_eq!(result.err(), Some(KmsError::OtherWrapped));
    let mut changed = ours.clone();
    changed.blob.0[20] ^= 1;
    let result = enclave.unwrap(&changed, &descriptor()).await;
    assert_eq!(
        result.err(),
        Some(KmsError::Refused(Refusal::OtherCiphertext))
    );
}

fn decrypt(world: &World, wrapped: &WrappedRoot, document: Option<&[u8]>) -> Value {
    let mut body = json!({
        "KeyId": world.kms.identity().key_arn,
        "CiphertextBlob": Base64::encode_string(wrapped.blob.as_slice()),
        "EncryptionContext": {
            "openkey:purpose": "root-key",
            "openkey:commitment": "ab".repeat(32),
            "openkey:epoch": "1",
        },
    });
    if let Some(document) = document {
        body["Recipient"] = json!({
            "AttestationDocument": Base64::encode_string(document),
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        });
    }
    body
}

#[tokio::test]
async fn k1_the_host_gets_nothing_without_a_recipient() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let body = decrypt(&world, &wrapped, None);
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::NoRecipient));
    assert_eq!(
        Rule::NoRecipient.refused().exception,
        "AccessDeniedException"
    );
    // The very same request with a document is answered: for the document's key alone.
    let document = world.genuine().document().await;
    let mut body = decrypt(&world, &wrapped, Some(&document));
    let answer: Value = serde_json::from_slice(&world.raw("Decrypt", &body).unwrap()).unwrap();
    assert_eq!(answer["Plaintext"], "");
    assert!(answer["CiphertextForRecipient"].as_str().unwrap().len() > 400);
    body["Recipient"]["KeyEncryptionAlgorithm"] = json!("RSAES_OAEP_SHA_1");
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::NoRecipientKey));
}

#[tokio::test]
async fn k2_a_request_for_another_kms_key_is_refused() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let document = world.genuine().document().await;
    let mut body = decrypt(&world, &wrapped, Some(&document));
    body["KeyId"] = json!(world.kms.identity().key_arn.replace("key/", "key/0"));
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::NoSuchKey));
}

#[tokio::test]
async fn k3_a_recipient_key_is_taken_once() {
    let mut world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let document = world.genuine().document().await;
    let body = decrypt(&world, &wrapped, Some(&document));
    world.raw("Decrypt", &body).unwrap();
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::RecipientReused));
    // Nor after a restart.
    let policy = world.policy(&[(GENUINE, &world.configuration("usual"))]);
    world.kms = start(&world.dir, &world.now, policy).await;
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::RecipientReused));
    // The enclave makes another one for each request.
    let enclave = world.genuine();
    for _ in 0..2 {
        enclave.unwrap(&wrapped, &descriptor()).await.unwrap();
    }
}

#[tokio::test]
async fn k3_documents_that_are_old_forged_or_of_another_root_are_refused() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let document = world.genuine().document().await;
    world.pass(MAX_DOCUMENT_AGE + Duration::from_secs(1));
    let body = decrypt(&world, &wrapped, Some(&document));
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::DocumentExpired));

    let document = world.genuine().document().await;
    let mut forged = document.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let body = decrypt(&world, &wrapped, Some(&forged));
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::Document));

    let stranger = World::new().await;
    stranger.pass(MAX_DOCUMENT_AGE);
    let body = decrypt(&world, &wrapped, Some(&stranger.genuine().document().await));
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::Document));
    // Evidence for clients carries no RSA key.
    let evidence = world.genuine().attest_recipient(vec![4; 32]).await.unwrap();
    let body = decrypt(&world, &wrapped, Some(&evidence));
    assert_eq!(world.raw("Decrypt", &body), Err(Rule::NoRecipientKey));
}

#[tokio::test]
async fn k3_requests_that_are_not_signed_as_they_stand_are_refused() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    let document = world.genuine().document().await;
    let body = decrypt(&world, &wrapped, Some(&document));
    let (parts, bytes) = world.signed("Decrypt", &body);
    let answer = |parts: &Parts, bytes: &[u8]| world.kms.shared.answer(parts, bytes).err();
    let header = |name: &'static str, value: &str| {
        let mut parts = parts.clone();
        parts.headers.insert(name, value.parse().unwrap());
        answer(&parts, &bytes)
    };

    assert_eq!(
        answer(&parts, &[&bytes[..], b" "].concat()),
        Some(Rule::Signature)
    );
    let host = header("host", "kms.us-east-1.amazonaws.com");
    assert_eq!(host, Some(Rule::Signature));
    let target = header("x-amz-target", "TrentService.GenerateDataKey");
    assert_eq!(target, Some(Rule::Signature));
    assert_eq!(
        header("x-amz-security-token", "x"),
        Some(Rule::UnknownCredentials)
    );
    assert_eq!(header("authorization", "Basic x"), Some(Rule::NotSigned));
    let signed = parts.headers["authorization"].to_str().unwrap();
    let less = signed.replace(";x-amz-target", "");
    assert_eq!(header("authorization", &less), Some(Rule::Signature));
    let other = signed.replace("ASIA", "ASIB");
    assert_eq!(
        header("authorization", &other),
        Some(Rule::UnknownCredentials)
    );
    let mut unsigned = parts.clone();
    unsigned.headers.remove("authorization");
    assert_eq!(answer(&unsigned, &bytes), Some(Rule::NotSigned));
    world.pass(Duration::from_secs(301));
    assert_eq!(answer(&parts, &bytes), Some(Rule::Signature));

    // The enclave says what an operator can do about it.
    let mut enclave = world.genuine();
    enclave.host.0.secret_access_key.push('x');
    let result = enclave.unwrap(&wrapped, &descriptor()).await;
    assert_eq!(
        result.err(),
        Some(KmsError::Refused(Refusal::CredentialsInvalid))
    );
}

#[tokio::test]
async fn k3_whoever_answers_under_another_root_is_not_kms() {
    let world = World::new().await;
    let wrapped = world.genuine().wrap(&descriptor()).await.unwrap();
    // A host that runs a KMS of its own, which would give a data key of its choice.
    let other = World::new().await;
    let mut enclave = world.genuine();
    enclave.egress = Egress::new(Arc::new(Wire(other.kms.address())));
    let result = enclave.unwrap(&wrapped, &descriptor()).await;
    assert!(
        matches!(
            result,
            Err(KmsError::Egress(
                EgressError::UnknownRoot | EgressError::Certificate
            ))
        ),
        "{result:?}"
    );
    assert!(other.kms.refused().is_empty(), "it was never asked");
}

#[test]
fn a_policy_without_conditions_on_attestation_allows_nothing() {
    let everyone = KeyPolicy {
        roots: Roots::aws(),
        statements: vec![Statement {
            actions: BOTH.to_vec(),
            ..Statement::default()
        }],
    };
    let pcrs = openkey_attestation::Measurements::new([(0, Pcr(GENUINE))]).unwrap();
    let checked = everyone.check(Action::Decrypt, &pcrs, &BTreeMap::new());
    assert_eq!(checked, Err(policy::Miss::Action));
}
