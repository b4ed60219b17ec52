//! `openkey explain`: the answers for the vectors of the consent code, from outside.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Files, verify, verify_stdin};

const AT: &str = "2026-03-04T06:00:00Z";
const KEY: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

fn cases() -> Vec<Value> {
    let index = Path::new(env!("CARGO_MANIFEST_DIR")).join("../consent/vectors/cases/index.json");
    serde_json::from_slice(&std::fs::read(index).unwrap()).unwrap()
}

fn case_file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../consent/vectors/cases");
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn every_case_is_explained_as_the_enclave_would() {
    for case in cases() {
        let file = case_file(case["file"].as_str().unwrap());
        let kind = case["kind"].as_str().unwrap().replace('_', "-");
        let ran = verify([
            "explain", "--kind", &kind, &file, "--key", KEY, "--at", AT, "--json",
        ]);
        if let Some(rule) = case["refused"].as_str() {
            let ran = ran.refused(rule);
            let answer = ran.json();
            assert_eq!(answer["verdict"], "refused", "{file}");
            assert_eq!(answer["rule"], rule, "{file}");
            let message = answer["message"].as_str().unwrap();
            assert!(
                message.contains(case["says"].as_str().unwrap()),
                "{message}"
            );
        } else {
            let answer = ran.accepted().json();
            assert_eq!(answer["verdict"], "would_be_signed", "{file}");
            assert_eq!(answer["severity"], case["severity"], "{file}");
            assert_eq!(answer["confirm"], json!(case["severity"] == "danger"));
            if let Some(digest) = case.get("digest") {
                assert_eq!(&answer["digest"], digest, "{file}");
            }
            assert!(!answer["rows"].as_array().unwrap().is_empty(), "{file}");
        }
    }
}

