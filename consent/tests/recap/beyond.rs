//! What a sign-in with permissions gives beyond what they say, and beyond the asking app.

use openkey_protocol::message::Severity;

use super::{SESSION, fields, grants, message, read, vector, warns, worst};

/// Systems that do not know ReCaps take the sign-in for the rights of its key.
#[test]
fn c5_permissions_do_not_silence_that_a_session_key_gets_rights() {
    let grant = [("default/kv/docs/", "tinycloud.kv/get")];
    let summary = read(&message(fields(), &grant, Vec::new()))
        .unwrap()
        .summary;
    assert_eq!(worst(&summary), Some(Severity::Attention));
    warns(&summary, Severity::Attention, SESSION);
    warns(
        &summary,
        Severity::Attention,
        "OpenKey does not know which rights",
    );
    // A node that keeps a space has a key, too.
    let hosting = vector("host").summary;
    warns(
        &hosting,
        Severity::Attention,
        "OpenKey does not know which rights",
    );
}

#[test]
fn b10_what_reaches_beyond_the_asking_app_is_told_with_it() {
    for (resource, ability, severity, said) in [
        (
            "account/kv/applications",
            "kv/put",
            Severity::Danger,
            "another app",
        ),
        (
            "account/kv/applications",
            "kv/get",
            Severity::Attention,
            "your apps",
        ),
        (
            "public/kv/.well-known/",
            "kv/put",
            Severity::Danger,
            "public keys",
        ),
        (
            "public/kv/photos/",
            "kv/put",
            Severity::Attention,
            "publishes",
        ),
        (
            "default/hooks/kv/docs",
            "hooks/register",
            Severity::Attention,
            "web address",
        ),
        (
            "default/kv/com.bank.app/",
            "kv/get",
            Severity::Attention,
            "data of an app",
        ),
        (
            "applications/kv/com.bank.app/",
            "kv/put",
            Severity::Attention,
            "data of an app",
        ),
    ] {
        let ability = format!("tinycloud.{ability}");
        let summary = grants(&[(resource, &ability)]).unwrap().summary;
        warns(&summary, severity, said);
        assert_eq!(worst(&summary), Some(severity), "{resource}");
        assert_eq!(summary.confirm, severity == Severity::Danger, "{resource}");
        assert_eq!(
            summary.grants[0].abilities[0].severity,
            Some(severity),
            "{resource}"
        );
    }
    // The app at app.example.
    for resource in ["applications/kv/example.app/", "default/kv/example.app/a"] {
        let summary = grants(&[(resource, "tinycloud.kv/put")]).unwrap().summary;
        assert_eq!(summary.grants[0].abilities[0].severity, None, "{resource}");
    }
}
