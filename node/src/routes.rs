//! Which endpoint a path is.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post, put};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use openkey_capability::resource::SpaceId;
use openkey_edge::client::ClientKey;
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::admission::signed;
use crate::error::{Error, RETRY};
use crate::server::App;
use crate::{admin, asking, body, bound_body, delegation, invoke, public, signed as signed_urls};

type Node = State<Arc<App>>;
type Answer = Result<Response, Error>;

/// Endpoints, as logs and metrics name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Info,
    Health,
    Peer,
    Delegate,
    Revoke,
    Delegation,
    Invoke,
    Signed,
    Public,
    Encryption,
    Hooks,
    Admin,
    Other,
}

impl Route {
    /// Whether what is asked for is asked with a token, which is read and checked.
    pub(crate) fn reads_token(self, method: &Method) -> bool {
        match self {
            Self::Delegate | Self::Revoke | Self::Delegation | Self::Invoke => true,
            // whoever has a signed URL needs none
            Self::Signed => method == Method::POST,
            _ => false,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Health => "health",
            Self::Peer => "peer",
            Self::Delegate => "delegate",
            Self::Revoke => "revoke",
            Self::Delegation => "delegation",
            Self::Invoke => "invoke",
            Self::Signed => "signed",
            Self::Public => "public",
            Self::Encryption => "encryption",
            Self::Hooks => "hooks",
            Self::Admin => "admin",
            Self::Other => "other",
        }
    }
}

/// The endpoint of a path.
pub(crate) fn route(path: &str) -> Route {
    let mut segments = path.split('/').skip(1);
    match segments.next().unwrap_or("") {
        "info" | "version" | "attestation" | ".well-known" => Route::Info,
        "healthz" | "health" | "readyz" => Route::Health,
        "peer" => Route::Peer,
        "delegate" => Route::Delegate,
        "revoke" => Route::Revoke,
        "delegation" => Route::Delegation,
        "invoke" => Route::Invoke,
        "signed" => Route::Signed,
        "public" => Route::Public,
        "encryption" => Route::Encryption,
        "hooks" => Route::Hooks,
        "admin" => Route::Admin,
        _ => Route::Other,
    }
}

/// Every route there is.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/info", get(info))
        .route("/version", get(info))
        .route("/healthz", get(healthz))
        .route("/health", get(healthz))
        .route("/readyz", get(readyz))
        .route("/attestation", get(attestation))
        .route("/.well-known/tinycloud/node-keys", get(node_keys))
        .route("/peer/generate/{space}", get(peer))
        .route("/delegate", post(delegate))
        .route("/revoke", post(revoke))
        .route("/delegation/status", post(status))
        .route("/delegation/query", post(query))
        .route("/invoke", post(invoked))
        .route("/signed/kv", post(sign))
        .route("/signed/kv/{ticket}", get(read_signed))
        .route("/public/{space}/kv/{*key}", get(read_public))
        .route("/public/{space}/kv", get(list_public))
        .route("/encryption/{*rest}", any(no_networks))
        .route("/.well-known/encryption/{*rest}", any(no_networks))
        .route("/hooks/{*rest}", any(no_hooks))
        .route("/admin/quota", get(bounds))
        .route(
            "/admin/quota/{space}",
            put(set_bound).get(bound).delete(remove_bound),
        )
        .route("/admin/usage", get(usage))
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

async fn info(State(app): Node) -> Response {
    let mut info = json!({
        "protocol": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "features": ["kv", "delegation", "sharing", "sql", "signed-urls"],
        "nodeId": app.node.keys.node_id().as_str(),
        "inTEE": false,
    });
    if let (Some(info), Some(url)) = (info.as_object_mut(), &app.node.config.quota_url) {
        info.insert("quota_url".to_owned(), url.as_str().into());
    }
    Json(info).into_response()
}

async fn healthz() -> StatusCode {
    StatusCode::OK
}

async fn readyz(State(app): Node) -> Response {
    match app.node.ready().await {
        // told, and no reason to take a node away that goes on by its own time
        Ok(()) => match app.node.clock_off_ms() {
            Some(ms) => {
                let seconds = ms / 1000;
                format!("The machine's clock is off by {seconds} s and not followed")
                    .into_response()
            }
            None => StatusCode::OK.into_response(),
        },
        Err(why) => {
            let later = [(header::RETRY_AFTER, RETRY)];
            (StatusCode::SERVICE_UNAVAILABLE, later, why).into_response()
        }
    }
}

async fn attestation() -> Response {
    Json(json!({ "mode": "classic", "message": "This node does not run in an enclave" }))
        .into_response()
}

async fn node_keys(State(app): Node) -> Response {
    Json(json!({ "nodeDid": app.node.keys.node_id().as_str() })).into_response()
}

async fn peer(State(app): Node, uri: Uri) -> Answer {
    let space = segment(&uri, "/peer/generate/")?;
    let space = SpaceId::parse(&space).map_err(|_| Error::Bad("Invalid space ID".to_owned()))?;
    Ok(app.node.keys.host(&space).to_string().into_response())
}

async fn delegate(State(app): Node, headers: HeaderMap) -> Answer {
    Ok(Json(delegation::delegate(&app.node, &headers).await?).into_response())
}

async fn revoke(State(app): Node, headers: HeaderMap) -> Answer {
    Ok(Json(delegation::revoke(&app.node, &headers).await?).into_response())
}

