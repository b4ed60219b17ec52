//! `POST /delegate`: a delegation is checked and kept, and hosts spaces if it says so.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use openkey_capability::chain::{Capability, ChainError, Delegation};
use openkey_capability::cid::Cid;
use openkey_capability::resource::{Resource, SpaceId};
use openkey_capability::token::Token;
use serde::Serialize;

use crate::admission::{remembered_until, token};
use crate::asking;
use crate::authority::{Chain, Revocations};
use crate::error::Error;
use crate::node::Node;
use crate::store::{NewDelegation, StoreError};

/// What hosts a space.
const HOST: &str = "tinycloud.space/host";
/// The service it is granted on.
const SPACE: &str = "space";

/// The answer of `POST /delegate`.
#[derive(Debug, Serialize)]
pub struct Delegated {
    cid: String,
    activated: Vec<String>,
    skipped: Vec<String>,
}

/// Checks the delegation of a request, and keeps it where it concerns something that is here. Keeping it
/// twice changes nothing.
///
/// # Errors
///
/// [`Error`]: the first rule that it breaks.
pub async fn delegate(node: &Node, headers: &HeaderMap) -> Result<Delegated, Error> {
    let now_ms = node.now_ms();
    let token = token(headers)?;
    let delegation = token.delegation()?;
    if !delegation.window().contains(now_ms) {
        return Err(ChainError::DelegationTime.into());
    }
    token.verify().map_err(|_| Error::Signature)?;
    let hosts = hosted(node, &delegation)?;
    let proofs = delegation.rests_on();
    // what was revoked is asked by the transaction that keeps it
    let chain = node.authority.chain(proofs, Revocations::Later).await?;
    match checked(&token, &delegation, &chain, now_ms).await? {
        Ok(()) => {}
        // that takes long, and would not end otherwise if something was revoked
        Err(ChainError::TooMuch) => return Err(ChainError::TooMuch.into()),
        Err(error) => {
            check_unrevoked(node, &token, &delegation, now_ms).await?;
            return Err(error.into());
        }
    }
    let resources = delegation.capabilities().iter().map(|it| &it.resource);
    let spaces: BTreeSet<SpaceId> = resources
        .clone()
        .filter_map(Resource::space)
        .cloned()
        .collect();
    let networks: BTreeSet<_> = resources
        .clone()
        .filter_map(|resource| match resource {
            Resource::Network(network) => Some(network.owner().clone()),
            _ => None,
        })
        .collect();
    let about = resources.clone().filter_map(|resource| match resource {
        Resource::Cid(cid) => Some(*cid),
        _ => None,
    });
    let about = about.collect();
    let owners: BTreeSet<_> = resources.filter_map(Resource::owner).cloned().collect();
    let accepted = node
        .store
        .accept(NewDelegation {
            cid: delegation.cid(),
            names: names(&token),
            statement: *delegation.statement(),
            token: token.as_bytes().to_vec(),
            delegator: delegation.delegator().clone(),
            delegatee: delegation.delegatee().clone(),
            issued_ms: delegation.issued_ms(),
            expires_ms: delegation.window().expires_ms,
            longest_until_ms: remembered_until(
                now_ms.saturating_add(node.config.longest_invocation_ms()),
            ),
            // sign-ins are no invocations
            passes_until_ms: match token {
                Token::Ucan(_) => delegation.window().expires_ms.map(remembered_until),
                Token::Cacao(_) => None,
            },
            chain: chain.statements,
            delegators: chain.delegators,
            owners: owners.into_iter().collect(),
            networks: networks.into_iter().collect(),
            about,
            spaces: spaces.into_iter().collect(),
            hosts,
            default_bounds: node.config.default_bounds(),
            now_ms,
        })
        .await;
    let accepted = match accepted {
        Err(StoreError::Revoked(revoked)) if revoked == [*delegation.statement()] => {
            return Err(ChainError::InvokedRevoked(delegation.cid()).into());
        }
        Err(StoreError::Revoked(revoked)) => {
            check_unrevoked(node, &token, &delegation, now_ms).await?;
            return Err(StoreError::Revoked(revoked).into());
        }
        other => other?,
    };
    let texts = |spaces: Vec<SpaceId>| spaces.iter().map(ToString::to_string).collect();
    Ok(Delegated {
        cid: delegation.cid().to_string(),
        activated: texts(accepted.activated),
        skipped: texts(accepted.skipped),
    })
}

/// The names of other tokens that say the same, as far as somebody may know one by them.
pub(crate) fn names(token: &Token) -> Vec<Cid> {
    match token {
        Token::Cacao(cacao) => cacao.usual_names(),
        Token::Ucan(ucan) => ucan.other_name().into_iter().collect(),
    }
}

/// Says which link was revoked, if one was: that comes before whatever else is wrong.
async fn check_unrevoked(
    node: &Node,
    token: &Token,
    delegation: &Delegation,
    now_ms: i64,
) -> Result<(), Error> {
    let proofs = delegation.rests_on();
    let chain = node.authority.chain(proofs, Revocations::Asked).await?;
    Ok(checked(token, delegation, &chain, now_ms).await??)
}

/// Checks it in its turn, if that may take long.
async fn checked(
    token: &Token,
    delegation: &Delegation,
    chain: &Chain,
    now_ms: i64,
) -> Result<Result<(), ChainError>, Error> {
    // what is compared are the capabilities of both, however small one of them is
    let bytes = token.as_bytes().len().saturating_add(chain.bytes);
    asking::in_turn(bytes, || delegation.check(&chain.ancestors, now_ms)).await
}

/// The spaces that a delegation hosts here. Their owner named this node's key for each of them: what
/// was signed for somebody else hosts nothing here. If it says nothing but that, it was meant for
/// another node; among other things it lets a session do the hosting.
fn hosted(node: &Node, delegation: &Delegation) -> Result<Vec<SpaceId>, Error> {
    let capabilities = delegation.capabilities();
    let mut hosts = Vec::new();
    for space in capabilities.iter().filter_map(hosting) {
        let host = node.keys.host(space);
        if delegation.delegatee() != &host {
            if capabilities.iter().all(|it| hosting(it).is_some()) {
                return Err(Error::Unauthorized(format!(
                    "Hosting {space} here must be granted to {host}, which GET /peer/generate/<space> answers"
                )));
            }
            continue;
        }
        if !node.config.may_host(space.owner()) {
            return Err(Error::Forbidden(format!(
                "This node hosts no spaces of {}",
                space.owner()
            )));
        }
        hosts.push(space.clone());
    }
    Ok(hosts)
}

/// The space whose hosting a capability is: the ability on exactly `<space>/space`.
fn hosting(capability: &Capability) -> Option<&SpaceId> {
    let Resource::Space(resource) = &capability.resource else {
        return None;
    };
    let is_host = capability.ability.as_str() == HOST
        && resource.service() == SPACE
        && resource.path().is_none()
        && resource.query().is_none()
        && resource.fragment().is_none();
    is_host.then(|| resource.space())
}
