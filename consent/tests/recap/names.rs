//! What is granted is what is written: no name passes for another one.

use openkey_capability::cid::Cid;
use openkey_protocol::message::{GrantKind, Severity};

use super::{OWNER, fields, grants, message, read, rule, warns, words, worst};

const NETWORK: &str =
    "urn:tinycloud:encryption:did:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:default";

#[test]
fn b1_paths_are_shown_byte_for_byte_and_odd_ones_are_refused() {
    for path in ["a", "a/", "/a", "a//b", "a'b(c)", ""] {
        let resource = format!("{OWNER}:default/kv/{path}");
        let summary = grants(&[(&resource, "tinycloud.kv/get")]).unwrap().summary;
        assert_eq!(summary.grants[0].resource, resource);
        let scope = &summary.grants[0].scope;
        assert!(
            path.is_empty() || scope.contains(&format!("“{path}”")),
            "{scope}"
        );
    }
    for path in ["a/../b", "./a", "a?b", "a#b", "..", "a/."] {
        let read = grants(&[(&format!("default/kv/{path}"), "tinycloud.kv/get")]);
        assert_eq!(rule(read), "odd_resource", "{path}");
    }
    // A statement has no room for escapes.
    for path in ["%61", "a%2fb", "a%2Fb", "a%00", "a%20b", "a%E2%80%AEb"] {
        let read = grants(&[(&format!("default/kv/{path}"), "tinycloud.kv/get")]);
        assert_eq!(rule(read), "statement", "{path}");
    }
    let summary = |path: &str| {
        grants(&[(&format!("default/kv/{path}"), "tinycloud.kv/get")])
            .unwrap()
            .summary
    };
    warns(&summary("/a"), Severity::Attention, "empty part");
    warns(&summary("a//b"), Severity::Attention, "empty part");
    warns(&summary(""), Severity::Attention, "A path is empty");
}

#[test]
fn b2_only_the_capitals_of_an_address_are_free() {
    let lower = format!("{}:default/kv/docs/", OWNER.to_lowercase());
    let summary = grants(&[(&lower, "tinycloud.kv/get")]).unwrap().summary;
    assert_eq!(
        (summary.grants[0].owner.as_str(), worst(&summary)),
        ("Yours", Some(Severity::Attention))
    );
    assert_eq!(summary.grants[0].resource, lower);
    // Another name in capitals is another space.
    let other = grants(&[("Default/kv/docs/", "tinycloud.kv/get")])
        .unwrap()
        .summary;
    assert!(other.grants[0].scope.contains("“Default”"));
    warns(&other, Severity::Attention, "not your space “default”");
    for spelled in [
        OWNER.replace("155:1:", "155:01:"),
        OWNER.replace("tinycloud", "TINYCLOUD"),
    ] {
        let read = grants(&[(&format!("{spelled}:default/kv/a"), "tinycloud.kv/get")]);
        assert_eq!(rule(read), "odd_resource", "{spelled}");
    }
}

#[test]
fn b3_unknown_abilities_are_shown_literally_with_the_highest_severity() {
    for ability in [
        "tinycloud.kv/peek",
        "tinycloud.kv/admin",
        "tinycloud.kv/Get",
        "tinycloud.kv/*",
        "tinycloud.kv/read",
    ] {
        let summary = grants(&[("default/kv/docs/", ability)]).unwrap().summary;
        let told = &summary.grants[0].abilities[0];
        assert_eq!(told.words, format!("Unknown to this enclave: “{ability}”"));
        assert_eq!(told.severity, Some(Severity::Danger));
        assert!(
            summary.confirm && summary.grants[0].reaches_secrets,
            "{ability}"
        );
    }
    let service = grants(&[("default/vault/docs/", "tinycloud.vault/get")])
        .unwrap()
        .summary;
    assert!(service.confirm && service.grants[0].scope.contains("unknown service “vault”"));
    let foreign = grants(&[("credential:*", "tinycloud.kv/get")])
        .unwrap()
        .summary;
    assert_eq!(foreign.grants[0].kind, GrantKind::Unknown);
    assert!(foreign.confirm && foreign.grants[0].abilities[0].words.contains("Unknown"));
}

#[test]
fn b4_an_ability_of_another_service_is_refused() {
    for (resource, ability) in [
        ("default/sql/main", "tinycloud.kv/get"),
        ("default/kv/docs/", "tinycloud.sql/read"),
        ("default/kv/docs/", "kv/get"),
        ("default/kv/docs/", "tinycloud.KV/get"),
        ("default/KV/docs/", "tinycloud.kv/get"),
        ("default/kv/docs/", "tinycloud.kv.x/get"),
        (NETWORK, "tinycloud.kv/get"),
        (
            "urn:cid:bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima",
            "tinycloud.kv/get",
        ),
    ] {
        assert_eq!(
            rule(grants(&[(resource, ability)])),
            "other_service",
            "{resource} {ability}"
        );
    }
}

#[test]
fn b5_a_name_that_is_nearly_a_known_one_is_not_taken_for_it() {
    let one = |resource: &str| grants(&[(resource, "tinycloud.kv/get")]).unwrap().summary;
    let app = one("default/kv/vault/secrets/scoped/listen--app/KEY");
    warns(
        &app,
        Severity::Attention,
        "app's own secrets but is another one",
    );
    assert!(app.confirm && app.grants[0].scope.contains("listen--app"));
    for space in ["Secrets", "SECRETS", "secret", "secrets."] {
        let near = one(&format!("{space}/kv/docs/"));
        warns(&near, Severity::Attention, "not your space “secrets”");
        assert!(!near.grants[0].reaches_secrets, "{space}");
    }
    let near = one("default/kv/vault/Secrets/KEY");
    warns(
        &near,
        Severity::Attention,
        "place of your secrets but is another",
    );
    assert!(!near.grants[0].reaches_secrets);
}

