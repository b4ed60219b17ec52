//! `POST /delegation/status`: how one delegation stands, for those whom it concerns.

use axum::http::{HeaderMap, StatusCode};
use openkey_capability::chain::{Delegation, Invocation};
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::resource::Resource;
use serde::{Deserialize, Serialize};

use super::Standing;
use crate::admission::signed;
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
    if !concerns(node, &delegation, &signed.invocation, now_ms).await? {
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

/// Whether somebody is a party to a delegation: by themselves, or for a delegator of what they cite,
/// all of which must hold.
async fn concerns(
    node: &Node,
    delegation: &Delegation,
    invocation: &Invocation,
    now_ms: i64,
) -> Result<bool, Error> {
    if is_party(delegation, invocation.invoker()) {
        return Ok(true);
    }
    let cited = invocation.rests_on();
    let chain = match node.authority.chain(cited, Revocations::Asked).await {
        Err(Error::Chain(_)) => return Ok(false),
        other => other?,
    };
    let delegators = invocation.delegators(&chain.ancestors, now_ms);
    Ok(delegators.is_ok_and(|all| all.into_iter().any(|it| is_party(delegation, it))))
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
