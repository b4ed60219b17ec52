//! `openkey operator withdraw`.

use std::path::Path;

use openkey_attestation::{Policy, Verifier};
use openkey_cli::withdrawal;
use openkey_protocol::message::{Hash32, OperatorRequest};
use openkey_verifier::{
    command::{When, output, source},
    release::{MAX_RELEASE_FILE, ReleaseFile},
    successors::Successors,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{args::Withdraw, files, operator::successor, session::Session, stop::Stop};

const UNCONFIRMED: &str = "not every enclave confirmed the withdrawal: see above, and repeat it";

pub(super) fn withdraw(args: &Withdraw) -> Result<(), Stop> {
    let configuration = successor::configuration(&args.accept)?;
    let root_id = configuration
        .root_id
        .ok_or_else(|| Stop::failed("root_id", "the configuration names no root_id"))?;
    let key = files::operator_key(&args.key)?;
    let place = successor::place(&configuration, &key)?;
    let manifest = manifest_hash(&args.manifest)?;
    let accept = args.accept.resolve(When::At(source::now()?))?;
    let policy = accept.policy.pin_root_id(root_id.0);
    let verifier = Verifier::new(accept.roots);
    let order = withdrawal(&key, place, root_id, manifest)?;

    let sessions = Session::all(&args.targets.hosts, &args.targets.enclaves)?;
    let mut first = None;
    let mut reached = Vec::new();
    for session in &sessions {
        // One enclave that refuses or does not answer keeps the withdrawal from no other.
        let confirmed = send(session, &order, manifest, &verifier, &policy);
        if let Err(stop) = &confirmed {
            let message = format!("enclave {}: {}", session.name(), stop.message());
            output::error(stop.rule(), &message);
        }
        let outcome = confirmed.as_ref().map(String::clone).map_err(Stop::rule);
        reached.push((session.name(), outcome));
        first = first.or(confirmed.err());
    }
    match first {
        // With --json a refusal is an object of its own.
        Some(stop) if args.json => Err(stop.again(UNCONFIRMED)),
        first => {
            report(args.json, manifest, &reached);
            first.map_or(Ok(()), |stop| Err(stop.again(UNCONFIRMED)))
        }
    }
}

/// Orders the withdrawal, and lets fresh evidence say that it holds: it must name the manifest as
/// withdrawn. That a manifest does not wait says nothing: it is missing from the evidence of an enclave
/// that the order never reached, too. Gives the identity key of the boot that confirmed. The order is no
/// secret: it is sent to whoever is there, accepted or not, and only then the evidence judges who
/// answered.
fn send(
    session: &Session,
    order: &OperatorRequest,
    manifest: Hash32,
    verifier: &Verifier,
    policy: &Policy,
) -> Result<String, Stop> {
    session.send(order.clone())?;
    let (fresh, (waiting, withdrawn)) = session.withdrawn(verifier, policy)?;
    if !withdrawn.names(&manifest) {
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
    Ok(hex::encode(fresh.binding().identity.as_slice()))
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

fn report(as_json: bool, manifest: Hash32, reached: &[(&str, Result<String, &'static str>)]) {
    if as_json {
        let enclaves: Vec<_> = reached
            .iter()
            .map(|(name, outcome)| {
                json!({
                    "enclave": name,
                    "withdrawn": outcome.is_ok(),
                    "identity": outcome.as_ref().ok(),
                    "rule": outcome.as_ref().err(),
                })
            })
            .collect();
        output::json(&json!({
            "manifest_sha256": manifest.to_string(),
            "enclaves": enclaves,
        }));
        return;
    }
    let mut table = output::Table::default();
    for (name, outcome) in reached {
        let words = match outcome {
            Ok(identity) => format!("withdrawn, by fresh evidence of boot {identity}"),
            Err(rule) => format!("NOT CONFIRMED: {rule}"),
        };
        table.row(name, words);
    }
    output::text(&format!("withdrawal of {manifest}\n\n{}", table.render()));
}
