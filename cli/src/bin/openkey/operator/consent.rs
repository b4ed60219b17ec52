//! `openkey operator consent`.

use std::{path::Path, time::Instant};

use openkey_attestation::{Policy, Verifier};
use openkey_cli::{Given, OperatorKey, Recipient};
use openkey_protocol::message::{Hash32, Key32, UpgradeStatus};
use openkey_verifier::{
    command::{When, output, source, successor_rows, withdrawn_rows},
    release::{Release, rfc3339},
    statement::IdentityKey,
    successors::{Successors, Withdrawn},
};
use serde_json::{Value, json};

use crate::{
    args::Consent,
    everywhere, files,
    operator::{
        approved,
        confirm::confirm,
        successor::{self, expiry},
    },
    session::{PATIENCE, Session},
    stop::Stop,
};

/// One enclave, and what waits there.
struct Asked {
    session: Session,
    identity: IdentityKey,
    recipient: Recipient,
    known: Successors,
    withdrawn: Withdrawn,
}

impl Asked {
    /// The announcement of a manifest at this enclave.
    fn announced(&self, manifest: Hash32) -> Option<&UpgradeStatus> {
        waits(&self.known, manifest)
    }

    /// What it says of a manifest.
    fn says(&self, manifest: Hash32) -> Says {
        if self.withdrawn.names(&manifest) {
            return Says::Withdrawn;
        }
        match (&self.known, &self.withdrawn) {
            (_, Withdrawn::HandedOver) => Says::HandedOver,
            (Successors::Unknown, _) => Says::Unknown,
            _ if self.announced(manifest).is_some() => Says::Waiting,
            _ => Says::NotWaiting,
        }
    }
}

/// What an enclave says of one manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Waiting,
    NotWaiting,
    Withdrawn,
    HandedOver,
    Unknown,
}

impl Says {
    /// For people.
    const fn words(self) -> &'static str {
        match self {
            Self::Waiting => "waits here",
            Self::NotWaiting => "does not wait here",
            Self::Withdrawn => "WITHDRAWN here",
            Self::HandedOver => "gets nothing here any more: the root key went to a successor",
            Self::Unknown => "UNKNOWN: the store hides the list from the enclave",
        }
    }

    /// For programs.
    const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::NotWaiting => "not_waiting",
            Self::Withdrawn => "withdrawn",
            Self::HandedOver => "handed_over",
            Self::Unknown => "unknown",
        }
    }
}

fn waits(known: &Successors, manifest: Hash32) -> Option<&UpgradeStatus> {
    match known {
        Successors::Listed(list) => list.iter().find(|it| it.manifest == manifest),
        Successors::NotStated | Successors::Unknown => None,
    }
}

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
    let key = files::operator_key(&args.key)?;
    // A file that cannot take a note is said before anybody is asked for anything.
    let state = successor::state(args.state.as_deref(), &args.key);
    files::consents_if_any(&state)?;
    let read = args.accept.read()?;
    let (configuration, approval) = approved::configuration(&read, &args.approval, &key)?;
    let root_id = approval.content().root_id;
    let place = successor::place(configuration, &key)?;
    let now = source::now()?;
    let (_, successor) = successor::manifest(&args.manifest, configuration, now)?;
    let accept = read.entrusting(When::At(now))?;
    let policy = accept.policy.pin_root_id(root_id.0);
    let verifier = Verifier::new(accept.roots);
    let word = Word {
        key: &key,
        place,
        root_id,
        manifest: successor.hash(),
        verifier: &verifier,
        policy: &policy,
    };

    let mut asked = Vec::new();
    for at in everywhere::each(&args.targets, |session| ask(session, &verifier, &policy)) {
        asked.push(at.outcome.map_err(|stop| stop.at(&at.name))?);
    }
    if !args.asking.json {
        approved::show(false, configuration)?;
        show(&asked, &successor);
        output::shown()?;
    }
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
    if !args.asking.yes {
        confirm("Type yes if this successor may have the root key:")?;
    }

    // Before anything is signed: a consent of which nobody knows what came of it must be found again.
    note(&state, &word, &asked)?;
    let given = everywhere::at_once(&asked, |one| consent(one, &word));
    let given: Vec<_> = asked
        .iter()
        .map(|one| one.session.name())
        .zip(given)
        .collect();
    for (name, outcome) in &given {
        if let Err(stop) = outcome {
            output::error(stop.rule(), &format!("enclave {name}: {}", stop.message()));
        }
    }
    let others: Vec<_> = others
        .iter()
        .map(|it| (it.session.name(), it.says(word.manifest)))
        .collect();
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
            identity: Key32(*one.identity.as_bytes()),
            enclave: one.session.name().to_owned(),
        })?;
    }
    Ok(source::replace(path, consents.to_json().as_bytes())?)
}

