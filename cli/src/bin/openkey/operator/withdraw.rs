//! `openkey operator withdraw`.

use std::path::Path;

use openkey_attestation::{Policy, UnixMillis, Verifier};
use openkey_cli::{Given, withdrawal};
use openkey_protocol::message::{Hash32, Key32, OperatorRequest};
use openkey_verifier::{
    command::{When, output, source},
    release::{MAX_RELEASE_FILE, ReleaseFile},
    successors::Successors,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    args::Withdraw,
    everywhere::{self, At},
    files,
    operator::successor::{self, expiry},
    session::Session,
    stop::Stop,
};

const UNCONFIRMED: &str = "not every enclave confirmed the withdrawal: see above, and repeat it";

/// A withdrawal on its way.
struct Order<'a> {
    request: OperatorRequest,
    manifest: Hash32,
    until: UnixMillis,
    verifier: &'a Verifier,
    policy: &'a Policy,
}

/// A boot that this operator consented to, and whether it confirmed.
struct Consented {
    given: Given,
    confirmed: bool,
}

pub(super) fn withdraw(args: &Withdraw) -> Result<(), Stop> {
    let configuration = successor::configuration(&args.accept)?;
    let root_id = configuration
        .root_id
        .ok_or_else(|| Stop::failed("root_id", "the configuration names no root_id"))?;
    let key = files::operator_key(&args.key)?;
    let place = successor::place(&configuration, &key)?;
    let manifest = manifest_hash(&args.manifest)?;
    let state = files::consents(&successor::state(args.state.as_deref(), &args.key))?;
    let accept = args.accept.resolve(When::At(source::now()?))?;
    let policy = accept.policy.pin_root_id(root_id.0);
    let verifier = Verifier::new(accept.roots);
    let until = expiry()?;
    let order = Order {
        request: withdrawal(&key, place, root_id, manifest, until.0)?,
        manifest,
        until,
        verifier: &verifier,
        policy: &policy,
    };

    let reached = everywhere::each(&args.targets, |session| send(&session, &order));
    for at in &reached {
        if let Err(stop) = &at.outcome {
            output::error(
                stop.rule(),
                &format!("enclave {}: {}", at.name, stop.message()),
            );
        }
    }
    let confirmed: Vec<_> = reached
        .iter()
        .filter_map(|at| at.outcome.as_ref().ok())
        .collect();
    let consented = state.as_ref().map(|state| {
        let of = state.of(root_id, manifest);
        of.filter(|given| !args.ended.contains(&given.identity))
            .map(|given| Consented {
                given: given.clone(),
                confirmed: confirmed.contains(&&given.identity),
            })
            .collect::<Vec<_>>()
    });
    let mut missing = None;
    for one in consented.iter().flatten().filter(|one| !one.confirmed) {
        missing = Some("boot_unconfirmed");
        output::error(
            "boot_unconfirmed",
            &format!(
                "you consented at boot {} (shown as enclave {}), and that boot did not confirm: it has \
                 ended, or a host hides it, and your consent holds there; if you know that it has ended, \
                 repeat with --ended {}",
                one.given.identity, one.given.enclave, one.given.identity
            ),
        );
    }
    let mut failed = reached.iter().filter_map(|at| at.outcome.as_ref().err());
    let rule = failed.next().map(Stop::rule).or(missing);
    report(
        args.print.json,
        manifest,
        &reached,
        consented.as_deref(),
        rule.is_none(),
    );
    rule.map_or(Ok(()), |rule| Err(Stop::reported(rule, UNCONFIRMED)))
}

/// Orders the withdrawal, and lets fresh evidence say that it holds: it must name the manifest as
/// withdrawn. That a manifest does not wait says nothing: it is missing from the evidence of an enclave
/// that the order never reached, too. Gives the identity key of the boot that confirmed. The order is no
/// secret: it is sent to whoever is there, accepted or not, and only then the evidence judges who
/// answered, whatever the host said meanwhile.
fn send(session: &Session, order: &Order<'_>) -> Result<Key32, Stop> {
    let sent = session.send(order.request.clone());
    confirm(session, order).map_err(|stop| {
        // What was answered first says more than evidence that does not name the manifest.
        let stop = match sent {
            Err(first) if stop.rule() == "withdrawal" => first,
            _ => stop,
        };
        stop.sent(Some(order.until))
    })
}

fn confirm(session: &Session, order: &Order<'_>) -> Result<Key32, Stop> {
    let (fresh, (waiting, withdrawn)) = session.withdrawn(order.verifier, order.policy)?;
    if !withdrawn.names(&order.manifest) {
        return Err(Stop::refused(
            "withdrawal",
            "fresh evidence does not name the manifest as withdrawn: the order did not reach that \
             enclave",
        ));
    }
    if waiting == Successors::Unknown {
        return Err(Stop::refused(
            "successors_unknown",
            "the manifest is withdrawn until this enclave restarts; its store hides the list of \
             successors from it",
        ));
    }
    Ok(Key32(*fresh.identity().as_bytes()))
}

/// The hash of a manifest: as it is, or of a file.
fn manifest_hash(text: &str) -> Result<Hash32, Stop> {
    if let Ok(hash) = text.parse() {
        return Ok(hash);
    }
    // Whoever signed it: a withdrawal needs no signature of maintainers.
    let file = source::file(Path::new(text), MAX_RELEASE_FILE + 1)?;
    let body = ReleaseFile::from_json(&file)?.body()?;
    Ok(Hash32(Sha256::digest(body).into()))
}

fn report(
    as_json: bool,
    manifest: Hash32,
    reached: &[At<Key32>],
    consented: Option<&[Consented]>,
    proven: bool,
) {
    if as_json {
        let enclaves: Vec<_> = reached
            .iter()
            .map(|at| {
                json!({
                    "enclave": at.name,
                    "withdrawn": at.outcome.is_ok(),
                    "identity": at.outcome.as_ref().ok().map(ToString::to_string),
                    "rule": at.outcome.as_ref().err().map(Stop::rule),
                })
            })
            .collect();
        let consented = consented.map(|all| {
            all.iter()
                .map(|one| {
                    json!({
                        "identity": one.given.identity.to_string(),
                        "enclave": one.given.enclave,
                        "confirmed": one.confirmed,
                    })
                })
                .collect::<Vec<_>>()
        });
        output::json(&json!({
            "verdict": if proven { "withdrawn" } else { "unproven" },
            "manifest_sha256": manifest.to_string(),
            "enclaves": enclaves,
            "consented": consented,
        }));
        return;
    }
    let mut table = output::Table::default();
    for at in reached {
        let words = match &at.outcome {
            Ok(identity) => format!("withdrawn, by fresh evidence of boot {identity}"),
            Err(stop) => format!("NOT CONFIRMED: {}", stop.rule()),
        };
        table.row(&at.name, words);
    }
    for one in consented.into_iter().flatten() {
        let words = if one.confirmed {
            "is among them"
        } else {
            "NOT CONFIRMED: it is not among them"
        };
        let boot = format!("your consent of boot {}", one.given.identity);
        table.row(&boot, words);
    }
    let known = match consented {
        Some(_) => {
            "Boots that you consented to with another --state, or with another machine, are not known here."
        }
        None => {
            "No boots are noted that you consented to (--state), so that it is not known whether these \
             are the ones."
        }
    };
    output::text(&format!(
        "withdrawal of {manifest}\n\n{}\n{known}\n",
        table.render()
    ));
}
