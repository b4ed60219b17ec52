//! Delegations of a space: those that hold now, and what one of them rests on.
//!
//! A list always has an end, however many delegations somebody hangs under theirs: those nearest to the
//! owner come first, and the rest is left away.

use std::sync::Arc;

use openkey_capability::chain::Delegation;
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::resource::{Resource, SpaceId};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::Standing;
use super::reading::Reading;
use super::standing::walk;
use super::view::{granted, iso};
use crate::allowance::{Allowance, Read, Taken};
use crate::asking;
use crate::authority::Walked;
use crate::error::Error;
use crate::node::Node;
use crate::store::Page;

/// Delegations read from the store at once.
const PAGE: u32 = 200;
/// Most delegations of one list, and most bytes of their tokens. Who has more asks `/delegation/query`.
const MAX_LISTED: usize = 2000;
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most delegations that are looked at for one list, and most bytes of their tokens.
const MAX_SCANNED: usize = 4000;
const MAX_SCANNED_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of memory for one of a token that is shown.
const SHOWN: usize = 4;

/// A delegation as it is stored.
#[derive(Debug)]
pub struct Listed {
    pub(super) delegation: Arc<Delegation>,
    pub(super) token: Vec<u8>,
    accepted_ms: Option<i64>,
    is_revoked: bool,
}

/// What is shown of those of a space that hold now, as JSON: that takes less memory than what it was made of.
#[derive(Debug)]
pub struct InSpace<K> {
    /// Each with what it is known by.
    pub all: Vec<(K, Box<RawValue>)>,
    /// Whether there may be more.
    pub truncated: bool,
}

/// Delegations that hold now, concern a space, and are wanted, as they are shown: those nearest to its owner first.
///
/// # Errors
///
/// [`Error::Store`], [`Error::Memory`], [`Error::Checks`].
pub async fn in_space<K>(
    node: &Node,
    space: &SpaceId,
    is_wanted: impl Fn(&Delegation) -> bool,
    show: impl Fn(&Listed) -> (K, Value),
) -> Result<InSpace<K>, Error> {
    let now_ms = node.now_ms();
    let mut page = Page {
        after: None,
        limit: PAGE,
    };
    let mut shown = InSpace {
        all: Vec::new(),
        truncated: false,
    };
    let (mut bytes, mut scanned, mut scanned_bytes) = (0, 0, 0);
    let mut reading = Reading::default();
    loop {
        let mut allowed = Allowance::LEAST;
        let rows = loop {
            let read = node.store.delegations_in(space, page.clone(), allowed);
            match read.await? {
                Read::All(rows) => break rows,
                Read::Larger(more) => allowed = reading.allow(more, bytes).await?,
            }
        };
        let Some(last) = rows.last() else {
            return Ok(shown);
        };
        page.after = Some(last.place);
        let verified = reading.page(node, &rows, bytes).await?;
        for (row, delegation) in rows.into_iter().zip(verified) {
            let length = row.token.len();
            scanned += 1;
            scanned_bytes += length;
            if shown.all.len() == MAX_LISTED
                || scanned > MAX_SCANNED
                || scanned_bytes > MAX_SCANNED_BYTES
                || bytes + length > MAX_BYTES
            {
                shown.truncated = true;
                return Ok(shown);
            }
            if !is_wanted(&delegation)
                || !Standing::of(node, &delegation, now_ms).await?.is_active()
            {
                continue;
            }
            bytes += length;
            let (known_by, value) = show(&Listed {
                delegation,
                token: row.token,
                accepted_ms: row.accepted_ms,
                is_revoked: false,
            });
            let text = to_raw_value(&value).map_err(std::io::Error::from)?;
            shown.all.push((known_by, text));
        }
        // of what these rest on, some may have been read
        asking::checked();
    }
}

/// Whether one of these granted it: they signed it, or it is about a space of theirs.
pub(super) fn is_granted_by(space: &SpaceId, delegation: &Delegation, who: &[Did]) -> bool {
    who.contains(delegation.delegator()) || who.contains(space.owner())
}

