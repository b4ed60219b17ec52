//! Values with a token, and of public spaces; spaces, and their bounds.

use axum::body::Body;
use axum::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, IF_NONE_MATCH, RANGE,
};
use axum::http::{HeaderMap, HeaderName};
use openkey_capability::resource::SpaceId;
use openkey_node::config::AdminSecret;
use openkey_node::invoke::invoke;
use openkey_node::{admin, public};
use serde_json::json;

use super::home::{GET, Home, PUT, home, own, put, status, text, with};
use super::tokens::{did, space};

#[tokio::test]
async fn only_public_spaces_are_read_without_a_token() {
    let Home { node, .. } = &home().await;
    let private = space().to_string();
    let none = HeaderMap::new();
    let refused = public::get(node, &private, "docs/a", &none).await;
    assert_eq!(status(refused), 403);
    assert_eq!(status(public::list(node, &private, "").await), 403);

    let id = SpaceId::new(&did(1), "public").unwrap();
    let name = id.to_string();
    assert_eq!(status(public::get(node, &name, "a", &none).await), 404);
    let nothing = public::list(node, &name, "").await.unwrap();
    assert_eq!(text(nothing).await, "[]");
    let admission = openkey_node::store::Admission {
        statement: [8; 32],
        expires_ms: i64::MAX,
        chain_expires_ms: None,
        until_ms: 0,
        chain: Vec::new(),
    };
    node.store.host(admission, &id, 0).await.unwrap();
    let stored = openkey_node::store::StoredValue {
        hash: *blake3::hash(b"<script>").as_bytes(),
        size: 8,
        headers: json!([
            ["content-type", "text/html"],
            ["content-language", "de"],
            ["x-tinycloud-meta-from", "somebody"],
            ["content-disposition", "attachment"],
        ])
        .to_string(),
        content: openkey_node::store::Content::Inline("<script>".into()),
    };
    let write = openkey_node::store::ValueWrite {
        admission: openkey_node::store::Admission {
            statement: [9; 32],
            expires_ms: i64::MAX,
            chain_expires_ms: None,
            until_ms: 0,
            chain: Vec::new(),
        },
        begun: false,
        space: id,
        changes: vec![(
            "a/b".to_owned(),
            openkey_node::store::Condition::Any,
            openkey_node::store::Change::Put(stored),
        )],
        default_bound: None,
    };
    node.store.write(write).await.unwrap();
    let response = public::get(node, &name, "a/b", &none).await.unwrap();
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "text/html");
    assert_eq!(headers["content-language"], "de");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(
        headers["content-security-policy"],
        "default-src 'none'; sandbox"
    );
    assert!(!headers.contains_key("x-tinycloud-meta-from"));
    assert!(!headers.contains_key("content-disposition"));
    assert_eq!(text(response).await, "<script>");
    let known = with(
        none.clone(),
        &[(IF_NONE_MATCH, headers["etag"].to_str().unwrap())],
    );
    let response = public::get(node, &name, "a/b", &known).await.unwrap();
    assert_eq!(response.status(), 304);
    assert_eq!(
        text(public::list(node, &name, "a").await.unwrap()).await,
        r#"["a/b"]"#
    );
    for key in ["", "a//b", "a/../b", "a b"] {
        let refused = public::get(node, &name, key, &none).await;
        let code = status(refused);
        assert!(code == 400 || code == 404, "{key}: {code}");
    }
}

#[tokio::test]
async fn h1_a_value_is_as_large_as_it_may_be_and_no_larger() {
    let Home { node, .. } = &mut home().await;
    node.config.max_value_bytes = 10;
    let attempt = async |body: &'static str, announced: Option<&str>| {
        let mut headers = own("kv/b", PUT).headers();
        if let Some(announced) = announced {
            headers = with(headers, &[(CONTENT_LENGTH, announced)]);
        }
        invoke(node, &headers, Body::from(body)).await
    };
    for (body, announced) in [
        ("12345678901", None),
        ("12345678901", Some("5")),
        ("1", Some("11")),
        ("1", Some("99999999999")),
    ] {
        assert_eq!(status(attempt(body, announced).await), 413, "{announced:?}");
    }
    attempt("1234567890", Some("10")).await.unwrap();
}

#[tokio::test]
async fn what_is_read_is_what_was_asked_for() {
    let Home { node, .. } = &home().await;
    let kept = [
        (CONTENT_TYPE, "text/plain"),
        (COOKIE, "a=b"),
        (HeaderName::from_static("x-tinycloud-meta-a"), "b"),
    ];
    put(node, "b", "0123456789", &kept).await;
    let get = async |more: &[(HeaderName, &str)]| {
        let headers = with(own("kv/b", GET).headers(), more);
        invoke(node, &headers, Body::empty()).await
    };
    let response = get(&[]).await.unwrap();
    assert_eq!(response.headers()["x-tinycloud-meta-a"], "b");
    assert!(!response.headers().contains_key(COOKIE));
    assert!(!response.headers().contains_key(AUTHORIZATION));
    assert_eq!(response.headers()["cache-control"], "private, no-cache");
    let most = HeaderName::from_static("x-tinycloud-max-response-bytes");
    assert_eq!(status(get(&[(most.clone(), "9")]).await), 413);
    assert_eq!(status(get(&[(most.clone(), "x")]).await), 400);
    get(&[(most.clone(), "10")]).await.unwrap();
    let part = get(&[(most, "4"), (RANGE, "bytes=2-5")]).await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(text(part).await, "2345");
    assert_eq!(status(get(&[(RANGE, "bytes=10-")]).await), 416);
}

