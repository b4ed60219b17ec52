//! Links above each other: what they cover, when, and how many.

use serde_json::json;

use super::*;

#[test]
fn a_chain_carries_what_was_granted() {
    let chain = Chain::new();
    assert!(
        chain
            .bob_asks("docs/shared/a.txt", "tinycloud.kv/get")
            .is_ok()
    );
    // the owner needs nobody's leave
    let own = Builder::new(chain.owner.key(), &chain.owner.did(), NOW + 60)
        .grant(grants(&[(&chain.key("anything"), "tinycloud.kv/put")]));
    assert!(chain.store.invoke(&chain.owner.signs(&own), MS).is_ok());
}

#[test]
fn g5_a_widened_link_is_refused() {
    let mut chain = Chain::new();
    for (path, ability) in [
        ("docs/sharedX", "tinycloud.kv/get"),
        ("docs/shared", "tinycloud.kv/get"),
        ("docs/shared/a.txt", "tinycloud.kv/put"),
        ("docs/", "tinycloud.kv/get"),
    ] {
        let error = chain.bob_asks(path, ability).unwrap_err();
        let expected = format!("Unauthorized Action: {} / {ability}", chain.key(path));
        assert_eq!(error.to_string(), expected);
    }
    for (path, ability) in [("doc", "tinycloud.kv/get"), ("docs/a", "tinycloud.kv/del")] {
        let error = chain.delegates(path, ability, NOW + 500).unwrap_err();
        let expected = format!("Unauthorized Capability: {}, {ability}", chain.key(path));
        assert_eq!(error.to_string(), expected);
    }
    let until = chain.delegates("docs/a", "tinycloud.kv/get", NOW + 1001);
    assert_eq!(until, Err(ChainError::Expiry));
    assert!(
        chain
            .delegates("docs/a", "tinycloud.kv/get", NOW + 1000)
            .is_ok()
    );
    // another space of the same owner, and the same name of another owner
    for space in [
        chain.owner.space().replace(":notes", ":other"),
        chain.bob.space(),
    ] {
        let resource = format!("{space}/kv/docs/a");
        let builder = Builder::new(chain.session.key(), &chain.session.did(), NOW + 60)
            .proof(&chain.first)
            .grant(grants(&[(&resource, "tinycloud.kv/get")]));
        let error = chain
            .store
            .invoke(&chain.session.signs(&builder), MS)
            .unwrap_err();
        assert!(matches!(error, ChainError::Action { .. }), "{error}");
    }
}

#[test]
fn what_is_nearly_a_resource_is_refused_with_the_reason() {
    let mut chain = Chain::new();
    for path in ["docs/shared/a%2fb", "docs/shared/%61", "docs/shared/../x"] {
        let error = chain.bob_asks(path, "tinycloud.kv/get").unwrap_err();
        let text = error.to_string();
        let (line, why) = text.split_once('\n').unwrap();
        let expected = format!(
            "Unauthorized Action: {} / tinycloud.kv/get",
            chain.key(path)
        );
        assert_eq!(line, expected);
        assert!(why.contains("normalised"), "{why}");
        let error = chain.delegates(path, "tinycloud.kv/get", NOW + 500);
        assert!(error.unwrap_err().to_string().contains("normalised"));
    }
}

#[test]
fn g5_a_link_of_somebody_else_is_refused() {
    let chain = Chain::new();
    let path = "docs/shared/a.txt";
    for (who, proof) in [(&chain.session, chain.second), (&chain.bob, chain.first)] {
        let error = chain.asks(who, path, "tinycloud.kv/get", proof);
        assert_eq!(error, Err(ChainError::Invoker));
    }
    // reordered: what bob was given does not make him the session's delegator
    let mut chain = Chain::new();
    let builder = Builder::new(chain.bob.key(), &chain.session.did(), NOW + 60)
        .proof(&chain.first)
        .grant(grants(&[(&chain.key("docs/a"), "tinycloud.kv/get")]));
    let token = chain.bob.signs(&builder);
    assert!(matches!(
        chain.store.accept(&token),
        Err(ChainError::Delegator(_))
    ));
}

#[test]
fn g5_a_revoked_link_takes_everything_below_with_it() {
    let (path, ability) = ("docs/shared/a.txt", "tinycloud.kv/get");
    let mut chain = Chain::new();
    let second = chain.second;
    chain.store.revoke(second);
    assert_eq!(
        chain.bob_asks(path, ability),
        Err(ChainError::InvokedRevoked(second))
    );
    let mut chain = Chain::new();
    let (first, second) = (chain.first, chain.second);
    chain.store.revoke(first);
    let expected = ChainError::InvokedsAncestorRevoked {
        ancestor: first,
        invoked: second,
    };
    assert_eq!(chain.bob_asks(path, ability), Err(expected));
    let parent = chain.delegates("docs/a", ability, NOW + 500);
    assert_eq!(parent, Err(ChainError::ParentRevoked(first)));
    let builder = Builder::new(chain.bob.key(), &chain.session.did(), NOW + 60)
        .proof(&second)
        .grant(grants(&[(&chain.key(path), ability)]));
    let expected = ChainError::ParentsAncestorRevoked {
        ancestor: first,
        parent: second,
    };
    assert_eq!(
        chain.store.accept(&chain.bob.signs(&builder)),
        Err(expected)
    );
}