/// Whether one of these is a party of it.
#[must_use]
pub fn is_between(space: &SpaceId, delegation: &Delegation, who: &[Did]) -> bool {
    is_granted_by(space, delegation, who) || who.contains(delegation.delegatee())
}

/// A delegation of a space and all that it rests on, itself first.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::Store`].
pub async fn chain_of(node: &Node, space: &SpaceId, cid: Cid) -> Result<Vec<Listed>, Error> {
    let missing = || Error::NotFound("Delegation not found".to_owned());
    let delegation = node.authority.link(cid).await?.ok_or_else(missing)?;
    let concerns = |resource: &Resource| resource.space() == Some(space);
    if !delegation
        .capabilities()
        .iter()
        .any(|it| concerns(&it.resource))
    {
        return Err(missing());
    }
    let mut walked = Walked::default();
    let (links, _) = walk(node, &delegation, &mut walked).await?;
    let cids: Vec<Cid> = links.iter().map(|link| link.cid()).collect();
    let statements: Vec<_> = links.iter().map(|link| *link.statement()).collect();
    let (mut taken, mut allowed) = (Taken::default(), Allowance::LEAST);
    let tokens = loop {
        match node.store.tokens(&cids, allowed).await? {
            Read::All(tokens) => break tokens,
            Read::Larger(bytes) => allowed = taken.allow(bytes, bytes * SHOWN).await?,
        }
    };
    let revoked = node.store.revocations(&statements).await?;
    let all = links.into_iter().zip(tokens).zip(revoked);
    Ok(all
        .filter_map(|((delegation, token), revoked)| {
            Some(Listed {
                delegation,
                token: token?,
                accepted_ms: None,
                is_revoked: revoked.is_some(),
            })
        })
        .collect())
}

/// Whether a delegation of a space can be used now.
///
/// # Errors
///
/// [`Error::Store`].
pub async fn is_active(node: &Node, space: &SpaceId, cid: Cid) -> Result<bool, Error> {
    let Some(delegation) = node.authority.link(cid).await? else {
        return Ok(false);
    };
    let mut capabilities = delegation.capabilities().iter();
    let is_here = capabilities.any(|it| it.resource.space() == Some(space));
    let standing = Standing::of(node, &delegation, node.now_ms()).await?;
    Ok(is_here && standing.is_active())
}

impl Listed {
    /// As `tinycloud.delegation/list` shows it. Clients read one path of each, so the first one is
    /// named, with what may be done there; `resources` has all.
    #[must_use]
    pub fn item(&self, space: &SpaceId) -> Value {
        let delegation = &self.delegation;
        let capabilities = delegation.capabilities().iter();
        let mut here = capabilities.filter_map(|it| match &it.resource {
            Resource::Space(resource) if resource.space() == space => {
                Some((resource.path().unwrap_or(""), it))
            }
            _ => None,
        });
        let (path, actions) = match here.next() {
            None => ("", Vec::new()),
            Some((path, first)) => {
                let more = here.filter(|(_, it)| it.resource == first.resource);
                let all = [first].into_iter().chain(more.map(|(_, it)| it));
                (path, all.map(|it| it.ability.as_str()).collect())
            }
        };
        json!({
            "cid": delegation.cid().to_string(),
            "delegateDID": delegation.delegatee().as_str(),
            "delegatorDID": delegation.delegator().as_str(),
            "spaceId": space.to_string(),
            "path": path,
            "actions": actions,
            "expiry": delegation.window().expires_ms.map(iso),
            "isRevoked": self.is_revoked,
            "createdAt": delegation.issued_ms().or(self.accepted_ms).map(iso),
            "parentCid": delegation.rests_on().first().map(ToString::to_string),
            "allowSubDelegation": !delegation.is_terminal(),
            "resources": granted(delegation),
        })
    }
}
