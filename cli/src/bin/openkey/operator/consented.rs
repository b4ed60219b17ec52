//! What enclaves say of a successor, and what came of a consent, for people and programs.

use openkey_cli::Recipient;
use openkey_protocol::message::{Hash32, UpgradeStatus};
use openkey_verifier::{
    command::{list_rows, output},
    evidence::Fresh,
    successors::{Successors, Withdrawn},
};
use serde_json::{Value, json};

use crate::{
    operator::compared::{Compared, Known},
    session::Session,
    stop::Stop,
};

/// One enclave, and what waits there.
pub(super) struct Asked {
    pub(super) session: Session,
    pub(super) fresh: Fresh,
    pub(super) recipient: Recipient,
    pub(super) known: Successors,
    pub(super) withdrawn: Withdrawn,
}

impl Asked {
    /// The announcement of a manifest at this enclave.
    pub(super) fn announced(&self, manifest: Hash32) -> Option<&UpgradeStatus> {
        waits(&self.known, manifest)
    }

    /// What it says of a manifest.
    pub(super) fn says(&self, manifest: Hash32) -> Says {
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
pub(super) enum Says {
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

pub(super) fn waits(known: &Successors, manifest: Hash32) -> Option<&UpgradeStatus> {
    match known {
        Successors::Listed(list) => list.iter().find(|it| it.manifest == manifest),
        Successors::NotStated | Successors::Unknown => None,
    }
}

/// Shows what waits at each enclave, and the successor beside what runs there: on stdout, or on stderr where stdout
/// gets one JSON object.
pub(super) fn show(as_json: bool, asked: &[Asked], known: &Known<'_>) {
    let successor = known.successor();
    for one in asked {
        let mut table = output::Table::default();
        list_rows(&mut table, &one.known, &one.withdrawn);
        table.row("your manifest", one.says(successor.hash()).words());
        Compared::of(successor, &one.fresh).rows(&mut table);
        let title = format!("enclave {}: evidence accepted", one.session.name());
        table.show(as_json, &title);
    }
    known.show(as_json);
}

/// Says what came of a consent: given where the manifest waits, and nothing to the others.
pub(super) fn report(
    as_json: bool,
    known: &Known<'_>,
    given: &[(&Asked, Result<UpgradeStatus, Stop>)],
    others: &[Asked],
) {
    let successor = known.successor();
    let manifest = successor.hash();
    let proven = given.iter().all(|(_, outcome)| outcome.is_ok());
    if as_json {
        let with = |one: &Asked, enclave: Value| {
            let mut enclave = enclave;
            if let Some(members) = enclave.as_object_mut() {
                members.insert("enclave".into(), json!(one.session.name()));
                Compared::of(successor, &one.fresh).add_to(members);
            }
            enclave
        };
        let given = given.iter().map(|(one, outcome)| {
            let said = match outcome {
                Ok(noted) => json!({
                    "says": Says::Waiting.name(),
                    "consented": true,
                    "announced_at_ms": noted.announced_at,
                    "allowed_from_ms": noted.allowed_from,
                    "consents": noted.consents,
                    "consents_needed": noted.consents_needed,
                }),
                Err(stop) => json!({
                    "says": Says::Waiting.name(),
                    "consented": null,
                    "rule": stop.rule(),
                    "message": stop.message(),
                }),
            };
            with(one, said)
        });
        let others = others.iter().map(|one| {
            let says = one.says(manifest).name();
            with(one, json!({ "says": says, "consented": false }))
        });
        let enclaves: Vec<_> = given.chain(others).collect();
        output::json(&json!({
            "verdict": if proven { "consented" } else { "unproven" },
            "manifest_sha256": manifest.to_string(),
            "release": successor.manifest().release,
            "successor": known.json(),
            "enclaves": enclaves,
        }));
        return;
    }
    let mut table = output::Table::default();
    for (one, outcome) in given {
        table.row(
            one.session.name(),
            match outcome {
                Ok(noted) => format!("{} of {}", noted.consents.len(), noted.consents_needed),
                Err(stop) => format!("NOT PROVEN: {}", stop.rule()),
            },
        );
    }
    for one in others {
        let says = one.says(manifest).words();
        let words = format!("NOTHING GIVEN: the manifest {says}");
        table.row(one.session.name(), words);
    }
    output::text(&format!(
        "{}: consent to {manifest}\n\n{}\nTake it back with `openkey operator withdraw`.\n",
        if proven { "done" } else { "sent" },
        table.render()
    ));
}