#[test]
fn g5_an_expired_link_is_refused() {
    let chain = Chain::new();
    let builder = Builder::new(chain.bob.key(), &chain.bob.did(), NOW + 5000)
        .proof(&chain.second)
        .grant(grants(&[(&chain.key("docs/shared/a"), "tinycloud.kv/get")]));
    let token = chain.bob.signs(&builder);
    assert!(chain.store.invoke(&token, (NOW + 500) * 1000).is_ok());
    let late = chain.store.invoke(&token, (NOW + 500) * 1000 + 1);
    assert_eq!(late, Err(ChainError::AncestorTime(chain.second)));
    let late = chain.store.invoke(&token, (NOW + 5000) * 1000 + 1);
    assert_eq!(late, Err(ChainError::InvocationTime));
    // what has not begun
    let mut store = Store::default();
    let owner = &chain.owner;
    let early = Builder::new(owner.key(), &chain.bob.did(), NOW + 60).not_before(NOW + 1);
    assert_eq!(
        store.accept(&owner.signs(&early)),
        Err(ChainError::DelegationTime)
    );
}

#[test]
fn g5_a_child_does_not_begin_before_its_parent() {
    let mut chain = Chain::new();
    let parent = Builder::new(chain.owner.key(), &chain.session.did(), NOW + 1000)
        .not_before(NOW - 10)
        .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
    let parent = chain.store.accept(&chain.owner.signs(&parent)).unwrap();
    let child = Builder::new(chain.session.key(), &chain.bob.did(), NOW + 1000)
        .proof(&parent)
        .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
    let early = chain.session.signs(&child.clone().not_before(NOW - 11));
    assert_eq!(chain.store.accept(&early), Err(ChainError::NotBefore));
    // one that does not say it begins now, and never counts before its parent does
    for child in [child.clone().not_before(NOW - 10), child] {
        let child = chain.store.accept(&chain.session.signs(&child)).unwrap();
        let asks = |now_ms| {
            let builder = Builder::new(chain.bob.key(), &chain.bob.did(), NOW + 60)
                .proof(&child)
                .grant(grants(&[(&chain.key("docs/a"), "tinycloud.kv/get")]));
            let ucan = chain.bob.signs(&builder);
            chain.store.invoke(&ucan, now_ms).map(drop)
        };
        assert_eq!(asks((NOW - 10) * 1000), Ok(()));
        let early = asks((NOW - 10) * 1000 - 1).unwrap_err();
        assert!(matches!(early, ChainError::AncestorTime(_)), "{early}");
    }
}

#[test]
fn g5_nothing_rests_on_what_has_not_begun() {
    let mut chain = Chain::new();
    let parent = Builder::new(chain.owner.key(), &chain.session.did(), NOW + 1000)
        .not_before(NOW + 10)
        .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
    let parent = Delegation::from_ucan(&chain.owner.signs(&parent)).unwrap();
    let parent = chain.store.keep(parent);
    let child = Builder::new(chain.session.key(), &chain.bob.did(), NOW + 1000)
        .proof(&parent)
        .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
    let child = chain.session.signs(&child);
    assert_eq!(chain.store.accept(&child), Err(ChainError::NotBefore));
}

#[test]
fn g5_a_missing_or_doubled_link_is_refused() {
    let chain = Chain::new();
    let nobody = Cid::of(b"nothing");
    let missing = chain.asks(&chain.bob, "docs/shared/a", "tinycloud.kv/get", nobody);
    assert_eq!(missing, Err(ChainError::Missing));
    let resource = chain.key("docs/shared/a");
    let none = Builder::new(chain.bob.key(), &chain.bob.did(), NOW + 60)
        .grant(grants(&[(&resource, "tinycloud.kv/get")]));
    let error = chain.store.invoke(&chain.bob.signs(&none), MS);
    assert!(matches!(error, Err(ChainError::Action { .. })));
    let twice = none.proof(&chain.second).proof(&chain.second);
    assert_eq!(
        chain.store.invoke(&chain.bob.signs(&twice), MS),
        Err(ChainError::Twice)
    );
    // a link above is gone
    let mut chain = Chain::new();
    let first = chain.first;
    chain.store.0.remove(&first);
    let gone = chain.bob_asks("docs/shared/a", "tinycloud.kv/get");
    assert_eq!(gone, Err(ChainError::Missing));
}

