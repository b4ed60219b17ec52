//! Where a root key stands, for people and programs; `openkey operator status`.

use openkey_attestation::{UnixMillis, Verifier};
use openkey_protocol::message::{RootSource, RootState, RootStatus, Status as EnclaveStatus};
use openkey_verifier::{
    command::{When, output, source, successor_row, successor_rows},
    evidence::Fresh,
    release::rfc3339,
    view::EvidenceView,
};
use serde_json::{Value, json};

use crate::{args::Status, session::Session, stop::Stop};

pub(super) fn status(args: &Status) -> Result<(), Stop> {
    let session = Session::open(&args.target)?;
    let evidence = if args.accept.is_given() {
        let accept = args.accept.resolve(When::At(source::now()?))?;
        Some(session.successors(&Verifier::new(accept.roots), &accept.policy)?)
    } else {
        None
    };
    let (evidence, successors) = evidence.unzip();
    let status = session.status(evidence.as_ref().map(Fresh::identity))?;
    let view = evidence
        .as_ref()
        .map(|fresh| EvidenceView::new(fresh.claims(), Some(fresh.binding())));
    if args.print.json {
        let mut json = json_of(&status.root);
        if let Some(json) = json.as_object_mut() {
            json.insert("release".into(), json!(status.release));
            json.insert("now_ms".into(), json!(status.now));
            json.insert("evidence".into(), json!(view));
        }
        output::json(&json);
        return Ok(());
    }
    output::text(&format!("enclave {}\n\n", session.name()));
    print_status(&status);
    if let Some(view) = &view {
        let mut table = output::Table::default();
        output::evidence_rows(&mut table, view, "as the policy says");
        if let Some(known) = &successors {
            successor_rows(&mut table, known);
        }
        output::text(&format!("\nevidence: accepted\n\n{}", table.render()));
    } else {
        output::text(
            "\nevidence: not asked for, so no signature was checked; all of this is the host's word (give --policy)\n",
        );
    }
    Ok(())
}

fn print_status(status: &EnclaveStatus) {
    let mut table = output::Table::default();
    table.row(
        "release",
        format!(
            "{} (epoch {})",
            output::foreign(&status.release),
            status.root.epoch
        ),
    );
    table.row("its clock", rfc3339(UnixMillis(status.now)));
    table.row("relying party", output::foreign(&status.rp_id));
    rows(&mut table, &status.root);
    output::text(&table.render());
}

/// Says what was done, and where the root key stands now.
pub(super) fn root(as_json: bool, status: &RootStatus, done: &str) {
    if as_json {
        output::json(&json_of(status));
        return;
    }
    let mut table = output::Table::default();
    rows(&mut table, status);
    output::text(&format!("done: {done}\n\n{}", table.render()));
}

fn rows(table: &mut output::Table, status: &RootStatus) {
    table.row("root key", words(status.state));
    let root_id = status.root_id.map(|id| id.to_string());
    table.row("root id", root_id.as_deref().unwrap_or("none"));
    for known in &status.sources {
        table.row(name(known.source), output::foreign(&known.explanation));
    }
    for known in &status.upgrades {
        successor_row(table, known);
    }
    if status.state == RootState::Ready && !status.upgrades_known {
        table.row(
            "successors",
            "UNKNOWN: the store hides the list from the enclave, which hands nothing over",
        );
    }
    for manifest in &status.withdrawn {
        table.row("withdrawn", manifest.to_string());
    }
    if status.state == RootState::Ready && !status.secrets_known {
        table.row(
            "secrets",
            "UNKNOWN: the store hides them from the enclave, or does not answer",
        );
    }
    for known in &status.secrets {
        table.row(
            "secret",
            format!(
                "{} (version {})",
                output::foreign(&known.name),
                known.version
            ),
        );
    }
}

fn words(state: RootState) -> String {
    match state {
        RootState::AwaitingGenesis => "none yet: a genesis is awaited".to_owned(),
        RootState::GenesisDone => {
            "a genesis took place: boot again with the root_id in the configuration".to_owned()
        }
        RootState::Waiting { have, need } => {
            format!("waiting for root key: {have} of {need} shares")
        }
        RootState::Ready => "there".to_owned(),
        RootState::HandedOver => "went to a successor; this enclave serves no accounts".to_owned(),
    }
}

const fn name(source: RootSource) -> &'static str {
    match source {
        RootSource::Development => "development",
        RootSource::HandOver => "hand-over",
        RootSource::Operators => "operators",
        RootSource::Kms => "KMS",
    }
}

fn json_of(status: &RootStatus) -> Value {
    let (state, have, need) = match status.state {
        RootState::AwaitingGenesis => ("awaiting_genesis", None, None),
        RootState::GenesisDone => ("genesis_done", None, None),
        RootState::Waiting { have, need } => ("waiting", Some(have), Some(need)),
        RootState::Ready => ("ready", None, None),
        RootState::HandedOver => ("handed_over", None, None),
    };
    json!({
        "state": state,
        "have": have,
        "need": need,
        "root_id": status.root_id.map(|id| id.to_string()),
        "epoch": status.epoch,
        "sources": status.sources.iter().map(|known| json!({
            "source": known.source,
            "explanation": known.explanation,
        })).collect::<Vec<_>>(),
        "upgrades": status.upgrades.iter().map(|known| json!({
            "release": known.release,
            "epoch": known.epoch,
            "manifest_sha256": known.manifest.to_string(),
            "announced_at_ms": known.announced_at,
            "allowed_from_ms": known.allowed_from,
            "consents": known.consents,
            "consents_needed": known.consents_needed,
        })).collect::<Vec<_>>(),
        "upgrades_known": status.upgrades_known,
        "withdrawn": status.withdrawn.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "secrets_known": status.secrets_known,
        "secrets": status.secrets.iter().map(|known| json!({
            "name": known.name,
            "version": known.version,
        })).collect::<Vec<_>>(),
    })
}
