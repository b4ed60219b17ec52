//! `openkey release prepare`, `sign` and `keygen`: what a maintainer sees before and after.

use std::{fs, process::Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    harness::{Files, Ran, program, verify},
    support::{self, sign},
};

struct Case {
    files: Files,
}

impl Case {
    fn new() -> Self {
        let files = Files::new();
        files.write("draft.json", support::draft().to_string());
        Self { files }
    }

    fn path(&self, name: &str) -> String {
        self.files.path(name).to_str().unwrap().to_owned()
    }

    fn key(&self, name: &str) -> String {
        let path = self.path(name);
        verify(["release", "keygen", "--out", &path]).accepted();
        path
    }

    fn prepare(&self, out: &str, more: &[&str]) -> Ran {
        let (draft, out) = (self.path("draft.json"), self.path(out));
        verify(
            ["release", "prepare", &draft, "--out", &out]
                .iter()
                .chain(more),
        )
    }

    fn configuration(&self, root_id: Value) -> String {
        let text = json!({
            "rp_id": "keys.example", "rp_name": "Keys", "origins": ["https://keys.example"],
            "root_id": root_id,
        });
        self.files.write("configuration.json", text.to_string())
    }
}

#[test]
fn days_count_from_the_first_moment() {
    let case = Case::new();
    let first = ["--not-before", "2030-01-30T12:00:00Z", "--days", "3"];
    let ran = case.prepare("later.json", &first).accepted();
    let words = "valid from 2030-01-30T12:00:00Z to 2030-02-02T12:00:00Z";
    assert!(ran.stdout.contains(words), "{ran:?}");
    let ran = case.prepare("json.json", &[&first[..], &["--json"]].concat());
    let json = ran.accepted().json();
    assert_eq!(json["not_before"], "2030-01-30T12:00:00Z");
    assert_eq!(json["not_after"], "2030-02-02T12:00:00Z");
}

#[test]
fn times_that_make_no_validity_are_usage_errors_that_name_the_flags() {
    let case = Case::new();
    let (early, late) = ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
    for (more, named) in [
        (&[][..], &["--days", "--not-after"][..]),
        (
            &["--not-before", late, "--not-after", late],
            &["--not-before", "--not-after"],
        ),
        (
            &["--not-before", late, "--not-after", early],
            &["--not-before", "--not-after"],
        ),
        (&["--not-after", early], &["--not-before", "--not-after"]),
        (
            &["--not-after", late, "--days", "3"],
            &["--days", "--not-after"],
        ),
        (
            &["--not-before", "9999-12-31T00:00:00Z", "--days", "3"],
            &["--not-before", "--days"],
        ),
        (
            &["--not-before", "2030-01-01", "--days", "3"],
            &["--not-before"],
        ),
        (
            &["--not-after", "2030-01-01T00:00:00+01:00"],
            &["--not-after"],
        ),
    ] {
        let ran = case.prepare("out.json", more);
        for flag in named {
            assert!(ran.stderr.contains(flag), "{flag} in {ran:?}");
        }
        ran.not_judged_usage();
        assert!(!case.files.path("out.json").exists());
    }
}

#[test]
fn a_release_without_a_root_id_is_prepared_with_a_notice() {
    let case = Case::new();
    let day = ["--days", "1"];
    let before = case.configuration(Value::Null);
    for (out, more) in [
        ("none.json", &[][..]),
        ("before.json", &["--configuration", &before]),
    ] {
        let more = [&day[..], more].concat();
        let ran = case.prepare(out, &more).accepted();
        for words in [
            "NOTICE: ",
            "openkey operator upgrade",
            "openkey release publish",
        ] {
            assert!(ran.stdout.contains(words), "{words} in {ran:?}");
        }
        let json = case.prepare(&format!("json-{out}"), &[&more[..], &["--json"]].concat());
        assert!(json.accepted().json()["notice"].is_string());
    }
    let production = case.configuration(json!("7".repeat(64)));
    let more = [&day[..], &["--configuration", &production]].concat();
    let ran = case.prepare("production.json", &more).accepted();
    assert!(!ran.stdout.contains("NOTICE"), "{ran:?}");
}

