//! Quotas, for who runs the node.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use openkey_capability::resource::SpaceId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::node::Node;
use crate::store::{Page, Usage};

/// Spaces read from the store at once.
const PAGE: u32 = 1000;
/// Most spaces of one answer.
const MAX_SPACES: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    limit_bytes: u64,
}

/// Lets through who shows the secret.
///
/// # Errors
///
/// [`Error::Unavailable`] if there is none, [`Error::Unauthorized`].
pub fn check(node: &Node, headers: &HeaderMap) -> Result<(), Error> {
    let secret = node.config.admin_secret.as_ref();
    let secret = secret.ok_or_else(|| {
        Error::Unavailable(
            "This node has no admin secret: start it with --admin-secret-file".to_owned(),
        )
    })?;
    let shown = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if shown.is_some_and(|shown| secret.is(shown)) {
        Ok(())
    } else {
        Err(Error::Unauthorized(
            "The admin secret is missing or wrong: send it as `Authorization: Bearer SECRET`"
                .to_owned(),
        ))
    }
}

/// The bound of one space.
///
/// # Errors
///
/// [`Error`].
pub async fn get(node: &Node, space: &str) -> Result<Value, Error> {
    view(node, &parse(space)?).await
}

/// Sets the bound of one space.
///
/// # Errors
///
/// [`Error`].
pub async fn put(node: &Node, space: &str, body: &[u8]) -> Result<Value, Error> {
    let space = parse(space)?;
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| Error::Bad(format!("Invalid request: {error}")))?;
    node.store.bound(&space, Some(body.limit_bytes)).await?;
    view(node, &space).await
}

/// Removes the bound of one space, so that the default holds again.
///
/// # Errors
///
/// [`Error`].
pub async fn delete(node: &Node, space: &str) -> Result<Value, Error> {
    let space = parse(space)?;
    node.store.bound(&space, None).await?;
    view(node, &space).await
}

/// Bounds that were set, by name; if there are more, `next` says behind which one to go on.
///
/// # Errors
///
/// [`Error`].
pub async fn bounds(node: &Node, after: Option<String>) -> Result<Value, Error> {
    let mut overrides = Map::new();
    let (all, next) = read(node, after, |usage| usage.bound.is_some()).await?;
    for (space, usage) in all {
        overrides.insert(space, usage.bound.into());
    }
    let default = node.config.quota_bytes;
    let mut view = json!({ "overrides": overrides, "default_limit_bytes": default });
    if let (Some(view), Some(next)) = (view.as_object_mut(), next) {
        view.insert("next".to_owned(), next.into());
    }
    Ok(view)
}

/// What spaces hold, by name; if there are more, `next` says behind which one to go on.
///
/// # Errors
///
/// [`Error`].
pub async fn usage(node: &Node, after: Option<String>) -> Result<Value, Error> {
    let (all, next) = read(node, after, |usage| usage.hosted).await?;
    let spaces: Vec<Value> = all
        .into_iter()
        .map(|(space, usage)| json!({ "space_id": space, "usage_bytes": usage.bytes, "pending_bytes": usage.pending }))
        .collect();
    let mut view = json!({ "count": spaces.len(), "spaces": spaces });
    if let (Some(view), Some(next)) = (view.as_object_mut(), next) {
        view.insert("next".to_owned(), next.into());
    }
    Ok(view)
}

/// Those that are wanted, up to as many as fit an answer; then also the last of them.
async fn read(
    node: &Node,
    after: Option<String>,
    is_wanted: impl Fn(&Usage) -> bool,
) -> Result<(Vec<(String, Usage)>, Option<String>), Error> {
    let mut page = Page { after, limit: PAGE };
    let mut all: Vec<(String, Usage)> = Vec::new();
    loop {
        let part = node.store.usages(page.clone()).await?;
        let Some((last, _)) = part.last() else {
            return Ok((all, None));
        };
        page.after = Some(last.clone());
        for one in part.into_iter().filter(|(_, usage)| is_wanted(usage)) {
            if all.len() == MAX_SPACES {
                let last = all.last().map(|(name, _)| name.clone());
                return Ok((all, last));
            }
            all.push(one);
        }
    }
}

async fn view(node: &Node, space: &SpaceId) -> Result<Value, Error> {
    let usage = node.store.usage(space).await?;
    Ok(json!({
        "space_id": space.to_string(),
        "override_bytes": usage.bound,
        "effective_limit_bytes": usage.bound.or(node.config.default_bound(space)),
        "current_usage_bytes": usage.bytes,
        "pending_bytes": usage.pending,
    }))
}

fn parse(space: &str) -> Result<SpaceId, Error> {
    SpaceId::parse(space).map_err(|_| Error::Bad("Invalid space ID".to_owned()))
}
