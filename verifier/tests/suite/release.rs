//! Release manifests: vectors of another implementation, and `openkey-verify release`.

use openkey_attestation::UnixMillis;
use openkey_verifier::release::{self, ReleaseFile, ReleaseKeys};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::harness::{Files, verify, verify_stdin};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../data/release/vectors.json")).unwrap()
}

fn at(case: &Value) -> UnixMillis {
    let at = OffsetDateTime::parse(case["at"].as_str().unwrap(), &Rfc3339).unwrap();
    UnixMillis::from_seconds(u64::try_from(at.unix_timestamp()).unwrap())
}

#[test]
fn p1_every_vector_is_judged_as_it_says() {
    let vectors = vectors();
    let keys = ReleaseKeys::from_json(vectors["keys"].to_string().as_bytes()).unwrap();
    for case in vectors["cases"].as_array().unwrap() {
        let judged = release::verify(case["file"].as_str().unwrap().as_bytes(), &keys, at(case));
        let rule = judged.err().map(|error| error.rule());
        assert_eq!(rule, case["rule"].as_str(), "{}", case["name"]);
    }
}

#[test]
fn what_is_signed_has_these_bytes() {
    let vectors = vectors();
    let file = vectors["cases"][0]["file"].as_str().unwrap();
    let file = ReleaseFile::from_json(file.as_bytes()).unwrap();
    assert_eq!(
        hex::encode(file.input().unwrap()),
        vectors["signed_bytes"].as_str().unwrap()
    );
    // And a file is written as it was read.
    let again = ReleaseFile::from_json(file.to_json().unwrap().as_bytes()).unwrap();
    assert_eq!(again, file);
}

#[test]
fn the_command_says_who_signed_what() {
    let vectors = vectors();
    let case = &vectors["cases"][0];
    let files = Files::new();
    let keys = files.write("keys.json", vectors["keys"].to_string());
    let file = files.write("release.json", case["file"].as_str().unwrap());
    let at = case["at"].as_str().unwrap();
    let ran = verify(["release", &file, "--keys", &keys, "--at", at]).accepted();
    for part in [
        "1.2.3",
        &"ab".repeat(48),
        &"cf".repeat(32),
        "2 of the release keys",
    ] {
        assert!(ran.stdout.contains(part), "{part} in {ran:?}");
    }
    let args = ["release", "-", "--keys", &keys, "--at", at, "--json"];
    let ran = verify_stdin(args, case["file"].as_str().unwrap().as_bytes()).accepted();
    let json = ran.json();
    assert_eq!(json["epoch"], 3);
    assert_eq!(json["measurements"]["0"], "ab".repeat(48));
    assert_eq!(json["signers"].as_array().unwrap().len(), 2);
    // Its configuration as register 16 holds it: an independent SHA-384.
    let pcr = {
        use sha2::{Digest, Sha384};
        hex::encode(Sha384::digest([&[0; 48][..], &[0xcf; 32]].concat()))
    };
    assert_eq!(json["measurements"]["16"], pcr);

    let later = [
        "release",
        &file,
        "--keys",
        &keys,
        "--at",
        "2030-01-01T00:00:00Z",
    ];
    verify(later).refused("release_expired");
    let strangers = files.write(
        "strangers.json",
        r#"{"threshold":1,"keys":["d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"]}"#,
    );
    verify(["release", &file, "--keys", &strangers, "--at", at]).refused("release_signatures");
    let nobody = files.write("nobody.json", r#"{"threshold":0,"keys":[]}"#);
    verify(["release", &file, "--keys", &nobody, "--at", at]).not_judged("release_keys_count");
    verify(["release", &file]).not_judged_usage();
}