#[test]
fn b6_what_is_somebody_elses_is_refused_or_flagged() {
    let other = OWNER.replace(
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    );
    for resource in [
        format!("{other}:secrets/kv"),
        "tinycloud:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX:secrets/kv".to_owned(),
        "tinycloud:ens:example.eth:secrets/kv".to_owned(),
        NETWORK.replace(
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
            "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        ),
    ] {
        let ability = if resource.starts_with("urn") {
            "tinycloud.encryption/decrypt"
        } else {
            "tinycloud.kv/get"
        };
        assert_eq!(
            rule(grants(&[(&resource, ability)])),
            "other_owner",
            "{resource}"
        );
        let rests = message(fields(), &[(&resource, ability)], vec![Cid::of(b"a")]);
        let summary = read(&rests).unwrap().summary;
        assert!(
            summary.grants[0].owner.starts_with("Somebody else's: did:"),
            "{resource}"
        );
        assert!(summary.confirm, "{resource}");
    }
}

#[test]
fn b7_the_same_address_on_another_chain_is_another_owner() {
    let other = format!("{}:default/kv/docs/", OWNER.replace("155:1:", "155:10:"));
    assert_eq!(rule(grants(&[(&other, "tinycloud.kv/get")])), "other_owner");
    let rests = message(
        fields(),
        &[(&other, "tinycloud.kv/get")],
        vec![Cid::of(b"a")],
    );
    let summary = read(&rests).unwrap().summary;
    assert!(
        summary.grants[0]
            .owner
            .contains("OP Mainnet (chain 10), which is another account")
    );
    assert!(summary.confirm);
}

#[test]
fn b8_a_permission_within_another_is_marked() {
    let within = |them: &[(&str, &str)]| {
        let summary = grants(them).unwrap().summary;
        let grants = summary.grants.iter().flat_map(|grant| &grant.abilities);
        let within: Vec<_> = grants.map(|it| it.within).collect();
        if within.iter().any(Option::is_some) {
            warns(&summary, Severity::Notice, "part of wider ones");
        }
        within
    };
    let get = "tinycloud.kv/get";
    assert_eq!(
        within(&[("default/kv/a", get), ("default/kv/a/b", get)]),
        [None, Some(0)]
    );
    assert_eq!(
        within(&[("default/kv", get), ("default/kv/a/b", get)]),
        [None, Some(0)]
    );
    assert_eq!(
        within(&[("default/kv/a", get), ("default/kv/ab", get)]),
        [None, None]
    );
    assert_eq!(
        within(&[
            ("default/kv/a", "tinycloud.kv/put"),
            ("default/kv/a/b", get)
        ]),
        [None, None]
    );
    let sql = "default/sql/main";
    assert_eq!(
        within(&[(sql, "tinycloud.sql/*"), (sql, "tinycloud.sql/read")]),
        [None, Some(0)]
    );
    // Two names of one thing: the second is part of the first.
    assert_eq!(
        within(&[
            ("default/kv/a", "tinycloud.kv/del"),
            ("default/kv/a", "tinycloud.kv/delete")
        ]),
        [None, Some(0)]
    );
    let lower = format!("{}:default/kv/a", OWNER.to_lowercase());
    assert_eq!(
        within(&[("default/kv/a", get), (&lower, get)]),
        [None, Some(0)]
    );
}

#[test]
fn b9_separators_keep_their_place() {
    let get = "tinycloud.kv/get";
    for (one, two) in [
        ("a/kv/b", "a/kv//b"),
        ("a/kv", "a/kv/"),
        ("a.b/kv/c", "a/kv/b.c"),
    ] {
        let (one, two) = (
            grants(&[(one, get)]).unwrap(),
            grants(&[(two, get)]).unwrap(),
        );
        assert_ne!(one.digest, two.digest);
        assert_ne!(words(&one.summary.grants[0]), words(&two.summary.grants[0]));
        assert_ne!(one.summary.grants[0].scope, two.summary.grants[0].scope);
    }
}

#[test]
fn b10_what_reaches_secrets_is_counted_and_said() {
    let summary = grants(&[
        ("default/kv", "tinycloud.kv/get"),
        ("default/kv/docs/", "tinycloud.kv/put"),
        ("default/sql", "tinycloud.sql/read"),
        ("secrets/kv/vault/secrets/", "tinycloud.kv/get"),
        (NETWORK, "tinycloud.encryption/decrypt"),
        (NETWORK, "tinycloud.encryption/network.create"),
    ])
    .unwrap()
    .summary;
    warns(
        &summary,
        Severity::Danger,
        "5 of 6 permissions reach secrets",
    );
    warns(&summary, Severity::Danger, "every value of a space");
    warns(&summary, Severity::Danger, "opens what is encrypted");
    let reaching: Vec<_> = summary.grants.iter().map(|it| it.reaches_secrets).collect();
    assert_eq!(reaching, [true, false, true, true, true]);
    assert!(summary.confirm);
    let modest = grants(&[("default/kv/docs/", "tinycloud.kv/get")])
        .unwrap()
        .summary;
    assert!(!modest.confirm && modest.grants[0].abilities[0].severity.is_none());
}
