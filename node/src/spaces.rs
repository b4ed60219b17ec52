//! What may be asked about spaces: `tinycloud.space/list`, `info`, `create`.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use openkey_capability::resource::{SpaceId, SpaceResource};
use serde_json::{Value, json};

use crate::admission::{Authorised, admit};
use crate::delegation::iso;
use crate::error::Error;
use crate::node::Node;

/// The service of spaces in resources.
pub const SERVICE: &str = "space";

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
) -> Result<Response, Error> {
    let owner = resource.space().owner();
    let path = resource.path().unwrap_or("");
    match ability {
        "tinycloud.space/list" => {
            admit(&node.store, authorised).await?;
            let spaces = node.store.spaces_of(owner).await?;
            let view = spaces.iter().map(|(id, space)| {
                json!({
                    "id": id.to_string(),
                    "name": id.name(),
                    "owner": owner.as_str(),
                    "createdAt": iso(space.created_ms),
                })
            });
            Ok(Json(view.collect::<Vec<_>>()).into_response())
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
