//! `tinycloud.capabilities/read` and its relatives: what is granted in a space, for who may know.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use openkey_capability::chain::Delegation;
use openkey_capability::cid::Cid;
use openkey_capability::did::Did;
use openkey_capability::resource::{Resource, SpaceId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::listing::{Listed, chain_of, in_space, is_granted_by};
use crate::authority::stored_token;
use crate::error::Error;
use crate::facts::fact;
use crate::node::Node;

/// The fact that narrows a listing.
const PARAMETERS: &str = "capabilitiesReadParams";
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

/// What `tinycloud.capabilities/read` shows.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum View {
    /// Delegations of a space, by their names.
    All(BTreeMap<String, Box<RawValue>>),
    /// A delegation and what it rests on.
    Chain(Vec<Value>),
}

/// What `tinycloud.capabilities/read` answers, and whether that is not all of it.
///
/// # Errors
///
/// [`Error::Bad`] for parameters that are none, [`Error::NotFound`].
pub async fn capabilities(
    node: &Node,
    space: &SpaceId,
    asking: &[Did],
    facts: &[Value],
) -> Result<(View, bool), Error> {
    let bad = |error: serde_json::Error| Error::Bad(format!("Invalid {PARAMETERS}: {error}"));
    let parameters = match fact(facts, PARAMETERS)? {
        None | Some(Value::Null) => Parameters::List { filters: None },
        Some(value) => Parameters::deserialize(value).map_err(bad)?,
    };
    match parameters {
        Parameters::Chain { delegation_cid } => {
            let cid = Cid::parse(&delegation_cid);
            let cid = cid.map_err(|_| Error::Bad("Invalid delegation CID".to_owned()))?;
            let chain = chain_of(node, space, cid).await?;
            let views = chain.iter().map(|one| view(&one.delegation, &one.token));
            Ok((View::Chain(views.collect()), false))
        }
        Parameters::List { filters } => {
            let filters = filters.unwrap_or_default();
            let wanted = |delegation: &Delegation| filters.admit(space, delegation, asking);
            let show = |one: &Listed| {
                let cid = one.delegation.cid().to_string();
                (cid, view(&one.delegation, &one.token))
            };
            let listed = in_space(node, space, wanted, show).await?;
            let all = listed.all.into_iter().collect();
            Ok((View::All(all), listed.truncated))
        }
    }
}

impl Filters {
    fn admit(&self, space: &SpaceId, delegation: &Delegation, asking: &[Did]) -> bool {
        let side = match self.direction.as_deref() {
            Some("created") => is_granted_by(space, delegation, asking),
            Some("received") => asking.contains(delegation.delegatee()),
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
