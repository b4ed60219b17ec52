//! `openkey operator upgrade`.

use std::{thread, time::Duration};

use openkey_attestation::{Policy, UnixMillis, Verifier};
use openkey_protocol::message::{Hash32, OperatorRequest, UpgradeStatus};
use openkey_verifier::{
    command::{When, output, source},
    configuration::CONFIGURATION_PCR,
    evidence::Fresh,
    release::{Release, rfc3339},
    successors::{Successors, Withdrawn},
};
use serde_json::json;

use crate::{args::Upgrade, operator::successor, session::Session, stop::Stop};

/// Longest sleep between two looks at the enclave's clock while the delay runs.
const LOOK: Duration = Duration::from_secs(60);
/// Sleep between two looks while only consents are awaited.
const LOOK_FOR_CONSENT: Duration = Duration::from_secs(2);

pub(super) fn announce(args: &Upgrade) -> Result<(), Stop> {
    let read = args.accept.read()?;
    let configuration = &successor::configuration(&read)?.content;
    let now = source::now()?;
    let (manifest, successor) = successor::manifest(&args.manifest, configuration, now)?;

    let accept = read.resolve(When::At(now))?;
    let session = Session::open(&args.target.host, args.target.enclave.as_deref())?;
    let verifier = Verifier::new(accept.roots);
    let fresh = session.evidence(&verifier, &accept.policy)?;
    let running = fresh.binding().epoch;
    if successor.manifest().epoch < running {
        return Err(Stop::refused(
            "epoch_too_old",
            format!(
                "the manifest has epoch {}, the running enclave {running}",
                successor.manifest().epoch
            ),
        ));
    }
    if runs(&successor, &fresh) {
        return Err(Stop::refused(
            "successor_runs",
            "the manifest names the image and configuration that run here: it is no successor",
        ));
    }
    let order = OperatorRequest::Announce {
        manifest: manifest.into(),
    };
    // A refusal that the enclave signed says what it was then: the host has the manifest, and announces it
    // when it likes.
    let status = session
        .ask_root(fresh.identity(), order)
        .map_err(|stop| stop.sent(None))?;
    let known = listed(status.upgrades, &status.withdrawn, successor.hash())?;
    let known = if args.wait {
        wait(&session, &verifier, &accept.policy, known)?
    } else {
        known
    };
    print(args, &known);
    Ok(())
}

/// Whether a manifest names what an enclave with this evidence measures.
fn runs(successor: &Release, fresh: &Fresh) -> bool {
    let named = successor.measurements();
    let running = &fresh.claims().pcrs;
    [0, 1, 2, CONFIGURATION_PCR]
        .iter()
        .all(|index| named.get(*index).is_some() && named.get(*index) == running.get(*index))
}

fn listed(
    upgrades: Vec<UpgradeStatus>,
    withdrawn: &[Hash32],
    manifest: Hash32,
) -> Result<UpgradeStatus, Stop> {
    if withdrawn.contains(&manifest) {
        return Err(Stop::ended(
            "withdrawn",
            "it was announced, and an operator withdrew the successor: it gets no root key, and the release keys \
             can sign another manifest",
        ));
    }
    let mut upgrades = upgrades.into_iter();
    let listed = upgrades.find(|known| known.manifest == manifest);
    listed.ok_or_else(|| {
        Stop::refused("upgrade", "the enclave does not list the successor").sent(None)
    })
}

/// Until the delay has ended and enough operators have consented, by evidence: its own time, and the list
/// that it names. The enclave may be restarted meanwhile, and may not answer for a while; what it says is
/// unknown then, and nobody's word takes its place.
fn wait(
    session: &Session,
    verifier: &Verifier,
    policy: &Policy,
    known: UpgradeStatus,
) -> Result<UpgradeStatus, Stop> {
    let mut known = known;
    let mut told = false;
    loop {
        let pause = match look(session, verifier, policy, known.manifest)? {
            Seen::Unknown(why) => {
                output::note(&format!("unknown: {why}"));
                LOOK_FOR_CONSENT
            }
            Seen::Listed { now, listed } => {
                known = listed;
                let left = Duration::from_millis(known.allowed_from.saturating_sub(now));
                let (have, need) = (known.consents.len(), known.consents_needed);
                let consented = u32::try_from(have).is_ok_and(|have| have >= need);
                if left.is_zero() && consented {
                    return Ok(known);
                }
                if !consented && !told {
                    output::note(&format!(
                        "waiting for operators: {have} of {need} have consented (openkey operator \
                         consent)"
                    ));
                    told = true;
                }
                if left.is_zero() {
                    LOOK_FOR_CONSENT
                } else {
                    left.min(LOOK)
                }
            }
        };
        thread::sleep(pause);
    }
}

/// What one look gave.
enum Seen {
    /// Nothing that an enclave vouches for.
    Unknown(String),
    /// The successor waits.
    Listed { now: u64, listed: UpgradeStatus },
}

fn look(
    session: &Session,
    verifier: &Verifier,
    policy: &Policy,
    manifest: Hash32,
) -> Result<Seen, Stop> {
    let (fresh, (successors, withdrawn)) = match session.withdrawn(verifier, policy) {
        Ok(seen) => seen,
        Err(stop) if stop.is_refusal() => return Err(stop.sent(None)),
        Err(stop) => return Ok(Seen::Unknown(stop.message().to_owned())),
    };
    let withdrawn: &[Hash32] = match &withdrawn {
        Withdrawn::Listed(list) => list,
        Withdrawn::NotStated | Withdrawn::HandedOver => &[],
    };
    match successors {
        Successors::Listed(list) => Ok(Seen::Listed {
            now: fresh.claims().timestamp.0,
            listed: listed(list, withdrawn, manifest)?,
        }),
        Successors::Unknown => Ok(Seen::Unknown(
            "the store hides the list of successors from the enclave".to_owned(),
        )),
        Successors::NotStated => Ok(Seen::Unknown(
            "the enclave waits for its root key".to_owned(),
        )),
    }
}

fn print(args: &Upgrade, known: &UpgradeStatus) {
    let time = |ms| rfc3339(UnixMillis(ms));
    if args.print.json {
        output::json(&json!({
            "release": known.release,
            "epoch": known.epoch,
            "manifest_sha256": known.manifest.to_string(),
            "announced_at_ms": known.announced_at,
            "allowed_from_ms": known.allowed_from,
            "consents": known.consents,
            "consents_needed": known.consents_needed,
            "waited": args.wait,
        }));
        return;
    }
    let mut table = output::Table::default();
    table.row(
        "release",
        format!("{} (epoch {})", known.release, known.epoch),
    );
    table.row("manifest", known.manifest.to_string());
    table.row("announced", time(known.announced_at));
    table.row("allowed from", time(known.allowed_from));
    table.row(
        "consents",
        format!("{} of {}", known.consents.len(), known.consents_needed),
    );
    output::text(&format!(
        "announced: a successor\n\n{}\nFrom then on, and with that many consents (openkey operator consent), the root key is handed to\nan enclave of that image and configuration.\n",
        table.render()
    ));
}
