//! The main job, from the first visit to a signature, with the `passkey` crate as the authenticator
//! and browser: code that shares nothing with this crate.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use base64ct::{Base64UrlUnpadded, Encoding};
use common::{
    NONCE, ORIGIN, World, ask,
    person::{Person, created, sign_in, signature, text, verified},
};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use openkey_attestation::Document;
use openkey_protocol::{
    cbor,
    message::{
        Action, Approve, Assertion, CreationOptions, EvidenceBinding, HistoryEntry, KeyId,
        NewCredential, Outcome, PromptKind, Request, RequestOptions, Response, SignUpFinish,
    },
};
use passkey::{
    authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod},
    client::{Client, DefaultClientData},
    crypto::rust_crypto::RustCryptoBackend,
    types::{
        Passkey,
        ctap2::{Aaguid, Ctap2Error},
    },
};
use serde_json::json;
use sha2::{Digest, Sha256};
use sha3::Keccak256;
use url::Url;

/// A person who is there and is verified.
struct Yes;

#[async_trait::async_trait]
impl UserValidationMethod for Yes {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _: UiHint<'a, Passkey>,
        _: bool,
        _: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck {
            presence: true,
            verification: true,
        })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}

fn base64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// A browser with a platform authenticator that holds one passkey.
#[derive(Default)]
struct Browser(Option<Passkey>);

impl Browser {
    /// `navigator.credentials.create`; also gives what `getPublicKey()` returns.
    async fn create(&mut self, options: &CreationOptions) -> (NewCredential, Vec<u8>) {
        let algorithms = options.algorithms.iter();
        let parameters = algorithms.map(|alg| json!({"type": "public-key", "alg": alg}));
        let request = json!({"publicKey": {
            "rp": {"id": options.rp_id, "name": options.rp_name},
            "user": {
                "id": base64(options.user_id.as_slice()),
                "name": options.user_name,
                "displayName": options.user_name,
            },
            "challenge": base64(options.challenge.as_slice()),
            "pubKeyCredParams": parameters.collect::<Vec<_>>(),
            "authenticatorSelection": {
                "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
            },
            "attestation": "none",
        }});
        let authenticator =
            Authenticator::new(Aaguid::new_empty(), self.0.take(), Yes, RustCryptoBackend);
        let mut client = Client::new(authenticator).allows_insecure_localhost(true);
        let made = client
            .register(
                &Url::parse(ORIGIN).unwrap(),
                serde_json::from_value(request).unwrap(),
                DefaultClientData,
            )
            .await
            .unwrap();
        self.0 = client.authenticator().store().clone();
        let credential = NewCredential {
            id: made.raw_id.to_vec().into(),
            attestation_object: made.response.attestation_object.to_vec().into(),
            client_data_json: made.response.client_data_json.to_vec().into(),
            transports: vec!["internal".to_owned()],
        };
        (credential, made.response.public_key.unwrap().to_vec())
    }

    /// `navigator.credentials.get`.
    async fn get(&mut self, options: &RequestOptions) -> Assertion {
        let allow = options.allow.iter();
        let allow = allow.map(|id| json!({"type": "public-key", "id": base64(id.as_slice())}));
        let request = json!({"publicKey": {
            "rpId": options.rp_id,
            "challenge": base64(options.challenge.as_slice()),
            "allowCredentials": allow.collect::<Vec<_>>(),
            "userVerification": "required",
        }});
        let authenticator =
            Authenticator::new(Aaguid::new_empty(), self.0.clone(), Yes, RustCryptoBackend);
        let mut client = Client::new(authenticator).allows_insecure_localhost(true);
        let made = client
            .authenticate(
                &Url::parse(ORIGIN).unwrap(),
                serde_json::from_value(request).unwrap(),
                DefaultClientData,
            )
            .await
            .unwrap();
        Assertion {
            credential_id: made.raw_id.to_vec().into(),
            authenticator_data: made.response.authenticator_data.to_vec().into(),
            client_data_json: made.response.client_data_json.to_vec().into(),
            signature: made.response.signature.to_vec().into(),
            user_handle: made.response.user_handle.map(|h| h.to_vec().into()),
        }
    }
}

