//! `openkey operator upgrade`.

use std::{thread, time::Duration};

use openkey_attestation::{UnixMillis, Verifier};
use openkey_protocol::message::{OperatorRequest, UpgradeStatus};
use openkey_verifier::{
    command::{When, output, source},
    release::{self, MAX_RELEASE_FILE, ReleaseKeys, rfc3339},
};
use serde_json::json;

use crate::{args::Upgrade, session::Session, stop::Stop};

/// Longest sleep between two looks at the enclave's clock while waiting.
const LOOK: Duration = Duration::from_secs(60);

pub(super) fn announce(args: &Upgrade) -> Result<(), Stop> {
    let configuration = args.accept.configuration_file()?.ok_or_else(|| {
        Stop::failed(
            "configuration_missing",
            "--configuration FILE (of the running enclave) says whose signatures count",
        )
    })?;
    let keys = configuration
        .release_keys
        .as_ref()
        .ok_or_else(|| Stop::failed("configuration", "the configuration names no release keys"))?;
    let keys = ReleaseKeys::new(keys.threshold, keys.keys.clone())
        .map_err(|error| Stop::failed(error.rule(), error.to_string()))?;
    let manifest = source::file(&args.manifest, MAX_RELEASE_FILE + 1)?;
    let now = source::now()?;
    let successor = release::signed(&manifest, &keys)?;
    if now > successor.manifest().not_after {
        successor.check_time(now)?;
    }
    if successor.manifest().configuration.is_none() {
        return Err(Stop::refused(
            "configuration_missing",
            "a successor's manifest names image and configuration together; see `openkey release \
             prepare --configuration`",
        ));
    }

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
    let known = status
        .upgrades
        .into_iter()
        .find(|known| known.manifest == successor.hash())
        .ok_or_else(|| Stop::refused("upgrade", "the enclave does not list the successor"))?;
    if args.wait {
        wait(&session, &known)?;
    }
    print(args, &known);
    Ok(())
}

/// Until the enclave's own clock says so, by a status that is not checked: the enclave may have been
/// restarted meanwhile, and it judges the delay itself when the successor asks for the root key.
fn wait(session: &Session, known: &UpgradeStatus) -> Result<(), Stop> {
    loop {
        let now = session.status(None)?.now;
        let Some(left) = known.allowed_from.checked_sub(now).filter(|left| *left > 0) else {
            return Ok(());
        };
        thread::sleep(Duration::from_millis(left).min(LOOK));
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
    output::text(&format!(
        "announced: a successor\n\n{}\nFrom then on the root key is handed to an enclave of that image and configuration.\n",
        table.render()
    ));
}
