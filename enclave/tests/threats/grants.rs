//! Sign-ins that hand out permissions: only the bytes that were shown are signed, and the signature
//! makes the token of those bytes.

use core::num::NonZeroU64;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use openkey_capability::{
    ability::Ability, attenuation::Attenuation, cacao::Unsigned, recap::ReCap, siwe::Fields,
};
use openkey_protocol::message::{
    Action, Approve, Approved, ErrorCode, GrantKind, KeyId, Outcome, Payload,
};

use crate::common::{Person, World, code, person::signature};

const SESSION: &str = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";

fn fields(person: &Person) -> Fields {
    let one = NonZeroU64::MIN;
    let made = "2026-01-01T00:00:00.000Z";
    // The page's own site: for any other, every sign-in is dangerous.
    let mut fields = Fields::new(
        "localhost:7100",
        person.address.0,
        SESSION,
        one,
        "k3jv82lq0a",
        made,
    );
    fields.expiration_time = Some("2099-01-01T00:00:00.000Z".to_owned());
    fields
}

/// As the page writes it: for seven days.
fn short(person: &Person) -> Fields {
    let mut fields = fields(person);
    fields.issued_at = "2026-09-21T00:00:00.000Z".to_owned();
    fields.expiration_time = Some("2026-09-28T00:00:00.000Z".to_owned());
    fields
}

fn unsigned(fields: Fields, grants: &[(&str, &str)]) -> Unsigned {
    let owner = openkey_capability::address::eip55(&fields.address);
    let attenuation = grants
        .iter()
        .fold(Attenuation::new(), |att, (tail, ability)| {
            let resource = format!("tinycloud:pkh:eip155:1:{owner}:{tail}");
            att.with(resource, Ability::parse(ability).unwrap())
        });
    Unsigned::with_recap(fields, &ReCap::new(attenuation, Vec::new()).unwrap()).unwrap()
}

fn action(text: String) -> Action {
    Action::Sign {
        key: KeyId(0),
        payload: Payload::Siwe(text),
    }
}

/// As the page asks for what it wrote itself.
fn own(text: String) -> Action {
    Action::Sign {
        key: KeyId(0),
        payload: Payload::Session(text),
    }
}

fn signed(approved: &Approved) -> [u8; 65] {
    match &approved.outcome {
        Outcome::Signature { signature, .. } => signature.as_slice().try_into().unwrap(),
        other => panic!("{other:?}"),
    }
}

const MODEST: [(&str, &str); 2] = [
    ("default/kv/docs/", "tinycloud.kv/get"),
    ("default/kv/docs/", "tinycloud.kv/put"),
];

/// A1 to A7: each of these differs from what was shown in one thing, and the approval of what was
/// shown signs none of them.
#[tokio::test]
async fn a2_a6_a7_an_approval_signs_the_bytes_that_were_shown_and_no_others() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let shown = unsigned(fields(&person), &MODEST);
    let other = |change: fn(&mut Fields)| {
        let mut fields = fields(&person);
        change(&mut fields);
        unsigned(fields, &MODEST)
    };
    let added = [&MODEST[..], &[("default/kv/docs/", "tinycloud.kv/del")]].concat();
    let others = [
        (
            "another moment",
            other(|it| it.issued_at = "2026-01-01T00:00:01.000Z".into()),
        ),
        (
            "another end",
            other(|it| it.expiration_time = Some("2099-01-02T00:00:00.000Z".into())),
        ),
        ("no end", other(|it| it.expiration_time = None)),
        ("another nonce", other(|it| it.nonce = "k3jv82lq0b".into())),
        (
            "another domain",
            other(|it| it.domain = "localhost:7101".into()),
        ),
        (
            "another key",
            other(|it| it.uri = "did:key:z6MkwJZvUcdFomr1peSoTBjwYEGwKDjLxrDXcMkp1bHAzui6".into()),
        ),
        ("more words", other(|it| it.statement = Some("Hi.".into()))),
        ("a request id", other(|it| it.request_id = Some("1".into()))),
        (
            "a beginning",
            other(|it| it.not_before = Some("2026-01-01T00:00:00.000Z".into())),
        ),
        (
            "another resource",
            other(|it| it.resources = Some(vec!["a:b".into()])),
        ),
        ("an action added", unsigned(fields(&person), &added)),
        ("an action removed", unsigned(fields(&person), &MODEST[..1])),
    ];
    let prompted = person
        .propose(&enclave, action(shown.text()))
        .await
        .unwrap();
    assert_eq!(prompted.prompt.digest.0, shown.digest());
    let answer = person.authenticator.get(&prompted.options);
    for (what, other) in &others {
        let proposed = person
            .propose(&enclave, action(other.text()))
            .await
            .unwrap();
        assert_ne!(proposed.prompt.digest.0, shown.digest(), "{what}");
        let confirmed = proposed.prompt.summary.confirm;
        let crossed = Approve {
            confirmed: confirmed.then_some(proposed.prompt.digest),
            ..person.approval(&proposed, answer.clone())
        };
        let refused = person.send(&enclave, crossed).await;
        assert_eq!(code(refused), Some(ErrorCode::AssertionRefused), "{what}");
    }
    let approval = Approve {
        confirmed: Some(prompted.prompt.digest),
        ..person.approval(&prompted, answer)
    };
    let approved = person.send(&enclave, approval).await.unwrap();
    assert_eq!(signature(&approved).1.0, shown.digest());
    // The signature makes this token, and none of the others.
    let cacao = shown.sign(&signed(&approved)).unwrap();
    assert_eq!(
        cacao.recap().unwrap().unwrap().attenuation().iter().count(),
        2
    );
    for (what, other) in &others {
        assert!(other.sign(&signed(&approved)).is_err(), "{what}");
    }
}

