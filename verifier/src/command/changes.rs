//! What differs between the configuration that runs and the one that is to follow it.

use openkey_protocol::message::OperatorKeys;
use serde::Serialize;

use super::{configuration::source_name, output};
use crate::configuration::{Configuration, Keys, Kms, Operators};

/// One fact of a configuration that another one has otherwise. Free text is quoted, so that it cannot pass for
/// two facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which fact.
    pub member: &'static str,
    /// What runs; `none` for what is added.
    pub running: String,
    /// What is to follow; `none` for what is removed.
    pub successor: String,
}

/// All facts that differ, in the order of [`super::configuration_rows`]. Two configurations with different hashes
/// differ in at least one. Of a list, each entry that is added or removed is a change of its own, and another
/// order of the entries that stay is one more.
#[must_use]
pub fn configuration_changes(running: &Configuration, successor: &Configuration) -> Vec<Change> {
    let mut changes = Vec::new();
    for ((member, running), (_, successor)) in facts(running).into_iter().zip(facts(successor)) {
        compare(&mut changes, member, &running, &successor);
    }
    changes
}

fn compare(
    changes: &mut Vec<Change>,
    member: &'static str,
    running: &[String],
    successor: &[String],
) {
    let (removed, kept) = without(running, successor);
    let (added, kept_after) = without(successor, running);
    let mut change = |running: &str, successor: &str| {
        changes.push(Change {
            member,
            running: running.to_owned(),
            successor: successor.to_owned(),
        });
    };
    match (removed.as_slice(), added.as_slice()) {
        ([one], [another]) => change(one, another),
        _ => {
            for one in &removed {
                change(one, "none");
            }
            for one in &added {
                change("none", one);
            }
        }
    }
    if kept != kept_after {
        change(&running.join(", "), &successor.join(", "));
    }
}

/// The entries of a list that another one does not have, and those that it has, each as often as it stands there.
fn without<'a>(list: &'a [String], other: &[String]) -> (Vec<&'a String>, Vec<&'a String>) {
    let mut left: Vec<_> = other.iter().collect();
    list.iter()
        .partition(|entry| match left.iter().position(|known| known == entry) {
            Some(place) => {
                left.swap_remove(place);
                false
            }
            None => true,
        })
}

/// Every fact of a configuration: label and entries, the same labels in the same order for each.
fn facts(configuration: &Configuration) -> Vec<(&'static str, Vec<String>)> {
    // Without `..`: a member that is not compared does not compile.
    let Configuration {
        rp_id,
        rp_name,
        origins,
        identity_providers,
        operators,
        release_keys,
        kms,
        root_sources,
        root_id,
        upgrade_delay_seconds,
        upgrade_consent,
    } = configuration;
    let quoted = |texts: &[String]| texts.iter().map(|text| format!("{text:?}")).collect();
    let sources: Vec<_> = root_sources.iter().map(|it| source_name(*it)).collect();
    let (operators, operator) = match operators {
        None => Default::default(),
        Some(Operators { threshold, keys }) => (
            vec![of(*threshold, keys.len())],
            keys.iter().map(operator).collect(),
        ),
    };
    let (release_keys, release_key) = match release_keys {
        None => Default::default(),
        Some(Keys { threshold, keys }) => (
            vec![of(*threshold, keys.len())],
            keys.iter().map(ToString::to_string).collect(),
        ),
    };
    let (kms_key, kms_region, kms_root) = match kms {
        None => Default::default(),
        Some(Kms {
            key_arn,
            region,
            tls_root,
        }) => (
            vec![format!("{key_arn:?}")],
            vec![format!("{region:?}")],
            tls_root
                .iter()
                .map(|der| hex::encode(der.as_slice()))
                .collect(),
        ),
    };
    // A file that says the default is another file than one that does not.
    let consents = match upgrade_consent {
        Some(needed) => needed.to_string(),
        None => format!("{} (by default)", configuration.upgrade_consent()),
    };
    vec![
        ("root id", root_id.iter().map(ToString::to_string).collect()),
        ("relying party", vec![format!("{rp_id:?}")]),
        ("its name", vec![format!("{rp_name:?}")]),
        ("origin", quoted(origins)),
        ("identity provider", quoted(identity_providers)),
        ("root key from", vec![sources.join(", then ")]),
        ("operators", operators),
        ("operator", operator),
        ("KMS key", kms_key),
        ("KMS region", kms_region),
        ("KMS TLS root", kms_root),
        (
            "upgrade delay",
            vec![output::count(*upgrade_delay_seconds, "second")],
        ),
        ("consents needed", vec![consents]),
        ("release keys", release_keys),
        ("release key", release_key),
    ]
}

fn operator(keys: &OperatorKeys) -> String {
    let OperatorKeys {
        name,
        encryption,
        signing,
    } = keys;
    format!("{name:?} (encryption key {encryption}, signing key {signing})")
}