async fn status(State(app): Node, headers: HeaderMap, body: Body) -> Answer {
    let body = signed_body(&app, &headers, body).await?;
    let (status, answer) = delegation::status(&app.node, &headers, &body).await?;
    Ok((status, Json(answer)).into_response())
}

async fn query(State(app): Node, headers: HeaderMap, body: Body) -> Answer {
    let asked = signed_body(&app, &headers, body).await?;
    body::json(&delegation::query(&app.node, &headers, &asked).await?)
}

async fn invoked(State(app): Node, headers: HeaderMap, body: Body) -> Answer {
    invoke::invoke(&app.node, &headers, body).await
}

async fn sign(State(app): Node, headers: HeaderMap, body: Body) -> Answer {
    Ok(Json(signed_urls::issue(&app.node, &headers, body).await?).into_response())
}

/// A body, if the request is signed. What it is otherwise counts for nothing: the request is refused.
async fn signed_body(app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, Error> {
    let (now_ms, longest_ms) = (app.node.now_ms(), app.node.config.longest_invocation_ms());
    let signed = signed(headers, now_ms, longest_ms);
    // the body may be slow
    asking::checked();
    match signed {
        Ok(signed) => {
            let body = bound_body::bound(body, headers, signed.ucan.facts())?;
            body::read(body, body::SMALL).await
        }
        Err(_) => Ok(Bytes::new()),
    }
}

async fn read_signed(State(app): Node, uri: Uri, headers: HeaderMap) -> Answer {
    let ticket = uri.path().strip_prefix("/signed/kv/").unwrap_or("");
    signed_urls::read(&app.node, ticket, &headers).await
}

async fn read_public(State(app): Node, uri: Uri, headers: HeaderMap) -> Answer {
    let rest = uri.path().strip_prefix("/public/").unwrap_or("");
    let (space, key) = rest.split_once("/kv/").unwrap_or((rest, ""));
    public::get(&app.node, &decoded(space)?, key, &headers).await
}

async fn list_public(State(app): Node, uri: Uri) -> Answer {
    let rest = uri.path().strip_prefix("/public/").unwrap_or("");
    let space = rest.strip_suffix("/kv").unwrap_or(rest);
    let pairs = uri
        .query()
        .unwrap_or("")
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let prefix = pairs
        .filter(|(name, _)| *name == "prefix")
        .map(|(_, value)| value)
        .next();
    public::list(&app.node, &decoded(space)?, &decoded(prefix.unwrap_or(""))?).await
}

async fn no_networks() -> Error {
    Error::NotImplemented(invoke::NO_NETWORKS.to_owned())
}

/// Clients ask for tickets and events again at once, whatever they are told: so they are told late.
async fn no_hooks(
    State(app): Node,
    Extension(client): Extension<ClientKey>,
    method: Method,
    uri: Uri,
) -> Response {
    let asks_again = match uri.path() {
        "/hooks/tickets" => method == Method::POST,
        "/hooks/events" => method == Method::GET,
        _ => false,
    };
    if asks_again && !app.patient.hold(client).await {
        let wait = [(header::RETRY_AFTER, "5")];
        let text = "Too many ask for hooks, which are not served by this node";
        return (StatusCode::TOO_MANY_REQUESTS, wait, text).into_response();
    }
    Error::NotImplemented("Hooks are not served by this node".to_owned()).into_response()
}

async fn bounds(State(app): Node, uri: Uri, headers: HeaderMap) -> Answer {
    admin::check(&app.node, &headers)?;
    Ok(Json(admin::bounds(&app.node, after(&uri)?).await?).into_response())
}

async fn usage(State(app): Node, uri: Uri, headers: HeaderMap) -> Answer {
    admin::check(&app.node, &headers)?;
    Ok(Json(admin::usage(&app.node, after(&uri)?).await?).into_response())
}

/// Behind which space a list goes on.
fn after(uri: &Uri) -> Result<Option<String>, Error> {
    let pairs = uri.query().unwrap_or("").split('&');
    let mut after = pairs.filter_map(|pair| pair.strip_prefix("after="));
    after.next().map(decoded).transpose()
}

async fn bound(State(app): Node, uri: Uri, headers: HeaderMap) -> Answer {
    admin::check(&app.node, &headers)?;
    let space = segment(&uri, "/admin/quota/")?;
    Ok(Json(admin::get(&app.node, &space).await?).into_response())
}

async fn set_bound(State(app): Node, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    admin::check(&app.node, &headers)?;
    let space = segment(&uri, "/admin/quota/")?;
    let body = body::read(body, body::SMALL).await?;
    Ok(Json(admin::put(&app.node, &space, &body).await?).into_response())
}

async fn remove_bound(State(app): Node, uri: Uri, headers: HeaderMap) -> Answer {
    admin::check(&app.node, &headers)?;
    let space = segment(&uri, "/admin/quota/")?;
    Ok(Json(admin::delete(&app.node, &space).await?).into_response())
}

async fn nothing() -> Error {
    Error::NotFound("There is nothing at this path".to_owned())
}

async fn wrong_method() -> Response {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        "This path is not asked with this method",
    )
        .into_response()
}

/// What stands behind a prefix, decoded once.
fn segment(uri: &Uri, prefix: &str) -> Result<String, Error> {
    decoded(uri.path().strip_prefix(prefix).unwrap_or(""))
}

fn decoded(text: &str) -> Result<String, Error> {
    let text = percent_decode_str(text).decode_utf8();
    Ok(text
        .map_err(|_| Error::Bad("Invalid escapes in the path".to_owned()))?
        .into_owned())
}
