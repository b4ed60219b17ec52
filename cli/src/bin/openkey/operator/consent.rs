//! `openkey operator consent`.

use std::{path::Path, time::Instant};

use openkey_attestation::{Policy, Verifier};
use openkey_cli::{Given, OperatorKey, Recipient};
use openkey_protocol::message::{Hash32, Key32, UpgradeStatus};
use openkey_verifier::{
    command::{When, output, source},
    successors::Successors,
};

use crate::{
    args::Consent,
    confirm::confirm,
    everywhere, files,
    operator::{
        approved,
        compared::Known,
        consented::{Asked, Says, report, show, waits},
        successor::{self, expiry},
    },
    session::Session,
    stop::Stop,
};

/// Who consents, to what.
struct Word<'a> {
    key: &'a OperatorKey,
    place: u32,
    root_id: Hash32,
    manifest: Hash32,
    verifier: &'a Verifier,
    policy: &'a Policy,
}

pub(super) fn give(args: &Consent) -> Result<(), Stop> {
    let key = files::operator_key(&args.key.file)?;
    // A file that cannot take a note is said before anybody is asked for anything.
    let state = successor::state(args.state.as_deref(), &args.key.file);
    files::consents_if_any(&state)?;
    let read = args.accept.read()?;
    let (configuration, approval) = approved::configuration(&read, &args.approval, &key)?;
    let root_id = approval.content().root_id;
    let place = successor::place(configuration, &key)?;
    let now = source::now()?;
    let (_, successor) = successor::manifest(&args.manifest, configuration, now)?;
    let next = args.successor_configuration.as_deref();
    let successor = Known::new(&successor, configuration, next)?;
    let accept = read.entrusting(When::At(now))?;
    let policy = accept.policy.pin_root_id(root_id.0);
    let verifier = Verifier::new(accept.roots);
    let word = Word {
        key: &key,
        place,
        root_id,
        manifest: successor.successor().hash(),
        verifier: &verifier,
        policy: &policy,
    };

    let mut asked = Vec::new();
    for at in everywhere::each(&args.targets, |session| ask(session, &verifier, &policy)) {
        asked.push(at.outcome.map_err(|stop| stop.at(&at.name))?);
    }
    approved::show(args.asking.json, configuration)?;
    show(args.asking.json, &asked, &successor);
    output::shown()?;
    // One operator's withdrawal is enough, wherever it arrived.
    if let Some(one) = asked
        .iter()
        .find(|it| it.says(word.manifest) == Says::Withdrawn)
    {
        return Err(Stop::refused(
            "withdrawn",
            format!(
                "by its evidence enclave {} knows this manifest as withdrawn: nothing was signed; ask who \
                 withdrew it, and why",
                one.session.name()
            ),
        ));
    }
    // A list that one enclave cannot vouch for is what this look is there to find.
    if let Some(hidden) = asked.iter().find(|it| it.known == Successors::Unknown) {
        return Err(Stop::refused(
            "successors_unknown",
            format!(
                "the store hides the list of successors from enclave {}: nothing was signed",
                hidden.session.name()
            ),
        ));
    }
    let (asked, others): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .partition(|it| it.says(word.manifest) == Says::Waiting);
    if asked.is_empty() {
        return Err(Stop::refused(
            "upgrade",
            "the successor waits at none of these enclaves: announce it first (openkey operator \
             upgrade)",
        ));
    }
    // The configuration says to whom the root key may go next.
    if successor.is_hidden() {
        return Err(Stop::refused(
            "successor_configuration",
            "the successor has another configuration, and nothing here says what changes in it: get its \
             file from the maintainers and give it with --successor-configuration; nothing was signed",
        ));
    }
    if !args.asking.yes {
        confirm("Type yes if this successor may have the root key:")?;
    }

    // Before anything is signed: a consent of which nobody knows what came of it must be found again.
    note(&state, &word, &asked)?;
    let time = args.targets.time.begin();
    let given = everywhere::in_time(
        &time,
        &asked,
        |one| one.session.name(),
        |one| consent(one, &word, time.deadline()),
    );
    let given: Vec<_> = asked.iter().zip(given).collect();
    for (one, outcome) in &given {
        if let Err(stop) = outcome {
            let message = format!("enclave {}: {}", one.session.name(), stop.message());
            output::error(stop.rule(), &message);
        }
    }
    report(args.asking.json, &successor, &given, &others);
    match given.iter().find_map(|(_, outcome)| outcome.as_ref().err()) {
        None => Ok(()),
        Some(stop) => Err(Stop::reported(
            stop.rule(),
            "not every enclave proved the consent: see above, and `openkey operator status`; \
             `openkey operator withdraw` takes it back everywhere",
        )),
    }
}

fn note(path: &Path, word: &Word<'_>, asked: &[Asked]) -> Result<(), Stop> {
    let _alone = source::lock(path)?;
    let mut consents = files::consents_if_any(path)?.unwrap_or_default();
    for one in asked {
        consents.note(Given {
            root_id: word.root_id,
            manifest: word.manifest,
            identity: Key32(*one.fresh.identity().as_bytes()),
            enclave: one.session.name().to_owned(),
        })?;
    }
    Ok(source::replace(path, consents.to_json().as_bytes())?)
}

/// Consents at one enclave. Fresh evidence of that very boot proves it, whatever the host answered.
fn consent(one: &Asked, word: &Word<'_>, deadline: Instant) -> Result<UpgradeStatus, Stop> {
    let announced = one
        .announced(word.manifest)
        .ok_or_else(|| Stop::refused("upgrade", "the successor does not wait there"))?;
    let session = one.session.until(deadline);
    let until = expiry()?;
    let order = one
        .recipient
        .consent(word.key, word.place, word.root_id, announced, until.0)?;
    let sent = session.order(one.fresh.identity(), order, until);
    let proven = session
        .successors(word.verifier, word.policy)
        .map_err(|stop| stop.sent(Some(until)))
        .and_then(|(fresh, known)| {
            let noted = waits(&known, word.manifest)
                .filter(|it| it.consents.contains(&word.place))
                .filter(|_| fresh.identity() == one.fresh.identity());
            noted.cloned().ok_or_else(|| {
                let words = "fresh evidence of that boot does not list the consent";
                Stop::refused("consent", words).sent(Some(until))
            })
        });
    match (proven, sent) {
        // A consent that was given before stands in the evidence, too: what the enclave itself says of this one
        // counts, such as that somebody withdrew the successor meanwhile.
        (Ok(_), Err(stop)) if stop.rule() == "enclave_refused" => Err(stop),
        (Ok(noted), _) => Ok(noted),
        // What the host or the enclave said first says more.
        (Err(_), Err(stop)) | (Err(stop), Ok(_)) => Err(stop),
    }
}

fn ask(session: Session, verifier: &Verifier, policy: &Policy) -> Result<Asked, Stop> {
    let (fresh, (known, withdrawn)) = session.withdrawn(verifier, policy)?;
    Ok(Asked {
        recipient: Recipient::of(&fresh)?,
        fresh,
        session,
        known,
        withdrawn,
    })
}
