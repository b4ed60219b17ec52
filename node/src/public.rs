//! Public spaces: what anybody may read, without a token.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use openkey_capability::resource::{SpaceId, SpaceResource};
use serde_json::json;

use crate::error::Error;
use crate::kv::{self, ETag, Reading, Wanted};
use crate::node::Node;
use crate::signed::guard;
use crate::store::{Page, StoreError};

const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=60");
/// What of the stored headers is given to anybody.
const SHOWN: [header::HeaderName; 3] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
];
/// Most keys of one list: it is for anybody, and has no pages.
const MAX_KEYS: u32 = 10_000;

/// One value of a public space. `key` is as it stands in the URL, its escapes as they are: a value is
/// found under the key that it was stored under.
///
/// # Errors
///
/// [`Error`].
pub async fn get(
    node: &Node,
    space: &str,
    key: &str,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let space = public(space)?;
    let invalid = || Error::Bad("Invalid key".to_owned());
    let resource =
        SpaceResource::new(space.clone(), kv::SERVICE, Some(key)).map_err(|_| invalid())?;
    if key.is_empty() || resource.path() != Some(key) {
        return Err(invalid());
    }
    let value = match node.store.value(&space, key).await {
        Err(StoreError::NoSpace) => None,
        other => other?,
    };
    let value = value.ok_or_else(|| Error::NotFound("Key not found".to_owned()))?;
    let etag = ETag(value.hash);
    let had = headers.get(header::IF_NONE_MATCH);
    if had.is_some_and(|tag| tag.as_bytes() == etag.to_string().as_bytes()) {
        return Ok(kv::not_modified(etag, CACHE));
    }
    let stored = kv::replayed(&value.headers)?;
    let mut shown = HeaderMap::new();
    for name in SHOWN {
        if let Some(value) = stored.get(&name) {
            shown.insert(name, value.clone());
        }
    }
    let reading = Reading {
        headers: shown,
        part: Wanted::Whole,
        cache: CACHE,
    };
    let mut response = kv::content(node, value, reading).await?;
    guard(response.headers_mut());
    Ok(response)
}

/// The keys of a public space.
///
/// # Errors
///
/// [`Error`].
pub async fn list(node: &Node, space: &str, prefix: &str) -> Result<Response, Error> {
    let space = public(space)?;
    let page = Page {
        after: None,
        limit: MAX_KEYS + 1,
    };
    let keys = match node.store.keys(&space, prefix, page).await {
        Err(StoreError::NoSpace) => return Err(Error::NotFound("Space not found".to_owned())),
        other => other?,
    };
    if keys.len() > MAX_KEYS as usize {
        return Err(Error::TooLarge(format!(
            "More than {MAX_KEYS} keys: ask with a longer prefix"
        )));
    }
    let mut response = Json(json!(keys)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}

fn public(space: &str) -> Result<SpaceId, Error> {
    let space = SpaceId::parse(space).map_err(|_| Error::Bad("Invalid space ID".to_owned()))?;
    if space.is_public() {
        Ok(space)
    } else {
        Err(Error::Forbidden("Not a public space".to_owned()))
    }
}
