//! Whatever is granted: every permission is among the words, or nothing is signed.

use openkey_capability::cid::Cid;
use openkey_consent::{Asker, read_payload};
use openkey_protocol::message::{Payload, Severity};
use proptest::{collection::vec, prelude::*, sample::select, strategy::BoxedStrategy};

use super::{ADDRESS, NOW, OWNER, fields, message, read, words};

fn resource() -> BoxedStrategy<String> {
    let owner = select(vec![
        OWNER.to_owned(),
        OWNER.to_lowercase(),
        OWNER.replace("155:1:", "155:10:"),
        "tinycloud:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX".to_owned(),
        "tinycloud".to_owned(),
    ]);
    let space = select(vec!["default", "secrets", "Secrets", "public", "a%20b"]);
    let service = select(vec![
        "kv",
        "sql",
        "capabilities",
        "hooks",
        "space",
        "KV",
        "",
        "x",
    ]);
    let path = prop_oneof![
        4 => "(/[a-z./%]{0,8}){0,2}",
        1 => Just("/vault/secrets/A".to_owned()),
        1 => "[?#/][a-z%0-9A-F]{0,6}",
    ];
    prop_oneof![
        8 => (owner, space, service, path)
            .prop_map(|(owner, space, service, path)| format!("{owner}:{space}/{service}{path}")),
        1 => Just("urn:tinycloud:encryption:did:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:main".to_owned()),
        1 => Just("urn:cid:bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima".to_owned()),
        1 => "[a-z]{1,5}:[a-z*]{1,5}",
    ]
    .boxed()
}

fn grant() -> BoxedStrategy<(String, String)> {
    let name = select(vec![
        "get",
        "put",
        "del",
        "delete",
        "list",
        "read",
        "*",
        "host",
        "decrypt",
        "Get",
        "network.create",
    ]);
    let service = select(vec![
        "kv",
        "sql",
        "capabilities",
        "hooks",
        "space",
        "encryption",
        "delegation",
    ]);
    (resource(), service, name, 0..8_u8)
        .prop_map(|(resource, service, name, fits)| {
            // Most of the time the service is the resource's own: else nearly all would be refused.
            let rest = resource.rsplit(':').next().unwrap_or_default();
            let own = rest
                .split('/')
                .nth(1)
                .filter(|own| fits > 0 && !own.is_empty());
            let service: String = own
                .unwrap_or(service)
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect();
            let service = if service.is_empty() {
                "kv".to_owned()
            } else {
                service
            };
            (resource, format!("tinycloud.{service}/{name}"))
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a6_every_permission_is_told_or_nothing_is_signed(
        granted in vec(grant(), 1..5),
        rests in any::<bool>(),
    ) {
        let pairs: Vec<_> = granted
            .iter()
            .filter(|(resource, _)| openkey_capability::uri::parse_uri(resource).is_ok())
            .map(|(resource, ability)| (resource.as_str(), ability.as_str()))
            .collect();
        prop_assume!(!pairs.is_empty());
        let proofs = if rests { vec![Cid::of(b"a")] } else { Vec::new() };
        let text = message(fields(), &pairs, proofs);
        let Ok(request) = read(&text) else {
            return Ok(());
        };
        let grants = &request.summary.grants;
        for (resource, ability) in &pairs {
            let grant = grants.iter().find(|grant| grant.resource == *resource);
            let told = grant.and_then(|grant| grant.abilities.iter().find(|it| it.ability == *ability));
            prop_assert!(told.is_some_and(|it| !it.words.is_empty()), "{resource} {ability}");
        }
        // Nothing that is not granted.
        for grant in grants {
            for told in &grant.abilities {
                prop_assert!(pairs.contains(&(grant.resource.as_str(), told.ability.as_str())));
                let within = told.within.map(|at| usize::try_from(at).unwrap());
                prop_assert!(within.is_none_or(|at| at < grants.len()));
            }
            prop_assert!(!words(grant).contains('\n'));
        }
        let danger = request.summary.warnings.iter().any(|it| it.severity == Severity::Danger);
        let told = grants.iter().flat_map(|it| &it.abilities).any(|it| it.severity == Some(Severity::Danger));
        prop_assert_eq!(request.summary.confirm, danger);
        prop_assert!(danger || !told);
    }

    #[test]
    fn a9_a_changed_byte_is_refused_or_another_digest(at in any::<prop::sample::Index>(), byte in 0x20..0x7f_u8) {
        let text = message(fields(), &[("default/kv/docs/", "tinycloud.kv/get")], Vec::new());
        let mut changed = text.clone().into_bytes();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        let before = read(&text).unwrap();
        if let Ok(after) = read(&changed) {
            prop_assert_ne!(after.digest, before.digest);
        }
        let signer = ADDRESS.parse().unwrap();
        let as_text = read_payload(&Payload::Text(changed), &signer, Asker::Unknown, NOW);
        prop_assert!(as_text.is_err(), "a sign-in passed as a text");
    }
}

/// The most that is accepted still fits a frame several times over.
#[test]
fn the_longest_prompt_fits_a_frame() {
    let pairs: Vec<_> = (0..64)
        .flat_map(|at| {
            let resource = format!("default/kv/{at}/{}", "x".repeat(80));
            (0..4).map(move |n| {
                (
                    resource.clone(),
                    format!("tinycloud.kv/{n}{}", "y".repeat(12)),
                )
            })
        })
        .collect();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(it, ability)| (it.as_str(), ability.as_str()))
        .collect();
    let text = message(fields(), &pairs, Vec::new());
    let summary = read(&text).unwrap().summary;
    let told: usize = summary.grants.iter().map(|it| it.abilities.len()).sum();
    assert_eq!(told, 256);
    let size = openkey_protocol::cbor::encode(&summary).unwrap().len();
    assert!(size < openkey_protocol::frame::MAX_BODY / 4, "{size}");
}