#[tokio::test]
async fn b9_a_cursor_is_for_one_list_of_one_invoker() {
    let Home { node, .. } = &home().await;
    for key in ["l/a", "l/b", "l/c"] {
        put(node, key, "1", &[]).await;
    }
    let limit = HeaderName::from_static("x-tinycloud-limit");
    let cursor = HeaderName::from_static("x-tinycloud-cursor");
    let list = async |prefix: &str, most: &str, at: Option<&str>| {
        let says = own(prefix, &["tinycloud.kv/list"]);
        let mut headers = with(says.headers(), &[(limit.clone(), most)]);
        if let Some(at) = at {
            headers = with(headers, &[(cursor.clone(), at)]);
        }
        invoke(node, &headers, Body::empty()).await
    };
    let first = list("kv/l/", "2", None).await.unwrap();
    let next = first.headers()["x-tinycloud-next-cursor"].clone();
    let next = next.to_str().unwrap();
    assert_eq!(text(first).await, r#"["l/a","l/b"]"#);
    let second = list("kv/l/", "2", Some(next)).await.unwrap();
    assert!(!second.headers().contains_key("x-tinycloud-next-cursor"));
    assert_eq!(text(second).await, r#"["l/c"]"#);
    let mut changed = next.to_owned().into_bytes();
    changed[3] ^= 1;
    let changed = String::from_utf8(changed).unwrap();
    for (prefix, most, at) in [
        ("kv/l", "2", next),
        ("kv/l/", "3", next),
        ("kv/l/", "2", &changed),
        ("kv/l/", "2", ""),
        ("kv/l/", "0", next),
        ("kv/l/", "1001", next),
    ] {
        let refused = list(prefix, most, Some(at)).await;
        assert_eq!(status(refused), 400, "{prefix} {most} {at}");
    }
}

#[tokio::test]
async fn spaces_of_another_owner_are_neither_told_nor_made() {
    let Home { node, .. } = &home().await;
    let other = SpaceId::new(&did(2), "t").unwrap();
    let admission = openkey_node::store::Admission {
        statement: [8; 32],
        expires_ms: i64::MAX,
        chain_expires_ms: None,
        until_ms: 0,
        chain: Vec::new(),
    };
    node.store.host(admission, &other, 0).await.unwrap();
    let asked = async |path: &str, ability: &'static str| {
        let resource = format!("space/{path}");
        let headers = own(&resource, &[ability]).headers();
        invoke(node, &headers, Body::empty()).await
    };
    asked("s", "tinycloud.space/info").await.unwrap();
    let refused = asked(&other.to_string(), "tinycloud.space/info").await;
    assert_eq!(status(refused), 404);
    let new = SpaceId::new(&did(2), "new").unwrap();
    let refused = asked(&new.to_string(), "tinycloud.space/create").await;
    assert_eq!(status(refused), 403);
    assert!(node.store.space(&new).await.unwrap().is_none());
    asked("new", "tinycloud.space/create").await.unwrap();
    let again = asked("new", "tinycloud.space/create").await;
    assert_eq!(status(again), 409);
    let listed = asked("", "tinycloud.space/list").await.unwrap();
    let listed = text(listed).await;
    assert!(listed.contains(&space().to_string()) && !listed.contains(other.owner().as_str()));
}

#[tokio::test]
async fn quotas_are_set_by_who_shows_the_secret() {
    let Home { node, .. } = &mut home().await;
    let shown = |text: &str| with(HeaderMap::new(), &[(AUTHORIZATION, text)]);
    let good = "Bearer 0123456789abcdef";
    assert_eq!(status(admin::check(node, &shown(good))), 503);
    node.config.admin_secret = Some(AdminSecret::new(b"0123456789abcdef"));
    admin::check(node, &shown(good)).unwrap();
    for text in [
        "",
        "Bearer",
        "Bearer ",
        "0123456789abcdef",
        "Bearer 0123456789abcde",
        "Bearer 0123456789abcdef0",
        "bearer 0123456789abcdef",
        "Basic 0123456789abcdef",
    ] {
        assert_eq!(status(admin::check(node, &shown(text))), 401, "{text}");
    }
    assert_eq!(status(admin::check(node, &HeaderMap::new())), 401);
    let name = space().to_string();
    assert_eq!(status(admin::put(node, &name, b"{}").await), 400);
    let more = br#"{"limit_bytes":1,"more":2}"#;
    assert_eq!(status(admin::put(node, &name, more).await), 400);
    assert_eq!(status(admin::get(node, "x").await), 400);
    let view = admin::put(node, &name, br#"{"limit_bytes":19}"#)
        .await
        .unwrap();
    assert_eq!(view["effective_limit_bytes"], 19);
    let headers = own("kv/b", PUT).headers();
    let refused = invoke(node, &headers, Body::from("12345")).await;
    assert_eq!(status(refused), 413);
    let bounds = admin::bounds(node, None).await.unwrap();
    assert_eq!(bounds["overrides"], json!({ name.clone(): 19 }));
    let usage = admin::usage(node, None).await.unwrap();
    assert_eq!(
        usage["spaces"],
        json!([{ "space_id": name, "usage_bytes": 4 + 6 + 2, "pending_bytes": 0 }])
    );
    admin::delete(node, &name).await.unwrap();
    invoke(node, &own("kv/b", PUT).headers(), Body::from("12"))
        .await
        .unwrap();
}
