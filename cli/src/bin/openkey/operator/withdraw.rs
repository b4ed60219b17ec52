//! `openkey operator withdraw`.

use std::path::Path;

use openkey_attestation::{Policy, UnixMillis, Verifier};
use openkey_cli::{Given, withdrawal};
use openkey_protocol::message::{Hash32, Key32, OperatorRequest};
use openkey_verifier::{
    command::{When, output, source},
    release::{MAX_RELEASE_FILE, ReleaseFile},
    successors::{Successors, Withdrawn},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    args::Withdraw,
    everywhere::{self, At},
    files,
    operator::{
        approved,
        successor::{self, expiry},
    },
    session::Session,
    stop::Stop,
};

const HANDED_OVER: &str = "an enclave handed its root key over, and confirms no withdrawal: see above, and `openkey \
     operator status` of the successor's enclaves";
const UNAPPROVED: &str = "the withdrawal was sent under a configuration that you did not approve: see above, and repeat it \
     with the configuration of your deployment";
const UNCONFIRMED: &str = "not every enclave confirmed the withdrawal: see above, and repeat it";

/// A withdrawal on its way.
struct Order<'a> {
    request: OperatorRequest,
    manifest: Hash32,
    until: UnixMillis,
    verifier: &'a Verifier,
    policy: &'a Policy,
}

/// What fresh evidence of one boot, and the status that the same boot signed, say of the withdrawal.
struct Said {
    /// The identity key of the boot.
    identity: Key32,
    /// Whether its root key went to a successor: then its list of withdrawals confirms nothing.
    superseded: bool,
}

impl Said {
    const fn rule(&self) -> Option<&'static str> {
        if self.superseded {
            Some("superseded")
        } else {
            None
        }
    }
}

/// A boot that this operator consented to, and what it said of the withdrawal; `None` if that boot was not
/// among those that answered.
struct Consented {
    given: Given,
    superseded: Option<bool>,
}

impl Consented {
    fn confirmed(&self) -> bool {
        self.superseded == Some(false)
    }
}

