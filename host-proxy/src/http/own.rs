//! What the host answers itself.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{Json, body::Body, extract::State, response::Response};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::{sync::Mutex, task::JoinSet, time::Instant};

use super::{App, failure::Failure};
use crate::{
    config::{Config, Origin},
    document::Document,
};

/// How long an answer about readiness holds: asking often must not become a way to keep the store
/// and the enclaves busy.
const READINESS_HOLDS: Duration = Duration::from_millis(500);

/// The answer to `GET /api/v1/enclaves`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Enclaves {
    /// All of them; the page uses the first.
    enclaves: Vec<EnclaveState>,
}

/// One enclave, as far as the host knows.
#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct EnclaveState {
    /// Its routing id.
    id: String,
    /// The deployment it belongs to.
    member: String,
    /// Whether it answers, and has its root key.
    ready: bool,
    /// What is missing, such as `waiting for root key: 1 of 2 shares`; absent when ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
}

/// The answer to `GET /config.json`: what the page needs to know, none of it trusted.
#[derive(Serialize, JsonSchema)]
pub(super) struct PageConfig<'a> {
    /// Of this file: 1.
    version: u32,
    /// The origin the page belongs to.
    origin: &'a str,
    /// The routing id of the enclave the page speaks with.
    enclave: Option<&'a str>,
    /// A further condition that the operator suggests, as a policy file.
    policy: Option<&'a serde_json::Value>,
    /// The origin of the node the page may talk to.
    node: Option<&'a str>,
}

/// The answer to `GET /healthz`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    /// Always `ok`: a process that is not does not answer.
    status: &'static str,
    /// The program's version.
    version: &'static str,
    /// Seconds since it was started.
    uptime_seconds: u64,
    /// The host's clock, milliseconds since 1970. Nothing depends on it.
    now_ms: u64,
}

/// The answer to `GET /readyz`; 200 when ready, 503 when not.
#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct Ready {
    /// Whether requests can be served.
    ready: bool,
    /// Why not; empty when ready.
    reasons: Vec<String>,
    /// Each enclave.
    enclaves: Vec<EnclaveState>,
}

/// The newest finding about store and enclaves.
pub(crate) struct Readiness(Mutex<Option<(Instant, Ready)>>);

impl Readiness {
    pub(crate) const fn new() -> Self {
        Self(Mutex::const_new(None))
    }
}

/// Asks store and enclaves, unless someone just did. Those who ask meanwhile wait for the answer. Who
/// leaves before it comes does not make the next one ask again.
async fn readiness(app: &Arc<App>) -> Ready {
    let found = tokio::spawn(find(Arc::clone(app))).await;
    found.unwrap_or_else(|error| {
        tracing::error!(%error, "looking for the store and the enclaves ended badly");
        Ready {
            ready: false,
            reasons: vec!["this server cannot tell".to_owned()],
            enclaves: Vec::new(),
        }
    })
}

async fn find(app: Arc<App>) -> Ready {
    let mut newest = app.readiness.0.lock().await;
    if let Some((at, ready)) = newest.as_ref()
        && at.elapsed() < READINESS_HOLDS
    {
        return ready.clone();
    }
    // all at once: one that is away takes its whole time to be given up
    let mut asked = JoinSet::new();
    for index in 0..app.upstreams.len() {
        let app = Arc::clone(&app);
        asked.spawn(async move {
            let missing = match app.upstreams.get(index) {
                Some(upstream) => upstream.missing().await,
                None => None,
            };
            (index, missing)
        });
    }
    let mut reasons = Vec::new();
    if let Err(error) = app.store.probe().await {
        reasons.push(format!("the store cannot be written: {error}"));
    }
    let mut answers: HashMap<usize, Option<String>> = asked.join_all().await.into_iter().collect();
    let mut enclaves = Vec::with_capacity(app.upstreams.len());
    for (index, upstream) in app.upstreams.iter().enumerate() {
        let missing = answers.remove(&index).flatten();
        if let Some(missing) = &missing {
            let id = upstream.id();
            // "e1 does not answer", but "e1: waiting for …"
            let colon = if missing.starts_with("does") { "" } else { ":" };
            reasons.push(format!("enclave {id}{colon} {missing}"));
        }
        enclaves.push(EnclaveState {
            id: upstream.id().to_owned(),
            member: upstream.member().to_owned(),
            ready: missing.is_none(),
            missing,
        });
    }
    let ready = Ready {
        ready: reasons.is_empty(),
        reasons,
        enclaves,
    };
    *newest = Some((Instant::now(), ready.clone()));
    ready
}

pub(super) async fn enclaves(State(app): State<Arc<App>>) -> Json<Enclaves> {
    let enclaves = readiness(&app).await.enclaves;
    Json(Enclaves { enclaves })
}

/// What `GET /config.json` answers, as long as this server runs.
pub(crate) fn page_config(config: &Config) -> Document {
    let page_config = PageConfig {
        version: 1,
        origin: config.origin.as_str(),
        enclave: config.enclaves.first().map(|enclave| enclave.id.as_str()),
        policy: config.policy.as_ref(),
        node: config.node.as_ref().map(Origin::as_str),
    };
    // text and numbers always become JSON
    let json = serde_json::to_vec(&page_config).unwrap_or_default();
    Document::new("application/json", json)
}

pub(super) async fn config(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    app.page_config.respond(&headers)
}

pub(super) async fn healthz(State(app): State<Arc<App>>) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: app.started.elapsed().as_secs(),
        now_ms: app.clock.now_ms(),
    })
}

pub(super) async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Ready>) {
    let ready = readiness(&app).await;
    let status = if ready.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(ready))
}

/// What the metrics listener answers.
pub(crate) async fn numbers(app: Arc<App>) -> String {
    // also brings the enclaves' state up to date
    let _ready = readiness(&app).await;
    app.metrics
        .sizes(app.store.size().unwrap_or_default(), app.rates.addresses());
    app.metrics.render()
}

/// The page's files: the only answer to a path that is nothing else.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    _request: Request<Body>,
) -> Result<Response, Failure> {
    let file = app
        .page
        .file(uri.path())
        .await
        .ok_or_else(Failure::not_found)?;
    if !matches!(method, Method::GET | Method::HEAD) {
        return Err(Failure::method_not_allowed());
    }
    Ok(file.respond(&headers))
}
