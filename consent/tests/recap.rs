//! Sign-ins that hand out permissions: told whole, or refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

#[path = "recap/beyond.rs"]
mod beyond;
#[path = "recap/names.rs"]
mod names;
#[path = "recap/own.rs"]
mod own;
#[path = "recap/random.rs"]
mod random;

use core::num::NonZeroU64;

use openkey_capability::{
    ability::Ability,
    attenuation::Attenuation,
    cacao::Unsigned,
    cid::Cid,
    recap::ReCap,
    siwe::{Fields, Message},
};
use openkey_consent::{Asker, SigningRequest, read_payload};
use openkey_protocol::message::{
    Address, Error, Grant, GrantKind, Payload, PromptKind, Severity, Summary,
};
use serde::Deserialize;

/// 4 March 2026, 06:00:00 UTC.
const NOW: u64 = 1_772_604_000_000;
/// The page that asks.
const ORIGIN: Asker<'static> = Asker::Site("https://app.example");
const ADDRESS: &str = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const OWNER: &str = "tinycloud:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const SESSION: &str = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";

fn read(text: &str) -> Result<SigningRequest, Error> {
    let signer: Address = ADDRESS.parse().unwrap();
    read_payload(&Payload::Siwe(text.to_owned()), &signer, ORIGIN, NOW)
}

fn fields() -> Fields {
    let signer: Address = ADDRESS.parse().unwrap();
    let (one, made) = (NonZeroU64::MIN, "2026-03-04T05:06:07.089Z");
    let mut fields = Fields::new("app.example", signer.0, SESSION, one, "k3jv82lq0a", made);
    fields.expiration_time = Some("2026-03-05T00:00:00.000Z".to_owned());
    fields
}

/// A message that grants these, in a space of the signer's where the resource names no scheme.
fn message(fields: Fields, grants: &[(&str, &str)], proofs: Vec<Cid>) -> String {
    let attenuation = grants
        .iter()
        .fold(Attenuation::new(), |att, (resource, ability)| {
            let resource = match resource.contains(':') {
                true => (*resource).to_owned(),
                false => format!("{OWNER}:{resource}"),
            };
            att.with(resource, Ability::parse(ability).unwrap())
        });
    let recap = ReCap::new(attenuation, proofs).unwrap();
    Unsigned::with_recap(fields, &recap).unwrap().text()
}

fn grants(grants: &[(&str, &str)]) -> Result<SigningRequest, Error> {
    read(&message(fields(), grants, Vec::new()))
}

fn rule(read: Result<SigningRequest, Error>) -> String {
    let message = read.unwrap_err().message;
    let (_, rule) = message.rsplit_once('[').unwrap();
    rule.trim_end_matches(']').to_owned()
}

fn line<'s>(summary: &'s Summary, label: &str) -> &'s str {
    let found = summary.lines.iter().find(|line| line.label == label);
    &found
        .unwrap_or_else(|| panic!("no line {label} in {summary:#?}"))
        .value
}

/// True if one of the things that the signature does is told with these words.
fn does(summary: &Summary, words: &str) -> bool {
    let mut lines = summary.lines.iter().filter(|line| line.label == "What");
    lines.any(|line| line.value.contains(words))
}

fn worst(summary: &Summary) -> Option<Severity> {
    summary.warnings.iter().map(|it| it.severity).max()
}

fn warns(summary: &Summary, severity: Severity, part: &str) {
    let found = summary
        .warnings
        .iter()
        .any(|it| it.severity == severity && it.text.contains(part));
    assert!(found, "{part}: {:#?}", summary.warnings);
}

/// Everything a person reads of the permissions.
fn words(grant: &Grant) -> String {
    let abilities = grant
        .abilities
        .iter()
        .map(|it| format!("{}: {}", it.ability, it.words));
    let abilities: Vec<_> = abilities.collect();
    format!(
        "{} {} {} {}",
        grant.resource,
        grant.owner,
        grant.scope,
        abilities.join("; ")
    )
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    text: String,
    signature: String,
}

/// Vectors of the tokens themselves: what was signed by others is told, too.
fn vector(name: &str) -> SigningRequest {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../capability/tests/data/cacao.json"
    );
    let vectors: Vec<Vector> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let found = vectors.into_iter().find(|it| it.name == name).unwrap();
    let request = read(&found.text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    // The digest is the one that a wallet signed, by the signature itself.
    let unsigned = Unsigned::try_from(&Message::parse(&found.text).unwrap()).unwrap();
    assert_eq!(request.digest, unsigned.digest(), "{name}");
    let signature = hex::decode(found.signature).unwrap();
    unsigned.sign(&signature.try_into().unwrap()).unwrap();
    request
}