#[test]
fn p1_a_maintainer_sees_what_they_sign_and_is_asked() {
    let case = Case::new();
    let ada = case.key("ada");
    let configuration = case.configuration(json!("7".repeat(64)));
    let page = json!({ "version": 1, "page": { "index.html": "8".repeat(64) } });
    let page = case.files.write("page.json", page.to_string());
    let more = [
        "--page",
        &page,
        "--configuration",
        &configuration,
        "--days",
        "1",
    ];
    case.prepare("manifest.json", &more).accepted();
    let manifest = case.path("manifest.json");
    let unsigned = fs::read_to_string(&manifest).unwrap();
    let named: Value = serde_json::from_str(&unsigned).unwrap();
    let named = &named["manifest"];
    let command = ["release", "sign", &manifest, "--key", &ada];
    let look = ["--configuration", configuration.as_str()];
    let ran = verify(command.iter().chain(&look));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("error: not_confirmed: "), "{ran:?}");
    let shown = [
        &named["measurements"]["0"],
        &named["measurements"]["1"],
        &named["measurements"]["2"],
        &named["source_commit"],
        &named["configuration"],
        &named["not_before"],
        &named["not_after"],
    ];
    let shown = shown.map(|it| it.as_str().unwrap());
    for words in shown.iter().chain(&["epoch", &"7".repeat(64)]) {
        assert!(ran.stdout.contains(words), "{words} in {ran:?}");
    }
    // Of the page one hash, and each file's on request.
    let file = named["page"]["index.html"].as_str().unwrap();
    let list = hex::encode(Sha256::digest(format!("{file}  index.html\n")));
    assert!(ran.stdout.contains(&list), "{ran:?}");
    assert!(!ran.stdout.contains(file), "{ran:?}");
    let whole = verify(command.iter().chain(&["--verbose"]));
    for words in [file, &list] {
        assert!(whole.stdout.contains(words), "{words} in {whole:?}");
    }
    assert_eq!(fs::read_to_string(&manifest).unwrap(), unsigned);
    // A configuration that the manifest does not name shows nobody's root id.
    let other = case.configuration(json!("9".repeat(64)));
    let ran = verify(command.iter().chain(&["--configuration", &other, "--yes"]));
    ran.refused("configuration");
    assert_eq!(fs::read_to_string(&manifest).unwrap(), unsigned);
    // For programs: JSON on stdout, the look on stderr.
    let ran = support::done(verify(command.iter().chain(&["--yes", "--json"])));
    assert!(ran.stderr.contains(shown[0]), "{ran:?}");
    assert_eq!(ran.json()["epoch"], 1);
    verify(command.iter().chain(&["--json"])).not_judged_usage();
}

#[test]
fn p1_no_signature_is_added_beside_one_that_does_not_hold() {
    let case = Case::new();
    let (ada, ben) = (case.key("ada"), case.key("ben"));
    case.prepare("manifest.json", &["--days", "1"]).accepted();
    let manifest = case.path("manifest.json");
    sign(&manifest, &ada).accepted();
    let changed = fs::read_to_string(&manifest).unwrap();
    let changed = changed.replace(&"a".repeat(96), &"d".repeat(96));
    let bent = case.files.write("changed.json", &changed);
    let ran = sign(&bent, &ben).refused("release_signature");
    assert!(
        ran.stderr.contains("changed after it was signed"),
        "{ran:?}"
    );
    assert_eq!(fs::read_to_string(&bent).unwrap(), changed);
    sign(&manifest, &ben).accepted();
}

#[test]
fn a_draft_is_named_as_one() {
    let case = Case::new();
    let ada = case.key("ada");
    let draft = case.path("draft.json");
    let ran = sign(&draft, &ada).refused("release_file_malformed");
    for words in ["draft.json: ", "it is a draft", "openkey release prepare"] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
}

#[test]
fn a_draft_that_is_none_is_named_with_what_to_do() {
    let case = Case::new();
    let draft = case.path("draft.json");
    for (change, says) in [
        (("more", json!(1)), "\"more\""),
        (("page", json!({})), "it names another page already"),
    ] {
        let mut text = support::draft();
        text[change.0] = change.1;
        case.files.write("draft.json", text.to_string());
        let ran = case
            .prepare("out.json", &["--days", "1"])
            .not_judged("draft");
        for words in [draft.as_str(), says, "`openkey-image build`"] {
            assert!(ran.stderr.contains(words), "{words} in {ran:?}");
        }
    }
}

#[test]
fn a_key_whose_public_half_was_not_printed_is_not_left_over() {
    let case = Case::new();
    let keygen = |args: &[&str]| {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = program();
        command.args(args).stdin(Stdio::null()).stdout(full);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let (release, operator) = (case.path("ada"), case.path("ada.key"));
    let said = keygen(&["release", "keygen", "--out", &release]);
    assert!(said.contains("repeat the command"), "{said}");
    assert!(!case.files.path("ada").exists());
    case.key("ada");
    // An operator's key prints its entry again.
    let args = ["operator", "keygen", "--name", "ada", "--out", &operator];
    let said = keygen(&args);
    let again = format!("openkey operator entry --key {operator}");
    assert!(said.contains(&again), "{said}");
    verify(["operator", "entry", "--key", &operator]).accepted();
}
