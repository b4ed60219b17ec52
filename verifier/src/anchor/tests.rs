use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::*;
use crate::release::{PROGRAM, ReleaseFile, Text};

fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> String {
    hex::encode(signer(seed).verifying_key().to_bytes())
}

fn keys(threshold: u32, seeds: &[u8]) -> Value {
    let keys: Vec<_> = seeds.iter().map(|seed| public(*seed)).collect();
    json!({ "threshold": threshold, "keys": keys })
}

/// A deployment's anchor.
fn file(seeds: &[u8], root: u8, epoch: u32) -> Value {
    json!({
        "version": 1,
        "release_keys": keys(u32::try_from(seeds.len()).unwrap(), seeds),
        "root_id": hex::encode([root; 32]),
        "rp_id": "keys.example",
        "min_epoch": epoch,
    })
}

fn anchor(file: &Value) -> Anchor {
    Anchor::from_json(file.to_string().as_bytes()).unwrap()
}

/// A release of the page with this anchor, signed by these maintainers.
fn release(epoch: u32, anchor: Option<&Anchor>, seeds: &[u8]) -> Vec<u8> {
    release_of(PROGRAM, epoch, anchor, seeds)
}

fn release_of(program: &str, epoch: u32, anchor: Option<&Anchor>, seeds: &[u8]) -> Vec<u8> {
    let page = anchor.map(
        |anchor| json!({ "index.html": "1".repeat(64), ANCHOR_FILE: anchor.hash().to_string() }),
    );
    let text: Text = serde_json::from_value(json!({
        "version": 1, "name": program, "release": "1.2.3", "epoch": epoch,
        "source_commit": "0".repeat(40), "cargo_lock_sha256": "1".repeat(64), "toolchain": {},
        "measurements": { "0": "a".repeat(96), "1": "b".repeat(96), "2": "c".repeat(96) },
        "configuration": "5".repeat(64), "page": page,
        "not_before": "2026-02-01T00:00:00Z", "not_after": "2027-02-01T00:00:00Z",
    }))
    .unwrap();
    let mut file = ReleaseFile::unsigned(text).unwrap();
    let input = file.input().unwrap();
    for seed in seeds {
        let key = public(*seed).parse().unwrap();
        file.add(key, signer(*seed).sign(&input).to_bytes())
            .unwrap();
    }
    file.to_json().unwrap().into_bytes()
}

fn published(releases: &[Vec<u8>], anchors: &[&Value]) -> Published {
    let mut list = Published::default();
    for release in releases {
        list.add_release(release).unwrap();
    }
    for anchor in anchors {
        list.add_anchor(anchor.to_string()).unwrap();
    }
    // What is kept is what was read.
    Published::from_json(list.to_json().unwrap().as_bytes()).unwrap()
}

const CHANGED: Result<History, &str> = Err("deployment_changed");

fn check(known: &Known, anchor: &Anchor, list: &Published) -> Result<History, &'static str> {
    known.check(anchor, list).map_err(|error| error.rule())
}

#[test]
fn an_anchor_has_one_shape() {
    let good = file(&[1, 2], 7, 3);
    let read = anchor(&good);
    assert_eq!(read.rp_id(), "keys.example");
    assert_eq!((read.min_epoch(), read.release_keys().threshold()), (3, 2));
    assert_eq!(read.simulator(), None);
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut file = good.clone();
        change(&mut file);
        Anchor::from_json(file.to_string().as_bytes())
            .unwrap_err()
            .rule()
    };
    assert_eq!(refused(&|f| f["version"] = json!(2)), "anchor_version");
    assert_eq!(refused(&|f| f["policy"] = json!({})), "anchor_malformed");
    assert_eq!(refused(&|f| f["roots"] = json!([])), "anchor_malformed");
    assert_eq!(
        refused(&|f| f["simulator"] = json!(null)),
        "anchor_malformed"
    );
    assert_eq!(
        refused(&|f| f["simulator"] = json!(true)),
        "anchor_malformed"
    );
    assert_eq!(refused(&|f| f["root_id"] = json!(null)), "anchor_member");
    assert_eq!(refused(&|f| f["root_id"] = json!("00")), "anchor_member");
    assert_eq!(refused(&|f| f["min_epoch"] = json!(0)), "anchor_member");
    assert_eq!(
        refused(&|f| f["release_keys"] = keys(3, &[1, 2])),
        "anchor_keys"
    );
    assert_eq!(
        refused(&|f| f["release_keys"] = keys(0, &[1])),
        "anchor_keys"
    );
    let roots = json!({ "roots": ["x"] });
    assert_eq!(refused(&|f| f["simulator"] = roots.clone()), "anchor_roots");
    for rp_id in [
        "",
        "Keys.example",
        "keys..example",
        "https://x",
        "-a.b",
        "x/y",
        &"a".repeat(254),
    ] {
        assert_eq!(
            refused(&|f| f["rp_id"] = json!(rp_id)),
            "anchor_member",
            "{rp_id}"
        );
    }
    for missing in ["version", "release_keys", "root_id", "rp_id", "min_epoch"] {
        let without = |f: &mut Value| drop(f.as_object_mut().unwrap().remove(missing));
        assert_eq!(refused(&without), "anchor_malformed", "{missing}");
    }
    let long = vec![b' '; MAX_ANCHOR + 1];
    assert_eq!(
        Anchor::from_json(&long).unwrap_err().rule(),
        "anchor_too_long"
    );
}