#[test]
fn g5_64_links_are_walked_and_65_are_not() {
    let people: Vec<_> = (1..=67).map(Somebody::new).collect();
    let resource = format!("{}/kv/a", people[0].space());
    let mut store = Store::default();
    let mut proofs: Vec<Cid> = Vec::new();
    for pair in people.windows(2) {
        let mut builder = Builder::new(pair[0].key(), &pair[1].did(), NOW + 60)
            .grant(grants(&[(&resource, "tinycloud.kv/get")]));
        if let Some(last) = proofs.last() {
            builder = builder.proof(last);
        }
        let ucan = pair[0].signs(&builder);
        // what nobody could use is not taken
        match store.accept(&ucan) {
            Ok(_) => assert!(proofs.len() < MAX_NODES),
            Err(error) => assert_eq!((error, proofs.len()), (ChainError::TooLong, MAX_NODES)),
        }
        proofs.push(store.keep(Delegation::from_ucan(&ucan).unwrap()));
        if proofs.len() > MAX_NODES {
            break;
        }
    }
    let asks = |links: usize| {
        let who = &people[links];
        let builder = Builder::new(who.key(), &who.did(), NOW + 60)
            .proof(&proofs[links - 1])
            .grant(grants(&[(&resource, "tinycloud.kv/get")]));
        store.invoke(&who.signs(&builder), MS)
    };
    assert!(asks(MAX_NODES).is_ok());
    assert_eq!(asks(MAX_NODES + 1), Err(ChainError::TooLong));
}

#[test]
fn h1_what_takes_too_long_to_compare_is_refused() {
    let [owner, session] = [1, 2].map(Somebody::new);
    let many = |resources: usize| {
        (0..resources).fold(Attenuation::new(), |all, place| {
            let resource = format!("{}/kv/{place}", owner.space());
            (0..64).fold(all, |all, name| {
                all.with(&resource, Ability::parse(&format!("a/{name}")).unwrap())
            })
        })
    };
    let mut store = Store::default();
    let parent = Builder::new(owner.key(), &session.did(), NOW + 100).grant(many(45));
    let parent = store.accept(&owner.signs(&parent)).unwrap();
    let says = |resources| {
        let builder = Builder::new(session.key(), &session.did(), NOW + 100);
        session.signs(&builder.proof(&parent).grant(many(resources)))
    };
    // 64 × 45 times 64 × 22 are just not too many
    for (resources, expected) in [(22, Ok(())), (23, Err(ChainError::TooMuch))] {
        let ucan = says(resources);
        assert_eq!(store.accept(&ucan).map(drop), expected);
        assert_eq!(store.invoke(&ucan, MS).map(drop), expected);
    }
}

#[test]
fn g5_a_cycle_ends() {
    // No hash contains itself: only a store that lies has one.
    let chain = Chain::new();
    let mut store = Store::default();
    for (cid, other) in [(chain.first, chain.second), (chain.second, chain.first)] {
        let builder = Builder::new(chain.bob.key(), &chain.bob.did(), NOW + 60)
            .proof(&other)
            .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
        let delegation = Delegation::from_ucan(&chain.bob.signs(&builder)).unwrap();
        let delegation = Arc::new(delegation);
        store.0.insert(
            cid,
            Node {
                delegation,
                revoked: false,
            },
        );
    }
    let looped = Chain {
        store,
        ..Chain::new()
    };
    // neither is what the other cites
    let asked = looped.bob_asks("docs/a", "tinycloud.kv/get");
    assert_eq!(asked, Err(ChainError::Missing));
}

#[test]
fn a_terminal_delegation_ends_there() {
    let mut chain = Chain::new();
    let parent = Builder::new(chain.owner.key(), &chain.session.did(), NOW + 1000)
        .fact(json!({"xyz.tinycloud.policy/delegationMode": "terminal"}))
        .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
    chain.first = chain.store.accept(&chain.owner.signs(&parent)).unwrap();
    assert!(
        chain
            .asks(&chain.session, "docs/a", "tinycloud.kv/get", chain.first)
            .is_ok()
    );
    let child = chain.delegates("docs/a", "tinycloud.kv/get", NOW + 60);
    assert_eq!(child, Err(ChainError::Terminal));
}

fn caveats(value: serde_json::Value) -> Caveats {
    serde_json::from_value(value).unwrap()
}

