//! `openkey-verify release`.

use std::collections::BTreeMap;

use openkey_verifier::{
    attestation::UnixMillis,
    command::{
        Failure, Verdict,
        output::{self, Table},
        read_keys, source,
    },
    release::{self, MAX_RELEASE_FILE, Release, ReleaseKeys, rfc3339},
};
use serde::Serialize;

use crate::args::ReleaseArgs;

/// What programs read; `docs/verify.md` describes it.
#[derive(Serialize)]
struct Accepted<'a> {
    verdict: &'static str,
    name: &'a str,
    release: &'a str,
    epoch: u32,
    source_commit: &'a str,
    cargo_lock_sha256: String,
    toolchain: &'a BTreeMap<String, String>,
    measurements: BTreeMap<u8, String>,
    configuration: Option<String>,
    page: Option<BTreeMap<&'a str, String>>,
    not_before: String,
    not_after: String,
    manifest_sha256: String,
    signers: Vec<String>,
    threshold: u32,
}

pub(crate) fn run(args: &ReleaseArgs) -> Result<Verdict, Failure> {
    let keys = read_keys(&args.keys)?;
    let at = match args.at {
        Some(ms) => UnixMillis(ms),
        None => source::now()?,
    };
    let file = source::file_or_stdin(&args.file, MAX_RELEASE_FILE + 1)?;
    let release = match release::verify(&file, &keys, at) {
        Ok(release) => release,
        Err(error) => {
            let message = format!("{}: {error}", args.file.display());
            output::refused(args.json, error.rule(), &message);
            return Ok(Verdict::Refused);
        }
    };
    if args.json {
        output::json(&view(&release, &keys));
    } else {
        print(&view(&release, &keys));
    }
    Ok(Verdict::Accepted)
}

fn view<'a>(release: &'a Release, keys: &ReleaseKeys) -> Accepted<'a> {
    let manifest = release.manifest();
    Accepted {
        verdict: "accepted",
        name: &manifest.name,
        release: &manifest.release,
        epoch: manifest.epoch,
        source_commit: &manifest.source_commit,
        cargo_lock_sha256: manifest.cargo_lock_sha256.to_string(),
        toolchain: &manifest.toolchain,
        measurements: release
            .measurements()
            .iter()
            .map(|(index, pcr)| (index, pcr.to_string()))
            .collect(),
        configuration: manifest.configuration.map(|hash| hash.to_string()),
        page: manifest.page.as_ref().map(|page| {
            page.iter()
                .map(|(path, hash)| (path.as_str(), hash.to_string()))
                .collect()
        }),
        not_before: rfc3339(manifest.not_before),
        not_after: rfc3339(manifest.not_after),
        manifest_sha256: release.hash().to_string(),
        signers: release.signers().iter().map(ToString::to_string).collect(),
        threshold: keys.threshold(),
    }
}

fn print(accepted: &Accepted<'_>) {
    let mut table = Table::default();
    table.row("release", format!("{} {}", accepted.name, accepted.release));
    table.row("epoch", accepted.epoch.to_string());
    table.row(
        "valid",
        format!("{} to {}", accepted.not_before, accepted.not_after),
    );
    table.row("source", accepted.source_commit);
    table.row("Cargo.lock", &accepted.cargo_lock_sha256);
    for (tool, version) in accepted.toolchain {
        table.row("built with", format!("{tool} {version}"));
    }
    for (index, pcr) in &accepted.measurements {
        table.row(&format!("PCR{index}"), pcr);
    }
    table.row(
        "configuration",
        accepted
            .configuration
            .as_deref()
            .unwrap_or("any: the policy must name it"),
    );
    if let Some(page) = &accepted.page {
        table.row("page", format!("{} files", page.len()));
    }
    table.row("manifest", &accepted.manifest_sha256);
    for signer in &accepted.signers {
        table.row("signed by", signer);
    }
    output::text(&format!(
        "accepted: {} of the release keys signed, {} needed\n\n{}",
        accepted.signers.len(),
        accepted.threshold,
        table.render()
    ));
}
