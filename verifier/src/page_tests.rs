//! Tests of [`super`].

use super::*;

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn release(page: &serde_json::Value) -> Result<Release, ReleaseError> {
    let json = serde_json::json!({ "version": 1, "page": page });
    Release::from_json(json.to_string().as_bytes())
}

#[test]
fn e5_a_page_with_one_changed_byte_is_refused() {
    let index = b"<!doctype html><script type=module src=app.js></script>".to_vec();
    let release = release(&serde_json::json!({ "index.html": hash(&index) })).unwrap();
    assert_eq!(release.check("index.html", &index), Ok(()));
    for at in 0..index.len() {
        let mut changed = index.clone();
        changed[at] ^= 1;
        assert!(
            matches!(
                release.check("index.html", &changed),
                Err(PageError::Differs { .. })
            ),
            "byte {at}"
        );
    }
    let longer = [index.as_slice(), b" "].concat();
    assert_eq!(
        release.check("index.html", &longer).unwrap_err().rule(),
        "page_differs"
    );
    assert_eq!(
        release.check("extra.js", b"").unwrap_err().rule(),
        "page_not_released"
    );
}

#[test]
fn release_files_are_read_strictly() {
    let good = hash(b"");
    assert_eq!(
        release(&serde_json::json!({ "app.js": good })),
        Err(ReleaseError::NoIndex)
    );
    for name in [
        "", "/x", "x/", "a//b", "../x", "a/../b", "./x", ".x", "a b", "a%2e", "a?b", "a#b", "a\\b",
        "é",
    ] {
        assert_eq!(
            release(&serde_json::json!({ "index.html": good, name: good })),
            Err(ReleaseError::Name(name.to_owned())),
        );
    }
    for bad in ["", "00", "zz", &good[1..]] {
        assert_eq!(
            release(&serde_json::json!({ "index.html": bad })),
            Err(ReleaseError::Hash("index.html".to_owned())),
        );
    }
    let version = format!(r#"{{"version":2,"page":{{"index.html":"{good}"}}}}"#);
    assert_eq!(
        Release::from_json(version.as_bytes()),
        Err(ReleaseError::Version(2))
    );
    for json in [
        "",
        "[]",
        r#"{"version":1}"#,
        r#"{"version":1,"page":{},"more":1}"#,
    ] {
        assert!(
            matches!(
                Release::from_json(json.as_bytes()),
                Err(ReleaseError::Malformed(_))
            ),
            "{json}"
        );
    }
    let many: serde_json::Map<_, _> = (0..=MAX_FILES)
        .map(|n| (format!("f{n}"), good.clone().into()))
        .collect();
    assert_eq!(release(&many.into()), Err(ReleaseError::TooManyFiles));
}
