//! `POST /delegation/status`: how one delegation stands, for those whom it concerns.

use axum::http::{HeaderMap, StatusCode};
use openkey_capability::chain::Delegation;
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::resource::Resource;
use serde::{Deserialize, Serialize};

use super::Standing;
use super::standing::walk;
use crate::admission::{Signed, signed};
use crate::authority::Revocations;
use crate::error::Error;
use crate::node::Node;

const STATUS: &str = "tinycloud.delegation/status";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    cid: String,
}

/// The answer of `POST /delegation/status`.
#[derive(Debug, Serialize)]
pub struct Status {
    cid: String,
    status: &'static str,
    exists: bool,
    active: bool,
    revoked: bool,
    expired: bool,
}

/// How one delegation stands. Whom it does not concern cannot tell it from one that is not there.
///
/// # Errors
///
/// [`Error`]: the first rule that the request breaks.
pub async fn status(
    node: &Node,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(StatusCode, Status), Error> {
    let now_ms = node.now_ms();
    let invalid = |error: Error| match error {
        Error::NoToken | Error::TwoTokens | Error::Token(_) | Error::Store(_) => error,
        _ => Error::Unauthorized("Invalid status invocation".to_owned()),
    };
    let signed = signed(headers, now_ms, node.config.longest_invocation_ms()).map_err(invalid)?;
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| Error::Bad(format!("Invalid request: {error}")))?;
    let cid = Cid::parse(&body.cid).map_err(|_| Error::Bad("Invalid delegation CID".to_owned()))?;
    let bound = match signed.invocation.capabilities() {
        [one] => one.ability.as_str() == STATUS && one.resource == Resource::Cid(cid),
        _ => false,
    };
    if !bound {
        return Err(Error::Forbidden(
            "Status invocation is not bound to the requested CID".to_owned(),
        ));
    }
    let not_found = Status {
        cid: body.cid.clone(),
        status: "not_found",
        exists: false,
        active: false,
        revoked: false,
        expired: false,
    };
    let Some(delegation) = node.authority.link(cid).await? else {
        return Ok((StatusCode::NOT_FOUND, not_found));
    };
    if !concerns(node, &delegation, &signed, now_ms).await? {
        return Ok((StatusCode::NOT_FOUND, not_found));
    }
    let standing = Standing::of(node, &delegation, now_ms).await?;
    let active = standing.is_active();
    let status = Status {
        cid: body.cid,
        status: if standing.is_revoked() {
            "revoked"
        } else if standing.expired {
            "expired"
        } else if active {
            "active"
        } else {
            "unavailable"
        },
        exists: true,
        active,
        revoked: standing.is_revoked(),
        expired: standing.expired,
    };
    Ok((StatusCode::OK, status))
}

/// Whether somebody is a party to a delegation: by themselves, or for a delegator whose live delegation
/// they cite.
async fn concerns(
    node: &Node,
    delegation: &Delegation,
    signed: &Signed,
    now_ms: i64,
) -> Result<bool, Error> {
    let invoker = signed.invocation.invoker();
    if is_party(delegation, invoker) {
        return Ok(true);
    }
    let chain = match node
        .authority
        .chain(signed.invocation.proofs(), Revocations::Asked)
        .await
    {
        Err(Error::Chain(_)) => return Ok(false),
        other => other?,
    };
    if chain.expires_ms.is_some_and(|end| end < now_ms) {
        return Ok(false);
    }
    for proof in signed.invocation.proofs() {
        let Some(link) = node.authority.link(*proof).await? else {
            return Ok(false);
        };
        if link.delegatee() != invoker || !Standing::of(node, &link, now_ms).await?.is_active() {
            continue;
        }
        let (links, _) = walk(node, &link).await?;
        if links
            .iter()
            .any(|link| is_party(delegation, link.delegator()))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_party(delegation: &Delegation, who: &Did) -> bool {
    let owns = |resource: &Resource| resource.owner() == Some(who);
    delegation.delegator() == who
        || delegation.delegatee() == who
        || delegation
            .capabilities()
            .iter()
            .any(|it| owns(&it.resource))
}