/// Consents at one enclave. Fresh evidence of that very boot proves it, whatever the host answered.
fn consent(one: &Asked, word: &Word<'_>) -> Result<UpgradeStatus, Stop> {
    let announced = one
        .announced(word.manifest)
        .ok_or_else(|| Stop::refused("upgrade", "the successor does not wait there"))?;
    let session = one.session.until(Instant::now() + PATIENCE);
    let until = expiry()?;
    let order = one
        .recipient
        .consent(word.key, word.place, word.root_id, announced, until.0)?;
    let sent = session.order(&one.identity, order, until);
    let proven = session
        .successors(word.verifier, word.policy)
        .map_err(|stop| stop.sent(Some(until)))
        .and_then(|(fresh, known)| {
            let noted = waits(&known, word.manifest)
                .filter(|it| it.consents.contains(&word.place))
                .filter(|_| fresh.identity() == &one.identity);
            noted.cloned().ok_or_else(|| {
                let words = "fresh evidence of that boot does not list the consent";
                Stop::refused("consent", words).sent(Some(until))
            })
        });
    match (proven, sent) {
        (Ok(noted), _) => Ok(noted),
        // What the host or the enclave said first says more.
        (Err(_), Err(stop)) | (Err(stop), Ok(_)) => Err(stop),
    }
}

fn ask(session: Session, verifier: &Verifier, policy: &Policy) -> Result<Asked, Stop> {
    let (fresh, (known, withdrawn)) = session.withdrawn(verifier, policy)?;
    Ok(Asked {
        identity: *fresh.identity(),
        recipient: Recipient::of(&fresh)?,
        session,
        known,
        withdrawn,
    })
}

fn show(asked: &[Asked], successor: &Release) {
    for one in asked {
        let mut table = output::Table::default();
        successor_rows(&mut table, &one.known);
        withdrawn_rows(&mut table, &one.withdrawn);
        table.row("your manifest", one.says(successor.hash()).words());
        output::text(&format!(
            "enclave {}: evidence accepted\n\n{}\n",
            one.session.name(),
            table.render()
        ));
    }
    let manifest = successor.manifest();
    let mut table = output::Table::default();
    table.row(
        "release",
        format!("{} (epoch {})", manifest.release, manifest.epoch),
    );
    table.row("manifest", successor.hash().to_string());
    table.row("source", &manifest.source_commit);
    for (index, pcr) in successor.measurements().iter() {
        table.row(&format!("PCR{index}"), pcr.to_string());
    }
    table.row(
        "valid",
        format!(
            "{} to {}",
            rfc3339(manifest.not_before),
            rfc3339(manifest.not_after)
        ),
    );
    output::text(&format!("your manifest\n\n{}\n", table.render()));
}

fn report(
    as_json: bool,
    successor: &Release,
    given: &[(&str, Result<UpgradeStatus, Stop>)],
    others: &[(&str, Says)],
) {
    let manifest = successor.hash();
    let proven = given.iter().all(|(_, outcome)| outcome.is_ok());
    if as_json {
        let enclaves: Vec<Value> = given
            .iter()
            .map(|(name, outcome)| match outcome {
                Ok(noted) => json!({
                    "enclave": name,
                    "says": Says::Waiting.name(),
                    "consented": true,
                    "announced_at_ms": noted.announced_at,
                    "allowed_from_ms": noted.allowed_from,
                    "consents": noted.consents,
                    "consents_needed": noted.consents_needed,
                }),
                Err(stop) => json!({
                    "enclave": name,
                    "says": Says::Waiting.name(),
                    "consented": null,
                    "rule": stop.rule(),
                    "message": stop.message(),
                }),
            })
            .chain(others.iter().map(
                |(name, says)| json!({ "enclave": name, "says": says.name(), "consented": false }),
            ))
            .collect();
        output::json(&json!({
            "verdict": if proven { "consented" } else { "unproven" },
            "manifest_sha256": manifest.to_string(),
            "release": successor.manifest().release,
            "enclaves": enclaves,
        }));
        return;
    }
    let mut table = output::Table::default();
    for (name, outcome) in given {
        table.row(
            name,
            match outcome {
                Ok(noted) => format!("{} of {}", noted.consents.len(), noted.consents_needed),
                Err(stop) => format!("NOT PROVEN: {}", stop.rule()),
            },
        );
    }
    for (name, says) in others {
        table.row(
            name,
            format!("NOTHING GIVEN: the manifest {}", says.words()),
        );
    }
    output::text(&format!(
        "{}: consent to {manifest}\n\n{}\nTake it back with `openkey operator withdraw`.\n",
        if proven { "done" } else { "sent" },
        table.render()
    ));
}