#[tokio::test]
async fn s1_a_new_visitor_gets_a_key_and_signs_with_it() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut browser = Browser::default();

    // Evidence names the identity that signs everything below.
    let nonce = vec![7; 32];
    let evidence = common::evidence(&enclave, nonce.clone()).await.unwrap();
    let document = Document::parse(evidence.document.as_slice()).unwrap();
    assert_eq!(document.payload().nonce, Some(nonce.as_slice()));
    let binding: EvidenceBinding = cbor::decode(document.payload().user_data.unwrap()).unwrap();
    assert_eq!(binding.identity.as_slice(), enclave.identity());
    assert_eq!(binding.configuration, common::configuration().hash());
    let pcr = document.payload().pcrs.get(16).unwrap();
    assert_eq!(*pcr, common::configuration().pcr());

    // Registration.
    let started = common::person::begin(&enclave).await.unwrap();
    assert_eq!(started.options.algorithms, [-7, -257]);
    let (credential, public_key) = browser.create(&started.options).await;
    let finish = Request::SignUpFinish(SignUpFinish {
        context: started.context,
        credential,
    });
    let Response::SignedUp(done) = ask(&enclave, &finish).await.unwrap() else {
        panic!("not signed up");
    };
    let receipt = verified(&enclave, &done.receipt);
    let expected: [u8; 32] = Sha256::digest(&public_key).into();
    assert_eq!(receipt.credentials[0].public_key_sha256.0, expected);
    assert_eq!(receipt.nonce.as_slice(), NONCE);
    let mut person = Person::of(common::Authenticator::new(1), &done);

    // Confirmation.
    let confirm = Action::Confirm {
        receipt: person.receipt,
    };
    let prompted = person.propose(&enclave, confirm).await.unwrap();
    assert_eq!(prompted.prompt.kind, PromptKind::Confirm);
    let assertion = browser.get(&prompted.options).await;
    let approval = person.approval(&prompted, assertion);
    let confirmed = person.send(&enclave, approval).await.unwrap();
    person.keep_token(confirmed);
    let view = person.view(&enclave).await.unwrap();
    assert!(view.confirmed);
    assert_eq!(
        (view.passkeys.len(), view.keys.len(), view.history),
        (1, 1, 1)
    );

    // Signature, checked by recovering the address.
    let prompted = person.propose(&enclave, text("Hello")).await.unwrap();
    let shown = prompted.prompt.clone();
    assert_eq!(shown.kind, PromptKind::SignText);
    assert_eq!(shown.summary.text.as_deref(), Some("Hello"));
    assert!(shown.summary.lines.iter().any(|line| line.value == ORIGIN));
    assert_eq!(shown.challenge, prompted.options.challenge);
    let digest: [u8; 32] = Keccak256::digest(b"\x19Ethereum Signed Message:\n5Hello").into();
    assert_eq!(shown.digest.0, digest);
    let assertion = browser.get(&prompted.options).await;
    let approval = person.approval(&prompted, assertion);
    let approved = person.send(&enclave, approval).await.unwrap();
    let (signed, signed_digest, address) = signature(&approved);
    assert_eq!((signed_digest.0, address), (digest, person.address));
    let rs = Signature::from_slice(&signed[..64]).unwrap();
    let recovery = RecoveryId::from_byte(signed[64] - 27).unwrap();
    let key = VerifyingKey::recover_from_prehash(&digest, &rs, recovery).unwrap();
    let hash = Keccak256::digest(&key.to_sec1_point(false).as_bytes()[1..]);
    assert_eq!(hash[12..], person.address.0);

    // A sign-in on a new device: no head, no account id; the passkey says who it is.
    let prompted = sign_in(&enclave).await.unwrap();
    assert!(prompted.options.allow.is_empty());
    let approval = Approve {
        head: None,
        ..person.approval(&prompted, browser.get(&prompted.options).await)
    };
    let signed_in = person.send(&enclave, approval).await.unwrap();
    assert!(matches!(signed_in.outcome, Outcome::SignedIn { .. }));
    person.keep_token(signed_in);

    // A second passkey, approved by the first.
    let mut second = Browser::default();
    let begun = person.begin_passkey(&enclave, "Phone").await.unwrap();
    assert_eq!(begun.options.exclude.len(), 1);
    let (credential, _) = second.create(&begun.options).await;
    let new = credential.id.clone();
    let made = Request::PasskeyCreated(openkey_protocol::message::PasskeyCreated {
        context: begun.context,
        credential,
    });
    let prompted = common::person::prompted(ask(&enclave, &made).await.unwrap()).unwrap();
    let by_new = RequestOptions {
        allow: vec![new],
        ..prompted.options.clone()
    };
    let approval = Approve {
        possession: Some(second.get(&by_new).await),
        ..person.approval(&prompted, browser.get(&prompted.options).await)
    };
    person.send(&enclave, approval).await.unwrap();
    assert_eq!(person.view(&enclave).await.unwrap().passkeys.len(), 2);

    // History, newest first.
    let page = person.history(&enclave, None, 50).await.unwrap();
    let kinds: Vec<_> = page.entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(
        kinds,
        [
            PromptKind::AddPasskey,
            PromptKind::SignIn,
            PromptKind::SignText,
            PromptKind::Confirm
        ]
    );
    assert_eq!(page.entries[2].signature.as_ref().unwrap().0, signed);
}

#[tokio::test]
async fn accounts_and_keys_outlive_a_restart() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let one = person.act(&enclave, text("Hello")).await.unwrap();
    drop(enclave);

    let enclave = world.boot().await;
    person.sign_in(&enclave).await.unwrap();
    let two = person.act(&enclave, text("Hello")).await.unwrap();
    // RFC 6979: the same key and digest give the same signature.
    assert_eq!(signature(&one), signature(&two));
}

