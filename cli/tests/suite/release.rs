//! `openkey release`.

use crate::{
    harness::{Files, now, verify},
    support::{self, sign},
};
use openkey_protocol::message::Key32;
use openkey_verifier::{
    attestation::UnixMillis,
    release::{self, ReleaseKeys},
};

fn draft() -> String {
    support::draft().to_string()
}

#[test]
fn p1_a_draft_becomes_a_release_by_its_maintainers() {
    let files = Files::new();
    let path = |name: &str| files.path(name).to_str().unwrap().to_owned();
    let (ada, ben, manifest) = (path("ada"), path("ben"), path("manifest.json"));
    let keygen = |out: &str| {
        let ran = verify(["release", "keygen", "--out", out]).accepted();
        ran.stdout.trim().parse::<Key32>().unwrap()
    };
    let keys = ReleaseKeys::new(2, vec![keygen(&ada), keygen(&ben)]).unwrap();
    let draft = files.write("draft.json", draft());
    let configuration = "5".repeat(64);
    verify([
        "release",
        "prepare",
        &draft,
        "--configuration",
        &configuration,
        "--days",
        "90",
        "--out",
        &manifest,
    ])
    .accepted();
    let judge = |at: UnixMillis| {
        let file = std::fs::read(&manifest).unwrap();
        release::verify(&file, &keys, at).map_err(|error| error.rule())
    };
    assert_eq!(judge(now()).err(), Some("release_signatures"));
    sign(&manifest, &ada).accepted();
    assert_eq!(judge(now()).err(), Some("release_signatures"));
    let ran = sign(&manifest, &ada).refused("release_signature_twice");
    assert!(
        ran.stderr.contains("signed this manifest already"),
        "{ran:?}"
    );
    assert!(
        !ran.stderr.contains("two signatures"),
        "it has one: {ran:?}"
    );
    sign(&manifest, &ben).accepted();
    let release = judge(now()).unwrap();
    assert_eq!(
        release.manifest().configuration.unwrap().to_string(),
        configuration
    );
    let day = 24 * 60 * 60 * 1000;
    assert!(judge(UnixMillis(now().0 + 89 * day)).is_ok());
    assert_eq!(
        judge(UnixMillis(now().0 + 91 * day)).err(),
        Some("release_expired")
    );
}

#[test]
fn a_draft_is_not_changed_silently() {
    let files = Files::new();
    let out = files.path("manifest.json");
    let out = out.to_str().unwrap();
    let prepare = |draft: String| {
        let draft = files.write("draft.json", draft);
        verify(["release", "prepare", &draft, "--days", "1", "--out", out])
    };
    let named = draft().replace(
        "\"epoch\"",
        &format!("\"configuration\":\"{}\",\"epoch\"", "6".repeat(64)),
    );
    prepare(named).not_judged("draft");
    prepare(draft().replace("\"epoch\"", "\"more\":1,\"epoch\"")).not_judged("draft");
    prepare(draft().replace(&"a".repeat(96), &"0".repeat(96))).refused("release_member");
    prepare("[]".into()).not_judged("draft");
}

#[test]
fn a_draft_that_is_too_long_is_refused_and_not_cut() {
    let files = Files::new();
    let out = files.path("manifest.json");
    let out = out.to_str().unwrap();
    // Cut where it is too long, it would be a draft.
    let long = format!("{}{}x", draft(), " ".repeat(1024 * 1024));
    let long = files.write("draft.json", long);
    verify(["release", "prepare", &long, "--days", "1", "--out", out]).not_judged("draft");
    let page = format!(
        "{{\"version\":1,\"page\":null}}{}x",
        " ".repeat(1024 * 1024)
    );
    let page = files.write("page.json", page);
    let draft = files.write("draft.json", draft());
    let args = ["release", "prepare", &draft, "--days", "1", "--out", out];
    verify(args.iter().chain(&["--page", &page])).not_judged("page");
}

#[test]
fn what_is_no_file_is_never_replaced() {
    let files = Files::new();
    let path = |name: &str| files.path(name).to_str().unwrap().to_owned();
    let (ada, manifest) = (path("ada"), path("manifest.json"));
    verify(["release", "keygen", "--out", &ada]).accepted();
    let draft = files.write("draft.json", draft());
    verify([
        "release", "prepare", &draft, "--days", "1", "--out", &manifest,
    ])
    .accepted();
    // A pipe that gives a manifest is no place for the signature.
    let pipe = path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let (text, to) = (std::fs::read(&manifest).unwrap(), pipe.clone());
    std::thread::spawn(move || std::fs::write(to, text));
    let ran = sign(&pipe, &ada);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("error: cannot_write: "), "{ran:?}");
    assert!(!std::fs::metadata(&pipe).unwrap().is_file());
}
