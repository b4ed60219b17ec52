use super::*;

#[test]
fn credentials_fit_into_headers() {
    let good = AwsCredentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "secret/+=".to_owned(),
        session_token: Some("token/+==".to_owned()),
    };
    assert_eq!(check(&good), Ok(()));
    let changes: [fn(&mut AwsCredentials); 7] = [
        |c| c.access_key_id.clear(),
        |c| c.access_key_id.push('/'),
        |c| c.secret_access_key.push('\n'),
        |c| c.secret_access_key.push(' '),
        |c| c.session_token = Some(String::new()),
        |c| c.session_token = Some("a\r\nx-amz-target: b".to_owned()),
        |c| c.session_token = Some("x".repeat(MAX_CREDENTIAL + 1)),
    ];
    for change in changes {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(check(&bad), Err(KmsError::Credentials));
    }
}

#[tokio::test]
async fn k3_each_recipient_is_another_key_of_the_form_that_kms_takes() {
    let one = Recipient::generate().await.unwrap();
    let two = Recipient::generate().await.unwrap();
    assert_ne!(one.public_key(), two.public_key());
    // SubjectPublicKeyInfo of RSA-2048: its length is fixed, and a document has room for it.
    assert_eq!(one.public_key().len(), 294);
    // What was made for another recipient does not open.
    let vector = include_bytes!("../../../tests/data/kms/aws-shape.ber");
    assert_eq!(one.open(vector).err(), Some(CmsError::ContentKey));
}

#[test]
fn the_corpora_are_replayed() {
    type Target = fn(&[u8]) -> bool;
    for (name, target, least) in [
        ("cms", fuzzing::cms as Target, 3),
        ("kms_reply", fuzzing::reply, 2),
    ] {
        let corpus = format!("{}/../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
        let (mut replayed, mut accepted) = (0, 0);
        for entry in std::fs::read_dir(corpus).unwrap() {
            let input = std::fs::read(entry.unwrap().path()).unwrap();
            accepted += usize::from(target(&input));
            replayed += 1;
        }
        assert!(replayed >= 4, "{name}");
        // The seeds pass every check, so that mutations of them reach the last one.
        assert!(accepted >= least, "{name}: only {accepted} of {replayed}");
    }
}