#[test]
fn a_session_is_told_permission_by_permission() {
    let request = vector("session");
    assert_eq!(request.kind, PromptKind::SignSiwe);
    let summary = &request.summary;
    assert_eq!(
        summary.title,
        "Sign in to app.example and give 3 permissions"
    );
    assert_eq!(
        line(summary, "To"),
        format!("Whoever holds the session key {SESSION}")
    );
    assert!(line(summary, "Until").starts_with("1 January 2030"));
    assert!(line(summary, "Hand on").contains("hand all or part of it on"));
    assert!(!summary.lines.iter().any(|line| line.label == "They say"));
    let [list, docs] = summary.grants.as_slice() else {
        panic!("{:#?}", summary.grants)
    };
    assert_eq!(docs.resource, format!("{OWNER}:default/kv/docs/"));
    assert_eq!((docs.kind, docs.owner.as_str()), (GrantKind::Data, "Yours"));
    assert_eq!(
        docs.scope,
        "Values in the space “default”: “docs/” and everything below"
    );
    let told: Vec<_> = docs
        .abilities
        .iter()
        .map(|it| (it.ability.as_str(), it.words.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("tinycloud.kv/get", "Read values"),
            ("tinycloud.kv/put", "Write values, also over older ones"),
        ]
    );
    assert!(!docs.reaches_secrets && docs.abilities.iter().all(|it| it.severity.is_none()));
    assert!(list.reaches_secrets && list.abilities[0].words == "See who may do what");
    warns(
        summary,
        Severity::Attention,
        "1 of 3 permissions reach secrets",
    );
    warns(summary, Severity::Attention, "more than thirty days");
    assert!(!summary.confirm);
}

#[test]
fn d17_hosting_is_a_kind_of_its_own_and_its_node_is_shown_as_it_is_named() {
    let request = vector("host");
    let summary = &request.summary;
    assert!(
        summary
            .title
            .ends_with(" and let a node keep your space “default”")
    );
    assert!(
        line(summary, "To").contains("did:key:z6MkwJZvUcdFomr1peSoTBjwYEGwKDjLxrDXcMkp1bHAzui6")
    );
    assert!(does(
        summary,
        "Let a node keep a space of yours: store it whole, and serve it"
    ));
    warns(summary, Severity::Attention, "knows no nodes");
    warns(summary, Severity::Attention, "at any time");
    let [grant] = summary.grants.as_slice() else {
        panic!("{:#?}", summary.grants)
    };
    assert_eq!(
        (grant.kind, grant.scope.as_str()),
        (GrantKind::Hosting, "The whole space “default”")
    );
    assert!(!grant.reaches_secrets);
    // It is never one among others, nor on anything else.
    let host = "tinycloud.space/host";
    for (mixed, expected) in [
        (
            &[
                ("default/space", host),
                ("default/kv/a", "tinycloud.kv/get"),
            ][..],
            "hosting_mixed",
        ),
        (
            &[
                ("default/space", host),
                ("default/space", "tinycloud.space/list"),
            ],
            "hosting_mixed",
        ),
        (
            &[("default/space", host), ("notes/space", host)],
            "hosting_mixed",
        ),
        (&[("default/space/", host)], "hosting_resource"),
        (&[("default/space/a", host)], "hosting_resource"),
        (&[("default/kv", host)], "other_service"),
        (
            &[(
                "tinycloud:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX:a/space",
                host,
            )],
            "other_owner",
        ),
    ] {
        assert_eq!(rule(grants(mixed)), expected, "{mixed:?}");
    }
    // Not even by what somebody else gave.
    let others = [(
        "tinycloud:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX:a/space",
        host,
    )];
    let rests = message(fields(), &others, vec![Cid::of(b"a")]);
    assert_eq!(rule(read(&rests)), "hosting_resource");
    let odd = Fields {
        uri: "did:web:node.example".to_owned(),
        ..fields()
    };
    let odd = read(&message(odd, &[("default/space", host)], Vec::new()))
        .unwrap()
        .summary;
    assert!(line(&odd, "To").contains("did:web:node.example") && odd.confirm);
}

