//! `POST /delegation/query`: the delegations of an account, page by page.

use std::sync::Arc;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openkey_capability::chain::{ChainError, Delegation};
use openkey_capability::cid::Cid;
use openkey_capability::resource::{Resource, SpaceId};
use serde::{Deserialize, Serialize};

use super::Standing;
use super::reading::Reading;
use super::view::{Granted, granted, iso};
use crate::admission::{admit, authorise, signed};
use crate::allowance::{Allowance, Read};
use crate::allowed::Selected;
use crate::asking;
use crate::authority::Revocations;
use crate::error::Error;
use crate::node::Node;
use crate::store::{DelegationRow, DelegationsOf, Direction, StoreError};

const LIST: &str = "tinycloud.delegation/list";
const SERVICE: &str = "delegation";
/// Most items of an answer, and how many there are unless somebody asks otherwise.
const MAX_LIMIT: u32 = 100;
const DEFAULT_LIMIT: u32 = 50;
/// Delegations looked at for one answer, and bytes of the tokens that are read: an answer that finds little says
/// where to go on.
const MAX_LOOKED: usize = 1000;
const MAX_BYTES: usize = 4 * 1024 * 1024;

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
    // a page is read with a token of its own
    match admit(&node.store, &authorised).await {
        Err(Error::Store(StoreError::Revoked(_))) => return Err(unauthorised()),
        admitted => admitted?,
    }
    let (items, next) = page(node, &mut query, body.status, now_ms).await?;
    Ok(Listing {
        schema_version: 2,
        items,
        next_cursor: next.as_ref().map(cursor),
    })
}

/// One page, one less than may be read, and behind which one the next begins.
async fn page(
    node: &Node,
    query: &mut DelegationsOf,
    status: Option<Status>,
    now_ms: i64,
) -> Result<(Vec<Item>, Option<Cid>), Error> {
    let wanted = usize::try_from(query.limit)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    let (mut items, mut reading) = (Vec::new(), Reading::default());
    let (mut looked, mut bytes, mut listed) = (0, 0, 0);
    loop {
        let mut allowed = Allowance::LEAST;
        let page = loop {
            match node.store.delegations_of(query.clone(), allowed).await {
                Err(StoreError::NoKey(_)) => return Err(bad("cursor")),
                Err(error) => return Err(error.into()),
                Ok(Read::All(page)) => break page,
                Ok(Read::Larger(more)) => allowed = reading.allow(more, listed).await?,
            }
        };
        looked += page.looked;
        let verified = reading.page(node, &page.rows, listed).await?;
        for (row, delegation) in page.rows.iter().zip(verified) {
            if items.len() == wanted {
                return Ok((items, query.after));
            }
            query.after = Some(row.cid);
            bytes += row.token.len();
            let item = item(node, row, &delegation, now_ms).await?;
            if status.is_none_or(|status| status == item.status) {
                listed += row.token.len();
                items.push(item);
            }
        }
        asking::checked();
        if page.next.is_none() {
            return Ok((items, None));
        }
        query.after = page.next;
        if items.len() == wanted || looked >= MAX_LOOKED || bytes >= MAX_BYTES {
            return Ok((items, query.after));
        }
    }
}

fn bad(what: &str) -> Error {
    Error::Bad(format!("Invalid delegation query: {what}"))
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

async fn item(
    node: &Node,
    row: &DelegationRow,
    delegation: &Arc<Delegation>,
    now_ms: i64,
) -> Result<Item, Error> {
    let standing = Standing::of(node, delegation, now_ms).await?;
    let window = delegation.window();
    Ok(Item {
        cid: row.cid.to_string(),
        direction: match row.direction {
            Direction::Granted => "granted",
            Direction::Received => "received",
        },
        delegator_did: delegation.delegator().to_string(),
        delegate_did: delegation.delegatee().to_string(),
        resources: granted(delegation),
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
