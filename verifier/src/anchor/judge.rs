//! One question: is the enclave behind this document a release of the anchor's deployment, and the
//! one that was seen before?

use openkey_attestation::{
    Measurements, Nonce, Policy, PolicyDraft, PolicyFile, Roots, UnixMillis, Verifier,
};

use super::{Anchor, AnchorError, History, Known, Published};
use crate::{
    epochs::counted,
    evidence::{self, Fresh},
    policy,
    release::{Release, ReleaseError},
};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The document.
    pub document: &'a [u8],
    /// The client's nonce in it.
    pub nonce: &'a Nonce,
    /// The client's clock.
    pub now: UnixMillis,
    /// Whose releases count.
    pub anchor: &'a Anchor,
    /// What the host serves beside it.
    pub published: &'a Published,
    /// What the client remembers.
    pub known: Option<&'a Known>,
    /// The policy file that the host serves. It can refuse, never accept: its roots, `simulator` and
    /// `allow_debug` are ignored.
    pub host_policy: Option<&'a [u8]>,
}

/// An accepted enclave. Only [`judge`] makes it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The evidence.
    pub fresh: Fresh,
    /// The release that it runs.
    pub release: Release,
    /// Whether it is the deployment seen before.
    pub history: History,
    /// What to remember of it.
    pub known: Known,
}

/// Judges fresh evidence under an anchor.
///
/// # Errors
///
/// [`AnchorError`].
pub fn judge(question: &Question<'_>) -> Result<Judged, AnchorError> {
    let Question {
        anchor,
        published,
        known,
        ..
    } = *question;
    // First of all: an anchor that is not the remembered one says nothing about anything.
    let history = known.map_or(Ok(History::First), |known| known.check(anchor, published))?;
    let least = known.map_or(0, Known::epoch).max(anchor.min_epoch());
    let releases = releases(anchor, published, question.now, least)?;
    let mut policy = Policy::one_of(releases.iter().map(Release::measurements))?
        .simulator(anchor.simulator().is_some())
        .min_epoch(least);
    if let Some(root_id) = anchor.root_id() {
        policy = policy.pin_root_id(root_id.0);
    }
    let roots = anchor.simulator().cloned().unwrap_or_else(Roots::aws);
    let verifier = Verifier::new(roots);
    let Question {
        document,
        nonce,
        now,
        ..
    } = *question;
    let fresh = evidence::fresh(&verifier, document, &policy, nonce, now)?;
    if let Some(file) = question.host_policy {
        let host = host_policy(file, anchor, &releases)?;
        evidence::fresh(&verifier, document, &host, nonce, now).map_err(AnchorError::HostPolicy)?;
    }
    let pcrs = &fresh.claims().pcrs;
    let runs = |release: &&Release| matches(&release.measurements(), pcrs);
    let release = releases
        .iter()
        .filter(runs)
        .max_by_key(|release| release.manifest().epoch)
        .cloned()
        .ok_or(AnchorError::NoRelease)?;
    let epoch = least.max(counted(fresh.binding()));
    Ok(Judged {
        known: Known::of(anchor, epoch),
        fresh,
        release,
        history,
    })
}

/// The releases that may run now; at least one.
fn releases(
    anchor: &Anchor,
    published: &Published,
    now: UnixMillis,
    least: u32,
) -> Result<Vec<Release>, AnchorError> {
    let (signed, refused) = published.under(anchor.release_keys());
    let mut reason = refused.map_or(AnchorError::NoRelease, AnchorError::Release);
    let mut releases = Vec::new();
    for release in signed {
        if release.check_program().is_err() {
            continue;
        }
        match may_run(&release, now, least) {
            Ok(()) => releases.push(release),
            Err(error) => reason = error,
        }
    }
    if releases.is_empty() {
        return Err(reason);
    }
    Ok(releases)
}

/// Whether a release that the keys signed may run now.
fn may_run(release: &Release, now: UnixMillis, least: u32) -> Result<(), AnchorError> {
    let manifest = release.manifest();
    release.check_program().map_err(AnchorError::Release)?;
    if manifest.configuration.is_none() {
        return Err(AnchorError::ReleaseWithoutConfiguration);
    }
    if manifest.epoch < least {
        return Err(AnchorError::ReleaseTooOld {
            found: manifest.epoch,
            least,
        });
    }
    release.check_time(now).map_err(AnchorError::Release)
}

/// For each release of a list, in its order, why a client that knows nothing but the anchor accepts no
/// enclave by it now; `None` where such a client does.
#[must_use]
pub fn unusable(
    anchor: &Anchor,
    published: &Published,
    now: UnixMillis,
) -> Vec<Option<AnchorError>> {
    let judged = |release: Result<Release, ReleaseError>| {
        may_run(
            &release.map_err(AnchorError::Release)?,
            now,
            anchor.min_epoch(),
        )
    };
    published
        .each_under(anchor.release_keys())
        .map(|release| judged(release).err())
        .collect()
}

/// The host's own policy as a further condition: under the anchor's roots, for its kind of hardware.
fn host_policy(file: &[u8], anchor: &Anchor, releases: &[Release]) -> Result<Policy, AnchorError> {
    let mut draft = PolicyDraft::parse(file).map_err(AnchorError::HostPolicyFile)?;
    // The host's own files of releases mean nothing here: those that count are in the list already.
    draft.releases.clear();
    draft.release_keys = None;
    if draft.measurements.is_empty() {
        draft.measurements = releases.iter().map(Release::measurements).collect();
    }
    let PolicyFile { policy, .. } =
        policy::complete(draft, &[]).map_err(AnchorError::HostPolicyPins)?;
    Ok(policy
        .simulator(anchor.simulator().is_some())
        .allow_debug(false))
}

/// Whether a document, or a wider set, has all registers of a set.
pub(super) fn matches(set: &Measurements, pcrs: &Measurements) -> bool {
    set.iter().all(|(index, pcr)| pcrs.get(index) == Some(pcr))
}
