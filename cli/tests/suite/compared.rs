//! What `openkey operator consent` shows of a successor beside what runs.

use openkey_cli::ReleaseKey;
use serde_json::{Value, json};

use crate::{
    deployment::{Deployment, Play, Running, hash},
    enclaves::PCRS,
    harness::Ran,
    orders::{manifest_measuring, released},
    support::done,
};

const OF: (&str, &str, u32) = ("openkey-enclave", "2999-01-01T00:00:00Z", 3);

/// Announces a successor with these measurements and this configuration; gives its manifest's file.
fn announced(
    deployment: &Deployment,
    running: &Running,
    measured: [String; 3],
    configuration: &Value,
) -> String {
    let named = json!(hash(configuration).to_string());
    let text = manifest_measuring(measured, OF, named, 3);
    let file = deployment.files.write("manifest.json", text);
    let args = ["--manifest", &file];
    deployment.operator(running, "upgrade", &args).accepted();
    running.orders.lock().unwrap().clear();
    file
}

fn runs() -> [String; 3] {
    [0, 1, 2].map(|index| hex::encode(PCRS[index]))
}

fn consent(deployment: &Deployment, running: &Running, file: &str, more: &[&str]) -> Ran {
    let ada = deployment.path("ada.key");
    let args = ["--manifest", file, "--key", &ada];
    deployment.operator(running, "consent", &[&args, more].concat())
}

/// The value of a row of what is said of the successor.
#[track_caller]
fn row<'a>(ran: &'a Ran, label: &str) -> &'a str {
    let prefix = format!("  {label}  ");
    let (_, shown) = ran.stdout.split_once("evidence accepted").unwrap();
    let found = shown.lines().find(|line| line.starts_with(&prefix));
    let line = found.unwrap_or_else(|| panic!("no row {label:?} in {}", ran.stdout));
    line[prefix.len()..].trim()
}

#[test]
fn e8_an_operator_sees_that_only_the_configuration_changes() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let mut next = deployment.configuration.clone();
    let keys = [3, 66].map(|seed| ReleaseKey::from_seed(&[seed; 32]).public().to_string());
    next["release_keys"] = json!({ "threshold": 1, "keys": [keys[0], keys[1]] });
    next["upgrade_delay_seconds"] = json!(1);
    next["rp_name"] = json!("There");
    let file = announced(&deployment, &running, runs(), &next);
    // What changes in it is asked for after the look, also of whoever takes no look.
    for more in [&[][..], &["--yes"]] {
        let ran = consent(&deployment, &running, &file, more).refused("successor_configuration");
        assert!(ran.stderr.contains("--successor-configuration"), "{ran:?}");
    }
    let ran = consent(&deployment, &running, &file, &[]);
    assert!(row(&ran, "image").starts_with("the same"), "{ran:?}");
    let (old, new) = (hash(&deployment.configuration), hash(&next));
    let configuration = row(&ran, "configuration");
    for words in [
        "ANOTHER",
        "ONLY the configuration",
        &format!("{old} → {new}"),
    ] {
        assert!(ran.stdout.contains(words), "{words} in {configuration}");
    }
    // Who signed, of how many, and how low the epoch may be.
    assert_eq!(row(&ran, "signed by"), "1 of 1 release keys, 1 needed");
    assert!(ran.stdout.contains(&keys[0]), "{ran:?}");
    assert!(row(&ran, "lowest epoch").starts_with("2 → 3"), "{ran:?}");

    // With the successor's file each member that differs.
    let path = deployment.files.write("next.json", next.to_string());
    let more = ["--successor-configuration", &path];
    let ran = consent(&deployment, &running, &file, &more).ended_after_a_look();
    let added = format!("none → {}", keys[1]);
    for words in [
        "1 of 1 → 1 of 2",
        &added,
        "86400 seconds → 1 second",
        "\"Here\" → \"There\"",
    ] {
        assert!(ran.stdout.contains(words), "{words} in {ran:?}");
    }
    assert_eq!(ran.stdout.matches(" → ").count(), 6, "{ran:?}");
    assert!(running.orders.lock().unwrap().is_empty());

    // A file that the manifest does not name is nobody's.
    let path = deployment.path("configuration.json");
    let more = ["--yes", "--successor-configuration", &path];
    consent(&deployment, &running, &file, &more).refused("successor_configuration");
    assert!(running.orders.lock().unwrap().is_empty());
}

#[test]
fn e8_an_operator_sees_that_only_the_image_changes() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let mut measured = runs();
    measured[1] = "b".repeat(96);
    let file = announced(&deployment, &running, measured, &deployment.configuration);
    let ran = consent(&deployment, &running, &file, &[]).ended_after_a_look();
    assert!(row(&ran, "image").starts_with("ANOTHER"), "{ran:?}");
    assert!(
        row(&ran, "configuration").starts_with("the same"),
        "{ran:?}"
    );
    let change = format!("{} → {}", hex::encode(PCRS[1]), "b".repeat(96));
    assert!(ran.stdout.contains(&change), "{ran:?}");
    assert!(!ran.stdout.contains("ONLY"), "{ran:?}");
}

#[test]
fn e8_programs_see_the_same() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let mut next = deployment.configuration.clone();
    next["upgrade_consent"] = json!(1);
    let file = announced(&deployment, &running, runs(), &next);
    let path = deployment.files.write("next.json", next.to_string());
    let more = ["--yes", "--json", "--successor-configuration", &path];
    let ran = done(consent(&deployment, &running, &file, &more));
    // Whoever looks on sees on stderr what decides.
    for shown in [
        "the configuration\n",
        "waits here",
        "your manifest\n",
        "ONLY the configuration changes",
    ] {
        assert!(ran.stderr.contains(shown), "{shown} in {ran:?}");
    }
    let json = ran.json();
    assert_eq!(json["enclaves"][0]["image"], "same");
    assert_eq!(json["enclaves"][0]["configuration"], "another");
    let successor = &json["successor"];
    assert_eq!(successor["configuration"], hash(&next).to_string());
    assert_eq!(
        successor["running_configuration"],
        hash(&deployment.configuration).to_string()
    );
    assert_eq!(successor["threshold"], 1);
    assert_eq!(successor["signers"].as_array().unwrap().len(), 1);
    let changes = successor["configuration_changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["member"], "consents needed");
}

trait Looked {
    fn ended_after_a_look(self) -> Self;
}

impl Looked for Ran {
    /// Shown, and nobody said yes.
    #[track_caller]
    fn ended_after_a_look(self) -> Self {
        assert_eq!(self.code, 2, "{self:?}");
        assert!(self.stderr.contains("error: not_confirmed: "), "{self:?}");
        self
    }
}
