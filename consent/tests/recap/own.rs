//! What OpenKey's own page writes, and what somebody gave a person to paste there.

use super::*;

const PAGE: Asker<'static> = Asker::Page("https://app.example");
const FOLDER: [(&str, &str); 2] = [
    ("default/kv/notes/", "tinycloud.kv/get"),
    ("default/kv/notes/", "tinycloud.kv/put"),
];

fn asked(payload: &Payload, asker: Asker<'_>) -> Result<SigningRequest, Error> {
    read_payload(payload, &ADDRESS.parse().unwrap(), asker, NOW)
}

/// A session key that an attacker made, for the page's own site and in the very words of the page, gives
/// the attacker what the page's own would give the page.
#[test]
fn c5_a_pasted_sign_in_is_dangerous_even_if_it_names_the_page_itself() {
    let text = message(fields(), &FOLDER, Vec::new());
    let pasted = asked(&Payload::Siwe(text.clone()), PAGE).unwrap();
    assert_eq!(pasted.severity(), Severity::Danger);
    assert!(pasted.summary.confirm);
    let said = &pasted.summary.warnings[0].text;
    assert!(
        said.starts_with("OpenKey cannot see which site asks."),
        "{said}"
    );
    // Nobody is said to ask.
    let lines = &pasted.summary.lines;
    assert!(lines.iter().all(|it| it.label != "Who asks"), "{lines:#?}");
    // The page's own is the same text under another name.
    let own = asked(&Payload::Session(text), PAGE).unwrap();
    assert_eq!(own.digest, pasted.digest);
    assert!(!own.summary.confirm, "{:#?}", own.summary.warnings);
    assert_eq!(own.summary.lines[0].label, "Who asks");
    // A plain sign-in and a typed one, too.
    let plain = Unsigned::new(fields()).unwrap().text();
    assert!(asked(&Payload::Siwe(plain), PAGE).unwrap().summary.confirm);
    let typed = serde_json::json!({
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "chainId", "type": "uint256"}],
            "Login": [{"name": "domain", "type": "string"}, {"name": "nonce", "type": "string"}],
        },
        "primaryType": "Login",
        "domain": {"name": "app.example", "chainId": 1},
        "message": {"domain": "app.example", "nonce": "k3jv82lq0a"},
    });
    let typed = Payload::TypedData(typed.to_string());
    assert!(asked(&typed, PAGE).unwrap().summary.confirm);
    assert!(!asked(&typed, ORIGIN).unwrap().summary.confirm);
}

#[test]
fn c5_what_the_page_does_not_write_is_refused_as_its_own() {
    let of = |change: fn(&mut Fields), grants: &[(&str, &str)]| {
        let mut fields = fields();
        change(&mut fields);
        message(fields, grants, Vec::new())
    };
    let keep = |_: &mut Fields| ();
    for text in [
        of(keep, &FOLDER),
        of(keep, &[("default/kv", "tinycloud.kv/list")]),
        of(keep, &[("default/space", "tinycloud.space/host")]),
        of(
            |it| it.expiration_time = Some("2026-03-11T05:06:07.089Z".into()),
            &FOLDER,
        ),
    ] {
        asked(&Payload::Session(text), PAGE).unwrap();
    }
    for (what, text) in [
        (
            "another site",
            of(|it| it.domain = "bank.example".into(), &FOLDER),
        ),
        (
            "no key",
            of(|it| it.uri = "https://app.example/".into(), &FOLDER),
        ),
        ("no end", of(|it| it.expiration_time = None, &FOLDER)),
        (
            "too long",
            of(
                |it| it.expiration_time = Some("2026-03-11T05:06:07.090Z".into()),
                &FOLDER,
            ),
        ),
        ("words", of(|it| it.statement = Some("Hi.".into()), &FOLDER)),
        (
            "a request",
            of(|it| it.request_id = Some("1".into()), &FOLDER),
        ),
        (
            "a beginning",
            of(
                |it| it.not_before = Some("2026-03-04T05:06:07Z".into()),
                &FOLDER,
            ),
        ),
        (
            "a resource",
            of(
                |it| it.resources = Some(vec!["https://a.example".into()]),
                &FOLDER,
            ),
        ),
        (
            "another space",
            of(keep, &[("photos/kv/a/", "tinycloud.kv/get")]),
        ),
        (
            "another service",
            of(keep, &[("default/sql/a", "tinycloud.sql/read")]),
        ),
        (
            "another ability",
            of(keep, &[("default/kv/a/", "tinycloud.kv/*")]),
        ),
        (
            "two places",
            of(
                keep,
                &[
                    ("default/kv/a/", "tinycloud.kv/get"),
                    ("default/kv/b/", "tinycloud.kv/get"),
                ],
            ),
        ),
    ] {
        let refused = asked(&Payload::Session(text), PAGE).unwrap_err();
        assert!(
            refused.message.ends_with("[not_of_the_page]"),
            "{what}: {refused:?}"
        );
    }
    let text = message(fields(), &FOLDER, Vec::new());
    for asker in [
        ORIGIN,
        Asker::Unknown,
        Asker::Page("https://openkey.example"),
    ] {
        let refused = asked(&Payload::Session(text.clone()), asker).unwrap_err();
        assert!(
            refused.message.ends_with("[not_of_the_page]"),
            "{refused:?}"
        );
    }
    let plain = Unsigned::new(fields()).unwrap().text();
    let refused = asked(&Payload::Session(plain), PAGE).unwrap_err();
    assert!(
        refused.message.ends_with("[not_of_the_page]"),
        "{refused:?}"
    );
}
