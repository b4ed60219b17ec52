//! What came of a withdrawal, for people and programs.

use openkey_cli::Given;
use openkey_protocol::message::{Hash32, Key32, UpgradeStatus};
use openkey_verifier::command::output;
use serde_json::json;

use crate::everywhere::At;

/// What is said of a manifest that nobody named.
pub(super) const UNKNOWN: &str =
    "no asked enclave knew this manifest: compare it with the one that you mean\n";

/// What is said of a manifest that nobody named, where not everybody could.
const UNSAID: &str = "not every asked enclave said whether it knew this manifest\n";

/// What fresh evidence of one boot, and the status that the same boot signed, say of the withdrawal.
pub(super) struct Said {
    /// The identity key of the boot.
    pub(super) identity: Key32,
    /// Whether its root key went to a successor: then its list of withdrawals confirms nothing.
    pub(super) superseded: bool,
    /// The successors that wait there after the withdrawal.
    pub(super) waiting: Vec<UpgradeStatus>,
}

impl Said {
    pub(super) const fn rule(&self) -> Option<&'static str> {
        if self.superseded {
            Some("superseded")
        } else {
            None
        }
    }

    fn waiting(&self) -> Vec<String> {
        let each = self.waiting.iter();
        each.map(|one| one.manifest.to_string()).collect()
    }
}

/// A boot that this operator consented to, and what it said of the withdrawal; `None` if that boot was not
/// among those that answered.
pub(super) struct Consented {
    pub(super) given: Given,
    pub(super) superseded: Option<bool>,
}

impl Consented {
    fn confirmed(&self) -> bool {
        self.superseded == Some(false)
    }
}

/// A withdrawal that was sent.
#[derive(Clone, Copy)]
pub(super) struct Done<'a> {
    pub(super) manifest: Hash32,
    pub(super) reached: &'a [At<Said>],
    pub(super) consented: Option<&'a [Consented]>,
    /// Whether everybody confirmed who has to.
    pub(super) proven: bool,
    /// Whether an asked enclave knew the manifest; `None` if not all of them said.
    pub(super) knew: Option<bool>,
}

pub(super) fn report(as_json: bool, done: &Done<'_>) {
    let Done {
        manifest,
        reached,
        consented,
        proven,
        knew,
    } = *done;
    if as_json {
        let enclaves: Vec<_> = reached
            .iter()
            .map(|at| {
                json!({
                    "enclave": at.name,
                    "withdrawn": at.outcome.as_ref().is_ok_and(|said| !said.superseded),
                    "identity": at.outcome.as_ref().ok().map(|said| said.identity.to_string()),
                    "waiting": at.outcome.as_ref().ok().map(Said::waiting),
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
            "known": knew,
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
                ..
            }) => format!("withdrawn, by fresh evidence of boot {identity}"),
            Ok(Said { identity, .. }) => {
                format!("NOT CONFIRMED: the root key of boot {identity} went to a successor")
            }
            Err(stop) => format!("NOT CONFIRMED: {}", stop.rule()),
        };
        table.row(&at.name, words);
        // What is listed where the root key has left waits for nothing there.
        let here = at.outcome.iter().filter(|said| !said.superseded);
        for one in here.flat_map(|said| &said.waiting) {
            let release = output::foreign(&one.release);
            let words = format!("{release} (epoch {}), manifest {}", one.epoch, one.manifest);
            table.row("  STILL WAITS", words);
        }
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
    let unknown = match knew {
        Some(true) => "",
        Some(false) => UNKNOWN,
        None => UNSAID,
    };
    output::text(&format!(
        "withdrawal of {manifest}\n\n{}\n{known}\n{unknown}",
        table.render()
    ));
}
