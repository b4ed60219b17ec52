//! Invocations of databases: `tinycloud.sql/*`.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use openkey_capability::resource::{Resource, SpaceResource};
use serde_json::Value;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use crate::admission::Authorised;
use crate::asked_by;
use crate::error::Error;
use crate::facts::fact;
use crate::node::Node;
use crate::sql::{self, Access, Request};
use crate::store::StoreError;

/// The service of databases in resources.
pub const SERVICE: &str = "sql";
/// What abilities for it begin with.
pub const ABILITIES: &str = "tinycloud.sql/";
/// The fact by which an invoker restricts itself.
const CAVEATS: &str = "sqlCaveats";

/// Carries out an invocation of a database.
///
/// # Errors
///
/// [`Error`].
pub async fn invoke(
    node: &Node,
    authorised: &Authorised,
    facts: &[Value],
    body: &[u8],
) -> Result<Response, Error> {
    let resource = target(authorised)?;
    let request = Request::parse(body)?;
    let own = fact(facts, CAVEATS)?.filter(|fact| !fact.is_null());
    let granted = authorised
        .allowed
        .iter()
        .map(|it| (&it.capability.ability, &it.caveats));
    let access = Access::new(resource, granted, own)?.asked_by(asked_by::client());
    // before the work: whoever is answered an error does not know whether it was done
    let space = resource.space();
    let admission = authorised.admission.clone();
    let name = resource.path().unwrap_or_default();
    let entered = node.store.enter(admission, space, name).await?;
    let usage = entered.usage;
    if !usage.hosted {
        return Err(StoreError::NoSpace.into());
    }
    let id = access.database();
    if access.only_reads() {
        return answer(node.databases.run(&id, &access, request).await?.response);
    }
    let default = node.config.default_bound(space);
    let mut access = access.may_create(true);
    if let (Some(limit), Some(most)) = (usage.bound.or(default), entered.most(default)) {
        let writes = !matches!(request, Request::Query(..) | Request::Export);
        let used = usage.used();
        if used >= limit && writes {
            return Err(StoreError::Full { used, limit }.into());
        }
        access = access.max_bytes(most);
    }
    let done = node.databases.run(&id, &access, request).await?;
    if let Some(sizes) = done.sizes {
        // also where it is counted wrongly: whoever changed it was stopped before it was counted
        if sizes.after != sizes.before || sizes.after != entered.database_bytes {
            node.store.sized(space, name, sizes.after).await?;
        }
    }
    answer(done.response)
}

/// The one database that an invocation is about.
fn target(authorised: &Authorised) -> Result<&SpaceResource, Error> {
    let bad = |what: &str| Error::Bad(what.to_owned());
    let mut target: Option<&SpaceResource> = None;
    for allowed in &authorised.allowed {
        let Resource::Space(resource) = &allowed.capability.resource else {
            return Err(bad("An invocation of a database is about nothing else"));
        };
        let is_sql = resource.service() == SERVICE
            && allowed.capability.ability.as_str().starts_with(ABILITIES);
        if !is_sql {
            return Err(bad("An invocation of a database is about nothing else"));
        }
        match target {
            Some(other) if other.space() != resource.space() => {
                return Err(bad("Ambiguous sql capabilities span multiple spaces"));
            }
            Some(other) if other.path() != resource.path() => {
                return Err(bad("Ambiguous sql capabilities span multiple paths"));
            }
            _ => target = Some(resource),
        }
    }
    target.ok_or_else(|| bad("The invocation names no database"))
}

fn answer(response: sql::Response) -> Result<Response, Error> {
    let (kind, body) = match response {
        sql::Response::Json(text) => ("application/json", Body::from(text)),
        sql::Response::Export(export) => {
            let file = File::from_std(export.file);
            (
                "application/x-sqlite3",
                Body::from_stream(ReaderStream::new(file)),
            )
        }
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}
