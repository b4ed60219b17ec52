//! `/releases.json`: the signed release manifests that the operator publishes.

use std::sync::{Arc, LazyLock};

use axum::{extract::State, response::Response};
use hyper::HeaderMap;

use super::App;
use crate::document::Document;

/// Longest list, in bytes: as much as the verifier reads. A mistaken `--releases` must not fill the
/// memory.
const MAX_LIST: usize = 1024 * 1024;

const MIME: &str = "application/json";

/// A list without releases: the page says that none is known.
static NONE: LazyLock<Document> =
    LazyLock::new(|| Document::new(MIME, "{\"version\":1,\"releases\":[]}\n"));

/// The file as it is. It carries its own signatures, so this host has nothing to check. It is read
/// anew when it changes, so that a release is published without a restart. The deployment's first
/// release is signed after its first start: a file that is not there yet is no error.
pub(super) async fn releases(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let list = match &app.config.releases {
        Some(path) => app.kept.file(path, None, MIME, MAX_LIST).await,
        None => Ok(None),
    };
    let list = list.unwrap_or_else(|reason| {
        if app.refusals.admits() {
            tracing::warn!(reason, "cannot read --releases");
        }
        None
    });
    list.as_ref().unwrap_or(&NONE).respond(&headers)
}
