//! Every kind of caveat at everything that is carried out under one.

use axum::body::Body;
use axum::http::HeaderName;
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::{Attenuation, Caveats};
use openkey_capability::cid::Cid;
use openkey_capability::ucan::Ucan;
use openkey_node::delegation::{delegate, revoke};
use openkey_node::invoke::invoke;
use openkey_node::node::Node;
use openkey_node::signed;
use serde_json::{Value, json};

use super::delegating::{delegated, revoking};
use super::home::{GET, Home, home, own, put, text, with};
use super::tokens::{NOW, Says, did, headers, raw, space, within};

/// Grants this of a resource to `did(2)`, under a list of caveats.
async fn granted(node: &Node, resource: &str, ability: &str, caveats: &Value) -> Cid {
    let ability = Ability::parse(ability).unwrap();
    let caveats: Caveats = serde_json::from_value(caveats.clone()).unwrap();
    let grants = Attenuation::new().with_caveats(within(resource), ability, caveats);
    let token = raw(1, &did(2), NOW + 60, &[], grants);
    delegate(node, &headers(&token)).await.unwrap();
    Ucan::decode(&token).unwrap().cid()
}

fn selector(kind: &str, value: &str) -> Value {
    json!({ "type": "xyz.tinycloud.resource/selector", "kind": kind, "value": value })
}

fn statements(sql: &str) -> Value {
    let one = json!({ "name": "one", "sql": sql });
    json!({ "mode": "constrained-statements", "readOnly": true, "statements": [one] })
}

/// Lists of caveats under which something at this path is not done, unless it is a database's.
fn refusing(path: &str) -> Vec<Value> {
    let mut more = selector("exact", path);
    more["until"] = json!("noon");
    vec![
        json!([{ "onlyOn": "Mondays" }]),
        json!([{ "readOnly": true }]),
        json!([{ "onlyOn": "Mondays" }, {}]),
        json!([selector("exact", "elsewhere")]),
        json!([selector("prefix", "elsewhere")]),
        json!([selector("exact", "elsewhere"), {}]),
        json!([selector("exact", &format!("{path}/below"))]),
        json!([selector("regex", path)]),
        json!([more]),
        json!([statements("SELECT 1")]),
    ]
}

/// And those under which it is.
fn letting(path: &str) -> Vec<Value> {
    vec![
        json!([{}]),
        json!([selector("exact", path)]),
        json!([selector("prefix", path)]),
        json!([selector("exact", "elsewhere"), selector("exact", path)]),
    ]
}

/// What comes back when `did(2)` does this, status and text.
async fn done(node: &Node, resource: &str, ability: &str, proof: Cid, body: &str) -> (u16, String) {
    let proofs = [proof];
    let abilities = [ability];
    let says = Says {
        from: 2,
        proofs: &proofs,
        ..own(resource, &abilities)
    };
    match invoke(node, &says.headers(), Body::from(body.to_owned())).await {
        Ok(response) => (response.status().as_u16(), text(response).await),
        Err(error) => (error.status().as_u16(), error.to_string()),
    }
}

#[tokio::test]
async fn a5_every_caveat_at_everything_that_is_invoked() {
    let Home { node, .. } = &home().await;
    let link = delegated(node, &Says::default()).await.unwrap().cid();
    let link = link.to_string();
    for (resource, path, ability) in [
        ("kv/docs/a", "docs/a", "tinycloud.kv/get"),
        ("kv/docs/a", "docs/a", "tinycloud.kv/metadata"),
        ("kv/docs/", "docs/", "tinycloud.kv/list"),
        ("kv/docs/a", "docs/a", "tinycloud.kv/put"),
        ("kv/docs/b", "docs/b", "tinycloud.kv/del"),
        ("capabilities/all", "all", "tinycloud.capabilities/read"),
        ("delegation/", "", "tinycloud.delegation/list"),
        (
            &format!("delegation/{link}"),
            &link,
            "tinycloud.delegation/get",
        ),
        ("space/", "", "tinycloud.space/list"),
        ("space/s", "s", "tinycloud.space/info"),
        ("space/new", "new", "tinycloud.space/create"),
    ] {
        for caveats in refusing(path) {
            let proof = granted(node, resource, ability, &caveats).await;
            let (status, said) = done(node, resource, ability, proof, "new").await;
            assert_eq!(status, 403, "{ability} under {caveats}: {said}");
            assert!(said.contains("caveat"), "{ability} under {caveats}: {said}");
        }
        for caveats in letting(path) {
            put(node, "docs/b", "of b", &[]).await;
            let proof = granted(node, resource, ability, &caveats).await;
            let (status, said) = done(node, resource, ability, proof, "new").await;
            // a space is made once
            let good = status == 200 || (ability.ends_with("create") && status == 409);
            assert!(good, "{ability} under {caveats}: {status} {said}");
        }
    }
}

#[tokio::test]
async fn a5_every_caveat_at_a_batch() {
    let Home { node, .. } = &home().await;
    put(node, "docs/b", "of b", &[]).await;
    let read = async |caveats: &Value| {
        let proofs = [granted(node, "kv/docs/", GET[0], caveats).await];
        let get = Ability::parse(GET[0]).unwrap();
        let asks = Attenuation::new()
            .with(within("kv/docs/a"), get.clone())
            .with(within("kv/docs/b"), get);
        let token = raw(2, &did(2), NOW + 60, &proofs, asks);
        let answer = invoke(node, &headers(&token), Body::empty()).await;
        answer.map_or_else(|it| it.status().as_u16(), |it| it.status().as_u16())
    };
    for caveats in refusing("docs/a") {
        assert_eq!(read(&caveats).await, 403, "{caveats}");
    }
    // all of them must be selected
    assert_eq!(read(&json!([selector("exact", "docs/a")])).await, 403);
    for caveats in [json!([{}]), json!([selector("prefix", "docs")])] {
        assert_eq!(read(&caveats).await, 200, "{caveats}");
    }
}

