use ed25519_dalek::{Signer, SigningKey};
use openkey_attestation::UnixMillis;
use openkey_protocol::message::Key32;

use super::*;

const AT: UnixMillis = UnixMillis(1_770_379_200_000); // 2026-02-06T12:00:00Z

fn text() -> Text {
    serde_json::from_value(serde_json::json!({
        "version": 1,
        "name": "openkey-enclave",
        "release": "1.2.3",
        "epoch": 3,
        "source_commit": "0123456789abcdef0123456789abcdef01234567",
        "cargo_lock_sha256": "1".repeat(64),
        "toolchain": { "rustc": "1.95.0", "linux": "6.12.73" },
        "measurements": { "0": "a".repeat(96), "1": "b".repeat(96), "2": "c".repeat(96) },
        "configuration": null,
        "page": null,
        "not_before": "2026-02-01T00:00:00Z",
        "not_after": "2027-02-01T00:00:00Z",
    }))
    .unwrap()
}

fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn key(seed: u8) -> Key32 {
    Key32(signer(seed).verifying_key().to_bytes())
}

fn keys(threshold: u32, seeds: &[u8]) -> ReleaseKeys {
    ReleaseKeys::new(threshold, seeds.iter().map(|seed| key(*seed)).collect()).unwrap()
}

fn file(text: Text, seeds: &[u8]) -> String {
    let mut file = ReleaseFile::unsigned(text).unwrap();
    let input = file.input().unwrap();
    for seed in seeds {
        let signature = signer(*seed).sign(&input).to_bytes();
        file.add(key(*seed), signature).unwrap();
    }
    file.to_json().unwrap()
}

fn judge(file: &str, keys: &ReleaseKeys) -> Result<Release, ReleaseError> {
    verify(file.as_bytes(), keys, AT)
}

#[test]
fn enough_release_keys_make_a_release() {
    let two_of_three = keys(2, &[1, 2, 3]);
    let release = judge(&file(text(), &[3, 1]), &two_of_three).unwrap();
    assert_eq!(release.signers(), [key(1), key(3)]);
    assert_eq!(release.manifest().epoch, 3);
    assert_eq!(release.measurements().iter().len(), 3);
    // A maintainer nobody asked changes nothing.
    let release = judge(&file(text(), &[9, 3, 1]), &two_of_three).unwrap();
    assert_eq!(release.signers(), [key(1), key(3)]);
}

#[test]
fn p1_fewer_signatures_than_the_threshold_are_no_release() {
    let two_of_three = keys(2, &[1, 2, 3]);
    let missing = |have| Err(ReleaseError::Signatures { have, need: 2 });
    assert_eq!(judge(&file(text(), &[]), &two_of_three), missing(0));
    assert_eq!(judge(&file(text(), &[2]), &two_of_three), missing(1));
    assert_eq!(judge(&file(text(), &[2, 9]), &two_of_three), missing(1));
}

#[test]
fn p1_one_maintainer_does_not_count_twice() {
    let one = file(text(), &[1]);
    let mut json: serde_json::Value = serde_json::from_str(&one).unwrap();
    let twin = json["signatures"][0].clone();
    json["signatures"].as_array_mut().unwrap().push(twin);
    assert_eq!(
        judge(&json.to_string(), &keys(2, &[1, 2])),
        Err(ReleaseError::SignatureTwice(key(1)))
    );
    assert_eq!(
        ReleaseKeys::new(2, vec![key(1), key(1)]),
        Err(ReleaseKeysError::Twice(key(1)))
    );
}

