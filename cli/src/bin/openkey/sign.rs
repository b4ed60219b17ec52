//! `openkey release sign`.

use openkey_protocol::message::Hash32;
use openkey_verifier::{
    command::{ConfigurationFile, output, source},
    release::{Manifest, ReleaseError, ReleaseFile, rfc3339},
};

use crate::{
    args::Sign,
    confirm::confirm,
    files,
    page::hash_of_list,
    release::{manifest_hash, view},
    stop::Stop,
};

/// Adds a signature, after a look at what is signed.
pub(crate) fn sign(args: &Sign) -> Result<(), Stop> {
    let key = files::release_key(&args.key)?;
    let (_, mut file) = files::release_file(&args.file)?;
    let in_file = |error: &ReleaseError, more: &str| {
        let message = format!("{}: {error}{more}", args.file.display());
        Stop::refused(error.rule(), message)
    };
    // A signature beside one that does not hold would be of no use: the manifest was changed after that one.
    file.check_signatures().map_err(|error| {
        let more =
            ": the manifest was changed after it was signed; take it as it was, or prepare it anew";
        in_file(&error, more)
    })?;
    if file.keys().any(|known| *known == key.public()) {
        let message = format!(
            "{}: your key {} signed this manifest already, and counts once; the other maintainers sign now",
            args.file.display(),
            key.public()
        );
        let rule = ReleaseError::SignatureTwice(key.public()).rule();
        return Err(Stop::refused(rule, message));
    }
    table(&file, &root_id(args, file.unverified())?, args.verbose)?
        .show(args.asking.json, "the manifest");
    output::shown()?;
    if !args.asking.yes {
        confirm(
            "Type yes if you built this image from this source and the measurements are yours:",
        )?;
    }
    key.sign(&mut file)?;
    source::replace(&args.file, file.to_json()?.as_bytes())?;
    if args.asking.json {
        output::json(&view(&file)?);
    } else {
        output::text(&format!("signed by {}\n", key.public()));
    }
    Ok(())
}

/// The root id of the configuration's file, which the manifest must name; for people.
fn root_id(args: &Sign, manifest: &Manifest) -> Result<String, Stop> {
    let Some(path) = &args.configuration else {
        return Ok("not in a manifest: --configuration FILE shows it".to_owned());
    };
    let configuration = ConfigurationFile::read(path)?.content;
    if manifest.configuration != Some(configuration.hash()) {
        return Err(Stop::refused(
            "configuration",
            format!(
                "{}: the file has the hash {}, the manifest names {}",
                path.display(),
                configuration.hash(),
                or_none(manifest.configuration)
            ),
        ));
    }
    Ok(configuration.root_id.map_or_else(
        || "NONE: as before a genesis".to_owned(),
        |id| id.to_string(),
    ))
}

fn or_none(hash: Option<Hash32>) -> String {
    hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string())
}

/// What is signed.
fn table(file: &ReleaseFile, root_id: &str, verbose: bool) -> Result<output::Table, ReleaseError> {
    let manifest = file.unverified();
    let mut table = output::Table::default();
    table.row("program", &manifest.name);
    table.row("release", &manifest.release);
    table.row("epoch", manifest.epoch.to_string());
    table.row("manifest", manifest_hash(file)?);
    table.row("source", &manifest.source_commit);
    table.row("Cargo.lock", manifest.cargo_lock_sha256.to_string());
    for (tool, version) in &manifest.toolchain {
        table.row("built with", format!("{tool} {version}"));
    }
    for (index, pcr) in manifest.measurements.iter() {
        table.row(&format!("PCR{index}"), pcr.to_string());
    }
    match manifest.configuration {
        None => table.row("configuration", "NONE: any, so that a policy must name it"),
        Some(hash) => table.row("configuration", hash.to_string()),
    }
    table.row("root id", root_id);
    match &manifest.page {
        None => table.row("page", "none"),
        Some(page) => {
            table.row("page", output::count(page.len(), "file"));
            table.row(
                "page hash",
                format!(
                    "{} (`openkey release page` prints it for the page that you write yourself)",
                    hash_of_list(page)
                ),
            );
            for (path, hash) in page.iter().filter(|_| verbose) {
                table.row("  file", format!("{path} {hash}"));
            }
        }
    }
    table.row("valid from", rfc3339(manifest.not_before));
    table.row("valid to", rfc3339(manifest.not_after));
    for key in file.keys() {
        table.row("signed by", key.to_string());
    }
    Ok(table)
}