#[tokio::test]
async fn a5_every_caveat_at_a_database() {
    let Home { node, .. } = &home().await;
    let make = json!({ "action": "execute", "sql": "CREATE TABLE t (a)" }).to_string();
    let all = own("sql/main", &["tinycloud.sql/*"]);
    let made = invoke(node, &all.headers(), Body::from(make)).await;
    made.unwrap();
    let query = json!({ "action": "query", "sql": "SELECT a FROM t" }).to_string();
    let define = json!({ "action": "execute", "sql": "CREATE TABLE u (a)" }).to_string();
    let drop = json!({ "action": "execute", "sql": "DROP TABLE u" }).to_string();
    for (ability, body) in [
        ("tinycloud.sql/read", &query),
        ("tinycloud.sql/write", &query),
        ("tinycloud.sql/schema", &define),
        ("tinycloud.sql/schema", &drop),
        ("tinycloud.sql/*", &query),
    ] {
        for caveats in refusing("main") {
            let proof = granted(node, "sql/main", ability, &caveats).await;
            let (status, said) = done(node, "sql/main", ability, proof, body).await;
            assert_eq!(status, 403, "{ability} under {caveats}: {said}");
        }
    }
    for caveats in letting("main") {
        let proof = granted(node, "sql/main", "tinycloud.sql/read", &caveats).await;
        let (status, said) = done(node, "sql/main", "tinycloud.sql/read", proof, &query).await;
        assert_eq!(status, 200, "{caveats}: {said}");
    }
}

#[tokio::test]
async fn a5_every_caveat_at_a_signed_url() {
    let Home { node, .. } = &home().await;
    let body = json!({ "space": space().to_string(), "path": "docs/a" }).to_string();
    // as much as the grant, and exactly the value
    for resource in ["kv/docs/", "kv/docs/a"] {
        let sign = async |caveats: &Value| {
            let proofs = [granted(node, "kv/docs/", GET[0], caveats).await];
            let says = Says {
                from: 2,
                proofs: &proofs,
                ..own(resource, GET)
            };
            let answer = signed::issue(node, &says.headers(), body.clone().into()).await;
            answer.map_or_else(|it| it.status().as_u16(), |_| 200)
        };
        for caveats in refusing("docs/a") {
            assert_eq!(sign(&caveats).await, 403, "{resource} under {caveats}");
        }
        assert_eq!(sign(&json!([selector("exact", "docs/b")])).await, 403);
        assert_eq!(sign(&json!([selector("exact", "docs/")])).await, 403);
        for caveats in letting("docs/a") {
            assert_eq!(sign(&caveats).await, 200, "{resource} under {caveats}");
        }
    }
}

#[tokio::test]
async fn d8_who_may_revoke_under_a_caveat_does_not() {
    let Home { node, .. } = &home().await;
    let link = delegated(node, &Says::default()).await.unwrap().cid();
    let path = format!("delegation/{link}");
    let others = [selector("prefix", ""), selector("exact", "delegation")];
    let others = others.into_iter().map(|it| json!([it]));
    for caveats in refusing(&link.to_string()).into_iter().chain(others) {
        let ability = "tinycloud.delegation/revoke";
        let proofs = [granted(node, "delegation", ability, &caveats).await];
        let refused = revoke(node, &revoking(2, &path, &proofs).headers()).await;
        assert_eq!(refused.unwrap_err().status(), 403, "under {caveats}");
    }
    let proofs = [granted(
        node,
        "delegation",
        "tinycloud.delegation/revoke",
        &json!([{}]),
    )
    .await];
    revoke(node, &revoking(2, &path, &proofs).headers())
        .await
        .unwrap();
}

#[tokio::test]
async fn b1_a_cursor_is_for_who_got_it() {
    let Home { node, .. } = &home().await;
    put(node, "docs/b", "of b", &[]).await;
    let list = "tinycloud.kv/list";
    let proofs = [granted(node, "kv/docs/", list, &json!([{}])).await];
    let page = async |from: u8, cursor: Option<&str>| {
        let cited: &[Cid] = if from == 2 { &proofs } else { &[] };
        let says = Says {
            from,
            proofs: cited,
            ..own("kv/docs/", &["tinycloud.kv/list"])
        };
        let mut more = vec![(HeaderName::from_static("x-tinycloud-limit"), "1")];
        if let Some(cursor) = cursor {
            more.push((HeaderName::from_static("x-tinycloud-cursor"), cursor));
        }
        let answer = invoke(node, &with(says.headers(), &more), Body::empty()).await?;
        let next = answer.headers().get("x-tinycloud-next-cursor").cloned();
        let next = next.map(|it| it.to_str().unwrap().to_owned());
        Ok::<_, openkey_node::error::Error>((text(answer).await, next))
    };
    let (first, theirs) = page(2, None).await.unwrap();
    assert_eq!(first, r#"["docs/a"]"#);
    let theirs = theirs.unwrap();
    let (second, _) = page(2, Some(&theirs)).await.unwrap();
    assert_eq!(second, r#"["docs/b"]"#);
    let refused = page(1, Some(&theirs)).await.unwrap_err();
    assert_eq!(refused.status(), 400);
}