#[test]
fn p1_every_signed_member_is_signed() {
    let signed = file(text(), &[1]);
    let keys = keys(1, &[1]);
    let changed = |member: &str, value: serde_json::Value| {
        let mut json: serde_json::Value = serde_json::from_str(&signed).unwrap();
        json["manifest"][member] = value;
        judge(&json.to_string(), &keys)
    };
    for (member, value) in [
        ("name", "other".into()),
        ("release", "1.2.4".into()),
        ("epoch", 4.into()),
        ("source_commit", "f".repeat(40).into()),
        ("cargo_lock_sha256", "2".repeat(64).into()),
        ("toolchain", serde_json::json!({ "rustc": "1.95.0" })),
        (
            "measurements",
            serde_json::json!({ "0": "d".repeat(96), "1": "b".repeat(96), "2": "c".repeat(96) }),
        ),
        ("configuration", "5".repeat(64).into()),
        ("page", serde_json::json!({ "index.html": "6".repeat(64) })),
        ("not_before", "2026-01-01T00:00:00Z".into()),
        ("not_after", "2028-01-01T00:00:00Z".into()),
    ] {
        assert_eq!(
            changed(member, value),
            Err(ReleaseError::SignatureInvalid(key(1))),
            "{member}"
        );
    }
}

#[test]
fn a_release_has_its_time() {
    let keys = keys(1, &[1]);
    let signed_file = file(text(), &[1]);
    let at = |time: &str| {
        let mut later = text();
        later.not_after = time.to_owned();
        let time = later.check().unwrap().not_after;
        verify(signed_file.as_bytes(), &keys, time).map_err(|error| error.rule())
    };
    assert!(at("2027-02-01T00:00:00Z").is_ok());
    assert_eq!(at("2027-02-01T00:00:01Z"), Err("release_expired"));
    let first = signed(signed_file.as_bytes(), &keys).unwrap();
    assert!(first.check_time(first.manifest().not_before).is_ok());
    let before = UnixMillis(first.manifest().not_before.0 - 1);
    assert_eq!(
        first.check_time(before).map_err(|error| error.rule()),
        Err("release_not_yet_valid")
    );
}

#[test]
fn a_manifest_has_one_text() {
    let refused = |change: &dyn Fn(&mut Text)| {
        let mut text = text();
        change(&mut text);
        match text.check() {
            Err(ReleaseError::Member { member, .. }) => member,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&|t| t.name = String::new()), "name");
    assert_eq!(refused(&|t| t.name = "a b".into()), "name");
    assert_eq!(refused(&|t| t.release = "1.2.3\n".into()), "release");
    assert_eq!(refused(&|t| t.epoch = 0), "epoch");
    assert_eq!(
        refused(&|t| t.source_commit = "main".into()),
        "source_commit"
    );
    assert_eq!(
        refused(&|t| t.cargo_lock_sha256 = "A".repeat(64)),
        "cargo_lock_sha256"
    );
    assert_eq!(
        refused(&|t| {
            t.measurements.insert("0".into(), "A".repeat(96));
        }),
        "measurements"
    );
    assert_eq!(
        refused(&|t| {
            t.measurements.remove("2");
        }),
        "measurements"
    );
    assert_eq!(
        refused(&|t| {
            t.measurements.insert("16".into(), "a".repeat(96));
        }),
        "measurements"
    );
    assert_eq!(
        refused(&|t| t.configuration = Some("x".into())),
        "configuration"
    );
    assert_eq!(
        refused(&|t| t.page = Some([("a.js".into(), "1".repeat(64))].into())),
        "page"
    );
    for time in [
        "2026-02-01T00:00:00+00:00",
        "2026-02-01T00:00:00.0Z",
        "2026-02-01t00:00:00z",
        "2026-02-01",
        "1969-12-31T23:59:59Z",
    ] {
        assert_eq!(refused(&|t| t.not_before = time.into()), "not_before");
    }
    assert_eq!(
        refused(&|t| t.not_after = t.not_before.clone()),
        "not_after"
    );
    let mut other = text();
    other.version = 2;
    assert_eq!(other.check(), Err(ReleaseError::Version(2)));
}

#[test]
fn f3_a_manifest_of_zeros_names_no_image() {
    let mut zeros = text();
    zeros.measurements.insert("0".into(), "0".repeat(96));
    assert!(matches!(
        zeros.check(),
        Err(ReleaseError::Member {
            member: "measurements",
            ..
        })
    ));
}

