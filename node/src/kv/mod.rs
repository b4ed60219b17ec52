//! Values by key: `tinycloud.kv/*`.

mod batch;
mod etag;
mod form;
mod get;
mod headers;
mod list;
mod put;
mod range;
mod staged;
mod upload;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use openkey_capability::resource::{Resource, SpaceId};

pub(crate) use self::batch::is_multipart;
pub use self::etag::{ETag, IfNoneMatch};
pub(crate) use self::get::not_modified;
pub use self::get::{Reading, content};
pub use self::headers::replayed;
pub(crate) use self::range::{Wanted, wanted};

use crate::admission::Authorised;
use crate::allowed::{Allowed, Selected};
use crate::error::Error;
use crate::node::Node;

/// The service of values in resources.
pub const SERVICE: &str = "kv";

/// What is done with values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Get,
    Metadata,
    List,
    Put,
    Delete,
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::Get => "kv/get",
            Self::Metadata => "kv/metadata",
            Self::List => "kv/list",
            Self::Put => "kv/put",
            Self::Delete => "kv/del",
        }
    }

    fn of(ability: &str) -> Option<Self> {
        Some(match ability {
            "tinycloud.kv/get" => Self::Get,
            "tinycloud.kv/metadata" => Self::Metadata,
            "tinycloud.kv/list" => Self::List,
            "tinycloud.kv/put" => Self::Put,
            "tinycloud.kv/del" => Self::Delete,
            _ => return None,
        })
    }
}

/// A key, and what happens to it.
type Target = (Action, String);

/// Carries out an invocation of values.
///
/// # Errors
///
/// [`Error`].
pub async fn invoke(
    node: &Node,
    authorised: &Authorised,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let allowed = authorised.grants.keeping()?;
    let (space, targets) = targets(&allowed)?;
    let call = Call {
        node,
        authorised,
        headers,
        space,
    };
    match targets.as_slice() {
        [(Action::Get, key)] => get::get(&call, key).await,
        [(Action::Metadata, key)] => get::metadata(&call, key).await,
        [(Action::List, prefix)] => list::list(&call, list::reach(&allowed, prefix), prefix).await,
        [(Action::Put, key)] if !is_multipart(headers) => put::put(&call, key, body).await,
        [(Action::Delete, key)] => put::delete(&call, key).await,
        several => batch::batch(&call, several, body).await,
    }
}

/// One invocation of values.
struct Call<'a> {
    node: &'a Node,
    authorised: &'a Authorised,
    headers: &'a HeaderMap,
    space: &'a SpaceId,
}

/// Which keys, and what happens to each. All are in one space.
fn targets(allowed: &[Allowed<Selected>]) -> Result<(&SpaceId, Vec<Target>), Error> {
    let mut space = None;
    let mut targets = Vec::with_capacity(allowed.len());
    for Allowed { capability, .. } in allowed {
        let Resource::Space(resource) = &capability.resource else {
            return Err(Error::Bad(format!("{} is no value", capability.resource)));
        };
        if *space.get_or_insert(resource.space()) != resource.space() {
            return Err(Error::Bad(
                "Ambiguous kv capabilities span multiple spaces".to_owned(),
            ));
        }
        let action = Action::of(capability.ability.canonical());
        let action = action
            .filter(|_| resource.service() == SERVICE)
            .ok_or_else(|| {
                Error::NotImplemented(format!(
                    "{} on {resource} is not something this node does",
                    capability.ability
                ))
            })?;
        let path = resource
            .path()
            .filter(|path| !path.is_empty() || action == Action::List);
        let path = path.ok_or_else(|| {
            Error::Bad(match action {
                Action::List => format!(
                    "{} needs a prefix: <space>/kv/ lists all keys",
                    capability.ability
                ),
                _ => format!("{} needs a key behind <space>/kv/", capability.ability),
            })
        })?;
        if resource.query().is_some() || resource.fragment().is_some() {
            return Err(Error::Bad(
                "The key of a value has no query and no fragment".to_owned(),
            ));
        }
        targets.push((action, path.to_owned()));
    }
    let space =
        space.ok_or_else(|| Error::Bad("The invocation names nothing to be done".to_owned()))?;
    Ok((space, targets))
}
