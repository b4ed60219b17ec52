//! `openkey operator upgrade`.

use std::{thread, time::Duration};

use openkey_attestation::{UnixMillis, Verifier};
use openkey_protocol::message::{Hash32, OperatorRequest, RootStatus, UpgradeStatus};
use openkey_verifier::{
    command::{When, output, source},
    release::rfc3339,
};
use serde_json::json;

use crate::{args::Upgrade, operator::successor, session::Session, stop::Stop};

/// Longest sleep between two looks at the enclave's clock while the delay runs.
const LOOK: Duration = Duration::from_secs(60);
/// Sleep between two looks while only consents are awaited.
const LOOK_FOR_CONSENT: Duration = Duration::from_secs(2);

pub(super) fn announce(args: &Upgrade) -> Result<(), Stop> {
    let configuration = successor::configuration(&args.accept)?;
    let now = source::now()?;
    let (manifest, successor) = successor::manifest(&args.manifest, &configuration, now)?;

    let accept = args.accept.resolve(When::At(now))?;
    let session = Session::open(&args.target.host, args.target.enclave.as_deref())?;
    let fresh = session.evidence(&Verifier::new(accept.roots), &accept.policy)?;
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
    let order = OperatorRequest::Announce {
        manifest: manifest.into(),
    };
    let status = session.order(fresh.identity(), order)?;
    let known = listed(status, successor.hash())?;
    let known = if args.wait {
        wait(&session, known)?
    } else {
        known
    };
    print(args, &known);
    Ok(())
}

fn listed(status: RootStatus, manifest: Hash32) -> Result<UpgradeStatus, Stop> {
    let withdrawn = status.withdrawn.contains(&manifest);
    let mut upgrades = status.upgrades.into_iter();
    upgrades
        .find(|known| known.manifest == manifest)
        .ok_or_else(|| {
            Stop::refused(
                "upgrade",
                if withdrawn {
                    "an operator withdrew the successor"
                } else {
                    "the enclave does not list the successor"
                },
            )
        })
}

/// Until the delay has ended by the enclave's own clock and enough operators have consented, by its
/// status. Nobody checks its signature: the enclave may be restarted meanwhile, and it judges both
/// itself when the successor asks for the root key.
fn wait(session: &Session, known: UpgradeStatus) -> Result<UpgradeStatus, Stop> {
    let mut known = known;
    let mut told = false;
    loop {
        let status = session.status(None)?;
        let now = status.now;
        if status.root.upgrades_known {
            known = listed(status.root, known.manifest)?;
        }
        let left = Duration::from_millis(known.allowed_from.saturating_sub(now));
        let (have, need) = (known.consents.len(), known.consents_needed);
        let consented = u32::try_from(have).is_ok_and(|have| have >= need);
        if left.is_zero() && consented {
            return Ok(known);
        }
        if !consented && !told {
            output::note(&format!(
                "waiting for operators: {have} of {need} have consented (openkey operator consent)"
            ));
            told = true;
        }
        let pause = if left.is_zero() {
            LOOK_FOR_CONSENT
        } else {
            left.min(LOOK)
        };
        thread::sleep(pause);
    }
}

fn print(args: &Upgrade, known: &UpgradeStatus) {
    let time = |ms| rfc3339(UnixMillis(ms));
    if args.json {
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
