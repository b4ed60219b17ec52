//! `POST /invoke`: whatever an invocation says.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use openkey_capability::chain::{Capability, ChainError};
use openkey_capability::cid::Cid;
use openkey_capability::resource::{Resource, SpaceResource};
use serde::Serialize;
use serde_json::{Value, json};

use crate::admission::{Authorised, Signed, admit, authorise, explain_revoked, signed};
use crate::allowed::{Allowed, Selected};
use crate::authority::Revocations;
use crate::bound_body::bound;
use crate::delegation;
use crate::error::Error;
use crate::node::Node;
use crate::store::StoreError;
use crate::{body, databases, kv, spaces};

const DECRYPT: &str = "tinycloud.encryption/decrypt";
/// What is said about encryption networks until this node serves them.
pub const NO_NETWORKS: &str = "Encryption networks are not served by this node";
/// Abilities to change something in a space.
const WRITES: [&str; 6] = [
    "tinycloud.kv/put",
    "tinycloud.kv/del",
    "tinycloud.sql/write",
    "tinycloud.sql/schema",
    "tinycloud.sql/admin",
    "tinycloud.sql/*",
];
/// Whether a list is not all that there is.
const TRUNCATED: &str = "x-tinycloud-truncated";
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
        Err(error) => Err(explain_revoked(&node.authority, &signed, now_ms, error).await),
        answered => answered,
    }
}

async fn carry_out(
    node: &Node,
    signed: &Signed,
    headers: &HeaderMap,
    body: Body,
    now_ms: i64,
) -> Result<Response, Error> {
    let authorised = match authorise(&node.authority, signed, Revocations::Later, now_ms).await {
        Err(Error::Chain(error)) => return Err(unhosted(node, signed, error).await?),
        other => other?,
    };
    let asked = signed.invocation.capabilities();
    check_services(asked)?;
    let body = bound(body, headers, signed.ucan.facts())?;
    let of = |service: &str| {
        asked.iter().any(|capability| match &capability.resource {
            Resource::Space(resource) => resource.service() == service,
            _ => false,
        })
    };
    let mut abilities = asked.iter().map(|it| it.ability.as_str());
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
    match authorised.grants.keeping::<Selected>()?.as_slice() {
        [one] => {
            let Resource::Space(resource) = &one.capability.resource else {
                return Err(unknown(
                    one.capability.ability.as_str(),
                    &one.capability.resource,
                ));
            };
            other(
                node,
                &authorised,
                one.capability.ability.as_str(),
                resource,
                (signed.ucan.facts(), headers),
            )
            .await
        }
        [] => Err(Error::Bad(
            "An invocation asks for something: `att` names nothing".to_owned(),
        )),
        several => Err(Error::Bad(format!(
            "An invocation is about one thing, values and databases aside, and this one about {}",
            named_all(several)
        ))),
    }
}

/// What is said to somebody who may not do something: of a space that is not hosted, that it is not. Whoever
/// writes is told so first, as by present nodes; and so is whoever cites a delegation that is not here, as
/// none is kept that concerns nothing else.
async fn unhosted(node: &Node, signed: &Signed, error: ChainError) -> Result<Error, Error> {
    let capabilities = signed.invocation.capabilities();
    let writes = |it: &Capability| WRITES.contains(&it.ability.canonical());
    if error == ChainError::Missing || capabilities.iter().any(writes) {
        for space in capabilities.iter().filter_map(|it| it.resource.space()) {
            if node.store.space(space).await?.is_none() {
                return Ok(StoreError::NoSpace.into());
            }
        }
    }
    Ok(error.into())
}

/// A resource of one service with an ability of another means nothing, so nothing is done.
fn check_services(asked: &[Capability]) -> Result<(), Error> {
    for Capability {
        ability, resource, ..
    } in asked
    {
        let (namespace, _) = ability.parts();
        if let Resource::Space(resource) = resource
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
        "{ability} on {resource} is not something this node does: the ability means nothing here, or it is of \
         another resource"
    ))
}

async fn other(
    node: &Node,
    authorised: &Authorised,
    ability: &str,
    resource: &SpaceResource,
    (facts, headers): (&[Value], &HeaderMap),
) -> Result<Response, Error> {
    let space = resource.space();
    match (ability, resource.path()) {
        ("tinycloud.capabilities/read", Some("all")) => {
            admit(&node.store, authorised).await?;
            check_hosted(node, resource).await?;
            let asking = &authorised.principals;
            let (view, truncated) = delegation::capabilities(node, space, asking, facts).await?;
            listed(&view, truncated)
        }
        ("tinycloud.delegation/list", _) => {
            admit(&node.store, authorised).await?;
            check_hosted(node, resource).await?;
            let asking = &authorised.principals;
            let wanted = |it: &_| delegation::is_between(space, it, asking);
            let show = |one: &delegation::Listed| ((), one.item(space));
            let all = delegation::in_space(node, space, wanted, show).await?;
            let items: Vec<_> = all.all.into_iter().map(|(_, item)| item).collect();
            listed(&items, all.truncated)
        }
        ("tinycloud.delegation/get", Some(path)) => {
            let cid = named(path)?;
            admit(&node.store, authorised).await?;
            let chain = delegation::chain_of(node, space, cid).await?;
            let items: Vec<_> = chain.iter().map(|one| one.item(space)).collect();
            Ok(Json(json!({ "chain": items })).into_response())
        }
        ("tinycloud.delegation/check", Some(path)) => {
            let cid = named(path)?;
            admit(&node.store, authorised).await?;
            let allowed = delegation::is_active(node, space, cid).await?;
            Ok(Json(json!({ "allowed": allowed })).into_response())
        }
        (ability, _) if ability.starts_with("tinycloud.space/") => {
            spaces::invoke(node, authorised, ability, resource, headers).await
        }
        _ => Err(unknown(ability, &Resource::Space(resource.clone()))),
    }
}

/// What is asked for, as far as a line holds it.
fn named_all(several: &[Allowed<Selected>]) -> String {
    const MOST: usize = 4;
    let one = |it: &Allowed<_>| format!("{} on {}", it.capability.ability, it.capability.resource);
    let mut all: Vec<String> = several.iter().take(MOST).map(one).collect();
    if let Some(more) = several.len().checked_sub(MOST).filter(|more| *more > 0) {
        all.push(format!("{more} more"));
    }
    all.join(", ")
}

/// A delegation, by the path that names it.
fn named(path: &str) -> Result<Cid, Error> {
    Cid::parse(path).map_err(|_| Error::Bad("Invalid delegation CID".to_owned()))
}

/// A list, and whether it is not all that there is.
pub(crate) fn listed(view: &impl Serialize, truncated: bool) -> Result<Response, Error> {
    let mut response = body::json(view)?;
    let truncated = if truncated { "true" } else { "false" };
    let headers = response.headers_mut();
    headers.insert(TRUNCATED, HeaderValue::from_static(truncated));
    Ok(response)
}

async fn check_hosted(node: &Node, resource: &SpaceResource) -> Result<(), Error> {
    match node.store.space(resource.space()).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::NoSpace.into()),
    }
}
