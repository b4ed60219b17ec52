//! The HTTP side: one function from request to response.

mod carry;
mod description;
mod docs;
mod failure;
mod guard;
mod headers;
mod html;
mod lost;
mod own;
mod releases;
mod route;
mod wire;

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use hyper::{
    Request,
    body::Incoming,
    header::{HeaderValue, VARY},
};
use openkey_edge::{
    body::BodyBudget,
    client::{ClientKey, Unnamed, client_address},
    log::Sparing,
    request_id::{RequestIds, X_REQUEST_ID},
};
use tower::Service as _;

pub(crate) use guard::Guard;
pub(crate) use own::{Readiness, numbers, page_config};
pub(crate) use route::Route;

use crate::{
    config::Config, document::Document, kept::Kept, limits::Rates, metrics::Metrics, page::Page,
    parts::Clock, store::SqliteStore, upstream::Upstream,
};
pub(crate) use carry::body_budget;
use failure::Failure;
pub(crate) use headers::page_policy;

/// What every handler sees.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) guard: Guard,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) rates: Rates,
    pub(crate) bodies: BodyBudget,
    /// Lines of the log about refusals.
    pub(crate) refusals: Sparing,
    pub(crate) page: Page,
    pub(crate) page_config: Document,
    /// Files that are no part of the page.
    pub(crate) kept: Kept,
    /// The content-security policy of the page.
    pub(crate) page_policy: HeaderValue,
    pub(crate) store: SqliteStore,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Readiness,
    pub(crate) clock: Clock,
    pub(crate) started: Instant,
    pub(crate) request_ids: RequestIds,
}

/// Lines in a second about refusals: enough to see what is refused, too few to fill a disk.
const REFUSALS: NonZeroU32 = const { NonZeroU32::new(20).unwrap() };

/// Bounds the lines of the log that refusals cause.
pub(crate) fn refusals() -> Sparing {
    Sparing::new(REFUSALS)
}

/// The client whose request it is.
#[derive(Clone, Copy, Debug)]
struct Asking(ClientKey);

/// Stands in the extensions of an answer in which the enclave refuses.
#[derive(Clone, Copy, Debug)]
struct RefusedInside;

/// Every route there is. [`description`] describes each.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/api/v1/enclaves", get(own::enclaves))
        .route("/api/v1/enclaves/{id}/{class}", post(carry::carry))
        .route("/config.json", get(own::config))
        .route("/releases.json", get(releases::releases))
        .route("/healthz", get(own::healthz))
        .route("/readyz", get(own::readyz))
        .route("/openapi.json", get(description::openapi))
        .route("/docs", get(docs::docs))
        .route("/docs/messages.json", get(docs::messages))
        .fallback(own::page)
        .method_not_allowed_fallback(async || Failure::method_not_allowed())
        .with_state(app)
}

/// Answers one request of the peer.
pub(crate) async fn answer(
    app: &App,
    router: &Router,
    peer: IpAddr,
    mut request: Request<Incoming>,
) -> Response {
    let started = Instant::now();
    let _in_flight = InFlight::enter(&app.metrics);
    let route = Route::of(request.uri().path());
    let method = request.method().clone();
    let id = app.request_ids.next();
    let wants_page = lost::wants_page(&request);
    let mut response = match check(app, route, peer, &request) {
        Ok(client) => {
            request.extensions_mut().insert(Asking(client));
            // a router is always ready and never fails
            let Ok(response) = router.clone().call(request).await;
            response
        }
        Err(failure) => failure.into_response(),
    };
    let failure = response.extensions_mut().remove::<Failure>();
    if let Some(failure) = &failure {
        let allow = response.headers_mut().remove(hyper::header::ALLOW);
        response = if wants_page {
            lost::page(failure, &app.config.origin, id.as_str())
        } else {
            failure.respond(id.as_str())
        };
        response
            .headers_mut()
            .append(VARY, HeaderValue::from_static("accept"));
        if let Some(allow) = allow {
            response.headers_mut().insert(hyper::header::ALLOW, allow);
        }
    }
    headers::complete(&mut response, route, app);
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    let took = started.elapsed();
    app.metrics.answered(route, response.status(), took);
    // strangers cause these; metrics count them all
    let refused = response
        .extensions_mut()
        .remove::<RefusedInside>()
        .is_some();
    if !(refused || failure.is_some()) || app.refusals.admits() {
        log(
            route,
            &method,
            &response,
            failure.as_ref(),
            id.as_str(),
            took,
        );
    }
    response
}

/// Whose request it is, if it is one that is looked at.
fn check(
    app: &App,
    route: Route,
    peer: IpAddr,
    request: &Request<Incoming>,
) -> Result<ClientKey, Failure> {
    app.guard.check(request)?;
    let trusted = app.config.trusted_proxy.as_ref();
    let client = client_address(peer, trusted, request.headers());
    let client = ClientKey::of(client.map_err(|Unnamed| Failure::unnamed_client().closing())?);
    if route.is_read() {
        let read = app.rates.check_read(client);
        read.map_err(|wait| Failure::too_many().retry_after(wait))?;
    }
    Ok(client)
}

/// One line for each request; the page's files and the checks only when someone looks closely.
fn log(
    route: Route,
    method: &hyper::Method,
    response: &Response<Body>,
    failure: Option<&Failure>,
    request_id: &str,
    took: Duration,
) {
    let (name, class) = route.labels();
    let status = response.status().as_u16();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let rule = failure.map(Failure::code);
    if route.is_carried() || failure.is_some() {
        tracing::info!(request_id, route = name, class, %method, status, micros, rule, "request");
    } else {
        tracing::debug!(request_id, route = name, class, %method, status, micros, rule, "request");
    }
}

/// Counts the request in as long as it lives, also when its client leaves.
struct InFlight<'a>(&'a Metrics);

impl<'a> InFlight<'a> {
    fn enter(metrics: &'a Metrics) -> Self {
        metrics.in_flight.increment(1);
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.decrement(1);
    }
}
