//! `openkey release publish`: a list by which a page accepts something now.

use std::fs;

use serde_json::{Value, json};

use crate::{
    harness::{Ran, verify},
    page::Maintained,
    support,
};

struct Published {
    it: Maintained,
    page: String,
}

impl Published {
    fn new() -> Self {
        let it = Maintained::new();
        it.anchor(&it.configuration(|_| ()), "anchor.json")
            .accepted();
        let (anchor, page) = (it.path("anchor.json"), it.path("page"));
        verify(["release", "page", "--anchor", &anchor, "--out", &page]).accepted();
        Self { it, page }
    }

    /// A release that both maintainers signed.
    fn release(&self, out: &str, more: &[&str], bend: impl FnOnce(&mut Value)) -> String {
        let signers = ["ada", "ben"];
        self.it
            .release_of(out, &self.page, &signers, more, bend)
            .accepted();
        self.it.path(out)
    }

    fn publish(&self, releases: &[&str], more: &[&str]) -> Ran {
        let (anchor, out) = (self.it.path("anchor.json"), self.it.path("releases.json"));
        let base = ["release", "publish", "--anchor", &anchor, "--out", &out];
        verify(base.iter().chain(releases).chain(more))
    }
}

#[test]
fn e15_a_list_without_a_usable_release_is_not_published() {
    let published = Published::new();
    let configuration = "5".repeat(64);
    let named = ["--configuration", &configuration];
    let day = [&named[..], &["--days", "1"]].concat();
    let past = [
        "--not-before",
        "2020-01-01T00:00:00Z",
        "--not-after",
        "2021-01-01T00:00:00Z",
    ];
    let past = [&named[..], &past].concat();
    let later = [
        "--not-before",
        "2990-01-01T00:00:00Z",
        "--not-after",
        "2991-01-01T00:00:00Z",
    ];
    let later = [&named[..], &later].concat();
    let expired = published.release("expired.json", &past, |_| ());
    let early = published.release("early.json", &later, |_| ());
    let open = published.release("open.json", &["--days", "1"], |_| ());
    let other = published.release("other.json", &day, |draft| {
        draft["name"] = json!("openkey-node")
    });
    for (release, rule) in [
        (&expired, "release_expired"),
        (&early, "release_not_yet_valid"),
        (&open, "configuration_missing"),
        (&other, "release_program"),
    ] {
        published.publish(&[release.as_str()], &[]).refused(rule);
        assert!(!published.it.files.path("releases.json").exists(), "{rule}");
    }
    // Beside one that is usable they are named.
    let good = published.release("good.json", &day, |_| ());
    let ran = published.publish(&[&good, &expired, &open], &[]).accepted();
    for shown in [
        "release_expired",
        "configuration_missing",
        "expired.json",
        "open.json",
    ] {
        assert!(ran.stdout.contains(shown), "{shown} in {ran:?}");
    }
    assert!(!ran.stdout.contains("good.json"), "{ran:?}");
    let ran = published
        .publish(&[&good, &expired], &["--json"])
        .accepted();
    let json = ran.json();
    assert_eq!(json["unusable"].as_array().unwrap().len(), 1);
    assert_eq!(json["unusable"][0]["rule"], "release_expired");
}

#[test]
fn e15_a_list_of_old_epochs_or_old_keys_is_not_published() {
    let published = Published::new();
    let it = &published.it;
    let configuration = "5".repeat(64);
    let day = ["--configuration", &configuration, "--days", "1"];
    let old = published.release("old.json", &day, |_| ());
    // An anchor of higher epochs.
    let file = it.configuration(|_| ());
    let higher = it.path("higher.json");
    support::anchor(&file, 2, &higher).accepted();
    let out = it.path("releases.json");
    let publish = |anchor: &str, release: &str, more: &[&str]| {
        let base = [
            "release", "publish", release, "--anchor", anchor, "--out", &out,
        ];
        verify(base.iter().chain(more))
    };
    publish(&higher, &old, &[]).refused("epoch_too_old");
    // An anchor of new keys, to which a release leads that the old ones signed alone.
    let cyd = it.path("cyd");
    let key = verify(["release", "keygen", "--out", &cyd])
        .accepted()
        .stdout;
    let file = it.configuration(|c| {
        c["release_keys"] = json!({ "threshold": 1, "keys": [key.trim()] });
    });
    let next = it.path("next.json");
    support::anchor(&file, 2, &next).accepted();
    let page = it.path("next-page");
    verify(["release", "page", "--anchor", &next, "--out", &page]).accepted();
    let epoch = |draft: &mut Value| draft["epoch"] = json!(2);
    it.release_of("leads.json", &page, &["ada", "ben"], &day, epoch)
        .accepted();
    let (leads, first) = (it.path("leads.json"), it.path("anchor.json"));
    let earlier = ["--earlier", first.as_str()];
    // Whoever signs for browsers that know the earlier anchor does not sign for this one.
    let ran = publish(&next, &leads, &earlier).refused("release_signatures");
    let missing = format!("not signed by {}", key.trim());
    for words in ["0 of 1 needed signature", &missing] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
    support::sign(&leads, &cyd).accepted();
    publish(&next, &leads, &earlier).accepted();
}

#[test]
fn e15_a_list_replaces_a_list_and_no_other_file() {
    let published = Published::new();
    let configuration = "5".repeat(64);
    let day = ["--configuration", configuration.as_str(), "--days", "1"];
    let good = published.release("good.json", &day, |_| ());
    let it = &published.it;
    let anchor = it.path("anchor.json");
    let publish = |out: &str| {
        verify([
            "release", "publish", &good, "--anchor", &anchor, "--out", out,
        ])
    };
    let empty = it.files.write("empty", "");
    for other in [&it.path("ada"), &good, &anchor, &empty, "/dev/null"] {
        let before = fs::read(other).unwrap();
        let ran = publish(other).not_judged("cannot_write");
        assert!(
            ran.stderr.contains("no published list of releases"),
            "{ran:?}"
        );
        assert_eq!(fs::read(other).unwrap(), before, "{other}");
    }
    let list = it.path("releases.json");
    publish(&list).accepted();
    publish(&list).accepted();
}
