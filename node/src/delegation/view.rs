//! `tinycloud.capabilities/read` and its relatives: what is granted in a space, for who may know.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use openkey_capability::chain::Delegation;
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::resource::{Resource, SpaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Standing;
use super::standing::walk;
use crate::authority::stored_token;
use crate::error::Error;
use crate::facts::fact;
use crate::node::Node;
use crate::store::Page;

/// The fact that narrows a listing.
const PARAMETERS: &str = "capabilitiesReadParams";
/// Delegations read from the store at once.
const PAGE: u32 = 200;
/// Most delegations of one answer: a few megabytes. Who has more asks `/delegation/query`.
const MAX_LISTED: usize = 2000;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Parameters {
    List { filters: Option<Filters> },
    Chain { delegation_cid: String },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filters {
    direction: Option<String>,
    path: Option<String>,
    actions: Option<Vec<String>>,
}

/// What one resource of a delegation grants.
#[derive(Debug, Serialize)]
pub(super) struct Granted {
    resource: String,
    actions: Vec<String>,
    caveats: Value,
}

/// What a delegation grants, resource by resource.
pub(super) fn granted(delegation: &Delegation) -> Vec<Granted> {
    let mut by_resource: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for capability in delegation.capabilities() {
        let caveats = json!(capability.caveats.as_slice()).to_string();
        let key = (capability.resource.to_string(), caveats);
        by_resource
            .entry(key)
            .or_default()
            .push(capability.ability.to_string());
    }
    let one = |((resource, caveats), actions): ((String, String), Vec<String>)| Granted {
        resource,
        actions,
        caveats: serde_json::from_str(&caveats).unwrap_or_default(),
    };
    by_resource.into_iter().map(one).collect()
}

/// A moment as text (RFC 3339).
pub(crate) fn iso(unix_ms: i64) -> String {
    let nanos = i128::from(unix_ms) * 1_000_000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    let text = moment.and_then(|moment| moment.format(&Rfc3339).ok());
    // what lies beyond the years that can be written is as good as the last one
    text.unwrap_or_else(|| "9999-12-31T23:59:59Z".to_owned())
}

/// What `tinycloud.capabilities/read` answers.
///
/// # Errors
///
/// [`Error::Bad`] for parameters that are none, [`Error::NotFound`], [`Error::TooLarge`].
pub async fn capabilities(
    node: &Node,
    space: &SpaceId,
    invoker: &Did,
    facts: &[Value],
) -> Result<Value, Error> {
    let bad = |error: serde_json::Error| Error::Bad(format!("Invalid {PARAMETERS}: {error}"));
    let parameters = match fact(facts, PARAMETERS)? {
        None | Some(Value::Null) => Parameters::List { filters: None },
        Some(value) => Parameters::deserialize(value).map_err(bad)?,
    };
    match parameters {
        Parameters::Chain { delegation_cid } => {
            let cid = Cid::parse(&delegation_cid);
            let cid = cid.map_err(|_| Error::Bad("Invalid delegation CID".to_owned()))?;
            chain_of(node, space, cid).await.map(Value::Array)
        }
        Parameters::List { filters } => {
            let filters = filters.unwrap_or_default();
            let all = in_space(node, space).await?;
            let listed = all
                .into_iter()
                .filter(|(delegation, _)| filters.admit(space, delegation, invoker));
            let pairs = listed.map(|(delegation, view)| (delegation.cid().to_string(), view));
            Ok(Value::Object(pairs.collect::<Map<_, _>>()))
        }
    }
}

impl Filters {
    fn admit(&self, space: &SpaceId, delegation: &Delegation, invoker: &Did) -> bool {
        let side = match self.direction.as_deref() {
            Some("created") => delegation.delegator() == invoker,
            Some("received") => delegation.delegatee() == invoker,
            _ => true,
        };
        let here = |resource: &Resource| match resource {
            Resource::Space(resource) if resource.space() == space => {
                let path = resource.path().unwrap_or("");
                self.path
                    .as_deref()
                    .is_none_or(|prefix| path.starts_with(prefix))
            }
            _ => false,
        };
        let named = |ability: &str| match &self.actions {
            None => true,
            Some(actions) => actions.iter().any(|action| action == ability),
        };
        let mut capabilities = delegation.capabilities().iter();
        side && capabilities.any(|it| here(&it.resource) && named(it.ability.as_str()))
    }
}

/// Every delegation that holds now and concerns a space.
///
/// # Errors
///
/// [`Error::TooLarge`] if there are more than fit an answer, [`Error::Store`].
pub async fn in_space(
    node: &Node,
    space: &SpaceId,
) -> Result<Vec<(std::sync::Arc<Delegation>, Value)>, Error> {
    let now_ms = node.now_ms();
    let mut page = Page {
        after: None,
        limit: PAGE,
    };
    let mut all = Vec::new();
    loop {
        let rows = node.store.delegations_in(space, page.clone()).await?;
        let Some(last) = rows.last() else {
            return Ok(all);
        };
        page.after = Some(last.place);
        for row in rows {
            let delegation = node.authority.verified(row.cid, &row.token)?;
            if !Standing::of(node, &delegation, now_ms).await?.is_active() {
                continue;
            }
            if all.len() == MAX_LISTED {
                return Err(Error::TooLarge(format!(
                    "More than {MAX_LISTED} delegations: ask /delegation/query, which answers in pages"
                )));
            }
            let view = view(&delegation, &row.token);
            all.push((delegation, view));
        }
    }
}

/// A delegation of a space and all that it rests on, itself first.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::Store`].
pub async fn chain_of(node: &Node, space: &SpaceId, cid: Cid) -> Result<Vec<Value>, Error> {
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
    let (links, _) = walk(node, &delegation).await?;
    let cids: Vec<Cid> = links.iter().map(|link| link.cid()).collect();
    let tokens = node.store.tokens(&cids).await?;
    let pairs = links.iter().zip(tokens);
    Ok(pairs
        .filter_map(|(link, token)| token.map(|token| view(link, &token)))
        .collect())
}

/// A delegation as `tinycloud.capabilities/read` shows it, its token as it was sent.
fn view(delegation: &Delegation, token: &[u8]) -> Value {
    let raw = match stored_token(token) {
        Some(openkey_capability::token::Token::Ucan(ucan)) => ucan.token().to_owned(),
        _ => URL_SAFE.encode(token),
    };
    let capabilities = delegation.capabilities().iter().map(|it| {
        json!({
            "resource": it.resource.to_string(),
            "ability": it.ability.as_str(),
            "caveats": it.caveats.as_slice(),
        })
    });
    let mut view = json!({
        "capabilities": capabilities.collect::<Vec<_>>(),
        "delegator": delegation.delegator().as_str(),
        "delegate": delegation.delegatee().as_str(),
        "parents": delegation.proofs().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "raw": raw,
    });
    let window = delegation.window();
    let moments = [
        ("expiry", window.expires_ms),
        ("not_before", window.not_before_ms),
        ("issued_at", delegation.issued_ms()),
    ];
    if let Some(view) = view.as_object_mut() {
        for (name, moment) in moments {
            if let Some(moment) = moment {
                view.insert(name.to_owned(), iso(moment).into());
            }
        }
    }
    view
}
