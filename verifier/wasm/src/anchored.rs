//! The op `anchored`: fresh evidence under the anchor of the page, and what this browser remembers.

use openkey_verifier::{
    anchor::{Anchor, AnchorError, History, Judged, Known, Published, Question, judge},
    attestation::{Nonce, UnixMillis},
    encoding,
    release::Release,
    view::EvidenceView,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ops::{OpError, bytes, ok};

/// The members of the op. `anchor` is the file's bytes in hex, because manifests name their hash.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input<'a> {
    #[serde(rename = "op")]
    _op: String,
    document: String,
    nonce: String,
    now_ms: u64,
    host: String,
    anchor: String,
    releases: Option<String>,
    known: Option<String>,
    #[serde(borrow)]
    policy: Option<&'a RawValue>,
}

/// An accepted enclave and what is known about it.
#[derive(Serialize)]
struct View {
    evidence: EvidenceView,
    /// `first`, `same` or `explained`.
    history: &'static str,
    release: ReleaseView,
    anchor: AnchorView,
    /// What to remember: the text that is asked with the next time.
    known: String,
}

#[derive(Serialize)]
struct ReleaseView {
    release: String,
    epoch: u32,
    manifest_sha256: String,
    not_after_ms: u64,
    signers: usize,
}

#[derive(Serialize)]
struct AnchorView {
    sha256: String,
    rp_id: String,
    root_id: Option<String>,
    release_keys: Vec<String>,
    threshold: u32,
    min_epoch: u32,
    simulator: bool,
}

/// Answers the op.
pub(crate) fn anchored(input: &[u8]) -> Result<Vec<u8>, OpError> {
    let input: Input<'_> =
        serde_json::from_slice(input).map_err(|error| OpError::Input(error.to_string()))?;
    let anchor = Anchor::from_json(&bytes("anchor", Some(input.anchor))?)?;
    anchor.check_host(&input.host)?;
    let published = match input.releases {
        Some(text) => Published::from_json(text.as_bytes()).map_err(AnchorError::from)?,
        None => Published::default(),
    };
    let known = input.known.as_ref();
    let known = known.map(|text| Known::from_json(text.as_bytes()));
    let known = known.transpose().map_err(AnchorError::from)?;
    let document = encoding::document_bytes(input.document.as_bytes())?;
    let judged = judge(&Question {
        document: &document,
        nonce: &Nonce::new(&bytes("nonce", Some(input.nonce))?)?,
        now: UnixMillis(input.now_ms),
        anchor: &anchor,
        published: &published,
        known: known.as_ref(),
        host_policy: input.policy.map(|policy| policy.get().as_bytes()),
    })?;
    ok(View::new(&judged, &anchor))
}

impl View {
    fn new(judged: &Judged, anchor: &Anchor) -> Self {
        let Judged {
            fresh,
            release,
            history,
            known,
        } = judged;
        Self {
            evidence: EvidenceView::new(fresh.claims(), Some(fresh.binding())),
            history: match history {
                History::First => "first",
                History::Same => "same",
                History::Explained(_) => "explained",
            },
            release: ReleaseView::new(release),
            anchor: AnchorView::new(anchor),
            known: known.to_json(),
        }
    }
}

impl ReleaseView {
    fn new(release: &Release) -> Self {
        let manifest = release.manifest();
        Self {
            release: manifest.release.clone(),
            epoch: manifest.epoch,
            manifest_sha256: release.hash().to_string(),
            not_after_ms: manifest.not_after.0,
            signers: release.signers().len(),
        }
    }
}

impl AnchorView {
    fn new(anchor: &Anchor) -> Self {
        let keys = anchor.release_keys();
        Self {
            sha256: anchor.hash().to_string(),
            rp_id: anchor.rp_id().to_owned(),
            root_id: anchor.root_id().map(|id| id.to_string()),
            release_keys: keys.keys().iter().map(ToString::to_string).collect(),
            threshold: keys.threshold(),
            min_epoch: anchor.min_epoch(),
            simulator: anchor.simulator().is_some(),
        }
    }
}
