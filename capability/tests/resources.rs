//! Vectors of resources: how they are read, and which holds which.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing test says where

use openkey_capability::resource::{Resource, ResourceError};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    parse: Vec<Parse>,
    extends: Vec<Extends>,
}

/// One text and what it is read as; of a part that is absent, null.
#[derive(Deserialize)]
struct Parse {
    text: String,
    kind: String,
    canonical: Option<String>,
    error: Option<String>,
    owner: Option<String>,
    space: Option<String>,
    name: Option<String>,
    service: Option<String>,
    path: Option<String>,
    query: Option<String>,
    fragment: Option<String>,
}

#[derive(Deserialize)]
struct Extends {
    child: String,
    base: String,
    extends: bool,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("data/resources.json")).unwrap()
}

const fn rule(error: ResourceError) -> &'static str {
    match error {
        ResourceError::Uri(_) => "Uri",
        ResourceError::Service => "Service",
        ResourceError::Space(_) => "Space",
        _ => "another",
    }
}

#[test]
fn resources_are_read_as_the_vectors_say() {
    let vectors = vectors().parse;
    assert!(vectors.len() >= 70);
    for row in vectors {
        let text = row.text.as_str();
        let found = match Resource::parse(text) {
            Ok(found) => found,
            Err(error) => {
                assert_eq!(
                    (row.kind.as_str(), row.error.as_deref()),
                    ("error", Some(rule(error))),
                    "{text}"
                );
                continue;
            }
        };
        assert_eq!(Some(found.to_string()), row.canonical, "{text}");
        let kind = match &found {
            Resource::Space(found) => {
                assert_eq!(Some(found.space().to_string()), row.space, "{text}");
                assert_eq!(Some(found.space().name()), row.name.as_deref(), "{text}");
                assert_eq!(Some(found.service()), row.service.as_deref(), "{text}");
                assert_eq!(found.path(), row.path.as_deref(), "{text}");
                assert_eq!(found.query(), row.query.as_deref(), "{text}");
                assert_eq!(found.fragment(), row.fragment.as_deref(), "{text}");
                "space"
            }
            Resource::Network(found) => {
                assert_eq!(Some(found.owner().as_str()), row.owner.as_deref(), "{text}");
                assert_eq!(Some(found.name()), row.name.as_deref(), "{text}");
                "network"
            }
            Resource::Cid(_) => "cid",
            Resource::Other(_) => "other",
        };
        assert_eq!(kind, row.kind, "{text}");
        let canonical = Resource::parse(&found.to_string());
        assert_eq!(canonical, Ok(found), "{text}");
    }
}

#[test]
fn resources_hold_what_the_vectors_say() {
    let vectors = vectors().extends;
    assert!(vectors.len() >= 40);
    for Extends {
        child,
        base,
        extends,
    } in vectors
    {
        let (a, b) = (
            Resource::parse(&child).unwrap(),
            Resource::parse(&base).unwrap(),
        );
        assert_eq!(a.extends(&b), extends, "{child} in {base}");
        assert!(a.extends(&a) && b.extends(&b));
    }
}
