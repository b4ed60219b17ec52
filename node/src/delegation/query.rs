//! `POST /delegation/query`: the delegations of an account, page by page.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openkey_capability::chain::ChainError;
use openkey_capability::cid::Cid;
use openkey_capability::resource::{Resource, SpaceId};
use serde::{Deserialize, Serialize};

use super::Standing;
use super::view::{Granted, granted, iso};
use crate::admission::{authorise, signed};
use crate::allowed::Selected;
use crate::authority::Revocations;
use crate::error::Error;
use crate::node::Node;
use crate::store::{DelegationRow, DelegationsOf, Direction, StoreError};

const LIST: &str = "tinycloud.delegation/list";
const SERVICE: &str = "delegation";
/// Most items of an answer, and how many there are unless somebody asks otherwise.
const MAX_LIMIT: u32 = 100;
const DEFAULT_LIMIT: u32 = 50;
/// Delegations looked at for one answer: one that finds little says where to go on.
const MAX_SCANNED: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    Granted,
    Received,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Active,
    Pending,
    Expired,
    Revoked,
    AncestorRevoked,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    direction: Option<Side>,
    status: Option<Status>,
    space: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// One page of an account's delegations.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    schema_version: u32,
    items: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    cid: String,
    direction: &'static str,
    delegator_did: String,
    delegate_did: String,
    resources: Vec<Granted>,
    parents: Vec<String>,
    issued_at: Option<String>,
    not_before: Option<String>,
    expires_at: Option<String>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_ancestor_cid: Option<String>,
}

/// The delegations that an account granted or received, newest first.
///
/// # Errors
///
/// [`Error`]: the first rule that the request breaks.
pub async fn query(node: &Node, headers: &HeaderMap, body: &[u8]) -> Result<Listing, Error> {
    let now_ms = node.now_ms();
    let signed = signed(headers, now_ms, node.config.longest_invocation_ms())?;
    let unauthorised = || Error::Forbidden("Delegation query proof is not authorized".to_owned());
    let account = account(signed.invocation.capabilities()).ok_or_else(unauthorised)?;
    let authorised = match authorise(&node.authority, &signed, Revocations::Asked, now_ms).await {
        Err(Error::Chain(ChainError::InvocationTime)) => {
            return Err(ChainError::InvocationTime.into());
        }
        Err(Error::Chain(_)) => return Err(unauthorised()),
        other => other?,
    };
    authorised.grants.keeping::<Selected>()?;
    let bad = |what: &str| Error::Bad(format!("Invalid delegation query: {what}"));
    let body: Body = match body {
        [] => Body::default(),
        body => serde_json::from_slice(body).map_err(|error| bad(&error.to_string()))?,
    };
    let limit = body.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(bad("limit must be 1 to 100"));
    }
    let space = body.space.as_deref().map(SpaceId::parse).transpose();
    let mut query = DelegationsOf {
        principal: account.owner().clone(),
        direction: match body.direction {
            Some(Side::Granted) => Some(Direction::Granted),
            Some(Side::Received) => Some(Direction::Received),
            Some(Side::All) | None => None,
        },
        space: space.map_err(|_| bad("space is not the name of a space"))?,
        after: body.cursor.as_deref().map(read_cursor).transpose()?,
        limit: limit + 1,
    };
    let (mut items, mut scanned) = (Vec::new(), 0);
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = loop {
        let rows = match node.store.delegations_of(query.clone()).await {
            Err(StoreError::NoKey(_)) => return Err(bad("cursor")),
            other => other?,
        };
        let last = rows.len() <= wanted;
        for row in rows.iter().take(wanted) {
            if items.len() == wanted {
                break;
            }
            query.after = Some(row.cid);
            scanned += 1;
            let item = item(node, row, now_ms).await?;
            if body.status.is_none_or(|status| status == item.status) {
                items.push(item);
            }
        }
        let seen_all = rows.last().is_none_or(|row| query.after == Some(row.cid));
        if last && seen_all {
            break None;
        }
        if items.len() == wanted || scanned >= MAX_SCANNED {
            break query.after.as_ref().map(cursor);
        }
    };
    Ok(Listing {
        schema_version: 2,
        items,
        next_cursor: next,
    })
}

/// The account's space, if that is what is asked about: its owner has a wallet.
fn account(capabilities: &[openkey_capability::chain::Capability]) -> Option<&SpaceId> {
    match capabilities {
        [one] if one.ability.as_str() == LIST => match &one.resource {
            Resource::Space(resource)
                if resource.service() == SERVICE
                    && resource.path() == Some("")
                    && resource.space().owner().account().is_some() =>
            {
                Some(resource.space())
            }
            _ => None,
        },
        _ => None,
    }
}

async fn item(node: &Node, row: &DelegationRow, now_ms: i64) -> Result<Item, Error> {
    let delegation = node.authority.verified(row.cid, &row.token)?;
    let standing = Standing::of(node, &delegation, now_ms).await?;
    let window = delegation.window();
    Ok(Item {
        cid: row.cid.to_string(),
        direction: match row.direction {
            Direction::Granted => "granted",
            Direction::Received => "received",
        },
        delegator_did: delegation.delegator().to_string(),
        delegate_did: delegation.delegatee().to_string(),
        resources: granted(&delegation),
        parents: delegation
            .proofs()
            .iter()
            .map(ToString::to_string)
            .collect(),
        issued_at: delegation.issued_ms().map(iso),
        not_before: window.not_before_ms.map(iso),
        expires_at: window.expires_ms.map(iso),
        status: if standing.revoked.is_some() {
            Status::Revoked
        } else if standing.revoked_ancestor.is_some() {
            Status::AncestorRevoked
        } else if standing.expired || standing.incomplete {
            Status::Expired
        } else if standing.pending {
            Status::Pending
        } else {
            Status::Active
        },
        revoked_at: standing.revoked.as_ref().map(|revoked| iso(revoked.at_ms)),
        revoked_by: standing
            .revoked
            .as_ref()
            .map(|revoked| revoked.by.to_string()),
        revoked_ancestor_cid: standing.revoked_ancestor.as_ref().map(ToString::to_string),
    })
}

fn cursor(cid: &Cid) -> String {
    URL_SAFE_NO_PAD.encode(cid.to_string())
}

fn read_cursor(text: &str) -> Result<Cid, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let cid = text.and_then(|text| Cid::parse(&text).ok());
    cid.ok_or_else(|| Error::Bad("Invalid delegation query: cursor".to_owned()))
}
