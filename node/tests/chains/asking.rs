//! How delegations stand, for whom they concern; and several values at once.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::{Attenuation, Caveats};
use openkey_capability::cid::Cid;
use openkey_node::allowance::Allowance;
use openkey_node::delegation::{delegate, revoke, status};
use openkey_node::invoke::invoke;
use openkey_node::node::Node;
use openkey_node::store::{Keys, Page};
use serde_json::{Value, json};

use super::delegating::delegated;
use super::home::{GET, Home, home, own, put, status as code, text, with};
use super::interposed::Interposed;
use super::tokens::{NOW, Says, did, headers, raw, space, within};

/// What somebody is told about a delegation.
async fn asked(node: &Node, seed: u8, about: &Cid, named: &Cid) -> (u16, Value) {
    asked_with(node, seed, about, named, &[]).await
}

/// What somebody who cites these is told.
async fn asked_with(
    node: &Node,
    seed: u8,
    about: &Cid,
    named: &Cid,
    proofs: &[Cid],
) -> (u16, Value) {
    let resource = format!("urn:cid:{about}");
    let grant = Attenuation::new().with(
        resource,
        Ability::parse("tinycloud.delegation/status").unwrap(),
    );
    let token = raw(seed, &did(seed), NOW + 60, proofs, grant);
    let body = json!({ "cid": named.to_string() }).to_string();
    match status(node, &headers(&token), body.as_bytes()).await {
        Ok((code, status)) => (code.as_u16(), serde_json::to_value(status).unwrap()),
        Err(error) => (error.status().as_u16(), Value::Null),
    }
}

#[tokio::test]
async fn a_delegation_is_told_to_whom_it_concerns() {
    let Home { node, clock, .. } = &home().await;
    let root = Says {
        until: NOW + 30,
        ..Says::default()
    };
    let root = delegated(node, &root).await.unwrap();
    let proofs = [root.cid()];
    let child = Says {
        from: 2,
        to: did(3),
        until: NOW + 30,
        proofs: &proofs,
        ..Says::default()
    };
    let child = delegated(node, &child).await.unwrap();
    for seed in [1, 2, 3] {
        let (code, told) = asked(node, seed, &child.cid(), &child.cid()).await;
        assert_eq!((code, &told["status"]), (200, &json!("active")), "{seed}");
    }
    // whom it does not concern is told the same as about one that is not there
    let missing = Cid::of(b"missing");
    let (code_missing, mut told_missing) = asked(node, 4, &missing, &missing).await;
    told_missing["cid"] = child.cid().to_string().into();
    let (code, told) = asked(node, 4, &child.cid(), &child.cid()).await;
    assert_eq!((code, told), (code_missing, told_missing));
    assert_eq!(code, 404);
    assert_eq!(asked(node, 1, &root.cid(), &child.cid()).await.0, 403);

    clock.set(NOW + 31);
    let (_, told) = asked(node, 1, &child.cid(), &child.cid()).await;
    assert_eq!(told["status"], "expired");
    clock.set(NOW);
    let path = format!("delegation/{}", root.cid());
    let taken_back = own(&path, &["tinycloud.delegation/revoke"]);
    revoke(node, &taken_back.headers()).await.unwrap();
    let (_, told) = asked(node, 3, &child.cid(), &child.cid()).await;
    assert_eq!(told["status"], "revoked");
    assert_eq!(
        (&told["active"], &told["exists"]),
        (&json!(false), &json!(true))
    );
}