#[tokio::test]
async fn a5_a_caveat_is_never_dropped_it_is_refused() {
    let world = World::new();
    let enclave = world.boot().await;
    let person = Person::register(&enclave, 1).await;
    let good = unsigned(fields(&person), &MODEST).text();
    let (head, recap) = good.rsplit_once("urn:recap:").unwrap();
    let json = Base64UrlUnpadded::decode_vec(recap).unwrap();
    let json = String::from_utf8(json).unwrap();
    let with = |caveats: &str| {
        let json = json.replacen("[{}]", caveats, 1);
        format!(
            "{head}urn:recap:{}",
            Base64UrlUnpadded::encode_string(json.as_bytes())
        )
    };
    assert_eq!(with("[{}]"), good);
    for caveats in [
        r#"[{"readOnly":true}]"#,
        r#"[{},{"readOnly":true}]"#,
        "[{},{}]",
        "[]",
        "{}",
        "null",
    ] {
        let refused = person.propose(&enclave, action(with(caveats))).await;
        assert_eq!(code(refused), Some(ErrorCode::SiweRefused), "{caveats}");
    }
}

#[tokio::test]
async fn b10_what_reaches_secrets_needs_its_digest_repeated() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let reaching = unsigned(
        fields(&person),
        &[("secrets/kv/vault/secrets/", "tinycloud.kv/get")],
    );
    let prompted = person
        .propose(&enclave, action(reaching.text()))
        .await
        .unwrap();
    let shown = prompted.prompt.clone();
    assert!(shown.summary.confirm && shown.summary.grants[0].reaches_secrets);
    let answer = person.authenticator.get(&prompted.options);
    let approval = person.approval(&prompted, answer.clone());
    let refused = person.send(&enclave, approval).await;
    assert_eq!(code(refused), Some(ErrorCode::ConfirmationNeeded));
    let approval = Approve {
        confirmed: Some(shown.digest),
        ..person.approval(&prompted, answer)
    };
    let approved = person.send(&enclave, approval).await.unwrap();
    reaching.sign(&signed(&approved)).unwrap();
}

#[tokio::test]
async fn d17_a_hosting_grant_is_a_prompt_of_its_own() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let short = short(&person);
    let host = unsigned(short, &[("default/space", "tinycloud.space/host")]);
    let prompted = person.propose(&enclave, own(host.text())).await.unwrap();
    let shown = prompted.prompt.clone();
    assert_eq!(shown.summary.grants[0].kind, GrantKind::Hosting);
    let approved = person.approve(&enclave, &prompted).await.unwrap();
    host.sign(&signed(&approved)).unwrap();
    let history = person.history(&enclave, None, 1).await.unwrap();
    assert_eq!(
        history.entries[0].title,
        "Sign in to localhost:7100 and let a node keep your space “default”"
    );
    let mixed = [&MODEST[..], &[("default/space", "tinycloud.space/host")]].concat();
    let mixed = unsigned(fields(&person), &mixed);
    let refused = person.propose(&enclave, action(mixed.text())).await;
    assert_eq!(code(refused), Some(ErrorCode::SiweUnsupported));
}

/// A sign-in as somebody else wrote it is none of the page's, whatever the request calls it.
#[tokio::test]
async fn c5_only_what_the_page_writes_is_the_pages_own() {
    let world = World::new();
    let enclave = world.boot().await;
    let person = Person::register(&enclave, 1).await;
    let short = short(&person);
    let text = unsigned(short.clone(), &MODEST).text();
    let written = person.propose(&enclave, own(text.clone())).await.unwrap();
    assert!(!written.prompt.summary.confirm);
    let pasted = person.propose(&enclave, action(text)).await.unwrap();
    assert!(pasted.prompt.summary.confirm);
    assert_eq!(written.prompt.digest, pasted.prompt.digest);
    let elsewhere = Fields {
        domain: "bank.example".to_owned(),
        ..short
    };
    for text in [
        unsigned(elsewhere, &MODEST).text(),
        // For too long.
        unsigned(fields(&person), &MODEST).text(),
    ] {
        let refused = person.propose(&enclave, own(text)).await;
        assert_eq!(code(refused), Some(ErrorCode::SiweUnsupported));
    }
}

#[tokio::test]
async fn b6_b7_only_what_is_the_keys_own_is_handed_out() {
    let world = World::new();
    let enclave = world.boot().await;
    let person = Person::register(&enclave, 1).await;
    let chain = Fields {
        chain_id: NonZeroU64::new(10).unwrap(),
        ..fields(&person)
    };
    let mut stranger = fields(&person);
    stranger.address = [9; 20];
    let theirs = unsigned(stranger, &MODEST).text();
    let theirs_as_mine = theirs.replacen(
        &openkey_capability::address::eip55(&[9; 20]),
        &openkey_capability::address::eip55(&person.address.0),
        1,
    );
    for text in [unsigned(chain, &MODEST).text(), theirs, theirs_as_mine] {
        let refused = person.propose(&enclave, action(text)).await;
        assert_eq!(code(refused), Some(ErrorCode::SiweUnsupported));
    }
}
