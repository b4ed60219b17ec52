//! `openkey operator withdraw`.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use openkey_attestation::{Policy, Verifier};
use openkey_cli::{OperatorKey, withdrawal};
use openkey_protocol::message::{Hash32, Key32};
use openkey_verifier::{
    command::{When, list_rows, output, source},
    evidence::Fresh,
    successors::{Successors, Withdrawn},
};

use crate::{
    args::Withdraw,
    confirm,
    everywhere::{self, At},
    files,
    operator::{
        approved,
        successor::{self, expiry},
        withdrawn::{Consented, Done, Said, UNKNOWN, report},
    },
    session::Session,
    stop::Stop,
};

const HANDED_OVER: &str = "an enclave handed its root key over, and confirms no withdrawal: see above, and `openkey \
     operator status` of the successor's enclaves";
const UNAPPROVED: &str = "the withdrawal was sent under a configuration that you did not approve: see above, and repeat it \
     with the configuration of your deployment";
const UNCONFIRMED: &str = "not every enclave confirmed the withdrawal: see above, and repeat it";

/// How long an enclave is asked at most what it knows, and never more than half of the command's time; one that does not say gets the withdrawal all the same.
const LOOK: Duration = Duration::from_secs(10);

/// What is withdrawn, and where that is looked for.
struct Plan<'a> {
    key: &'a OperatorKey,
    place: u32,
    root_id: Hash32,
    manifest: Hash32,
    verifier: &'a Verifier,
    policy: &'a Policy,
    /// How long an enclave is asked what it knows.
    look: Duration,
    /// Whether nobody has to know the manifest: the operator noted a consent to it, or said yes.
    anyway: bool,
    /// Whether an enclave knows it.
    knew: AtomicBool,
    /// How many enclaves do not know it, by their evidence.
    lacked: AtomicUsize,
}

impl Plan<'_> {
    /// Notes what evidence of an enclave says of the manifest, before it was withdrawn there or after.
    fn note(&self, knows: Option<bool>) {
        match knows {
            Some(true) => self.knew.store(true, Ordering::SeqCst),
            Some(false) => {
                self.lacked.fetch_add(1, Ordering::SeqCst);
            }
            None => {}
        }
    }

    /// Whether an enclave of these many knew the manifest; `None` if not all of them said so, because a host that
    /// drops an answer must not make an operator doubt the right hash.
    fn knew(&self, asked: usize) -> Option<bool> {
        if self.knew.load(Ordering::SeqCst) {
            return Some(true);
        }
        (self.lacked.load(Ordering::SeqCst) == asked).then_some(false)
    }
}

/// What became of an enclave at first.
enum First {
    /// It got the withdrawal.
    Ordered(Said),
    /// It does not know the manifest, and got nothing yet.
    Held(Session, (Successors, Withdrawn)),
}

