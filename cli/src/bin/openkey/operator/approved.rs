//! The configuration that an operator decided on, as their signed word says.

use std::path::PathBuf;

use openkey_cli::{Approval, Ceremony, MAX_APPROVAL_FILE, OperatorKey};
use openkey_verifier::{
    command::{AcceptArgs, output, source},
    configuration::{self, Configuration},
    release::MAX_RELEASE_FILE,
};
use serde_json::{Value, json};

use crate::{
    args::{ApprovalArgs, Approve},
    files,
    operator::confirm::confirm,
    stop::Stop,
};

/// The configuration of the flags, which the operator's own approval must cover.
///
/// # Errors
///
/// Also `approval_missing`: nothing has been sent then.
pub(super) fn configuration(
    accept: &AcceptArgs,
    args: &ApprovalArgs,
    key: &OperatorKey,
) -> Result<(Configuration, Approval), Stop> {
    let configuration = accept.configuration_file()?.ok_or_else(|| {
        Stop::failed(
            "configuration_missing",
            "--configuration FILE says which configuration you approved; a hash is not enough here",
        )
    })?;
    let path = match (&args.approval, accept.configuration_path()) {
        (Some(path), _) => path.clone(),
        (None, file) => beside(file.unwrap_or_else(|| "".as_ref())),
    };
    if !path.exists() {
        return Err(Stop::failed(
            "approval_missing",
            format!(
                "{}: there is no such file; sign what you decided with `openkey operator approve`, or \
                 name the file with --approval",
                path.display()
            ),
        ));
    }
    let file = source::file(&path, MAX_APPROVAL_FILE + 1)?;
    let approval = Approval::from_json(&file, &key.public().signing)?;
    let manifest = match &args.named_by {
        Some(path) => Some(source::file(path, MAX_RELEASE_FILE + 1)?),
        None => None,
    };
    let now = source::now()?;
    approval.check(&configuration, manifest.as_deref().map(|it| (it, now)))?;
    Ok((configuration, approval))
}

/// `openkey operator approve`.
pub(super) fn approve(args: &Approve) -> Result<(), Stop> {
    let key = files::operator_key(&args.key)?;
    let configuration = files::configuration(&args.configuration)?;
    let root_id = configuration.root_id.ok_or_else(|| {
        Stop::failed(
            "root_id",
            "the configuration names no root_id: approve the one that the genesis wrote",
        )
    })?;
    let ceremony = Ceremony::pinned(&files::genesis(&args.genesis)?, &root_id)?;
    ceremony.share(&key)?;
    let approval = Approval::sign(&key, &ceremony, &configuration)?;
    show(args.asking.json, &configuration);
    if !args.asking.yes {
        confirm("Type yes if the root key may be used under this configuration:")?;
    }
    let out = match &args.out {
        Some(path) => path.clone(),
        None => beside(&args.configuration),
    };
    files::write_new(&out, approval.to_json().as_bytes())?;
    if args.asking.json {
        output::json(&json!({
            "root_id": root_id.to_string(),
            "configuration": json_of(&configuration),
        }));
    } else {
        output::text(&format!("done: your approval is in {}\n", out.display()));
    }
    Ok(())
}

fn beside(configuration: &std::path::Path) -> PathBuf {
    configuration.with_file_name(Approval::FILE)
}

/// Shows what a configuration decides, before anything is given under it: on stdout, or on stderr where
/// stdout gets one JSON object.
pub(super) fn show(as_json: bool, configuration: &Configuration) {
    let rows = rows(configuration);
    if as_json {
        for (label, value) in rows {
            output::note(&format!("{label}: {value}"));
        }
        return;
    }
    let mut table = output::Table::default();
    for (label, value) in rows {
        table.row(label, value);
    }
    output::text(&format!("the configuration\n\n{}\n", table.render()));
}

fn rows(configuration: &Configuration) -> Vec<(&'static str, String)> {
    let hash = configuration.hash();
    let mut rows = vec![
        ("configuration", hash.to_string()),
        ("PCR16", configuration::pcr(hash).to_string()),
        (
            "relying party",
            format!(
                "{} for {}",
                configuration.rp_id,
                configuration.origins.join(", ")
            ),
        ),
        (
            "upgrade delay",
            format!("{} seconds", configuration.upgrade_delay_seconds),
        ),
        (
            "consents needed",
            configuration.upgrade_consent().to_string(),
        ),
    ];
    match &configuration.release_keys {
        None => rows.push(("release keys", "none".to_owned())),
        Some(keys) => {
            rows.push((
                "release keys",
                format!("{} of {} sign", keys.threshold, keys.keys.len()),
            ));
            rows.extend(
                keys.keys
                    .iter()
                    .map(|key| ("  release key", key.to_string())),
            );
        }
    }
    rows
}

/// The same for programs.
pub(super) fn json_of(configuration: &Configuration) -> Value {
    let hash = configuration.hash();
    let keys = configuration.release_keys.as_ref();
    json!({
        "sha256": hash.to_string(),
        "pcr": configuration::pcr(hash).to_string(),
        "rp_id": configuration.rp_id,
        "origins": configuration.origins,
        "upgrade_delay_seconds": configuration.upgrade_delay_seconds,
        "upgrade_consent": configuration.upgrade_consent(),
        "release_keys": keys.map(|keys| json!({
            "threshold": keys.threshold,
            "keys": keys.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })),
    })
}
