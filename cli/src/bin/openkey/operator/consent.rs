//! `openkey operator consent`.

use std::io::{self, BufRead, IsTerminal};

use openkey_attestation::{Policy, Verifier};
use openkey_cli::Recipient;
use openkey_protocol::message::{Hash32, UpgradeStatus};
use openkey_verifier::{
    command::{When, output, source, successor_rows},
    release::{Release, rfc3339},
    statement::IdentityKey,
    successors::Successors,
};
use serde_json::{Value, json};

use crate::{args::Consent, files, operator::successor, session::Session, stop::Stop};

/// One enclave, and what waits there.
struct Asked {
    session: Session,
    identity: IdentityKey,
    recipient: Recipient,
    known: Successors,
}

impl Asked {
    /// The announcement of a manifest at this enclave.
    fn announced(&self, manifest: Hash32) -> Option<&UpgradeStatus> {
        match &self.known {
            Successors::Listed(list) => list.iter().find(|it| it.manifest == manifest),
            Successors::NotStated | Successors::Unknown => None,
        }
    }
}

pub(super) fn give(args: &Consent) -> Result<(), Stop> {
    let configuration = successor::configuration(&args.accept)?;
    let root_id = configuration
        .root_id
        .ok_or_else(|| Stop::failed("root_id", "the configuration names no root_id"))?;
    let key = files::operator_key(&args.key)?;
    let place = successor::place(&configuration, &key)?;
    let now = source::now()?;
    let (_, successor) = successor::manifest(&args.manifest, &configuration, now)?;
    let accept = args.accept.entrusting(When::At(now))?;
    let policy = accept.policy.pin_root_id(root_id.0);
    let verifier = Verifier::new(accept.roots);

    let sessions = Session::all(&args.targets.hosts, &args.targets.enclaves)?;
    let mut asked = Vec::new();
    for session in sessions {
        asked.push(ask(session, &verifier, &policy)?);
    }
    if !args.json {
        show(&asked, &successor);
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
    if !asked
        .iter()
        .any(|it| it.announced(successor.hash()).is_some())
    {
        return Err(Stop::refused(
            "upgrade",
            "the successor waits at none of these enclaves: announce it first (openkey operator \
             upgrade)",
        ));
    }
    if !args.yes {
        confirm()?;
    }

    let mut given = Vec::new();
    for one in &asked {
        let Some(announced) = one.announced(successor.hash()) else {
            continue;
        };
        let order = one.recipient.consent(&key, place, root_id, announced)?;
        one.session.order(&one.identity, order)?;
        // A consent holds for one boot: fresh evidence says whether that boot is still there.
        let (_, known) = one.session.successors(&verifier, &policy)?;
        let listed = match &known {
            Successors::Listed(list) => list.iter().find(|it| it.manifest == successor.hash()),
            Successors::NotStated | Successors::Unknown => None,
        };
        let noted = listed.filter(|it| it.consents.contains(&place));
        let noted = noted.ok_or_else(|| {
            Stop::refused(
                "consent",
                format!(
                    "fresh evidence of enclave {} does not list the consent",
                    one.session.name()
                ),
            )
        })?;
        given.push((one.session.name(), noted.clone()));
    }
    report(args.json, &successor, &given);
    Ok(())
}

fn ask(session: Session, verifier: &Verifier, policy: &Policy) -> Result<Asked, Stop> {
    let (fresh, known) = session.successors(verifier, policy)?;
    Ok(Asked {
        identity: *fresh.identity(),
        recipient: Recipient::of(&fresh)?,
        session,
        known,
    })
}

fn show(asked: &[Asked], successor: &Release) {
    for one in asked {
        let mut table = output::Table::default();
        successor_rows(&mut table, &one.known);
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

/// Asks on the terminal.
fn confirm() -> Result<(), Stop> {
    if !io::stdin().is_terminal() {
        return Err(Stop::failed(
            "not_confirmed",
            "stdin is no terminal: look at the list above, then give --yes",
        ));
    }
    output::note("Type yes if this successor may have the root key:");
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Stop::failed("cannot_open", format!("stdin: {error}")))?;
    if line.trim() == "yes" {
        Ok(())
    } else {
        Err(Stop::failed("not_confirmed", "nothing was signed"))
    }
}

fn report(as_json: bool, successor: &Release, given: &[(&str, UpgradeStatus)]) {
    let manifest = successor.hash();
    if as_json {
        let enclaves: Vec<Value> = given
            .iter()
            .map(|(name, noted)| {
                json!({
                    "enclave": name,
                    "announced_at_ms": noted.announced_at,
                    "allowed_from_ms": noted.allowed_from,
                    "consents": noted.consents,
                    "consents_needed": noted.consents_needed,
                })
            })
            .collect();
        output::json(&json!({
            "manifest_sha256": manifest.to_string(),
            "release": successor.manifest().release,
            "enclaves": enclaves,
        }));
        return;
    }
    let mut table = output::Table::default();
    for (name, noted) in given {
        table.row(
            name,
            format!("{} of {}", noted.consents.len(), noted.consents_needed),
        );
    }
    output::text(&format!(
        "done: consented to {manifest}\n\n{}\nTake it back with `openkey operator withdraw`.\n",
        table.render()
    ));
}