pub(super) fn withdraw(args: &Withdraw) -> Result<(), Stop> {
    let read = args.accept.read()?;
    let configuration = successor::configuration(&read)?;
    let root_id = configuration
        .content
        .root_id
        .ok_or_else(|| Stop::failed("root_id", "the configuration names no root_id"))?;
    let key = files::operator_key(&args.key.file)?;
    let place = successor::place(&configuration.content, &key)?;
    // A withdrawal gives nothing away, and goes to whoever is there. That it is the one which the operator
    // wanted to give, only a configuration of their own decision says.
    let unapproved = approved::covering(configuration, &args.approval, &key)
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
    let manifest = successor::manifest_hash(&args.manifest)?;
    // Before anything is sent: whoever names a file of consents wants those boots to confirm.
    let state = match &args.state {
        Some(path) => Some(files::consents(path)?),
        None => files::consents_if_any(&successor::state(None, &args.key.file))?,
    };
    let accept = read.resolve(When::At(source::now()?))?;
    let policy = accept.policy.pin_root_id(root_id.0);
    let verifier = Verifier::new(accept.roots);
    let has_consented = state.as_ref().is_some_and(|state| {
        let mut elsewhere = state.elsewhere(root_id, manifest);
        state.of(root_id, manifest).next().is_some() || elsewhere.next().is_some()
    });
    let plan = Plan {
        key: &key,
        place,
        root_id,
        manifest,
        verifier: &verifier,
        policy: &policy,
        look: LOOK.min(args.targets.time.begin().timeout() / 2),
        anyway: args.yes || has_consented,
        knew: AtomicBool::new(false),
        lacked: AtomicUsize::new(0),
    };

    let first = everywhere::each(&args.targets, |session| first(session, &plan));
    let reached = rest(args, first, &plan)?;
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
        &Done {
            manifest,
            reached: &reached,
            consented: consented.as_deref(),
            proven: rule.is_none(),
            knew: plan.knew(reached.len()),
        },
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

/// Orders the withdrawal at an enclave at once, unless its evidence says that it does not know the manifest.
fn first(session: Session, plan: &Plan<'_>) -> Result<First, Stop> {
    let look = session.until(Instant::now() + plan.look);
    match look.withdrawn(plan.verifier, plan.policy) {
        Ok((_, lists)) => {
            let knows = knows(&lists, plan.manifest);
            plan.note(knows);
            if knows == Some(false) && !plan.anyway {
                return Ok(First::Held(session, lists));
            }
            order(&session, plan).map(First::Ordered)
        }
        // Whoever is there gets it, accepted or not: it gives nothing away.
        Err(_) => order(&session, plan).map(First::Ordered),
    }
}

/// Whether an enclave knows a manifest, as announced or as withdrawn; `None` if its evidence cannot say.
fn knows((waiting, withdrawn): &(Successors, Withdrawn), manifest: Hash32) -> Option<bool> {
    if withdrawn.names(&manifest) {
        return Some(true);
    }
    match waiting {
        Successors::Listed(list) if list.iter().any(|one| one.manifest == manifest) => Some(true),
        // Such a boot shows no withdrawals any more, and this may be one of them.
        _ if *withdrawn == Withdrawn::HandedOver => None,
        Successors::Listed(_) => Some(false),
        Successors::NotStated => Some(false),
        Successors::Unknown => None,
    }
}

/// Orders the withdrawal where it was held back. If evidence of every asked enclave says that none knows the
/// manifest, the operator must say so first: a hash may be mistyped, and there is no way back.
fn rest(args: &Withdraw, first: Vec<At<First>>, plan: &Plan<'_>) -> Result<Vec<At<Said>>, Stop> {
    let is_held = |at: &At<First>| matches!(at.outcome, Ok(First::Held(..)));
    if first.iter().all(is_held) {
        look(args.print.json, &first);
        confirm::confirm("Type yes if a manifest that nobody knows shall be withdrawn:")?;
    }
    let time = args.targets.time.begin();
    let held: Vec<_> = first
        .iter()
        .map(|at| match &at.outcome {
            Ok(First::Held(session, _)) => Some(session.until(time.deadline())),
            _ => None,
        })
        .collect();
    let ordered = everywhere::in_time(
        &time,
        &held,
        |session| session.as_ref().map_or("", Session::name),
        |session| session.as_ref().map(|session| order(session, plan)),
    );
    let ends = first.into_iter().zip(ordered).map(|(at, ordered)| At {
        name: at.name,
        outcome: match (ordered, at.outcome) {
            (Some(outcome), _) => outcome,
            (None, Ok(First::Ordered(said))) => Ok(said),
            (None, Err(stop)) => Err(stop),
            (None, Ok(First::Held(..))) => Err(Stop::failed("withdrawal", "nothing was sent")),
        },
    });
    Ok(ends.collect())
}

/// Shows what enclaves know that do not know the manifest.
fn look(as_json: bool, asked: &[At<First>]) {
    if as_json {
        output::aside(UNKNOWN.trim_end());
        return;
    }
    for at in asked {
        if let Ok(First::Held(_, (waiting, withdrawn))) = &at.outcome {
            let mut table = output::Table::default();
            list_rows(&mut table, waiting, withdrawn);
            output::text(&format!("enclave {}\n\n{}\n", at.name, table.render()));
        }
    }
    output::text(UNKNOWN);
}

/// Orders the withdrawal, and lets fresh evidence say that it holds: it must name the manifest as
/// withdrawn. That a manifest does not wait says nothing: it is missing from the evidence of an enclave
/// that the order never reached, too. Nor does the evidence of an enclave whose root key went to a
/// successor. The order is no
/// secret: it is sent to whoever is there, accepted or not, and only then the evidence judges who
/// answered, whatever the host said meanwhile.
fn order(session: &Session, plan: &Plan<'_>) -> Result<Said, Stop> {
    let until = expiry()?;
    let (key, place) = (plan.key, plan.place);
    let request = withdrawal(key, place, plan.root_id, plan.manifest, until.0)?;
    let sent = session.send(request);
    let (identity, outcome) = match session.withdrawn(plan.verifier, plan.policy) {
        Ok((fresh, lists)) => (Some(*fresh.identity()), judge(&fresh, lists, plan)),
        Err(stop) => (None, Err(stop)),
    };
    outcome.map_err(|stop| {
        let answered = match sent {
            Ok(sent) => sent.refusal(identity.as_ref()),
            Err(stop) => Some(stop),
        };
        // What was answered first says more than evidence that does not name the manifest.
        let stop = match answered {
            Some(answered) if stop.rule() == "withdrawal" => answered.and(
                "fresh evidence does not name the withdrawal, which a restart may undo: repeat it, once the \
                 store of that enclave works",
            ),
            _ => stop,
        };
        stop.sent(Some(until))
    })
}

fn judge(
    fresh: &Fresh,
    (waiting, withdrawn): (Successors, Withdrawn),
    plan: &Plan<'_>,
) -> Result<Said, Stop> {
    let identity = Key32(*fresh.identity().as_bytes());
    // That it waits here was not the order's doing, whatever the evidence of before was.
    if matches!(&waiting, Successors::Listed(list) if list.iter().any(|it| it.manifest == plan.manifest))
    {
        plan.note(Some(true));
    }
    if withdrawn != Withdrawn::HandedOver && !withdrawn.names(&plan.manifest) {
        return Err(Stop::refused(
            "withdrawal",
            "fresh evidence does not name the manifest as withdrawn: the order did not reach that \
             enclave, or its store did not take it",
        ));
    }
    let superseded = withdrawn == Withdrawn::HandedOver;
    match waiting {
        Successors::Unknown if !superseded => Err(Stop::refused(
            "successors_unknown",
            "the enclave saw the withdrawal in its store, which hides the list of successors from it now: \
             after a restart the withdrawal may be missing; withdraw again when the store works",
        )),
        Successors::Listed(waiting) => Ok(Said {
            identity,
            superseded,
            waiting,
        }),
        Successors::Unknown | Successors::NotStated => Ok(Said {
            identity,
            superseded,
            waiting: Vec::new(),
        }),
    }
}