#[test]
fn d16_who_gets_it_and_until_when_is_told() {
    let to = |uri: &str| {
        let fields = Fields {
            uri: uri.to_owned(),
            ..fields()
        };
        read(&message(
            fields,
            &[("default/kv/docs/", "tinycloud.kv/get")],
            Vec::new(),
        ))
        .unwrap()
        .summary
    };
    let plain = to(SESSION);
    assert_eq!(worst(&plain), Some(Severity::Attention));
    let (_, id) = SESSION.rsplit_once(':').unwrap();
    assert_eq!(worst(&to(&format!("{SESSION}#{id}"))), worst(&plain));
    warns(
        &to(&format!("{SESSION}#z6Mk")),
        Severity::Attention,
        "names another key",
    );
    warns(
        &to("did:pkh:eip155:1:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"),
        Severity::Notice,
        "your own account",
    );
    warns(
        &to("did:pkh:eip155:10:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"),
        Severity::Attention,
        "another account",
    );
    for odd in [
        "did:web:app.example",
        "https://app.example/login",
        "did:key:z6Mk",
    ] {
        let summary = to(odd);
        assert!(
            summary.confirm && line(&summary, "To").contains(odd),
            "{odd}"
        );
    }
    // The vector of a web page that gets permissions.
    assert_eq!(worst(&vector("plain").summary), Some(Severity::Danger));

    let endless = Fields {
        expiration_time: None,
        ..fields()
    };
    let endless = read(&message(
        endless,
        &[("default/kv/docs/", "tinycloud.kv/get")],
        Vec::new(),
    ));
    let endless = endless.unwrap().summary;
    assert_eq!(line(&endless, "Until"), "No end");
    assert!(endless.confirm);
    warns(&endless, Severity::Danger, "no end");
}

#[test]
fn own_words_other_resources_and_proofs_are_told() {
    let fields = Fields {
        statement: Some("Welcome back.".to_owned()),
        resources: Some(vec!["https://app.example/terms".to_owned()]),
        ..fields()
    };
    let proof = Cid::of(b"a");
    let text = message(
        fields,
        &[("default/kv/docs/", "tinycloud.kv/get")],
        vec![proof],
    );
    let summary = read(&text).unwrap().summary;
    assert_eq!(line(&summary, "They say"), "“Welcome back.”");
    assert_eq!(line(&summary, "Resource 1"), "https://app.example/terms");
    assert!(!summary.lines.iter().any(|line| line.label == "Resource 2"));
    assert!(line(&summary, "Rests on").contains(&proof.to_string()));
    assert_eq!(summary.text, Some(text));
}

#[test]
fn a_revocation_says_what_it_takes_back() {
    let summary = vector("revocation").summary;
    assert!(summary.title.ends_with(" and take back a permission"));
    assert!(does(
        &summary,
        "bafkr4ibd36zpr4fthqrancc6xvtfgl5zyuvwhmi32rk2xr7zd72wtlpxji"
    ));
    assert!(summary.grants.is_empty());
}

/// A5, A6, A7: whatever differs is another digest, or is refused.
#[test]
fn a7_every_line_is_in_the_digest() {
    let grants = [
        ("default/kv/docs/", "tinycloud.kv/get"),
        ("default/kv/docs/", "tinycloud.kv/put"),
    ];
    let mut digests = std::collections::HashSet::new();
    let change = |change: fn(&mut Fields)| {
        let mut fields = fields();
        change(&mut fields);
        message(fields, &grants, Vec::new())
    };
    let texts = [
        change(|_| {}),
        change(|it| it.domain = "app.examp1e".into()),
        change(|it| it.scheme = Some("https".into())),
        change(|it| it.statement = Some("Hi.".into())),
        change(|it| it.uri = format!("{SESSION}#z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX")),
        change(|it| it.chain_id = NonZeroU64::new(10).unwrap()),
        change(|it| it.nonce = "k3jv82lq0b".into()),
        change(|it| it.issued_at = "2026-03-04T05:06:07.090Z".into()),
        change(|it| it.expiration_time = Some("2026-03-06T00:00:00.000Z".into())),
        change(|it| it.not_before = Some("2026-03-04T05:06:07.089Z".into())),
        change(|it| it.request_id = Some("1".into())),
        change(|it| it.resources = Some(vec!["a:b".into()])),
        message(fields(), &grants[..1], Vec::new()),
        message(fields(), &grants, vec![Cid::of(b"a")]),
    ];
    let count = texts.len();
    for text in texts {
        match read(&text) {
            Ok(request) => assert!(digests.insert(request.digest), "{text}"),
            // the chain of the grants is another than the message's
            Err(error) => {
                assert!(error.message.contains("other_owner") && text.contains("Chain ID: 10"))
            }
        }
        let versioned = text.replace("Version: 1", "Version: 2");
        assert!(read(&versioned).is_err());
    }
    assert_eq!(digests.len(), count - 1);
}
