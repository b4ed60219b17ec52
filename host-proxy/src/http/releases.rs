//! `/releases.json`: the signed release manifests that the operator publishes.

use std::{path::Path, sync::Arc};

use axum::{body::Body, extract::State, response::Response};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::io::AsyncReadExt as _;

use super::App;

/// Longest list, in bytes: as much as the verifier reads. A mistaken `--releases` must not fill the
/// memory.
const MAX_LIST: u64 = 1024 * 1024;

/// A list without releases: the page says that none is known.
const NONE: &str = "{\"version\":1,\"releases\":[]}\n";

/// The file as it is. It carries its own signatures, so this host has nothing to check.
pub(super) async fn releases(State(app): State<Arc<App>>) -> Response {
    let list = match &app.config.releases {
        Some(path) => read(path).await,
        None => None,
    };
    let mut response = Response::new(list.map_or_else(|| Body::from(NONE), Body::from));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Reads it anew, so that a release is published without a restart. The deployment's first release is
/// signed after its first start: a file that is not there yet is no error.
async fn read(path: &Path) -> Option<Vec<u8>> {
    let file = tokio::fs::File::open(path).await.ok()?;
    let mut list = Vec::new();
    let read = file.take(MAX_LIST + 1).read_to_end(&mut list).await;
    let length = u64::try_from(list.len()).unwrap_or(u64::MAX);
    if let Err(error) = read {
        tracing::warn!(path = %path.display(), %error, "cannot read --releases");
        return None;
    }
    if length > MAX_LIST {
        tracing::warn!(path = %path.display(), "--releases is longer than {MAX_LIST} bytes");
        return None;
    }
    Some(list)
}