fn of(threshold: u32, keys: usize) -> String {
    format!("{threshold} of {keys}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn operator(name: &str, digit: &str) -> Value {
        let key = digit.repeat(64);
        json!({ "name": name, "encryption": key, "signing": key, "proof": "" })
    }

    fn file() -> Value {
        json!({
            "rp_id": "keys.example", "rp_name": "Keys",
            "origins": ["https://keys.example", "https://b.example"],
            "identity_providers": ["login.example"],
            "operators": { "threshold": 2, "keys": [operator("ada", "1"), operator("ben", "2")] },
            "release_keys": { "threshold": 1, "keys": ["3".repeat(64), "4".repeat(64)] },
            "kms": { "key_arn": "arn:1", "region": "eu", "tls_root": "MAA=" },
            "root_sources": ["hand_over", "operators"], "root_id": "7".repeat(64),
            "upgrade_delay_seconds": 5, "upgrade_consent": 1,
        })
    }

    fn changes(next: &Value) -> Vec<(&'static str, String, String)> {
        let read = |file: &Value| Configuration::from_json(file.to_string().as_bytes()).unwrap();
        let (running, successor) = (read(&file()), read(next));
        let changes = configuration_changes(&running, &successor);
        assert_eq!(
            changes.is_empty(),
            running.hash() == successor.hash(),
            "{next}"
        );
        let all = changes.into_iter();
        all.map(|it| (it.member, it.running, it.successor))
            .collect()
    }

    fn texts(changes: &[(&'static str, &str, &str)]) -> Vec<(&'static str, String, String)> {
        let all = changes.iter();
        all.map(|(member, a, b)| (*member, (*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn e8_whatever_changes_the_hash_is_a_change() {
        assert_eq!(changes(&file()), Vec::new());
        let eve = "6".repeat(64);
        for (member, value, label) in [
            ("/rp_id", json!("x.example"), "relying party"),
            ("/rp_name", json!("keys"), "its name"),
            (
                "/origins",
                json!(["https://b.example", "https://keys.example"]),
                "origin",
            ),
            ("/origins", json!(["https://keys.example"]), "origin"),
            ("/origins/1", json!("https://keys.example"), "origin"),
            ("/identity_providers", json!([]), "identity provider"),
            ("/operators/threshold", json!(1), "operators"),
            ("/operators/keys/0/name", json!("eve"), "operator"),
            ("/operators/keys/0/encryption", json!(eve), "operator"),
            ("/operators/keys/1/signing", json!(eve), "operator"),
            ("/release_keys/threshold", json!(2), "release keys"),
            ("/release_keys/keys/0", json!(eve), "release key"),
            ("/kms/key_arn", json!("arn:2"), "KMS key"),
            ("/kms/region", json!("us"), "KMS region"),
            ("/kms/tls_root", json!(null), "KMS TLS root"),
            (
                "/root_sources",
                json!(["operators", "hand_over"]),
                "root key from",
            ),
            ("/root_id", json!("8".repeat(64)), "root id"),
            ("/upgrade_delay_seconds", json!(1), "upgrade delay"),
            ("/upgrade_consent", json!(2), "consents needed"),
            // The number that counts stays the same, and the file is another.
            ("/upgrade_consent", json!(null), "consents needed"),
        ] {
            let mut next = file();
            *next.pointer_mut(member).unwrap() = value;
            let changes = changes(&next);
            assert_eq!(changes.len(), 1, "{member} {changes:?}");
            assert_eq!(changes[0].0, label, "{member}");
        }
        // Whole sets that go away.
        for member in ["operators", "release_keys", "kms"] {
            let mut next = file();
            next[member] = Value::Null;
            next["upgrade_consent"] = Value::Null;
            let changes = changes(&next);
            assert!(
                changes.iter().any(|(.., next)| next == "none"),
                "{member} {changes:?}"
            );
        }
    }

    #[test]
    fn e8_lists_change_by_entries_and_by_their_order() {
        let (three, four, five) = ("3".repeat(64), "4".repeat(64), "5".repeat(64));
        let with = |keys: &[&String]| {
            let mut next = file();
            next["release_keys"]["keys"] = json!(keys);
            changes(&next)
        };
        let expected = [
            ("release keys", "1 of 2", "1 of 3"),
            ("release key", "none", &five),
        ];
        assert_eq!(with(&[&three, &four, &five]), texts(&expected));
        assert_eq!(
            with(&[&three, &five]),
            texts(&[("release key", &four, &five)])
        );
        let order = [format!("{three}, {four}"), format!("{four}, {three}")];
        assert_eq!(
            with(&[&four, &three]),
            texts(&[("release key", &order[0], &order[1])])
        );
    }

    #[test]
    fn e8_a_text_of_a_host_passes_for_no_second_fact() {
        let mut next = file();
        next["rp_name"] = json!("Keys\" → \"Keys");
        let changes = changes(&next);
        assert_eq!(changes[0].2, r#""Keys\" → \"Keys""#);
    }
}