#[tokio::test]
async fn a_delegation_is_told_to_whom_a_party_of_it_delegated() {
    let Home { node, clock, .. } = &mut home().await;
    let store = Interposed::before(node);
    let to = |seed: u8, until| Says {
        to: did(seed),
        until,
        ..Says::default()
    };
    // about one to 5, of whose delegator 2 has one, and 3 by 2
    let about = delegated(node, &to(5, NOW + 100)).await.unwrap().cid();
    let held = delegated(node, &to(2, NOW + 40)).await.unwrap();
    let of_held = [held.cid()];
    let passed_on = Says {
        from: 2,
        proofs: &of_held,
        ..to(3, NOW + 20)
    };
    let passed_on = delegated(node, &passed_on).await.unwrap();
    let theirs = delegated(node, &to(4, NOW + 100)).await.unwrap();
    let told = async |seed: u8, proofs: &[Cid]| {
        let (code, _) = asked_with(node, seed, &about, &about, proofs).await;
        code
    };
    assert_eq!(told(2, &of_held).await, 200);
    assert_eq!(told(3, &[passed_on.cid()]).await, 200);
    assert_eq!(told(4, &[theirs.cid()]).await, 200);
    // once for each of the two levels of what is cited, and once for the one that it is about
    store.asked();
    told(3, &[passed_on.cid()]).await;
    assert_eq!(store.asked(), 3);
    // nobody's, another's, one that is not there, the same twice, a good one beside one that is not
    for (seed, proofs) in [
        (2, vec![]),
        (2, vec![theirs.cid()]),
        (2, vec![Cid::of(b"missing")]),
        (2, vec![held.cid(), held.cid()]),
        (2, vec![held.cid(), theirs.cid()]),
    ] {
        assert_eq!(told(seed, &proofs).await, 404, "{proofs:?}");
    }
    clock.set(NOW + 21);
    assert_eq!(told(3, &[passed_on.cid()]).await, 404);
    assert_eq!(told(2, &of_held).await, 200);
    clock.set(NOW);
    let path = format!("delegation/{}", held.cid());
    let taken_back = own(&path, &["tinycloud.delegation/revoke"]);
    revoke(node, &taken_back.headers()).await.unwrap();
    assert_eq!(told(2, &of_held).await, 404);
    assert_eq!(told(3, &[passed_on.cid()]).await, 404);
}

#[tokio::test]
async fn a_delegation_that_is_told_to_be_active_can_be_used() {
    let Home { node, .. } = &home().await;
    let revoked = delegated(node, &Says::default()).await.unwrap();
    let path = format!("delegation/{}", revoked.cid());
    let taken_back = own(&path, &["tinycloud.delegation/revoke"]);
    revoke(node, &taken_back.headers()).await.unwrap();
    // the owner needs no leave: what is cited for what is one's own changes nothing
    let cited = [revoked.cid(), Cid::of(b"missing")];
    let root = Says {
        proofs: &cited,
        ..Says::default()
    };
    let root = [delegated(node, &root).await.unwrap().cid()];
    let child = Says {
        from: 2,
        to: did(3),
        proofs: &root,
        ..Says::default()
    };
    let child = [delegated(node, &child).await.unwrap().cid()];
    for (seed, proofs) in [(2, &root), (3, &child)] {
        let (_, told) = asked(node, 1, &proofs[0], &proofs[0]).await;
        assert_eq!(told["status"], "active");
        let theirs = Says {
            from: seed,
            proofs,
            ..own("kv/docs/a", GET)
        };
        let found = invoke(node, &theirs.headers(), Body::empty()).await;
        assert_eq!(text(found.unwrap()).await, "of a");
    }
}

/// A token of the owner for several keys.
fn several(keys: &[&str], ability: &str) -> HeaderMap {
    let ability = Ability::parse(ability).unwrap();
    let grants = keys.iter().fold(Attenuation::new(), |all, key| {
        all.with(within(&format!("kv/{key}")), ability.clone())
    });
    headers(&raw(1, &did(1), NOW + 60, &[], grants))
}

fn parts(names: &[&str]) -> Body {
    let mut text = String::new();
    for name in names {
        text +=
            &format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\nof {name}\r\n");
    }
    Body::from(text + "--b--\r\n")
}