#[test]
fn an_anchor_is_for_one_relying_party() {
    let anchor = anchor(&file(&[1], 7, 1));
    for host in ["keys.example", "eu.keys.example"] {
        assert_eq!(anchor.check_host(host), Ok(()));
    }
    for host in [
        "example",
        "monkeys.example",
        "keys.example.org",
        "",
        "127.0.0.1",
    ] {
        assert_eq!(
            anchor.check_host(host).unwrap_err().rule(),
            "anchor_host",
            "{host}"
        );
    }
}

#[test]
fn an_anchor_is_made_of_a_configuration_with_a_root_id() {
    let configuration = |root_id: Value, release_keys: Value| {
        let json = json!({
            "rp_id": "keys.example", "rp_name": "Keys", "origins": ["https://keys.example"],
            "root_id": root_id, "release_keys": release_keys,
        });
        Configuration::from_json(json.to_string().as_bytes()).unwrap()
    };
    let root_id = json!("07".repeat(32));
    let made = Anchor::text_of(&configuration(root_id.clone(), keys(2, &[1, 2])), 3).unwrap();
    let made = Anchor::from_json(made.as_bytes()).unwrap();
    let expected = anchor(&file(&[1, 2], 7, 3));
    assert_eq!(made.release_keys(), expected.release_keys());
    assert_eq!((made.root_id(), made.min_epoch()), (expected.root_id(), 3));
    for without in [
        configuration(json!(null), keys(2, &[1, 2])),
        configuration(root_id, json!(null)),
    ] {
        assert_eq!(
            Anchor::text_of(&without, 3).unwrap_err().rule(),
            "anchor_member"
        );
    }
}

