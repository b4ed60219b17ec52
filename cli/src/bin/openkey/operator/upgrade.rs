//! `openkey operator upgrade`.

use std::{thread, time::Duration};

use openkey_attestation::{Policy, UnixMillis, Verifier};
use openkey_protocol::message::{Hash32, OperatorRequest, UpgradeStatus};
use openkey_verifier::{
    command::{When, output, source},
    release::rfc3339,
    successors::{Successors, Withdrawn},
};
use serde_json::json;

use crate::{
    args::Upgrade,
    operator::{compared::Compared, successor},
    session::Session,
    stop::Stop,
};

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
    let session = Session::open(&args.target)?;
    let verifier = Verifier::new(accept.roots);
    let (fresh, (_, withdrawn)) = session.lists(&verifier, &accept.policy)?;
    if withdrawn.names(&successor.hash()) {
        return Err(Stop::refused(
            "withdrawn",
            format!(
                "by its evidence enclave {} knows this manifest as withdrawn, and takes no announcement of it: nothing \
                 was sent; the release keys can sign another manifest",
                session.name()
            ),
        ));
    }
    let running = fresh.binding().epoch;
    if successor.manifest().epoch < running {
        return Err(Stop::refused(
            "epoch_too_old",
            format!(
                "the manifest has epoch {}, enclave {} runs epoch {running}",
                successor.manifest().epoch,
                session.name()
            ),
        ));
    }
    if Compared::of(&successor, &fresh).is_what_runs() {
        return Err(Stop::refused(
            "successor_runs",
            format!(
                "the manifest names the image and configuration that run at enclave {}: it is no successor",
                session.name()
            ),
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
    let known = listed(status.upgrades, &status.withdrawn, successor.hash())
        .map_err(|stop| stop.at(&format!("enclave {}", session.name())))?;
    let (known, hand_over) = if args.wait {
        wait(&session, &verifier, &accept.policy, known)?
    } else {
        (known, HandOver::Announced)
    };
    print(args, session.name(), &known, hand_over);
    Ok(())
}

/// How far a successor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandOver {
    /// It is listed.
    Announced,
    /// Evidence says that the delay has ended and enough operators have consented.
    Allowed,
    /// By its signed status the root key of the enclave went to a successor.
    Happened,
}

impl HandOver {
    /// For programs.
    const fn name(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Allowed => "allowed",
            Self::Happened => "happened",
        }
    }

    /// For people.
    const fn words(self) -> &'static str {
        match self {
            Self::Announced => {
                "From then on, and with that many consents (openkey operator consent), the root key is handed to\n\
                 an enclave of that image and configuration."
            }
            Self::Allowed => {
                "The delay has ended and enough operators have consented: the hand-over may happen now. Start an\n\
                 enclave of that image and configuration; it asks for the root key by itself."
            }
            Self::Happened => {
                "By the enclave's signed status the hand-over has happened: its root key went to a successor. Ask\n\
                 for evidence of the successor's enclave (openkey-verify host) to see that it is this one."
            }
        }
    }
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
/// that it names; or until the root key has gone to a successor. The enclave may be restarted meanwhile, and may not answer for a while; what it says is
/// unknown then, and nobody's word takes its place.
fn wait(
    session: &Session,
    verifier: &Verifier,
    policy: &Policy,
    known: UpgradeStatus,
) -> Result<(UpgradeStatus, HandOver), Stop> {
    let mut known = known;
    let (mut told, mut told_time) = (false, false);
    loop {
        let pause = match look(&session.again(), verifier, policy, known.manifest)? {
            Seen::HandedOver => return Ok((known, HandOver::Happened)),
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
                    return Ok((known, HandOver::Allowed));
                }
                if !left.is_zero() && !told_time {
                    output::note(&format!(
                        "waiting until {}: the delay and the release's validity allow no hand-over earlier",
                        rfc3339(UnixMillis(known.allowed_from))
                    ));
                    told_time = true;
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
    /// The root key went to a successor.
    HandedOver,
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
        // Whatever this boot lists, it gives nothing any more.
        Withdrawn::HandedOver => return Ok(Seen::HandedOver),
        Withdrawn::Listed(list) => list,
        Withdrawn::NotStated => &[],
    };
    match successors {
        Successors::Listed(list) => Ok(Seen::Listed {
            now: fresh.claims().timestamp.0,
            listed: listed(list, withdrawn, manifest)
                .map_err(|stop| stop.at(&format!("enclave {}", session.name())))?,
        }),
        Successors::Unknown => Ok(Seen::Unknown(
            "the store hides the list of successors from the enclave".to_owned(),
        )),
        Successors::NotStated => Ok(Seen::Unknown(
            "the enclave waits for its root key".to_owned(),
        )),
    }
}

fn print(args: &Upgrade, name: &str, known: &UpgradeStatus, hand_over: HandOver) {
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
            "hand_over": hand_over.name(),
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
        "announced: a successor, to enclave {name}\n\n{}\n{}\n",
        table.render(),
        hand_over.words()
    ));
}
