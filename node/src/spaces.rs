//! What may be asked about spaces: `tinycloud.space/list`, `info`, `create`.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use openkey_capability::resource::{SpaceId, SpaceResource};
use serde_json::{Value, json};

use crate::admission::{Authorised, admit};
use crate::delegation::iso;
use crate::error::Error;
use crate::invoke::listed;
use crate::node::Node;
use crate::store::Page;

/// The service of spaces in resources.
pub const SERVICE: &str = "space";
/// Most spaces of one list.
const PAGE: u32 = 1000;
/// Where a list goes on, as the one before has said.
const CURSOR: &str = "x-tinycloud-cursor";
const NEXT: &str = "x-tinycloud-next-cursor";

/// Carries out one of them. Whoever may ask about the spaces of one owner learns nothing of another's.
///
/// # Errors
///
/// [`Error`].
pub async fn invoke(
    node: &Node,
    authorised: &Authorised,
    ability: &str,
    resource: &SpaceResource,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let owner = resource.space().owner();
    let path = resource.path().unwrap_or("");
    match ability {
        "tinycloud.space/list" => {
            admit(&node.store, authorised).await?;
            let after = match headers.get(CURSOR) {
                None => None,
                Some(cursor) => {
                    let name = cursor.to_str().ok().map(SpaceId::parse);
                    let name = name.and_then(Result::ok).map(|it| it.to_string());
                    Some(name.ok_or_else(|| Error::Bad(format!("Invalid {CURSOR}")))?)
                }
            };
            let page = Page {
                after,
                limit: PAGE + 1,
            };
            let mut spaces = node.store.spaces_of(owner, page).await?;
            let truncated = spaces.len() > PAGE as usize;
            spaces.truncate(PAGE as usize);
            let view = spaces.iter().map(|(id, space)| {
                json!({
                    "id": id.to_string(),
                    "name": id.name(),
                    "owner": owner.as_str(),
                    "createdAt": iso(space.created_ms),
                })
            });
            let view = Value::Array(view.collect());
            let mut response = listed(&view, truncated)?;
            if truncated
                && let Some((last, _)) = spaces.last()
                && let Ok(cursor) = HeaderValue::from_str(&last.to_string())
            {
                response.headers_mut().insert(NEXT, cursor);
            }
            Ok(response)
        }
        "tinycloud.space/info" => {
            admit(&node.store, authorised).await?;
            let id = named(resource, path)?;
            let hosted = match id.owner() == owner {
                true => node.store.space(&id).await?,
                false => None,
            };
            hosted.ok_or_else(|| Error::NotFound("Space not found".to_owned()))?;
            Ok(Json(view(&id)).into_response())
        }
        "tinycloud.space/create" => {
            let id = named(resource, path)?;
            if id.owner() != owner {
                return Err(Error::Forbidden(
                    "Spaces are made for their owner only".to_owned(),
                ));
            }
            if !node.config.may_host(owner) {
                return Err(Error::Forbidden(format!(
                    "This node hosts no spaces of {owner}"
                )));
            }
            let made = node
                .store
                .host(authorised.admission.clone(), &id, node.now_ms())
                .await?;
            if !made {
                return Err(Error::Conflict(format!("The space exists: {id}")));
            }
            Ok(Json(view(&id)).into_response())
        }
        other => Err(Error::NotImplemented(format!(
            "{other} is not something this node does"
        ))),
    }
}

/// A space as clients read it. What else they would take depends on who asks, and they do without it.
fn view(id: &SpaceId) -> Value {
    json!({ "id": id.to_string(), "name": id.name(), "owner": id.owner().as_str() })
}

/// The space that a path names: by its whole name, or by its owner's name for it.
fn named(resource: &SpaceResource, path: &str) -> Result<SpaceId, Error> {
    let id = if path.starts_with("tinycloud:") {
        SpaceId::parse(path)
    } else if path.is_empty() {
        Ok(resource.space().clone())
    } else {
        SpaceId::new(resource.space().owner(), path)
    };
    id.map_err(|error| Error::Bad(format!("Invalid space ID: {error}")))
}