#[test]
fn people_read_title_severity_digest_rows_and_warnings() {
    let file = case_file("vault-identity.txt");
    let ran = verify(["explain", "--kind", "text", &file, "--key", KEY]).accepted();
    let title = "Sign a text whose signature is a secret key\n";
    assert!(ran.stdout.starts_with(title), "{}", ran.stdout);
    for part in [
        "severity  danger",
        "confirm   yes",
        "digest    0x4811f115a2e8b4e1",
        "Key     0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "danger: The signature of this text is itself a secret key",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn the_bytes_of_stdin_are_taken_as_they_are() {
    // The digest that ethers' documentation gives for this text.
    let hello = "0xa1de988600a42c4b4ab089b619297c17d53cffae5d5120d82d8a92d0bb3b78f2";
    let asked = ["explain", "--kind", "text", "-", "--json"];
    let answer = verify_stdin(asked, b"Hello World").accepted().json();
    assert_eq!(answer["digest"], hello);
    assert_eq!(answer["severity"], "notice");
    // Nobody named a key, so none is shown.
    let row = |label: &str, value: &str| json!({ "label": label, "value": value });
    let rows = answer["rows"].as_array().unwrap();
    assert!(rows.contains(&row("Key", "not given")), "{answer}");
    assert!(
        rows.contains(&row("Length", "11 characters on 1 line")),
        "{answer}"
    );
    let named = [&asked[..], &["--key", KEY]].concat();
    let named = verify_stdin(named, b"x").accepted().json();
    let rows = named["rows"].as_array().unwrap();
    assert!(rows.contains(&row("Key", KEY)), "{named}");
    assert!(
        rows.contains(&row("Length", "1 character on 1 line")),
        "{named}"
    );
    let other = verify_stdin(asked, b"Hello World\n").accepted().json();
    assert_ne!(other["digest"], hello);
    verify_stdin(asked, b"\xff").refused("utf8");
    verify_stdin(asked, b"").refused("empty");
    verify_stdin(asked, &[b'x'; 70_000]).refused("too_long");
}

#[test]
fn the_text_that_is_signed_is_shown_as_it_is() {
    let asked = ["explain", "--kind", "text", "-"];
    let ran = verify_stdin(asked, b"Hello  World\n\n  severity\tnotice").accepted();
    assert!(
        ran.stdout.contains("The text below"),
        "the row promises it: {}",
        ran.stdout
    );
    // Each line behind a bar: none of them is one of the program's own.
    let shown = "\n  | Hello  World\n  | \n  |   severity\tnotice\n";
    assert!(ran.stdout.ends_with(shown), "{}", ran.stdout);
    // Of the other kinds, too.
    let siwe = case_file("revocation-uri.txt");
    let ran = verify(["explain", "--kind", "siwe", &siwe, "--at", AT]).accepted();
    assert!(ran.stdout.contains("\n  | Nonce: "), "{}", ran.stdout);
}

#[test]
fn a_mistake_of_the_developer_is_not_called_one_of_the_app() {
    let text = std::fs::read_to_string(case_file("revocation-uri.txt")).unwrap();
    let files = Files::new();
    let edited = files.write("edited.txt", format!("{text}\n"));
    let siwe = |file: &str| verify(["explain", "--kind", "siwe", file, "--at", AT, "--json"]);
    let message = |answer: Value| answer["message"].as_str().unwrap().to_owned();
    let said = message(siwe(&edited).refused("trailing_line_feed").json());
    assert!(said.contains("printf '%s'"), "{said}");
    assert!(!said.contains("maker"), "{said}");
    // Typed data under the wrong kind, with a line feed at its end and without.
    for end in ["", "\n"] {
        let json = files.write("permit.json", format!("{{\"types\": {{}}}}{end}"));
        let ran = siwe(&json);
        let rule = ran.json()["rule"].as_str().unwrap().to_owned();
        let said = message(ran.refused(&rule).json());
        assert!(said.contains("--kind typed-data"), "{said}");
    }
    // What an app did stays the app's.
    let broken = files.write("broken.txt", text.replace("Version: 1", "Version: 2"));
    let ran = siwe(&broken);
    assert!(message(ran.json()).contains("Tell the app's maker"));
}

#[test]
fn who_asks_is_the_origin_where_it_is_known() {
    let readme = include_str!("../../../README.md");
    let (_, example) = readme.split_once("cat > permit.json <<'EOF'\n").unwrap();
    let (document, _) = example.split_once("EOF\n").unwrap();
    let nameless = document.replace("\"name\": \"USD Coin\", ", "");
    let nameless = nameless.replacen("{\"name\": \"name\", \"type\": \"string\"}, ", "", 1);
    let files = Files::new();
    let named = files.write("permit.json", document);
    let nameless = files.write("nameless.json", &nameless);
    let row = |file: &str, more: &[&str]| {
        let asked = ["explain", "--kind", "typed-data", file, "--json"];
        let answer = verify([&asked[..], more].concat()).accepted().json();
        let row = &answer["rows"][0];
        assert_eq!(row["label"], "Who asks");
        row["value"].as_str().unwrap().to_owned()
    };
    let origin = ["--origin", "https://app.example"];
    assert_eq!(
        row(&named, &origin),
        "“https://app.example”; the request calls itself “USD Coin” (anybody can use any name)"
    );
    assert_eq!(
        row(&nameless, &origin),
        "“https://app.example”; the request gives no name"
    );
    assert_eq!(
        row(&named, &[]),
        "“USD Coin” (what the request calls itself; anybody can use any name)"
    );
    assert_eq!(row(&nameless, &[]), "Somebody who gives no name");
}

#[test]
fn the_example_of_the_readme_can_be_copied() {
    let readme = include_str!("../../../README.md");
    let (_, example) = readme.split_once("cat > permit.json <<'EOF'\n").unwrap();
    let (document, command) = example.split_once("EOF\n").unwrap();
    assert!(command.starts_with("openkey explain --kind typed-data permit.json\n"));
    let files = Files::new();
    let file = files.write("permit.json", document);
    let ran = verify(["explain", "--kind", "typed-data", &file]).accepted();
    assert!(ran.stdout.contains("severity  danger"), "{}", ran.stdout);
    assert!(ran.stdout.contains(KEY), "{}", ran.stdout);
}

#[test]
fn the_key_is_the_one_that_the_input_names_unless_another_is_given() {
    let siwe = case_file("revocation-uri.txt");
    let asked = ["explain", "--kind", "siwe", &siwe, "--at", AT];
    verify(asked).accepted();
    let other = ["--key", "0x00000000000000000000000000000000000000aa"];
    verify([&asked[..], &other[..]].concat()).refused("other_address");
    // A sign-in ends, and only then.
    verify([
        "explain",
        "--kind",
        "siwe",
        &siwe,
        "--at",
        "2026-03-06T00:00:00Z",
    ])
    .refused("expired");
}

#[test]
fn a13_the_asking_page_counts() {
    let files = Files::new();
    let text = std::fs::read_to_string(case_file("revocation-uri.txt")).unwrap();
    let cid = "bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima";
    let revoking = text.replace("ada@example.com/keep/ipfs/", "");
    assert!(revoking.contains(&format!("URI: ucan:{cid}")));
    let file = files.write("revocation.txt", revoking);
    let asked = ["explain", "--kind", "siwe", &file, "--at", AT, "--json"];
    let own = [&asked[..], &["--origin", "https://app.example"]].concat();
    let foreign = [&asked[..], &["--origin", "https://bank.example"]].concat();
    for (asked, severity) in [
        (own, "attention"),
        (foreign, "danger"),
        (asked.to_vec(), "danger"),
    ] {
        let answer = verify(asked).accepted().json();
        assert_eq!(answer["severity"], severity);
        assert_eq!(
            answer["title"],
            "Sign in to app.example and take back a permission"
        );
    }
}

#[test]
fn c5_a_plain_sign_in_to_another_site_is_dangerous() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../consent/vectors/siwe/accepted/expires.txt");
    let file = file.to_str().unwrap();
    let asked = ["explain", "--kind", "siwe", file, "--at", AT, "--json"];
    let by = |origin| verify([&asked[..], &["--origin", origin]].concat());
    let own = by("https://app.example").accepted().json();
    assert_eq!(
        (&own["severity"], &own["confirm"]),
        (&json!("notice"), &json!(false))
    );
    for (ran, says) in [
        (by("https://evil.example"), "“https://evil.example”"),
        (by("https://app.example:444"), "app.example"),
        (
            verify(asked),
            "OpenKey cannot see which site asks. Sign only if you are at app.example yourself",
        ),
    ] {
        let answer = ran.accepted().json();
        assert_eq!(answer["severity"], "danger");
        assert_eq!(answer["confirm"], true);
        let said = answer["warnings"][0]["text"].as_str().unwrap();
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn without_a_key_it_is_said_that_the_key_is_unknown() {
    let asked = ["explain", "--kind", "text", "-"];
    let note = "No key given: what depends on whose key signs (--key ADDRESS) is judged as for an unknown key";
    let unknown = verify_stdin(asked, b"hello").accepted();
    assert!(unknown.stdout.starts_with(note), "{unknown:?}");
    let with = [&asked[..], &["--key", KEY]].concat();
    let known = verify_stdin(with, b"hello").accepted();
    assert!(!known.stdout.contains("No key given"), "{known:?}");
    let json = |asked: &[&str]| {
        let asked = [asked, &["--json"]].concat();
        verify_stdin(asked, b"hello").accepted().json()
    };
    assert_eq!(json(&asked)["key_known"], false);
    assert_eq!(
        json(&[&asked[..], &["--key", KEY]].concat())["key_known"],
        true
    );
    // The input names one.
    let siwe = case_file("revocation-uri.txt");
    let ran = verify(["explain", "--kind", "siwe", &siwe, "--at", AT]).accepted();
    assert!(!ran.stdout.contains("No key given"), "{ran:?}");
}

#[test]
fn wrong_usage_is_not_a_refusal() {
    let file = case_file("persian.txt");
    verify(["explain", &file]).not_judged_usage();
    verify(["explain", "--kind", "digest", &file]).not_judged_usage();
    verify(["explain", "--kind", "text"]).not_judged_usage();
    verify(["explain", "--kind", "text", "/nonexistent"]).not_judged("cannot_open");
    let with = |more: &[&str]| verify([&["explain", "--kind", "text", &file][..], more].concat());
    with(&["--at", "yesterday"]).not_judged("at");
    with(&["--at", "1969-01-01T00:00:00Z"]).not_judged("at");
    for origin in [
        "app.example",
        "https://app.example/",
        "https://a@app.example",
        "null",
    ] {
        with(&["--origin", origin]).not_judged("origin");
    }
    with(&["--key", "0x12"]).not_judged("key");
    with(&["--key", &KEY.replace("f39F", "F39F")]).not_judged("key");
}

#[test]
fn an_explanation_that_nobody_can_read_is_no_success() {
    let files = Files::new();
    let text = files.write("text", "Hello");
    for json in [&[][..], &["--json"]] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let ran = std::process::Command::new(crate::PROGRAM)
            .args(["explain", "--kind", "text", "--key", KEY, &text])
            .args(json)
            .stdout(full)
            .output()
            .unwrap();
        let told = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{told}");
        assert!(told.contains("cannot_write"), "{told}");
    }
}
