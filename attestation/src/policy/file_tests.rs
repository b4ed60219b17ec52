use super::*;

/// With `HEX` standing for a PCR.
fn bytes(json: &str) -> Vec<u8> {
    json.replace("HEX", &"ab".repeat(48)).into_bytes()
}

fn parse(json: &str) -> Result<PolicyFile, PolicyFileError> {
    PolicyFile::parse(&bytes(json))
}

fn syntax(json: &str) -> String {
    match parse(json) {
        Err(PolicyFileError::Syntax(reason)) => reason,
        other => panic!("{json} gave {other:?}"),
    }
}

#[test]
fn the_least_file_has_the_defaults() {
    let file = parse(r#"{"version":1,"measurements":[{"0":"HEX"}]}"#).unwrap();
    let expected = Measurements::new([(0, Pcr([0xab; 48]))]).unwrap();
    assert_eq!(file.policy, Policy::one_of([expected]).unwrap());
    assert_eq!(file.roots, Roots::aws());
}

#[test]
fn a_full_file_is_read_and_written_back() {
    let text = r#"{"version":1,"measurements":[{"0":"HEX","16":"HEX"},{"31":"HEX"}],
        "max_age_seconds":60,"max_channel_age_seconds":90,"max_skew_seconds":0,
        "allow_debug":true,"simulator":true}"#;
    let mut file = parse(text).unwrap();
    let policy = &file.policy;
    assert_eq!(policy.measurements().unwrap().len(), 2);
    assert_eq!(policy.accepted_age(), Duration::from_secs(60));
    assert_eq!(policy.accepted_channel_age(), Duration::from_secs(90));
    assert_eq!(policy.accepted_skew(), Duration::ZERO);
    assert!(policy.accepts_debug() && policy.is_for_simulator());
    assert_eq!(parse(&file.to_json().unwrap()).unwrap(), file);

    file.roots = Roots::custom_file(include_bytes!("../../tests/data/other-root.der")).unwrap();
    let written = file.to_json().unwrap();
    assert!(written.contains("BEGIN CERTIFICATE"));
    assert_eq!(parse(&written).unwrap(), file);
}

#[test]
fn unknown_and_repeated_members_are_refused() {
    assert!(syntax(r#"{"version":1,"measurements":[{"0":"HEX"}],"pcrs":1}"#).contains("pcrs"));
    for member in [
        r#""version":1"#,
        r#""measurements":[{"0":"HEX"}]"#,
        r#""simulator":false"#,
    ] {
        let json =
            format!(r#"{{"version":1,"measurements":[{{"0":"HEX"}}],"simulator":false,{member}}}"#);
        assert!(syntax(&json).contains("is given twice"), "{json}");
    }
    assert!(
        syntax(r#"{"version":1,"measurements":[{"0":"HEX","0":"HEX"}]}"#)
            .contains("is given twice")
    );
    assert!(syntax(r#"{"version":1,"measurements":[{"0":"HEX"}]} {}"#).contains("not valid JSON"));
}

/// serde_json reads an array as an object whose members stand in order.
#[test]
fn arrays_are_no_objects_and_releases_are_bounded() {
    let array = r#"[1,[{"0":"HEX"}]]"#;
    assert!(syntax(array).contains("an array where an object belongs"));
    let keys = r#"{"version":1,"releases":["a"],"release_keys":[1,["HEX"]]}"#;
    let refused = PolicyDraft::parse(&bytes(keys)).unwrap_err().to_string();
    assert!(refused.contains("(in \"release_keys\")"), "{refused}");
    let draft = |count: usize| {
        let names = vec!["\"a\""; count].join(",");
        let keys = r#""release_keys":{"threshold":1,"keys":["HEX"]}"#;
        PolicyDraft::parse(&bytes(&format!(
            r#"{{"version":1,"releases":[{names}],{keys}}}"#
        )))
    };
    assert!(draft(MAX_RELEASES).is_ok());
    assert_eq!(
        draft(MAX_RELEASES + 1),
        Err(PolicyFileError::TooManyReleases(MAX_RELEASES + 1))
    );
}

#[test]
fn measurements_are_there_and_well_formed() {
    assert!(syntax(r#"{"version":1}"#).contains("measurements"));
    assert_eq!(
        parse(r#"{"version":1,"measurements":[]}"#),
        Err(PolicyFileError::Policy(PolicyError::NoMeasurements))
    );
    assert!(syntax(r#"{"version":1,"measurements":[{}]}"#).contains("no PCR"));
    for key in ["00", "+1", "x", "256", "-1", "", "1.0"] {
        let json = format!(r#"{{"version":1,"measurements":[{{"{key}":"HEX"}}]}}"#);
        assert!(syntax(&json).contains("not a PCR index"), "{key}");
    }
    assert!(syntax(r#"{"version":1,"measurements":[{"32":"HEX"}]}"#).contains("PCR32"));
    assert!(syntax(r#"{"version":1,"measurements":[{"0":"abcd"}]}"#).contains("hexadecimal"));
}

#[test]
fn bounds_and_types_hold() {
    let with = |member: &str| {
        parse(&format!(
            r#"{{"version":1,"measurements":[{{"0":"HEX"}}],{member}}}"#
        ))
    };
    assert_eq!(
        with(r#""max_age_seconds":0"#),
        Err(PolicyFileError::Policy(PolicyError::MaxAge))
    );
    assert_eq!(
        with(r#""max_skew_seconds":301"#),
        Err(PolicyFileError::Policy(PolicyError::MaxSkew))
    );
    for member in [
        r#""roots":null"#,
        r#""max_age_seconds":null"#,
        r#""max_age_seconds":-1"#,
        r#""max_age_seconds":1.5"#,
        r#""allow_debug":0"#,
        r#""simulator":"yes""#,
    ] {
        assert!(
            matches!(with(member), Err(PolicyFileError::Syntax(_))),
            "{member}"
        );
    }
    assert_eq!(
        with(r#""roots":[]"#),
        Err(PolicyFileError::Root(RootsError::Count(0)))
    );
    assert!(matches!(
        with(r#""roots":["nonsense"]"#),
        Err(PolicyFileError::Root(_))
    ));
    assert_eq!(
        parse(r#"{"version":2,"measurements":[{"0":"HEX"}]}"#),
        Err(PolicyFileError::Version(2))
    );
    let mut long = bytes(r#"{"version":1,"measurements":[{"0":"HEX"}]}"#);
    long.resize(MAX_POLICY_FILE, b' ');
    assert!(PolicyFile::parse(&long).is_ok());
    long.push(b' ');
    assert_eq!(PolicyFile::parse(&long), Err(PolicyFileError::TooLong));
}

#[test]
fn policies_for_one_question_are_not_written() {
    let file = |policy| PolicyFile {
        policy,
        roots: Roots::aws(),
    };
    assert_eq!(
        file(Policy::any_measurement()).to_json(),
        Err(PolicyFileError::NotForFiles)
    );
    let set = Measurements::new([(0, Pcr::ZERO)]).unwrap();
    let bound = Policy::one_of([set]).unwrap().bind_public_key(vec![1]);
    assert_eq!(file(bound).to_json(), Err(PolicyFileError::NotForFiles));
}