#[test]
fn the_file_is_strict_and_bounded() {
    let keys = keys(1, &[1]);
    let good = file(text(), &[1]);
    let rule = |json: &str| judge(json, &keys).map_err(|error| error.rule());
    assert!(rule(&good).is_ok());
    for bad in [
        good.replace("\"signatures\"", "\"signs\""),
        good.replace("\"page\": null,", ""),
        good.replace("\"page\": null", "\"page\": null, \"more\": 1"),
        good.replace("\"epoch\": 3", "\"epoch\": 3, \"epoch\": 3"),
        good.replace("\"epoch\": 3", "\"epoch\": 3.0"),
        good.replace("\"epoch\": 3", "\"epoch\": -3"),
        good.replace("\"rustc\": ", "\"rustc\": \"1\", \"rustc\": "),
        format!("{good} {{}}"),
        String::new(),
    ] {
        assert_eq!(rule(&bad), Err("release_file_malformed"), "{bad}");
    }
    let mut long = good.clone();
    long.push_str(&" ".repeat(MAX_RELEASE_FILE));
    assert_eq!(rule(&long), Err("release_file_too_long"));
    let mut many: serde_json::Value = serde_json::from_str(&good).unwrap();
    many["signatures"] = vec![many["signatures"][0].clone(); MAX_SIGNATURES + 1].into();
    assert_eq!(rule(&many.to_string()), Err("release_signatures_too_many"));
    assert_eq!(
        rule(&good.replace("\"key\": \"", "\"key\": \"00")),
        Err("release_member")
    );
}

#[test]
fn release_keys_are_distinct_usable_and_enough() {
    let new = |threshold, keys| ReleaseKeys::new(threshold, keys).map_err(|error| error.rule());
    assert_eq!(new(1, vec![]), Err("release_keys_count"));
    assert_eq!(new(0, vec![key(1)]), Err("release_keys_threshold"));
    assert_eq!(new(2, vec![key(1)]), Err("release_keys_threshold"));
    let many = (0..=16).map(key).collect();
    assert_eq!(new(1, many), Err("release_keys_count"));
    // The neutral element: every signature of a certain form holds under it.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(new(1, vec![Key32(neutral)]), Err("release_key"));
    let keys = keys(2, &[1, 2]);
    assert_eq!(ReleaseKeys::from_json(keys.to_json().as_bytes()), Ok(keys));
    for bad in [
        "{}",
        r#"{"threshold":1,"keys":["00"]}"#,
        r#"{"threshold":1,"keys":[],"more":1}"#,
    ] {
        let refused = ReleaseKeys::from_json(bad.as_bytes()).unwrap_err();
        assert_eq!(refused.rule(), "release_keys_malformed", "{bad}");
    }
}

#[test]
fn a_configuration_in_the_manifest_is_register_16() {
    let mut text = text();
    text.configuration = Some("5".repeat(64));
    let release = judge(&file(text, &[1]), &keys(1, &[1])).unwrap();
    let expected = crate::configuration::pcr(Hash32([0x55; 32]));
    assert_eq!(release.measurements().get(16), Some(&expected));
}

proptest::proptest! {
    #[test]
    fn nothing_that_arrives_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..512)) {
        let _ = judge(&String::from_utf8_lossy(&bytes), &keys(1, &[1]));
    }

    #[test]
    fn p1_a_changed_character_is_noticed_or_changes_nothing(at in 0_usize..4096, to in 0x20_u8..0x7f) {
        let good = file(text(), &[1]);
        let keys = keys(1, &[1]);
        let expected = judge(&good, &keys).unwrap();
        let mut bytes = good.into_bytes();
        let at = at % bytes.len();
        bytes[at] = to;
        // White space, or the same value under another spelling, may remain; another release never.
        if let Ok(release) = verify(&bytes, &keys, AT) {
            proptest::prop_assert_eq!(release, expected);
        }
    }
}