#[tokio::test]
async fn keys_are_made_named_archived_and_restored() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let label = |label: &str| Action::CreateKey {
        label: label.to_owned(),
    };
    let made = person.act(&enclave, label("Savings")).await.unwrap();
    let Outcome::KeyCreated(key) = made.outcome else {
        panic!("no key");
    };
    assert_ne!(key.address, person.address);
    let actions = [
        Action::LabelKey {
            key: key.key,
            label: "Old".to_owned(),
        },
        Action::ArchiveKey { key: key.key },
        Action::RestoreKey { key: key.key },
    ];
    for action in actions {
        let done = person.act(&enclave, action).await.unwrap();
        assert_eq!(done.outcome, Outcome::Changed);
    }
    let sign = Action::Sign {
        key: key.key,
        payload: openkey_protocol::message::Payload::Text("x".to_owned()),
    };
    let approved = person.act(&enclave, sign).await.unwrap();
    assert_eq!(signature(&approved).2, key.address);
    let view = person.view(&enclave).await.unwrap();
    assert_eq!(view.keys[1].label, "Old");
    assert_eq!(view.keys[1].archived_at, None);
}

#[tokio::test]
async fn a_passkey_is_renamed_and_the_removed_one_is_dead() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let mut second = common::Authenticator::new(2);
    person.add_passkey(&enclave, &mut second).await.unwrap();
    let rename = Action::RenamePasskey {
        passkey: second.id.clone().into(),
        name: "Phone".to_owned(),
    };
    person.act(&enclave, rename).await.unwrap();
    assert_eq!(
        person.view(&enclave).await.unwrap().passkeys[1].name,
        "Phone"
    );
    let mut by_second = Person {
        authenticator: second.clone(),
        ..person.clone()
    };
    by_second
        .act(&enclave, text("by the second"))
        .await
        .unwrap();
    let begun = created_twice(&enclave, &by_second, &mut second).await;
    assert_eq!(
        begun,
        Some(openkey_protocol::message::ErrorCode::CredentialRefused)
    );
}

/// Tries to add a passkey that the account has.
async fn created_twice<S: openkey_protocol::store::RecordStore>(
    enclave: &openkey_enclave::Service<S>,
    person: &Person,
    authenticator: &mut common::Authenticator,
) -> Option<openkey_protocol::message::ErrorCode> {
    let begun = person.begin_passkey(enclave, "Again").await.unwrap();
    common::code(created(enclave, &begun, authenticator).await)
}

#[tokio::test]
async fn an_entry_of_the_history_says_by_itself_what_it_is_about() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let passkeys = person.view(&enclave).await.unwrap().passkeys;
    let long = "Dear Bob. ".repeat(100);
    person.act(&enclave, text(&long)).await.unwrap();
    let create = Action::CreateKey {
        label: "Savings".to_owned(),
    };
    let Outcome::KeyCreated(made) = person.act(&enclave, create).await.unwrap().outcome else {
        panic!("no key");
    };
    let rename = Action::LabelKey {
        key: made.key,
        label: "Old".to_owned(),
    };
    person.act(&enclave, rename).await.unwrap();
    let rename = Action::RenamePasskey {
        passkey: passkeys[0].id.clone(),
        name: "Laptop".to_owned(),
    };
    person.act(&enclave, rename).await.unwrap();
    let archive = Action::ArchiveKey { key: made.key };
    person.act(&enclave, archive).await.unwrap();

    let page = person.history(&enclave, None, 5).await.unwrap();
    let [archived, renamed, labelled, created, signed] = page.entries.as_slice() else {
        panic!("{page:?}");
    };
    // Names of the moment of the decision, before it.
    for (entry, key, address, label) in [
        (archived, made.key, made.address, "Old"),
        (labelled, made.key, made.address, "Savings"),
        (created, made.key, made.address, "Savings"),
        (signed, KeyId(0), person.address, "First key"),
    ] {
        let concerned = entry.key.as_ref().unwrap();
        assert_eq!((concerned.key, concerned.address), (key, address));
        assert_eq!(concerned.label, label);
    }
    assert_eq!(renamed.key, None);
    for (entry, name) in [
        (archived, "Laptop"),
        (renamed, &*passkeys[0].name),
        (signed, &*passkeys[0].name),
    ] {
        assert_eq!(entry.passkey.id, passkeys[0].id);
        assert_eq!(entry.passkey.name, name);
        let hash = entry.passkey.public_key_sha256;
        assert_eq!(hash, passkeys[0].public_key_sha256);
    }
    let line = |entry: &HistoryEntry, label: &str| {
        let mut lines = entry.told.lines.iter();
        lines
            .find(|line| line.label == label)
            .map(|line| line.value.clone())
    };
    assert_eq!(line(labelled, "New name").as_deref(), Some("Old"));
    assert_eq!(line(renamed, "New name").as_deref(), Some("Laptop"));
    let beginning = signed.told.text.as_deref().unwrap();
    let kept = beginning.strip_suffix('…').unwrap();
    assert!(long.starts_with(kept) && kept.len() > 200 && beginning.len() <= 256);
    // The page that approved is a member of its own, not a line.
    assert_eq!(line(signed, "Page"), None);
}
