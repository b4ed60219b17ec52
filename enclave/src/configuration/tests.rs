use super::*;

fn origins(origins: &[&str]) -> Result<Configuration, ConfigurationError> {
    Configuration::new("example.org", "Example", origins)
}

#[test]
fn accepts_what_browsers_write() {
    let configuration = origins(&["https://example.org", "https://keys.example.org:8443"]).unwrap();
    assert!(configuration.allows("https://example.org"));
    assert!(!configuration.allows("https://example.org/"));
    Configuration::new("localhost", "Here", &["http://localhost:7100"]).unwrap();
}

#[test]
fn refuses_other_spellings_and_strangers() {
    for origin in [
        "https://example.org/",
        "https://EXAMPLE.org",
        "https://example.org:443",
        "http://example.org",
        "https://badexample.org",
        "https://example.org.evil.net",
        "https://192.0.2.1",
        "null",
        "",
    ] {
        assert_eq!(
            origins(&[origin]),
            Err(ConfigurationError::Origin(0)),
            "{origin}"
        );
    }
    assert_eq!(origins(&[]), Err(ConfigurationError::OriginCount));
    let twice = ["https://example.org", "https://example.org"];
    assert_eq!(origins(&twice), Err(ConfigurationError::OriginCount));
    for rp_id in [
        "",
        "Example.org",
        "192.0.2.1",
        "example.org/",
        "a b",
        "[::1]",
    ] {
        let result = Configuration::new(rp_id, "x", &["https://example.org"]);
        assert_eq!(result, Err(ConfigurationError::RpId), "{rp_id}");
    }
    for nameless in ["", "a\nb", "a\u{200b}b", "\u{2800}"] {
        let result = Configuration::new("example.org", nameless, &["https://example.org"]);
        assert_eq!(result, Err(ConfigurationError::RpName), "{nameless:?}");
    }
}

#[test]
fn the_file_is_read_strictly() {
    let good = br#"{"rp_id":"localhost","rp_name":"Here","origins":["http://localhost:1"]}"#;
    assert!(Configuration::from_json(good).is_ok());
    for bad in [
        &br#"{"rp_id":"localhost","rp_name":"Here","origins":["http://localhost:1"],"x":1}"#[..],
        br#"{"rp_id":"localhost","rp_id":"localhost","rp_name":"H","origins":["http://localhost:1"]}"#,
        br#"{"rp_id":"localhost","rp_name":"Here","origins":["http://localhost:1"]}x"#,
        br#"{"rp_id":"localhost"}"#,
        // Members by their place, in the whole file and in a part of it.
        br#"["localhost","Here",["http://localhost:1"]]"#,
        br#"{"rp_id":"localhost","rp_name":"Here","origins":["http://localhost:1"],"release_keys":[1,["d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"]]}"#,
        b"",
    ] {
        let result = Configuration::from_json(bad);
        assert_eq!(
            result,
            Err(ConfigurationError::Shape),
            "{}",
            bad.escape_ascii()
        );
    }
    let long = vec![b' '; MAX_BYTES + 1];
    assert_eq!(
        Configuration::from_json(&long),
        Err(ConfigurationError::TooLong)
    );
}

#[test]
fn every_member_is_measured() {
    let base = Configuration::new("localhost", "A", &["http://localhost:1"]).unwrap();
    let name = Configuration::new("localhost", "B", &["http://localhost:1"]).unwrap();
    let port = Configuration::new("localhost", "A", &["http://localhost:2"]).unwrap();
    assert_ne!(base.hash(), name.hash());
    assert_ne!(base.hash(), port.hash());
    assert_ne!(base.pcr(), port.pcr());
}
