//! Requests to enclaves: opaque bytes there, opaque bytes back.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::{
    Extension,
    body::{Body, HttpBody as _},
    extract::State,
    response::Response,
};
use http_body_util::BodyExt as _;
use hyper::{
    Request, StatusCode,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use openkey_edge::{
    body::{BodyBudget, BodyRoom},
    listen::Arriving,
    pace::Patience,
};
use openkey_protocol::{client::CallError, message::Class};
use tokio::time::{Instant, timeout};

use super::{App, Asking, RefusedInside, failure::Failure, guard, route};
use crate::{
    config::Limits,
    upstream::{Upstream, awaits_root_key, refuses},
};

/// Bodies up to this size are read without asking: as many as there may be connections fit in
/// memory, and nearly every request is one.
const SMALL_BODY: usize = 16 * 1024;

/// How long a body is waited for while nothing comes, in all; what comes earns more, up to that. A
/// body of the largest size that arrives in time at an even pace never waits so long.
const BODY_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a body that earn a second.
const BODY_PACE: NonZeroU32 = const { NonZeroU32::new(32 * 1024).unwrap() };

/// How long a client is told to wait when too many are being served.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// How long a client is told to wait when the enclave cannot be reached: it is watched, and
/// started again within a second.
const UNREACHABLE_RETRY: Duration = Duration::from_secs(2);

/// How long a client is told to wait for a root key: operators are people.
const ROOT_KEY_RETRY: Duration = Duration::from_secs(10);

/// Memory for bodies that are larger than most.
pub(crate) fn body_budget(limits: &Limits) -> BodyBudget {
    BodyBudget::new(
        SMALL_BODY,
        limits.large_bodies,
        limits.large_bodies_per_address,
    )
}

/// Carries a request to the enclave of the path, under the class of the path.
pub(super) async fn carry(
    State(app): State<Arc<App>>,
    Extension(Asking(client)): Extension<Asking>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let (upstream, class) = target(&app, request.uri().path())?;
    guard::check_cbor(request.headers())?;
    let size = body_size(&request, app.config.limits.body_bytes)?;
    app.rates
        .check(class, client)
        .map_err(|wait| Failure::too_many().retry_after(wait))?;
    let arriving = request.extensions().get::<Arriving>().cloned();
    let mut room = app.bodies.room(client);
    let within = app.config.limits.body_timeout;
    let body = read(request.into_body(), size, &mut room, within).await?;
    let _arrived = arriving.as_ref().map(Arriving::arrived);
    let call = upstream.call(class, client, body, &app.refusals);
    let reply = call.await.map_err(failure)?;
    Ok(response(reply))
}

/// The enclave's reply as it is. One that awaits its root key is 503 to whoever looks at the status
/// only: load balancers, and people with a command line.
fn response(reply: Vec<u8>) -> Response {
    let (waiting, refused) = (awaits_root_key(&reply), refuses(&reply));
    let mut response = Response::new(Body::from(reply));
    if refused {
        response.extensions_mut().insert(RefusedInside);
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cbor"));
    if waiting {
        headers.insert(RETRY_AFTER, HeaderValue::from(ROOT_KEY_RETRY.as_secs()));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// Which enclave, under which class. The path is plain: [`guard`] has seen to it.
fn target<'a>(app: &'a App, path: &str) -> Result<(&'a Upstream, Class), Failure> {
    let (id, class) = path
        .strip_prefix(route::ENCLAVES)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(Failure::not_found)?;
    let upstream = app
        .upstreams
        .iter()
        .find(|upstream| upstream.id() == id)
        .ok_or_else(Failure::unknown_enclave)?;
    let class = route::class(class).ok_or_else(Failure::unknown_class)?;
    Ok((upstream, class))
}

/// The declared size of the body, which is then exactly what is read.
fn body_size(request: &Request<Body>, limit: usize) -> Result<usize, Failure> {
    let size = request
        .body()
        .size_hint()
        .exact()
        .ok_or(Failure::length_required().closing())?;
    match usize::try_from(size) {
        Ok(0) => Err(Failure::empty_body()),
        Ok(size) if size <= limit => Ok(size),
        // not read to its end: the connection is of no more use
        _ => Err(Failure::body_too_large().closing()),
    }
}

/// Reads the body. Memory grows with what arrives, not with what is declared. It is given up when it
/// comes too slowly, and when another needs its room.
async fn read(
    mut body: Body,
    size: usize,
    room: &mut BodyRoom<'_>,
    within: Duration,
) -> Result<Vec<u8>, Failure> {
    let slow = || Failure::slow_body().closing();
    let no_room = || busy().closing();
    let displaced = room.displaced();
    let all = async {
        let mut patience = Patience::new(BODY_PATIENCE, BODY_PACE);
        let mut all = Vec::with_capacity(size.min(SMALL_BODY));
        loop {
            let began = Instant::now();
            let frame = tokio::select! {
                biased;
                () = displaced.notified() => return Err(no_room()),
                frame = timeout(patience.left(), body.frame()) => frame.map_err(|_| slow())?,
            };
            patience.spend(began.elapsed());
            let Some(frame) = frame else {
                break;
            };
            if let Ok(data) = frame.map_err(|_| slow())?.into_data() {
                if !room.holds(all.len().saturating_add(data.len())) {
                    return Err(no_room());
                }
                all.extend_from_slice(&data);
                patience.earn(data.len());
            }
        }
        if all.len() != size {
            return Err(slow());
        }
        if room.is_whole() {
            Ok(all)
        } else {
            Err(no_room())
        }
    };
    timeout(within, all).await.unwrap_or_else(|_| Err(slow()))
}

/// What the client is told when no reply came. A request that may have been acted on is never
/// called undone, and one that was not is never called lost.
fn failure(error: CallError) -> Failure {
    if error.effect_unknown() {
        return Failure::enclave_late();
    }
    match error {
        CallError::Busy | CallError::ServerBusy | CallError::Deadline { .. } => busy(),
        CallError::TooLarge { .. } => Failure::body_too_large(),
        _ => Failure::enclave_unreachable().retry_after(UNREACHABLE_RETRY),
    }
}

fn busy() -> Failure {
    Failure::busy().retry_after(BUSY_RETRY)
}
