//! A successor beside what runs: what an operator decides on when they consent.

use std::path::Path;

use openkey_protocol::message::Hash32;
use openkey_verifier::{
    command::{Change, ConfigurationFile, configuration_changes, output},
    configuration::{self, CONFIGURATION_PCR, Configuration},
    evidence::Fresh,
    release::{Release, rfc3339},
};
use serde_json::{Map, Value, json};

use crate::stop::Stop;

/// A successor beside one enclave, by its manifest and by the enclave's accepted evidence.
pub(super) struct Compared {
    /// The registers of the image that differ: index, what runs, what is to follow.
    image: Vec<(u8, String, String)>,
    /// Whether it has the configuration that is measured there.
    same_configuration: bool,
    /// The configuration that runs, and the one that is to follow.
    configurations: (Hash32, Option<Hash32>),
    /// The release epoch that runs, and the one that is to follow.
    epochs: (u32, u32),
}

impl Compared {
    pub(super) fn of(successor: &Release, fresh: &Fresh) -> Self {
        let running = &fresh.claims().pcrs;
        let named = successor.measurements();
        let hex = |index| {
            running
                .get(index)
                .map_or("none".to_owned(), ToString::to_string)
        };
        let image = named
            .iter()
            .filter(|(index, pcr)| *index != CONFIGURATION_PCR && running.get(*index) != Some(*pcr))
            .map(|(index, pcr)| (index, hex(index), pcr.to_string()))
            .collect();
        let configuration = successor.manifest().configuration;
        let measured = running.get(CONFIGURATION_PCR);
        Self {
            image,
            same_configuration: configuration
                .is_some_and(|hash| Some(&configuration::pcr(hash)) == measured),
            configurations: (fresh.binding().configuration, configuration),
            epochs: (fresh.binding().epoch, successor.manifest().epoch),
        }
    }

    /// Whether the manifest names the very image and configuration that run there.
    pub(super) fn is_what_runs(&self) -> bool {
        self.image.is_empty() && self.same_configuration
    }

    /// For people.
    pub(super) fn rows(&self, table: &mut output::Table) {
        let same = "the same as the one that runs here";
        if self.image.is_empty() {
            table.row("image", same);
        } else {
            table.row("image", "ANOTHER than the one that runs here");
        }
        for (index, running, named) in &self.image {
            table.row(&format!("  PCR{index}"), format!("{running} → {named}"));
        }
        let (running, named) = self.configurations;
        let named = named.map_or("any".to_owned(), |hash| hash.to_string());
        if self.same_configuration {
            table.row("configuration", same);
        } else {
            let only = match self.image.is_empty() {
                true => ", and ONLY the configuration changes",
                false => "",
            };
            table.row(
                "configuration",
                format!("ANOTHER than the one that runs here{only}"),
            );
            table.row("  hash", format!("{running} → {named}"));
        }
        let (running, named) = self.epochs;
        table.row(
            "lowest epoch",
            match named.cmp(&running) {
                std::cmp::Ordering::Equal => {
                    format!("{running}, as now: what runs here may follow the successor again")
                }
                std::cmp::Ordering::Greater => format!(
                    "{running} → {named}: no older release gets the root key from the successor"
                ),
                std::cmp::Ordering::Less => format!(
                    "{running} → {named}, LOWER: this enclave hands no root key to an older release"
                ),
            },
        );
    }

    /// For programs.
    pub(super) fn add_to(&self, enclave: &mut Map<String, Value>) {
        let word = |same| if same { "same" } else { "another" };
        let image = word(self.image.is_empty());
        enclave.insert("image".into(), json!(image));
        let configuration = word(self.same_configuration);
        enclave.insert("configuration".into(), json!(configuration));
        enclave.insert("epoch".into(), json!(self.epochs.0));
    }
}

/// What is known of a successor, whatever runs where.
pub(super) struct Known<'a> {
    successor: &'a Release,
    running: &'a Configuration,
    /// What changes in the configuration; `None` where its file was not given.
    changes: Option<Vec<Change>>,
}

impl<'a> Known<'a> {
    /// `file`: the configuration of the successor, of which the manifest has the hash alone.
    ///
    /// # Errors
    ///
    /// `successor_configuration`: a file that the manifest does not name; `cannot_open`, `configuration`.
    pub(super) fn new(
        successor: &'a Release,
        running: &'a Configuration,
        file: Option<&Path>,
    ) -> Result<Self, Stop> {
        let named = successor.manifest().configuration;
        let next = match file {
            None if named == Some(running.hash()) => Some(running.clone()),
            None => None,
            Some(path) => {
                let next = ConfigurationFile::read(path)?.content;
                if Some(next.hash()) != named {
                    let named = named.map_or("none".to_owned(), |hash| hash.to_string());
                    return Err(Stop::refused(
                        "successor_configuration",
                        format!(
                            "{}: the file has the hash {}, the manifest names {named}: ask the maintainers for \
                             the file of the successor",
                            path.display(),
                            next.hash()
                        ),
                    ));
                }
                Some(next)
            }
        };
        Ok(Self {
            successor,
            running,
            changes: next.map(|next| configuration_changes(running, &next)),
        })
    }

    pub(super) const fn successor(&self) -> &'a Release {
        self.successor
    }

    /// Whether the successor runs with another configuration, of which only the hash is known.
    pub(super) const fn is_hidden(&self) -> bool {
        self.changes.is_none()
    }

    /// How many of the running configuration's release keys must sign, and of how many.
    fn keys(&self) -> (u32, usize) {
        let keys = self.running.release_keys.as_ref();
        keys.map_or((0, 0), |keys| (keys.threshold, keys.keys.len()))
    }

    /// For people: on stdout, or on stderr where stdout gets one JSON object.
    pub(super) fn show(&self, as_json: bool) {
        let manifest = self.successor.manifest();
        let mut table = output::Table::default();
        table.row(
            "release",
            format!("{} (epoch {})", manifest.release, manifest.epoch),
        );
        table.row("manifest", self.successor.hash().to_string());
        table.row("source", &manifest.source_commit);
        for (index, pcr) in self.successor.measurements().iter() {
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
        let signers = self.successor.signers();
        let (needed, all) = self.keys();
        table.row(
            "signed by",
            format!("{} of {all} release keys, {needed} needed", signers.len()),
        );
        for key in signers {
            table.row("  release key", key.to_string());
        }
        table.show(as_json, "your manifest");
        match &self.changes {
            None => {
                const HASH_ALONE: &str = "The manifest names another configuration, by its hash alone: nobody sees here what changes in it.\n";
                if as_json {
                    HASH_ALONE.lines().for_each(output::aside);
                } else {
                    output::text(&format!("{HASH_ALONE}\n"));
                }
            }
            Some(changes) if changes.is_empty() => {}
            Some(changes) => {
                let mut table = output::Table::default();
                for change in changes {
                    let Change {
                        member,
                        running,
                        successor,
                    } = change;
                    table.row(member, format!("{running} → {successor}"));
                }
                table.show(as_json, "what changes in the configuration");
            }
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let manifest = self.successor.manifest();
        let (threshold, keys) = self.keys();
        let signers = self.successor.signers().iter();
        json!({
            "epoch": manifest.epoch,
            "signers": signers.map(ToString::to_string).collect::<Vec<_>>(),
            "threshold": threshold,
            "release_keys": keys,
            "configuration": manifest.configuration.map(|hash| hash.to_string()),
            "running_configuration": self.running.hash().to_string(),
            "configuration_changes": self.changes,
        })
    }
}
