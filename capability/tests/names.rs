//! Properties of names and caveats, and the fuzz corpus of both.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing test says where

use std::fs;
use std::path::Path;

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Caveats;
use openkey_capability::caveat::is_contained;
use openkey_capability::did::Did;
use openkey_capability::key::PublicKey;
use openkey_capability::resource::{NetworkId, Resource, SpaceId, SpaceResource};
use proptest::{option, prelude::*, sample::select};
use serde_json::{Value, json};

#[path = "common/fuzz_names.rs"]
mod fuzz_names;

fn did() -> impl Strategy<Value = Did> {
    let account = (any::<u64>(), any::<[u8; 20]>()).prop_map(|(chain, address)| {
        Did::pkh(chain.saturating_add(1).try_into().unwrap(), &address)
    });
    let key = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";
    let key = Did::from_key(&PublicKey::from_did(key).unwrap());
    let other = "did:(ens|web|tinycloud):[a-z._-]{1,5}(:[A-Z0-9]{1,3}){0,2}";
    prop_oneof![
        account,
        Just(key),
        other.prop_map(|text| Did::parse(&text).unwrap()),
    ]
}

/// Paths close to each other, so that some hold others.
fn path() -> impl Strategy<Value = Option<String>> {
    option::weighted(0.9, "[ab/]{0,5}(%2F)?")
}

/// Things in one of two spaces.
fn near() -> impl Strategy<Value = Resource> {
    let fragment = select(vec!["", "", "", "#f", "?q"]);
    (
        select(vec!["c", "d"]),
        select(vec!["kv", "sql"]),
        path(),
        fragment,
    )
        .prop_map(|(space, service, path, tail)| {
            let path = path.map(|path| format!("/{path}")).unwrap_or_default();
            Resource::parse(&format!("tinycloud:a:b:{space}/{service}{path}{tail}")).unwrap()
        })
}

fn ability() -> impl Strategy<Value = Ability> {
    let names = vec![
        "sql/*",
        "sql/admin",
        "sql/schema",
        "sql/read",
        "sql/select",
        "sql/write",
        "kv/get",
        "kv/*",
        "kv/del",
        "kv/delete",
        "duckdb/*",
        "duckdb/read",
        "duckdb/select",
        "duckdb/import",
    ];
    select(names).prop_map(|name| Ability::parse(&format!("tinycloud.{name}")).unwrap())
}

fn caveat() -> impl Strategy<Value = Value> {
    let fixed =
        (0..2_u32, 0..2_u32).prop_map(|(index, value)| json!({"index": index, "value": value}));
    let statement = (
        select(vec!["a", "b"]),
        select(vec!["s", "s", "t"]),
        prop::collection::vec(fixed, 0..3),
    )
        .prop_map(|(name, sql, fixed)| json!({"name": name, "sql": sql, "fixedParams": fixed}));
    let statements = prop::collection::vec(statement, 0..3).prop_map(
        |list| json!({"mode": "constrained-statements", "readOnly": true, "statements": list}),
    );
    let selector = (select(vec!["exact", "prefix"]), "[ab/]{0,3}").prop_map(
        |(kind, value)| json!({"type": "xyz.tinycloud.resource/selector", "kind": kind, "value": value}),
    );
    prop_oneof![
        4 => statements,
        4 => selector,
        1 => select(vec![json!({}), json!({"x": 1}), json!({"mode": "constrained-statements"})]),
    ]
}

fn caveats() -> impl Strategy<Value = Caveats> {
    prop::collection::vec(caveat(), 1..3)
        .prop_map(|list| serde_json::from_value(list.into()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn principals_print_as_they_are_read(did in did(), fragment in "(#.*)?") {
        prop_assert_eq!(Did::parse(&format!("{did}{fragment}")), Ok(did.clone()));
        if let Some((chain, address)) = did.account() {
            prop_assert_eq!(&Did::pkh(chain, &address), &did);
            prop_assert_eq!(Did::parse(&did.as_str().to_lowercase()), Ok(did));
        }
    }

    #[test]
    fn names_print_as_they_are_read(
        did in did(),
        name in "[a-zA-Z0-9_~-]{1,9}(%20)?",
        service in "[a-z]{0,5}",
        path in path(),
        tail in "([?][a-z/?]{0,3})?(#[a-z/?]{0,3})?",
    ) {
        let space = SpaceId::new(&did, &name).unwrap();
        prop_assert_eq!(SpaceId::parse(&space.to_string()), Ok(space.clone()));
        prop_assert_eq!(space.owner(), &did);
        let network = NetworkId::new(&did, &name).unwrap();
        prop_assert_eq!(Resource::parse(&network.to_string()), Ok(Resource::Network(network)));
        let made = SpaceResource::new(space, &service, path.as_deref()).unwrap();
        let text = format!("{made}{tail}");
        let read = Resource::parse(&text).unwrap();
        prop_assert_eq!(read.to_string(), text);
        prop_assert_eq!(read.owner(), Some(&did));
    }

    #[test]
    fn resources_are_ordered(a in near(), b in near(), c in near()) {
        prop_assert!(a.extends(&a));
        prop_assert!(!(a.extends(&b) && b.extends(&c)) || a.extends(&c));
        if a.extends(&b) && b.extends(&a) {
            let (Resource::Space(a), Resource::Space(b)) = (&a, &b) else { panic!("{a} {b}") };
            prop_assert_eq!((a.space(), a.service(), a.path()), (b.space(), b.service(), b.path()));
        }
    }

    #[test]
    fn what_is_below_stays_below(a in near(), b in near(), more in "[ab/]{0,3}") {
        let Resource::Space(child) = &a else { panic!("{a}") };
        let below = format!("{}/{more}", child.path().unwrap_or_default());
        let below = SpaceResource::new(child.space().clone(), child.service(), Some(&below)).unwrap();
        if child.fragment().is_none() {
            prop_assert!(below.extends(child));
            prop_assert!(!a.extends(&b) || Resource::from(below).extends(&b));
        }
    }

    #[test]
    fn abilities_are_ordered(a in ability(), b in ability(), c in ability()) {
        prop_assert!(a.covers(&a));
        prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
    }

    #[test]
    fn caveats_are_ordered(a in caveats(), b in caveats(), c in caveats()) {
        prop_assert!(is_contained(&a, &a) && is_contained(&a, &Caveats::none()));
        prop_assert!(!(is_contained(&a, &b) && is_contained(&b, &c)) || is_contained(&a, &c));
        prop_assert!(a.is_none() == is_contained(&Caveats::none(), &a));
    }

    #[test]
    fn any_text_is_judged(text in any::<String>(), tail in "[ -~]{0,20}") {
        fuzz_names::run(text.as_bytes());
        fuzz_names::run(format!("tinycloud:a:b:{tail}\ntinycloud:a:b:c/{tail}\nurn:{tail}").as_bytes());
    }
}

#[test]
fn the_corpus_of_names_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/names");
    let mut replayed = 0;
    let mut read = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        read += usize::from(fuzz_names::run(&bytes));
        replayed += 1;
    }
    assert!(replayed >= 20 && read >= 18, "only {read} of {replayed}");
}
