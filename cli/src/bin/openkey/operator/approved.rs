//! The configuration that an operator decided on, as their signed word says.

use std::path::PathBuf;

use openkey_cli::{Approval, Ceremony, MAX_APPROVAL_FILE, OperatorKey};
use openkey_verifier::{
    command::{
        ConfigurationFile, ReadArgs, configuration_json, configuration_rows, output, source,
    },
    configuration::Configuration,
    release::MAX_RELEASE_FILE,
};
use serde_json::json;

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
pub(super) fn configuration<'a>(
    accept: &'a ReadArgs<'_>,
    args: &ApprovalArgs,
    key: &OperatorKey,
) -> Result<(&'a Configuration, Approval), Stop> {
    let configuration = accept.configuration().ok_or_else(|| {
        Stop::failed(
            "configuration_missing",
            "--configuration FILE says which configuration you approved; a hash is not enough here",
        )
    })?;
    let approval = covering(configuration, args, key)?;
    Ok((&configuration.content, approval))
}

/// The operator's own approval, which must cover a configuration of the flags.
///
/// # Errors
///
/// `approval_missing`, and what is wrong with the approval, or with the manifest of `--named-by`.
pub(super) fn covering(
    configuration: &ConfigurationFile,
    args: &ApprovalArgs,
    key: &OperatorKey,
) -> Result<Approval, Stop> {
    let path = match &args.approval {
        Some(path) => path.clone(),
        None => beside(&configuration.path),
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
    approval.check(
        &configuration.content,
        manifest.as_deref().map(|it| (it, now)),
    )?;
    Ok(approval)
}

/// `openkey operator approve`.
pub(super) fn approve(args: &Approve) -> Result<(), Stop> {
    let key = files::operator_key(&args.key)?;
    let configuration = ConfigurationFile::read(&args.configuration)?.content;
    let root_id = configuration.root_id.ok_or_else(|| {
        Stop::failed(
            "root_id",
            "the configuration names no root_id: approve the one that the genesis wrote",
        )
    })?;
    let ceremony = Ceremony::pinned(&files::genesis(&args.genesis)?, &root_id)?;
    ceremony.share(&key)?;
    ceremony.check_configuration(&configuration)?;
    show(args.asking.json, &configuration)?;
    if !args.asking.yes {
        confirm("Type yes if the root key may be used under this configuration:")?;
    }
    let approval = Approval::sign(&key, &ceremony, &configuration)?;
    let out = match &args.out {
        Some(path) => path.clone(),
        None => beside(&args.configuration),
    };
    files::write_new(&out, approval.to_json().as_bytes())?;
    if args.asking.json {
        output::json(&json!({
            "root_id": root_id.to_string(),
            "configuration": configuration_json(&configuration),
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
///
/// # Errors
///
/// `cannot_write`: nobody saw it.
pub(super) fn show(as_json: bool, configuration: &Configuration) -> Result<(), Stop> {
    print(as_json, configuration);
    Ok(output::shown()?)
}

/// The same where nothing depends on it.
pub(super) fn print(as_json: bool, configuration: &Configuration) {
    let rows = configuration_rows(configuration);
    if as_json {
        for (label, value) in rows {
            output::aside(&format!("{}: {value}", label.trim()));
        }
        return;
    }
    let mut table = output::Table::default();
    for (label, value) in rows {
        table.row(label, value);
    }
    output::text(&format!("the configuration\n\n{}\n", table.render()));
}