#[test]
fn lists_of_releases_are_read_strictly() {
    let refused = |text: &str| Published::from_json(text.as_bytes()).unwrap_err().rule();
    for text in [
        "",
        "[]",
        "{}",
        r#"{"version":1}"#,
        r#"{"version":1,"releases":[],"more":1}"#,
    ] {
        assert_eq!(refused(text), "releases_malformed", "{text}");
    }
    assert_eq!(
        refused(r#"{"version":2,"releases":[]}"#),
        "releases_version"
    );
    assert_eq!(
        refused(r#"{"version":1,"releases":[{}]}"#),
        "releases_release"
    );
    assert_eq!(
        refused(r#"{"version":1,"releases":[],"anchors":["{}"]}"#),
        "releases_anchor"
    );
    assert_eq!(refused(&" ".repeat(MAX_PUBLISHED + 1)), "releases_too_long");
    let mut list = Published::default();
    for _ in 0..MAX_RELEASES {
        list.add_release(&release(1, None, &[1])).unwrap();
    }
    let many = list.add_release(&release(1, None, &[1]));
    assert_eq!(many.unwrap_err().rule(), "releases_too_many");
}

#[test]
fn what_is_remembered_is_read_as_it_was_written() {
    let known = Known::of(&anchor(&file(&[1, 2], 7, 3)), 5);
    assert_eq!(
        Known::from_json(known.to_json().as_bytes()),
        Ok(known.clone())
    );
    for text in [
        "",
        "{}",
        "null",
        &known.to_json().replace("\"version\":1", "\"version\":2"),
    ] {
        assert_eq!(
            Known::from_json(text.as_bytes()).unwrap_err().rule(),
            "known_malformed"
        );
    }
}

#[test]
fn e15_another_anchor_is_no_continuation_by_itself() {
    let own = file(&[1, 2], 7, 1);
    let known = Known::of(&anchor(&own), 1);
    let nothing = Published::default();
    assert_eq!(check(&known, &anchor(&own), &nothing), Ok(History::Same));
    let mut reordered = own.clone();
    reordered["release_keys"] = keys(2, &[2, 1]);
    assert_eq!(
        check(&known, &anchor(&reordered), &nothing),
        Ok(History::Same)
    );
    let mut one = own.clone();
    one["release_keys"] = keys(1, &[1, 2]);
    for other in [
        file(&[9], 7, 1),
        file(&[1, 2], 8, 1),
        file(&[1, 2, 9], 7, 1),
        one,
    ] {
        assert_eq!(check(&known, &anchor(&other), &nothing), CHANGED, "{other}");
        // A host explains its anchor with its own signatures, or with too few of the right ones.
        let target = anchor(&other);
        for seeds in [&[9][..], &[1, 9][..], &[][..]] {
            let list = published(&[release(1, Some(&target), seeds)], &[]);
            assert_eq!(check(&known, &target, &list), CHANGED, "{other}");
        }
        // Signed by the right ones, and about something else.
        let list = published(&[release(1, Some(&anchor(&own)), &[1, 2])], &[]);
        assert_eq!(check(&known, &target, &list), CHANGED);
        let list = published(&[release(1, None, &[1, 2])], &[]);
        assert_eq!(check(&known, &target, &list), CHANGED);
    }
}

#[test]
fn e15_a_change_of_keys_is_explained_by_manifests_signed_under_the_keys_before() {
    let (first, second, third) = (
        file(&[1, 2], 7, 1),
        file(&[3, 4], 7, 2),
        file(&[5, 6], 7, 3),
    );
    let known = Known::of(&anchor(&first), 1);
    let to_second = release(2, Some(&anchor(&second)), &[1, 2]);
    let to_third = release(3, Some(&anchor(&third)), &[3, 4]);
    // A release of another program by the same maintainers explains nothing.
    let other = release_of("another-program", 2, Some(&anchor(&second)), &[1, 2]);
    let list = published(&[other], &[]);
    assert_eq!(check(&known, &anchor(&second), &list), CHANGED);
    let list = published(std::slice::from_ref(&to_second), &[]);
    assert_eq!(
        check(&known, &anchor(&second), &list),
        Ok(History::Explained(1))
    );
    // Whoever was away needs the anchor in between.
    let both = [to_third.clone(), to_second];
    let list = published(&both, &[&second]);
    assert_eq!(
        check(&known, &anchor(&third), &list),
        Ok(History::Explained(2))
    );
    assert_eq!(
        check(&known, &anchor(&third), &published(&both, &[])),
        CHANGED
    );
    assert_eq!(
        check(&known, &anchor(&third), &published(&[to_third], &[&second])),
        CHANGED
    );
    // There is no way back: the old keys no longer count.
    let known = Known::of(&anchor(&third), 3);
    let back = release(9, Some(&anchor(&first)), &[1, 2]);
    assert_eq!(
        check(&known, &anchor(&first), &published(&[back], &[&second])),
        CHANGED
    );
}

#[test]
fn e15_a_chain_of_anchors_never_leads_to_another_relying_party() {
    let (first, third) = (file(&[1, 2], 7, 1), file(&[5, 6], 7, 3));
    let mut other = file(&[3, 4], 7, 2);
    other["rp_id"] = json!("elsewhere.example");
    let known = Known::of(&anchor(&first), 1);
    // Even if the maintainers signed it: passkeys and receipts are for one relying party.
    let to_other = release(2, Some(&anchor(&other)), &[1, 2]);
    let list = published(std::slice::from_ref(&to_other), &[]);
    assert_eq!(check(&known, &anchor(&other), &list), CHANGED);
    let mut moved = first;
    moved["rp_id"] = json!("elsewhere.example");
    let to_moved = release(2, Some(&anchor(&moved)), &[1, 2]);
    assert_eq!(
        check(&known, &anchor(&moved), &published(&[to_moved], &[])),
        CHANGED
    );
    // Nor through it and back.
    let back = release(3, Some(&anchor(&third)), &[3, 4]);
    let list = published(&[to_other, back], &[&other]);
    assert_eq!(check(&known, &anchor(&third), &list), CHANGED);
}

#[test]
fn e15_an_explanation_of_a_lower_epoch_than_seen_is_refused() {
    // Ben kept his key; Ada's was stolen and replaced, with a higher epoch.
    let (old, new) = (file(&[2], 7, 1), file(&[2, 3], 7, 2));
    let mut new = new;
    new["release_keys"] = keys(1, &[2, 3]);
    let mut before = old;
    before["release_keys"] = keys(1, &[1, 2]);
    let known = Known::of(&anchor(&new), 2);
    // What Ben signed then would lead back to Ada's key.
    let back = release(1, Some(&anchor(&before)), &[2]);
    assert_eq!(
        check(&known, &anchor(&before), &published(&[back], &[])),
        CHANGED
    );
    let epoch = release(2, Some(&anchor(&before)), &[2]);
    let list = published(&[epoch], &[]);
    assert_eq!(
        check(&known, &anchor(&before), &list),
        Ok(History::Explained(1))
    );
}

#[test]
fn e15_a_list_is_released_or_refused() {
    let (first, second) = (file(&[1, 2], 7, 1), file(&[3, 4], 7, 2));
    let present = anchor(&second);
    let rule = |releases: &[Vec<u8>], anchors: &[&Value]| {
        let checked = check_published(&present, &published(releases, anchors));
        checked.map_err(|error| error.rule())
    };
    let change = release(3, Some(&present), &[1, 2]);
    let own = release(2, Some(&present), &[3, 4]);
    assert_eq!(rule(std::slice::from_ref(&own), &[]), Ok(()));
    assert_eq!(rule(&[own.clone(), change.clone()], &[&first]), Ok(()));
    assert_eq!(rule(&[own.clone(), change], &[]), Err("page_releases"));
    assert_eq!(
        rule(std::slice::from_ref(&own), &[&first]),
        Err("page_releases")
    );
    assert_eq!(
        rule(&[own, release(2, None, &[9])], &[]),
        Err("page_releases")
    );
}

#[test]
fn e15_a_served_policy_is_released_or_refused() {
    let present = anchor(&file(&[1], 7, 1));
    let list = published(
        &[release(1, Some(&present), &[1]), release(1, None, &[9])],
        &[],
    );
    let configuration = crate::configuration::pcr(Hash32([0x55; 32])).to_string();
    let good = json!({ "version": 1, "measurements": [{
        "0": "a".repeat(96), "1": "b".repeat(96), "2": "c".repeat(96), "16": configuration,
    }] });
    let rule = |policy: &Value, anchor: Option<&Anchor>| {
        let checked = check_policy(policy.to_string().as_bytes(), anchor, &list);
        checked.map_err(|error| error.to_string())
    };
    assert_eq!(rule(&good, Some(&present)), Ok(()));
    let widened = |member: &str, value: Value| {
        let mut policy = good.clone();
        policy[member] = value;
        rule(&policy, Some(&present)).unwrap_err()
    };
    assert!(widened("simulator", json!(true)).contains("simulator"));
    assert!(widened("allow_debug", json!(true)).contains("debug"));
    assert!(widened("measurements", json!([{ "8": "0".repeat(96) }])).contains("no release"));
    assert!(widened("more", json!(1)).contains("more"));
    let mut any = good.clone();
    any["measurements"][0].as_object_mut().unwrap().remove("16");
    assert!(
        rule(&any, Some(&present))
            .unwrap_err()
            .contains("no release")
    );
    assert!(rule(&good, None).unwrap_err().contains("no release"));
}

#[test]
fn files_around_an_anchor_have_one_reading() {
    let anchor = anchor(&file(&[1], 7, 3));
    let keys = keys(1, &[1]);
    let array = json!([1, keys, hex::encode([7; 32]), "keys.example", 3]);
    let words = |error: String| {
        assert!(error.contains("where an object belongs"), "{error}");
    };
    words(
        Anchor::from_json(array.to_string().as_bytes())
            .unwrap_err()
            .to_string(),
    );
    words(
        Published::from_json(b"[1, [], []]")
            .unwrap_err()
            .to_string(),
    );
    let known = Known::of(&anchor, 3).to_json();
    let Value::Object(members) = serde_json::from_str(&known).unwrap() else {
        panic!("not an object: {known}");
    };
    let values: Vec<_> = members.into_iter().map(|(_, value)| value).collect();
    words(
        Known::from_json(json!(values).to_string().as_bytes())
            .unwrap_err()
            .to_string(),
    );
    // Whichever of two members a reader takes, there are none.
    let twice = br#"{"version":1,"releases":[],"anchors":[],"anchors":[]}"#;
    let error = Published::from_json(twice).unwrap_err().to_string();
    assert!(error.contains("is given twice"), "{error}");
}
