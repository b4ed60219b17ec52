//! `openkey release anchor`, `page` and `publish`: from a configuration to what a host serves.

use std::collections::BTreeMap;

use openkey_protocol::message::Key32;
use openkey_verifier::anchor::{Anchor, Published};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    enclaves::Enclave,
    harness::{Files, Ran, verify},
    support,
};

pub(crate) struct Maintained {
    pub(crate) files: Files,
    keys: Vec<Key32>,
}

impl Maintained {
    /// Two maintainers with key files.
    pub(crate) fn new() -> Self {
        let files = Files::new();
        let keygen = |name: &str| {
            let out = files.path(name);
            let ran = verify(["release", "keygen", "--out", out.to_str().unwrap()]).accepted();
            ran.stdout.trim().parse().unwrap()
        };
        let keys = vec![keygen("ada"), keygen("ben")];
        Self { files, keys }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.files.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn configuration(&self, bend: impl FnOnce(&mut Value)) -> String {
        let mut configuration = json!({
            "rp_id": "keys.example", "rp_name": "Keys", "origins": ["https://keys.example"],
            "release_keys": { "threshold": 2, "keys": self.keys.iter().map(Key32::to_string).collect::<Vec<_>>() },
            "root_id": "7".repeat(64),
        });
        bend(&mut configuration);
        self.files
            .write("configuration.json", configuration.to_string())
    }

    pub(crate) fn anchor(&self, configuration: &str, out: &str) -> Ran {
        let out = self.path(out);
        verify([
            "release",
            "anchor",
            "--configuration",
            configuration,
            "--out",
            &out,
            "--json",
        ])
    }

    /// A release of this page, signed by these maintainers.
    fn release(&self, out: &str, page: &str, signers: &[&str]) -> Ran {
        let configuration = "5".repeat(64);
        let more = ["--configuration", &configuration, "--days", "1"];
        self.release_of(out, page, signers, &more, |_| ())
    }

    /// The same with these flags, of a draft that was changed.
    pub(crate) fn release_of(
        &self,
        out: &str,
        page: &str,
        signers: &[&str],
        more: &[&str],
        bend: impl FnOnce(&mut Value),
    ) -> Ran {
        let mut draft = support::draft();
        bend(&mut draft);
        let draft = self.files.write("draft.json", draft.to_string());
        let out = self.path(out);
        let command = ["release", "prepare", &draft, "--page", page, "--out", &out];
        let prepared = verify(command.iter().chain(more));
        if prepared.code == 0 {
            for signer in signers {
                support::sign(&out, &self.path(signer)).accepted();
            }
        }
        prepared
    }
}

#[test]
fn e15_a_configuration_becomes_an_anchor_a_page_and_a_published_release() {
    let it = Maintained::new();
    let configuration = it.configuration(|_| ());
    let made = it.anchor(&configuration, "anchor.json").accepted().json();
    let (anchor, page) = (it.path("anchor.json"), it.path("page"));
    let read = Anchor::from_json(&std::fs::read(&anchor).unwrap()).unwrap();
    assert_eq!(made["anchor_sha256"], read.hash().to_string());
    assert_eq!((read.rp_id(), read.min_epoch()), ("keys.example", 1));
    assert_eq!(read.release_keys().keys(), it.keys);

    let command = [
        "release", "page", "--anchor", &anchor, "--out", &page, "--json",
    ];
    let release = verify(command).accepted().json();
    let named: BTreeMap<String, String> = serde_json::from_value(release["page"].clone()).unwrap();
    assert_eq!(named["anchor.json"], read.hash().to_string());
    // The code is the same bytes for every deployment.
    for (name, hash) in openkey_host_proxy::page_manifest() {
        let bytes = std::fs::read(it.files.path("page").join(&name)).unwrap();
        assert_eq!(hex::encode(Sha256::digest(bytes)), hash, "{name}");
        assert_eq!(named[&name], hash);
    }
    assert_eq!(named.len(), openkey_host_proxy::page_manifest().len() + 1);
    // Never beside what lies there already.
    verify(command).not_judged("cannot_write");

    it.release("release.json", &page, &["ada", "ben"])
        .accepted();
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(it.files.path("release.json")).unwrap()).unwrap();
    assert_eq!(manifest["manifest"]["page"], json!(named));
    let (list, release) = (it.path("releases.json"), it.path("release.json"));
    let publish = [
        "release", "publish", &release, "--anchor", &anchor, "--out", &list,
    ];
    verify(publish).accepted();
    assert!(Published::from_json(&std::fs::read(&list).unwrap()).is_ok());
}

