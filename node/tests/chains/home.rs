//! A node with a space and a value in it, and what is asked of it.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use openkey_node::error::Error;
use openkey_node::invoke::invoke;
use openkey_node::node::Node;

use super::delegating::hosted;
use super::tokens::{Fixed, NOW, Says, did, node};

pub(crate) const GET: &[&str] = &["tinycloud.kv/get"];
pub(crate) const PUT: &[&str] = &["tinycloud.kv/put"];

/// The owner's token.
pub(crate) fn own<'a>(resource: &'a str, abilities: &'a [&'a str]) -> Says<'a> {
    Says {
        to: did(1),
        until: NOW + 60,
        resource,
        abilities,
        ..Says::default()
    }
}

pub(crate) fn with(mut headers: HeaderMap, more: &[(HeaderName, &str)]) -> HeaderMap {
    for (name, value) in more {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

pub(crate) async fn put(node: &Node, key: &str, body: &str, more: &[(HeaderName, &str)]) {
    let resource = format!("kv/{key}");
    let headers = with(own(&resource, PUT).headers(), more);
    let body = Body::from(body.to_owned());
    invoke(node, &headers, body).await.unwrap();
}

pub(crate) async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn status<T: std::fmt::Debug>(result: Result<T, Error>) -> StatusCode {
    result.unwrap_err().status()
}

pub(crate) struct Home {
    _dir: tempfile::TempDir,
    pub(crate) clock: Arc<Fixed>,
    pub(crate) node: Node,
}

pub(crate) async fn home() -> Home {
    let dir = tempfile::tempdir().unwrap();
    let clock = Fixed::at(NOW);
    let node = node(dir.path(), &clock);
    hosted(&node).await;
    put(&node, "docs/a", "of a", &[]).await;
    Home {
        _dir: dir,
        clock,
        node,
    }
}
