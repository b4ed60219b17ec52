//! `POST /invoke`: whatever an invocation says.

use axum::Json;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use openkey_capability::chain::{Capability, ChainError};
use openkey_capability::cid::Cid;
use openkey_capability::resource::{Resource, SpaceResource};
use serde_json::{Value, json};

use crate::admission::{Authorised, Signed, admit, authorise, explain_revoked, signed};
use crate::authority::Revocations;
use crate::bound_body::bound;
use crate::delegation;
use crate::error::Error;
use crate::node::Node;
use crate::store::StoreError;
use crate::{body, databases, kv, spaces};

/// What changes something in a space.
const WRITES: [&str; 3] = [
    "tinycloud.kv/put",
    "tinycloud.kv/del",
    "tinycloud.sql/write",
];
const DECRYPT: &str = "tinycloud.encryption/decrypt";
/// Of several things so many are named.
const NAMED: usize = 4;
/// What is said about encryption networks until this node serves them.
pub const NO_NETWORKS: &str = "Encryption networks are not served by this node";
const NO_DUCKDB: &str = "DuckDB support is not enabled on this node";

/// Carries out the invocation of a request.
///
/// # Errors
///
/// [`Error`]: the first rule that it breaks.
pub async fn invoke(node: &Node, headers: &HeaderMap, body: Body) -> Result<Response, Error> {
    let now_ms = node.now_ms();
    let signed = signed(headers, now_ms, node.config.longest_invocation_ms())?;
    match carry_out(node, &signed, headers, body, now_ms).await {
        Err(error) => {
            let error = explain_revoked(&node.authority, &signed, now_ms, error).await;
            Err(explain_unhosted(node, &signed, error).await)
        }
        answered => answered,
    }
}

/// Whoever may not write to a space that is not here is told that it is not here.
async fn explain_unhosted(node: &Node, signed: &Signed, error: Error) -> Error {
    let about_authority = match &error {
        Error::Chain(ChainError::InvocationTime) => false,
        Error::Chain(_) => true,
        _ => false,
    };
    if !about_authority {
        return error;
    }
    let written = |it: &&Capability| WRITES.contains(&it.ability.canonical());
    let written = signed.invocation.capabilities().iter().find(written);
    if let Some(Resource::Space(resource)) = written.map(|it| &it.resource)
        && matches!(node.store.space(resource.space()).await, Ok(None))
    {
        return StoreError::NoSpace.into();
    }
    error
}

async fn carry_out(
    node: &Node,
    signed: &Signed,
    headers: &HeaderMap,
    body: Body,
    now_ms: i64,
) -> Result<Response, Error> {
    let authorised = authorise(&node.authority, signed, Revocations::Later, now_ms).await?;
    check_services(&authorised)?;
    let body = bound(body, headers, signed.ucan.facts())?;
    let of = |service: &str| {
        authorised
            .allowed
            .iter()
            .any(|allowed| match &allowed.capability.resource {
                Resource::Space(resource) => resource.service() == service,
                _ => false,
            })
    };
    let mut abilities = authorised
        .allowed
        .iter()
        .map(|it| it.capability.ability.as_str());
    if abilities.any(|ability| ability == DECRYPT) {
        return Err(Error::NotImplemented(NO_NETWORKS.to_owned()));
    }
    if of(databases::SERVICE) {
        let body = body::read(body, crate::sql::MAX_REQUEST).await?;
        return databases::invoke(node, &authorised, signed.ucan.facts(), &body).await;
    }
    if of("duckdb") {
        return Err(Error::NotImplemented(NO_DUCKDB.to_owned()));
    }
    if of(kv::SERVICE) {
        return kv::invoke(node, &authorised, headers, body).await;
    }
    match authorised.allowed.as_slice() {
        [one] => {
            let Resource::Space(resource) = &one.capability.resource else {
                return Err(unknown(
                    one.capability.ability.as_str(),
                    &one.capability.resource,
                ));
            };
            kv::caveats::check(&one.caveats, resource.path())?;
            other(
                node,
                &authorised,
                one.capability.ability.as_str(),
                resource,
                signed.ucan.facts(),
            )
            .await
        }
        several => {
            let named = several.iter().map(|it| {
                let Capability {
                    resource, ability, ..
                } = &it.capability;
                format!("{ability} on {resource}")
            });
            let named: Vec<_> = named.take(NAMED).collect();
            Err(Error::Bad(format!(
                "An invocation is about one thing, values and databases aside, not about {}: {}",
                several.len(),
                named.join(", ")
            )))
        }
    }
}

/// A resource of one service with an ability of another means nothing, so nothing is done.
fn check_services(authorised: &Authorised) -> Result<(), Error> {
    for allowed in &authorised.allowed {
        let ability = &allowed.capability.ability;
        let (namespace, _) = ability.parts();
        if let Resource::Space(resource) = &allowed.capability.resource
            && namespace.strip_prefix("tinycloud.") != Some(resource.service())
        {
            return Err(Error::Bad(format!(
                "{ability} is no ability of the service of {resource}"
            )));
        }
    }
    Ok(())
}

fn unknown(ability: &str, resource: &Resource) -> Error {
    Error::NotImplemented(format!(
        "{ability} on {resource} is not something this node does"
    ))
}

async fn other(
    node: &Node,
    authorised: &Authorised,
    ability: &str,
    resource: &SpaceResource,
    facts: &[Value],
) -> Result<Response, Error> {
    let space = resource.space();
    match (ability, resource.path()) {
        ("tinycloud.capabilities/read", Some("all")) => {
            admit(&node.store, authorised).await?;
            check_hosted(node, resource).await?;
            let view = delegation::capabilities(node, space, &authorised.invoker, facts).await?;
            Ok(Json(view).into_response())
        }
        ("tinycloud.delegation/list", _) => {
            admit(&node.store, authorised).await?;
            check_hosted(node, resource).await?;
            let all = delegation::in_space(node, space).await?;
            let views = all.into_iter().map(|(link, mut view)| {
                if let Some(view) = view.as_object_mut() {
                    view.insert("cid".to_owned(), link.cid().to_string().into());
                }
                view
            });
            Ok(Json(views.collect::<Vec<_>>()).into_response())
        }
        ("tinycloud.delegation/get", Some(path)) => {
            let cid =
                Cid::parse(path).map_err(|_| Error::Bad("Invalid delegation CID".to_owned()))?;
            admit(&node.store, authorised).await?;
            let chain = delegation::chain_of(node, space, cid).await?;
            Ok(Json(json!({ "chain": chain })).into_response())
        }
        (ability, _) if ability.starts_with("tinycloud.space/") => {
            spaces::invoke(node, authorised, ability, resource).await
        }
        _ => Err(unknown(ability, &Resource::Space(resource.clone()))),
    }
}

async fn check_hosted(node: &Node, resource: &SpaceResource) -> Result<(), Error> {
    match node.store.space(resource.space()).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::NoSpace.into()),
    }
}