#[test]
fn e15_what_the_maintainers_did_not_sign_is_not_published() {
    let it = Maintained::new();
    it.anchor(&it.configuration(|_| ()), "anchor.json")
        .accepted();
    let (anchor, page) = (it.path("anchor.json"), it.path("page"));
    verify(["release", "page", "--anchor", &anchor, "--out", &page]).accepted();
    let publish = |release: &str, more: &[&str]| {
        let (release, out) = (it.path(release), it.path("releases.json"));
        let command = [
            "release", "publish", &release, "--anchor", &anchor, "--out", &out,
        ];
        verify(command.iter().copied().chain(more.iter().copied()))
    };
    it.release("one.json", &page, &["ada"]).accepted();
    let ran = publish("one.json", &[]).refused("release_signatures");
    // How many of how many, and who is missing.
    let missing = format!("not signed by {}", it.keys[1]);
    for words in ["one.json", "1 of 2 needed signatures", &missing] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
    assert!(!ran.stderr.contains(&it.keys[0].to_string()), "{ran:?}");
    assert!(!it.files.path("releases.json").exists());
    it.release("nobody.json", &page, &[]).accepted();
    let ran = publish("nobody.json", &[]).refused("release_signatures");
    assert!(ran.stderr.contains("0 of 2 needed signatures"), "{ran:?}");
    for key in &it.keys {
        assert!(ran.stderr.contains(&key.to_string()), "{ran:?}");
    }
    it.files.write("none.json", "{}");
    publish("none.json", &[]).refused("releases_release");
    // An anchor that the present one does not continue.
    it.release("both.json", &page, &["ada", "ben"]).accepted();
    let foreign = it.configuration(|c| c["root_id"] = json!("8".repeat(64)));
    it.anchor(&foreign, "earlier.json").accepted();
    let earlier = it.path("earlier.json");
    publish("both.json", &["--earlier", &earlier]).accepted();
    let stranger = it.configuration(|c| {
        let key = it.keys[0].to_string();
        c["release_keys"] = json!({ "threshold": 1, "keys": [key] });
    });
    it.anchor(&stranger, "stranger.json").accepted();
    let stranger = it.path("stranger.json");
    it.release("ben.json", &page, &["ben"]).accepted();
    publish("ben.json", &["--earlier", &stranger]).refused("page_releases");
}

#[test]
fn e15_an_anchor_needs_a_genesis_and_is_never_a_simulator_s() {
    let it = Maintained::new();
    let without = |member: &str| it.configuration(|c| c[member] = Value::Null);
    it.anchor(&without("root_id"), "a.json")
        .refused("anchor_member");
    it.anchor(&without("release_keys"), "a.json")
        .refused("anchor_member");
    it.anchor(&it.configuration(|_| ()), "anchor.json")
        .accepted();
    let mut anchor: Value =
        serde_json::from_slice(&std::fs::read(it.files.path("anchor.json")).unwrap()).unwrap();
    let page = it.path("page");
    verify([
        "release",
        "page",
        "--anchor",
        &it.path("anchor.json"),
        "--out",
        &page,
    ])
    .accepted();

    anchor["simulator"] = json!({ "roots": Enclave::simulator().roots().to_pem() });
    let simulator = it.files.write("simulator.json", anchor.to_string());
    let other = it.path("other");
    verify(["release", "page", "--anchor", &simulator, "--out", &other])
        .refused("anchor_simulator");
    // Nor does a release name one that was put there.
    it.files.write("page/anchor.json", anchor.to_string());
    let prepared = it.release("release.json", &page, &[]);
    prepared.refused("anchor_simulator");
    let named = json!({ "version": 1, "page": { "index.html": "1".repeat(64), "anchor.json": "2".repeat(64) } });
    let named = it.files.write("page.json", named.to_string());
    it.release("release.json", &named, &[]).not_judged("page");
    std::fs::remove_file(it.files.path("page/anchor.json")).unwrap();
    it.release("release.json", &page, &[]).not_judged("page");
}