#[tokio::test]
async fn a_batch_writes_what_was_signed_and_all_of_it() {
    let Home { node, .. } = &home().await;
    let written = async |signed: &[&str], sent: &[&str]| {
        let token = several(signed, "tinycloud.kv/put");
        let token = with(token, &[(CONTENT_TYPE, "multipart/form-data; boundary=b")]);
        invoke(node, &token, parts(sent)).await
    };
    for sent in [
        &["a"][..],
        &["a", "c"],
        &["a", "b", "c"],
        &["a", "b", "b"],
        &[],
    ] {
        assert_eq!(code(written(&["a", "b"], sent).await), 400, "{sent:?}");
    }
    let all = Page {
        after: None,
        limit: 9,
    };
    let keys = node
        .store
        .keys(&space(), &Keys::With(String::new()), all, Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
    assert_eq!(keys, ["docs/a"]);
    let answer = written(&["a", "b"], &["b", "a"]).await.unwrap();
    let answer: Value = serde_json::from_str(&text(answer).await).unwrap();
    assert_eq!(answer["count"], 2);
}

#[tokio::test]
async fn h1_a_batch_reads_so_much_at_once() {
    let Home { node, .. } = &home().await;
    let keys: Vec<String> = (0..1001).map(|place| format!("k{place}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let read = async |keys: &[&str]| {
        let token = several(keys, "tinycloud.kv/get");
        invoke(node, &token, Body::empty()).await
    };
    assert_eq!(code(read(&keys).await), 413);
    let found = read(&keys[..1000]).await.unwrap();
    let found: Value = serde_json::from_str(&text(found).await).unwrap();
    assert_eq!(found["results"].as_array().unwrap().len(), 1000);
    // 17 MiB
    let large = "x".repeat(17 << 19);
    put(node, "k0", &large, &[]).await;
    put(node, "k1", &large, &[]).await;
    assert_eq!(code(read(&["k0", "k1"]).await), 413);
    assert_eq!(read(&["k0", "k2"]).await.unwrap().status(), 200);
}

#[tokio::test]
async fn values_of_two_spaces_are_not_one_invocation() {
    let Home { node, .. } = &home().await;
    let get = Ability::parse("tinycloud.kv/get").unwrap();
    let other = within("kv/a").replace(":s/", ":t/");
    let grants = Attenuation::new()
        .with(within("kv/a"), get.clone())
        .with(other, get);
    let token = headers(&raw(1, &did(1), NOW + 60, &[], grants));
    assert_eq!(code(invoke(node, &token, Body::empty()).await), 400);
    // also where one of them is the invoker's own, and the other was granted: both are allowed
    let link = delegated(node, &Says::default()).await.unwrap();
    let get = Ability::parse("tinycloud.kv/get").unwrap();
    let theirs = openkey_capability::resource::SpaceId::new(&did(2), "t").unwrap();
    let grants = Attenuation::new()
        .with(within("kv/a"), get.clone())
        .with(format!("{theirs}/kv/a"), get);
    let token = headers(&raw(2, &did(2), NOW + 60, &[link.cid()], grants));
    assert_eq!(code(invoke(node, &token, Body::empty()).await), 400);
}

#[tokio::test]
async fn a_caveat_that_nobody_knows_denies() {
    let Home { node, .. } = &home().await;
    let get = Ability::parse(GET[0]).unwrap();
    let caveat = json!({ "onlyOn": "Mondays" }).as_object().unwrap().clone();
    let caveats = Caveats::new(vec![caveat]).unwrap();
    let grants = Attenuation::new().with_caveats(within("kv/docs/"), get, caveats);
    let link = raw(1, &did(2), NOW + 60, &[], grants);
    delegate(node, &headers(&link)).await.unwrap();
    let proofs = [openkey_capability::ucan::Ucan::decode(&link).unwrap().cid()];
    let theirs = Says {
        from: 2,
        proofs: &proofs,
        ..own("kv/docs/a", GET)
    };
    let refused = invoke(node, &theirs.headers(), Body::empty()).await;
    assert_eq!(code(refused), 403);
}

/// Of writes of many values, one is with the store at a time, also where who asked has gone: whoever writes one
/// value waits for one of them at the most.
#[tokio::test]
async fn h8_one_write_of_many_values_goes_on_at_a_time() {
    let Home { node, .. } = &mut home().await;
    let store = Interposed::before(node);
    let node = &*node;
    let go = store.stop_writes();
    let written = async |by: &str, count: usize| {
        let keys: Vec<String> = (0..count).map(|at| format!("{by}{at}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let token = several(&keys, "tinycloud.kv/put");
        let token = with(token, &[(CONTENT_TYPE, "multipart/form-data; boundary=b")]);
        let answer = invoke(node, &token, parts(&keys)).await;
        answer.unwrap().status()
    };
    let soon = std::time::Duration::from_millis(500);
    let first = tokio::time::timeout(soon, written("a", 65)).await;
    assert!(first.is_err(), "{first:?}");
    assert_eq!(store.writes(), 1);
    let second = tokio::time::timeout(soon, written("b", 65)).await;
    assert!(second.is_err(), "{second:?}");
    assert_eq!(store.writes(), 1, "two at once");
    // few are in nobody's way
    let few = tokio::time::timeout(soon, written("c", 64)).await;
    assert!(few.is_err(), "{few:?}");
    assert_eq!(store.writes(), 2);
    go.add_permits(100);
    assert_eq!(written("d", 65).await, 200);
}