pub(super) fn withdraw(args: &Withdraw) -> Result<(), Stop> {
    let configuration = successor::configuration(&args.accept)?;
    let root_id = configuration
        .root_id
        .ok_or_else(|| Stop::failed("root_id", "the configuration names no root_id"))?;
    let key = files::operator_key(&args.key)?;
    let place = successor::place(&configuration, &key)?;
    // A withdrawal gives nothing away, and goes to whoever is there. That it is the one which the operator
    // wanted to give, only a configuration of their own decision says.
    let unapproved = approved::covering(&configuration, &args.accept, &args.approval, &key)
        .err()
        .map(|stop| (stop.rule(), stop.message().to_owned()));
    if let Some((rule, message)) = &unapproved {
        output::error(
            rule,
            &format!(
                "{message}; the withdrawal is sent nevertheless, to enclaves of root id {root_id}, and proves \
                 nothing of your own deployment"
            ),
        );
    }
    let manifest = manifest_hash(&args.manifest)?;
    // Before anything is sent: whoever names a file of consents wants those boots to confirm.
    let state = match &args.state {
        Some(path) => Some(files::consents(path)?),
        None => files::consents_if_any(&successor::state(None, &args.key))?,
    };
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
    let said: Vec<_> = reached
        .iter()
        .filter_map(|at| Some((&at.name, at.outcome.as_ref().ok()?)))
        .collect();
    let superseded = said.iter().filter(|(_, said)| said.superseded);
    for (name, said) in superseded {
        output::error(
            "superseded",
            &format!(
                "enclave {name}: the root key of boot {} went to a successor; if this manifest names that \
                 successor, nothing takes the root key back from it; withdraw at the enclaves of the \
                 successor, too",
                said.identity
            ),
        );
    }
    for at in &reached {
        if let Err(stop) = &at.outcome {
            output::error(
                stop.rule(),
                &format!("enclave {}: {}", at.name, stop.message()),
            );
        }
    }
    let consented = state.as_ref().map(|state| {
        let of = state.of(root_id, manifest);
        of.filter(|given| !args.ended.contains(&given.identity))
            .map(|given| Consented {
                given: given.clone(),
                superseded: said
                    .iter()
                    .find(|(_, said)| said.identity == given.identity)
                    .map(|(_, said)| said.superseded),
            })
            .collect::<Vec<_>>()
    });
    let mut missing = None;
    let elsewhere = state
        .iter()
        .flat_map(|state| state.elsewhere(root_id, manifest));
    for given in elsewhere.filter(|given| !args.ended.contains(&given.identity)) {
        missing = Some("consent_elsewhere");
        output::error(
            "consent_elsewhere",
            &format!(
                "you consented at boot {} (shown as enclave {}) of root id {}, and the configuration names \
                 another root id: your consent holds there; withdraw with the configuration of that one",
                given.identity, given.enclave, given.root_id
            ),
        );
    }
    let silent = consented.iter().flatten();
    for one in silent.filter(|one| one.superseded.is_none()) {
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
    // What no repetition of the same command changes comes first.
    let unapproved = unapproved.map(|(rule, _)| rule);
    let rule = unapproved
        .or_else(|| said.iter().find_map(|(_, said)| said.rule()))
        .or_else(|| {
            reached
                .iter()
                .find_map(|at| Some(at.outcome.as_ref().err()?.rule()))
        })
        .or(missing);
    report(
        args.print.json,
        manifest,
        &reached,
        consented.as_deref(),
        rule.is_none(),
    );
    match rule {
        None => Ok(()),
        Some(rule) if unapproved.is_some() => Err(Stop::reported(rule, UNAPPROVED)),
        Some(rule) if said.iter().any(|(_, said)| said.superseded) => {
            Err(Stop::reported(rule, HANDED_OVER))
        }
        Some(rule) => Err(Stop::reported(rule, UNCONFIRMED)),
    }
}

/// Orders the withdrawal, and lets fresh evidence say that it holds: it must name the manifest as
/// withdrawn. That a manifest does not wait says nothing: it is missing from the evidence of an enclave
/// that the order never reached, too. Nor does the evidence of an enclave whose root key went to a
/// successor. The order is no
/// secret: it is sent to whoever is there, accepted or not, and only then the evidence judges who
/// answered, whatever the host said meanwhile.
fn send(session: &Session, order: &Order<'_>) -> Result<Said, Stop> {
    let sent = session.send(order.request.clone());
    confirm(session, order).map_err(|stop| {
        // What was answered first says more than evidence that does not name the manifest.
        let stop = match sent {
            Err(first) if stop.rule() == "withdrawal" => first.and(
                "fresh evidence does not name the withdrawal, which a restart may undo: repeat it, once the \
                 store of that enclave works",
            ),
            _ => stop,
        };
        stop.sent(Some(order.until))
    })
}

fn confirm(session: &Session, order: &Order<'_>) -> Result<Said, Stop> {
    let (fresh, (waiting, withdrawn)) = session.withdrawn(order.verifier, order.policy)?;
    let said = |superseded| Said {
        identity: Key32(*fresh.identity().as_bytes()),
        superseded,
    };
    if withdrawn == Withdrawn::HandedOver {
        return Ok(said(true));
    }
    if !withdrawn.names(&order.manifest) {
        return Err(Stop::refused(
            "withdrawal",
            "fresh evidence does not name the manifest as withdrawn: the order did not reach that \
             enclave, or its store did not take it",
        ));
    }
    if waiting == Successors::Unknown {
        return Err(Stop::refused(
            "successors_unknown",
            "the enclave saw the withdrawal in its store, which hides the list of successors from it now: \
             after a restart the withdrawal may be missing; withdraw again when the store works",
        ));
    }
    Ok(said(false))
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
    reached: &[At<Said>],
    consented: Option<&[Consented]>,
    proven: bool,
) {
    if as_json {
        let enclaves: Vec<_> = reached
            .iter()
            .map(|at| {
                json!({
                    "enclave": at.name,
                    "withdrawn": at.outcome.as_ref().is_ok_and(|said| !said.superseded),
                    "identity": at.outcome.as_ref().ok().map(|said| said.identity.to_string()),
                    "rule": at.outcome.as_ref().map_or_else(|stop| Some(stop.rule()), Said::rule),
                })
            })
            .collect();
        let consented = consented.map(|all| {
            all.iter()
                .map(|one| {
                    json!({
                        "identity": one.given.identity.to_string(),
                        "enclave": one.given.enclave,
                        "confirmed": one.confirmed(),
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
            Ok(Said {
                identity,
                superseded: false,
            }) => format!("withdrawn, by fresh evidence of boot {identity}"),
            Ok(Said { identity, .. }) => {
                format!("NOT CONFIRMED: the root key of boot {identity} went to a successor")
            }
            Err(stop) => format!("NOT CONFIRMED: {}", stop.rule()),
        };
        table.row(&at.name, words);
    }
    for one in consented.into_iter().flatten() {
        let words = match one.superseded {
            Some(false) => "is among them",
            Some(true) => "NOT CONFIRMED: its root key went to a successor",
            None => "NOT CONFIRMED: it is not among them",
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