#[test]
fn caveats_are_inherited_and_never_widened() {
    let mut chain = Chain::new();
    let resource = format!("{}/sql/main", chain.owner.space());
    let read = Ability::parse("tinycloud.sql/read").unwrap();
    let narrow = caveats(json!([{"only": "this"}]));
    let parent = Builder::new(chain.owner.key(), &chain.session.did(), NOW + 1000)
        .grant(Attenuation::new().with_caveats(&resource, read.clone(), narrow.clone()));
    let parent = chain.store.accept(&chain.owner.signs(&parent)).unwrap();
    let own = |att: Attenuation| {
        Builder::new(chain.session.key(), &chain.session.did(), NOW + 60)
            .proof(&parent)
            .grant(att)
    };
    let plain = own(Attenuation::new().with(&resource, read.clone()));
    let inherited = chain
        .store
        .invoke(&chain.session.signs(&plain), MS)
        .unwrap();
    assert_eq!(inherited, std::slice::from_ref(&narrow));
    let wide = caveats(json!([{"only": "that"}]));
    let wider = own(Attenuation::new().with_caveats(&resource, read.clone(), wide));
    let error = chain
        .store
        .invoke(&chain.session.signs(&wider), MS)
        .unwrap_err();
    assert!(
        matches!(error, ChainError::InvocationCaveats { .. }),
        "{error}"
    );

    // a delegation inherits nothing: it says what it passes on
    let child = |att: Attenuation| {
        Builder::new(chain.session.key(), &chain.bob.did(), NOW + 60)
            .proof(&parent)
            .grant(att)
    };
    let plain = child(Attenuation::new().with(&resource, read.clone()));
    let error = chain
        .store
        .accept(&chain.session.signs(&plain))
        .unwrap_err();
    assert!(matches!(error, ChainError::ChildCaveats { .. }), "{error}");
    let same = child(Attenuation::new().with_caveats(&resource, read, narrow));
    assert!(chain.store.accept(&chain.session.signs(&same)).is_ok());
}

#[test]
fn g5_a_link_that_nobody_accepted_carries_nothing_at_any_use() {
    let mut chain = Chain::new();
    let mallory = Somebody::new(9);
    let path = "docs/shared/a.txt";
    let all = |chain: &Chain| grants(&[(&chain.key("docs/shared/"), "tinycloud.kv/get")]);
    // what the store has accepted is used first: what is remembered of it carries nothing else
    assert!(chain.bob_asks(path, "tinycloud.kv/get").is_ok());
    let by = |from: &Somebody, proofs: &[Cid], until: i64| {
        let mut builder = Builder::new(from.key(), &mallory.did(), until);
        for proof in proofs {
            builder = builder.proof(proof);
        }
        builder
    };
    let wider = grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]);
    let forged = [
        // somebody grants what is another's
        mallory.signs(&by(&mallory, &[], NOW + 60).grant(all(&chain))),
        // rests on what was granted to somebody else
        mallory.signs(&by(&mallory, &[chain.second], NOW + 60).grant(all(&chain))),
        // more than what it rests on grants
        chain
            .bob
            .signs(&by(&chain.bob, &[chain.second], NOW + 60).grant(wider)),
        // longer than it
        chain
            .bob
            .signs(&by(&chain.bob, &[chain.second], NOW + 501).grant(all(&chain))),
    ];
    for forged in forged {
        let link = Delegation::from_ucan(&forged).unwrap();
        let refused = link
            .check(&chain.store.ancestors(link.proofs()).unwrap(), MS)
            .unwrap_err();
        let top = chain.store.keep(link);
        let below = Builder::new(mallory.key(), &chain.session.did(), NOW + 60)
            .proof(&top)
            .grant(all(&chain));
        let below = Delegation::from_ucan(&mallory.signs(&below)).unwrap();
        let below = chain.store.keep(below);
        for _ in 0..2 {
            for (who, proof) in [(&mallory, top), (&chain.session, below)] {
                let error = chain
                    .asks(who, path, "tinycloud.kv/get", proof)
                    .unwrap_err();
                let ChainError::Link { cid, reason } = error else {
                    panic!("{error}");
                };
                assert_eq!((cid, &*reason), (top, &refused));
            }
        }
    }
    assert!(chain.bob_asks(path, "tinycloud.kv/get").is_ok());
}

#[test]
fn g5_a_store_that_answers_with_another_link_answers_nothing() {
    let mut chain = Chain::new();
    let wider = Builder::new(chain.owner.key(), &chain.bob.did(), NOW + 500)
        .grant(grants(&[(&chain.key(""), "tinycloud.kv/put")]));
    let wider = Delegation::from_ucan(&chain.owner.signs(&wider)).unwrap();
    let node = Node {
        delegation: Arc::new(wider),
        revoked: false,
    };
    chain.store.0.insert(chain.second, node);
    let error = chain.bob_asks("docs/shared/a.txt", "tinycloud.kv/put");
    assert_eq!(error, Err(ChainError::Missing));
}
